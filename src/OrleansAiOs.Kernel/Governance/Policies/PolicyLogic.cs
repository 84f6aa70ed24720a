namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary><c>!a</c>.</summary>
internal sealed class NotTest(PolicyExpression operand, int at) : PolicyExpression(at, operand.End, operand.Depth + 1)
{
    public PolicyExpression Operand => operand;

    protected override PolicyValue Take(ref PolicyFrame frame) =>
        operand.TryTake(ref frame, PolicyValueKind.Bool, out var value) ? PolicyValue.From(!value.AsBool) : default;
}

/// <summary><c>a &amp;&amp; b</c> or <c>a || b</c>, of two or more: from the left, only as far as the outcome is open.</summary>
internal sealed class ChainTest(bool isAnd, IReadOnlyList<PolicyExpression> operands)
    : PolicyExpression(operands[0].At, operands[^1].End, 1 + operands.Max(operand => operand.Depth))
{
    private readonly PolicyExpression[] operands = [.. operands];

    public bool IsAnd => isAnd;

    public IReadOnlyList<PolicyExpression> Operands => operands;

    protected override PolicyValue Take(ref PolicyFrame frame)
    {
        foreach (var operand in operands)
        {
            if (!operand.TryTake(ref frame, PolicyValueKind.Bool, out var value)) return default;
            if (value.AsBool != isAnd) return value;
        }
        return PolicyValue.From(isAnd);
    }
}

/// <summary><c>if a then b else c</c>: of b and c only the one that is meant is evaluated.</summary>
internal sealed class ChoiceTerm(PolicyExpression condition, PolicyExpression then, PolicyExpression otherwise, int at)
    : PolicyExpression(at, otherwise.End, 1 + Math.Max(condition.Depth, Math.Max(then.Depth, otherwise.Depth)))
{
    public PolicyExpression Condition => condition;

    public PolicyExpression Then => then;

    public PolicyExpression Otherwise => otherwise;

    protected override PolicyValue Take(ref PolicyFrame frame) =>
        condition.TryTake(ref frame, PolicyValueKind.Bool, out var value) ? (value.AsBool ? then : otherwise).Evaluate(ref frame) : default;
}

/// <summary>Lets a test of the policies see how a condition came out.</summary>
internal sealed class WatchedTest(PolicyExpression condition, Action<bool> watch) : PolicyExpression(condition.At, condition.End, condition.Depth)
{
    protected override PolicyValue Take(ref PolicyFrame frame)
    {
        var value = condition.Evaluate(ref frame);
        if (!frame.Faulted && value.Kind is PolicyValueKind.Bool) watch(value.AsBool);
        return value;
    }
}
