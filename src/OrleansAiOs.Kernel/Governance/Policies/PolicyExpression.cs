namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>
/// A part of a condition: what it is, and how it is evaluated. Operands are evaluated from left to right, and each has its type checked
/// before the next is looked at; the first fault ends the policy. Evaluating has no effects, does not recurse deeper than
/// <see cref="PolicyLimits.NestingMax"/>, and never throws.
/// </summary>
internal abstract class PolicyExpression(int at, int end, int depth)
{
    /// <summary>Where it begins in its text.</summary>
    public int At => at;

    /// <summary>Behind its last character.</summary>
    public int End => end;

    /// <summary>How many are inside one another, itself included.</summary>
    public int Depth => depth;

    /// <summary>What it has been evaluated to; anything at all after a fault.</summary>
    public PolicyValue Evaluate(ref PolicyFrame frame) => frame.Spend(1, this) ? Take(ref frame) : default;

    protected abstract PolicyValue Take(ref PolicyFrame frame);

    /// <summary>Evaluates to a value of one type.</summary>
    public bool TryTake(ref PolicyFrame frame, PolicyValueKind kind, out PolicyValue value)
    {
        value = Evaluate(ref frame);
        if (frame.Faulted) return false;
        if (value.Kind == kind) return true;
        frame.Fault(this, PolicyFaultCode.WrongType, $"is {PolicyValue.NameOf(value.Kind)} where {PolicyValue.NameOf(kind)} is needed{Hint(kind, value.Kind)}");
        return false;
    }

    /// <summary>Evaluates to a value that is read to the bottom.</summary>
    public bool TrySettle(ref PolicyFrame frame, out PolicyValue value)
    {
        value = Evaluate(ref frame);
        if (frame.Faulted) return false;
        value = value.Settle();
        if (value.Kind is not PolicyValueKind.Unreadable) return true;
        frame.Fault(this, PolicyFaultCode.Unreadable, $"cannot be compared: {value.Why}");
        return false;
    }

    private static string Hint(PolicyValueKind needed, PolicyValueKind found) => (needed, found) switch
    {
        (PolicyValueKind.Long, PolicyValueKind.Decimal) => ". Decimals are compared by .lessThan(…), .lessThanOrEqual(…), .greaterThan(…) and .greaterThanOrEqual(…)",
        (PolicyValueKind.Decimal, PolicyValueKind.Long) => ". Read money from context.amount or context.amounts, where every number is a decimal, and write it decimal(\"12.50\")",
        (PolicyValueKind.Decimal, PolicyValueKind.String) => ". Write decimal(…) around it",
        _ => "",
    };
}
