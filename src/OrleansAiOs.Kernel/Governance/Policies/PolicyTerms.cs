namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary><c>true</c>, <c>-5</c>, <c>"text"</c>, <c>Role::"controller"</c>, and whatever holds nothing but these.</summary>
internal sealed class LiteralTerm(PolicyValue value, int at, int end) : PolicyExpression(at, end, 1)
{
    public PolicyValue Value => value;

    protected override PolicyValue Take(ref PolicyFrame frame) => value;
}

internal enum PolicyVariable : byte
{
    Principal,
    Action,
    Resource,
    Context,
}

internal sealed class VariableTerm(PolicyVariable variable, int at, int end) : PolicyExpression(at, end, 1)
{
    public PolicyVariable Variable => variable;

    protected override PolicyValue Take(ref PolicyFrame frame) => variable switch
    {
        PolicyVariable.Principal => frame.Request.Principal.AsValue,
        PolicyVariable.Action => frame.Request.Action.AsValue,
        PolicyVariable.Resource => frame.Request.Resource.AsValue,
        _ => PolicyValue.From(frame.Request.Context),
    };
}

/// <summary><c>target.name</c>, <c>target["name"]</c>.</summary>
internal sealed class AttributeTerm(PolicyExpression target, string name, int end) : PolicyExpression(target.At, end, target.Depth + 1)
{
    public PolicyExpression Target => target;

    public string Name => name;

    protected override PolicyValue Take(ref PolicyFrame frame)
    {
        var holder = target.Evaluate(ref frame);
        if (frame.Faulted) return default;
        PolicyRecord attributes;
        switch (holder.Kind)
        {
            case PolicyValueKind.Record:
                attributes = holder.AsRecord;
                break;
            case PolicyValueKind.Entity when frame.Request.Find(holder.AsEntity) is { } entity:
                attributes = entity.Attributes;
                break;
            case PolicyValueKind.Entity:
                return frame.Fault(target, PolicyFaultCode.MissingEntity, $"is {holder}, of which nothing is known here. Ask with 'has' first");
            default:
                return frame.Fault(target, PolicyFaultCode.WrongType, $"is {PolicyValue.NameOf(holder.Kind)}, which has no attributes such as {EntityUid.Quote(name)}");
        }
        if (!attributes.TryGet(name, out var value)) return frame.Fault(target, PolicyFaultCode.MissingAttribute, $"has no attribute {EntityUid.Quote(name)}. Ask with 'has' first, if it may be missing");
        return value.Kind is PolicyValueKind.Unreadable ? frame.Fault(this, PolicyFaultCode.Unreadable, $"cannot be read: {value.Why}") : value;
    }
}

/// <summary><c>[1, 2, 3]</c>.</summary>
internal sealed class SetTerm : PolicyExpression
{
    private readonly PolicyValue? constant;

    public SetTerm(IReadOnlyList<PolicyExpression> items, int at, int end) : base(at, end, 1 + items.Select(item => item.Depth).DefaultIfEmpty().Max())
    {
        Items = items;
        if (items.All(item => item is LiteralTerm)) constant = PolicySet.Of([.. items.Select(item => ((LiteralTerm)item).Value)]);
    }

    public IReadOnlyList<PolicyExpression> Items { get; }

    protected override PolicyValue Take(ref PolicyFrame frame)
    {
        if (constant is { } known) return known;
        var values = new PolicyValue[Items.Count];
        for (var i = 0; i < values.Length; i++)
            if (!Items[i].TrySettle(ref frame, out values[i])) return default;
        var set = new PolicySet(values);
        return frame.Spend(set.Weight, this) ? PolicyValue.From(set) : default;
    }
}

/// <summary><c>{ name: value, "other name": value }</c>.</summary>
internal sealed class RecordTerm(IReadOnlyList<KeyValuePair<string, PolicyExpression>> members, int at, int end)
    : PolicyExpression(at, end, 1 + members.Select(member => member.Value.Depth).DefaultIfEmpty().Max())
{
    public IReadOnlyList<KeyValuePair<string, PolicyExpression>> Members => members;

    protected override PolicyValue Take(ref PolicyFrame frame)
    {
        var values = new KeyValuePair<string, PolicyValue>[members.Count];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = new(members[i].Key, members[i].Value.Evaluate(ref frame));
            if (frame.Faulted) return default;
        }
        return PolicyValue.From(new PolicyRecord(values));
    }
}

/// <summary><c>decimal("12.50")</c>.</summary>
internal sealed class DecimalTerm : PolicyExpression
{
    private readonly PolicyValue? constant;

    public DecimalTerm(PolicyExpression text, int at, int end) : base(at, end, text.Depth + 1)
    {
        Text = text;
        if (text is LiteralTerm { Value: { Kind: PolicyValueKind.String } literal } && PolicyDecimal.TryParse(literal.AsString, out var units)) constant = PolicyValue.FromUnits(units);
    }

    public PolicyExpression Text { get; }

    protected override PolicyValue Take(ref PolicyFrame frame)
    {
        if (constant is { } known) return known;
        if (!Text.TryTake(ref frame, PolicyValueKind.String, out var text)) return default;
        return PolicyDecimal.TryParse(text.AsString, out var units)
            ? PolicyValue.FromUnits(units)
            : frame.Fault(Text, PolicyFaultCode.BadDecimal, $"is {text}, which is no decimal. Decimals look like 12.50: digits on both sides of the point, at most {PolicyDecimal.Places} behind it, up to 922337203685477.5807");
    }
}

internal enum ArithmeticSign : byte
{
    Plus,
    Minus,
    Times,
}

/// <summary><c>a + b</c>, <c>a - b</c>, <c>a * b</c>, on longs alone.</summary>
internal sealed class ArithmeticTerm(ArithmeticSign sign, PolicyExpression left, PolicyExpression right)
    : PolicyExpression(left.At, right.End, 1 + Math.Max(left.Depth, right.Depth))
{
    public ArithmeticSign Sign => sign;

    public PolicyExpression Left => left;

    public PolicyExpression Right => right;

    protected override PolicyValue Take(ref PolicyFrame frame)
    {
        if (!left.TryTake(ref frame, PolicyValueKind.Long, out var a) || !right.TryTake(ref frame, PolicyValueKind.Long, out var b)) return default;
        var exact = sign switch
        {
            ArithmeticSign.Plus => (Int128)a.AsLong + b.AsLong,
            ArithmeticSign.Minus => (Int128)a.AsLong - b.AsLong,
            _ => (Int128)a.AsLong * b.AsLong,
        };
        return exact < long.MinValue || exact > long.MaxValue
            ? frame.Fault(this, PolicyFaultCode.Overflow, "is beyond what a long holds (±9223372036854775807)")
            : PolicyValue.From((long)exact);
    }
}

/// <summary><c>-a</c>.</summary>
internal sealed class NegationTerm(PolicyExpression operand, int at) : PolicyExpression(at, operand.End, operand.Depth + 1)
{
    public PolicyExpression Operand => operand;

    protected override PolicyValue Take(ref PolicyFrame frame)
    {
        if (!operand.TryTake(ref frame, PolicyValueKind.Long, out var value)) return default;
        return value.AsLong == long.MinValue ? frame.Fault(this, PolicyFaultCode.Overflow, "is beyond what a long holds (±9223372036854775807)") : PolicyValue.From(-value.AsLong);
    }
}
