namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary><c>a == b</c>, <c>a != b</c>: of any types; values of different types differ.</summary>
internal sealed class EqualityTest(bool isEqual, PolicyExpression left, PolicyExpression right)
    : PolicyExpression(left.At, right.End, 1 + Math.Max(left.Depth, right.Depth))
{
    public bool IsEqual => isEqual;

    public PolicyExpression Left => left;

    public PolicyExpression Right => right;

    protected override PolicyValue Take(ref PolicyFrame frame)
    {
        if (!left.TrySettle(ref frame, out var a) || !right.TrySettle(ref frame, out var b)) return default;
        return frame.Spend(a.Weight + b.Weight, this) ? PolicyValue.From(a.Equals(b) == isEqual) : default;
    }
}

internal enum OrderSign : byte
{
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// <summary><c>a &lt; b</c> and its kin, on longs; <c>a.lessThan(b)</c> and its kin, on decimals.</summary>
internal sealed class OrderTest(OrderSign sign, PolicyValueKind kind, PolicyExpression left, PolicyExpression right, int end)
    : PolicyExpression(left.At, end, 1 + Math.Max(left.Depth, right.Depth))
{
    public OrderSign Sign => sign;

    public PolicyValueKind Of => kind;

    public PolicyExpression Left => left;

    public PolicyExpression Right => right;

    protected override PolicyValue Take(ref PolicyFrame frame)
    {
        if (!left.TryTake(ref frame, kind, out var a) || !right.TryTake(ref frame, kind, out var b)) return default;
        return PolicyValue.From(sign switch
        {
            OrderSign.Less => a.AsLong < b.AsLong,
            OrderSign.LessOrEqual => a.AsLong <= b.AsLong,
            OrderSign.Greater => a.AsLong > b.AsLong,
            _ => a.AsLong >= b.AsLong,
        });
    }
}

/// <summary><c>principal in Role::"controller"</c>; on the right an entity or a set of them. Everything is in itself.</summary>
internal sealed class InTest(PolicyExpression left, PolicyExpression right) : PolicyExpression(left.At, right.End, 1 + Math.Max(left.Depth, right.Depth))
{
    public PolicyExpression Left => left;

    public PolicyExpression Right => right;

    protected override PolicyValue Take(ref PolicyFrame frame)
    {
        if (!left.TryTake(ref frame, PolicyValueKind.Entity, out var member)) return default;
        var group = right.Evaluate(ref frame);
        if (frame.Faulted) return default;
        if (group.Kind is PolicyValueKind.Entity) return PolicyValue.From(IsIn(ref frame, member.AsEntity, group.AsEntity));
        if (group.Kind is not PolicyValueKind.Set) return frame.Fault(right, PolicyFaultCode.WrongType, $"is {PolicyValue.NameOf(group.Kind)} where an entity or a set of entities is needed");
        if (!frame.Spend(group.AsSet.Count, this)) return default;
        foreach (var item in group.AsSet.Items)
            if (item.Kind is not PolicyValueKind.Entity) return frame.Fault(right, PolicyFaultCode.WrongType, $"holds {PolicyValue.NameOf(item.Kind)} where only entities may stand");
        foreach (var item in group.AsSet.Items)
            if (IsIn(ref frame, member.AsEntity, item.AsEntity)) return PolicyValue.From(true);
        return PolicyValue.From(false);
    }

    private static bool IsIn(ref PolicyFrame frame, EntityUid member, EntityUid group) => member.Equals(group) || frame.Request.Find(member)?.IsIn(group) == true;
}

/// <summary><c>principal is User</c>.</summary>
internal sealed class IsTest(PolicyExpression entity, string type, int end) : PolicyExpression(entity.At, end, entity.Depth + 1)
{
    public PolicyExpression Entity => entity;

    public string Type => type;

    protected override PolicyValue Take(ref PolicyFrame frame) =>
        entity.TryTake(ref frame, PolicyValueKind.Entity, out var value) ? PolicyValue.From(string.Equals(value.AsEntity.Type, type, StringComparison.Ordinal)) : default;
}

/// <summary><c>context has amount</c>, <c>context has args.order.total</c>. Of an entity nothing is known of, nothing is there.</summary>
internal sealed class HasTest(PolicyExpression target, IReadOnlyList<string> path, int end) : PolicyExpression(target.At, end, target.Depth + 1)
{
    public PolicyExpression Target => target;

    public IReadOnlyList<string> Path => path;

    protected override PolicyValue Take(ref PolicyFrame frame)
    {
        var holder = target.Evaluate(ref frame);
        if (frame.Faulted) return default;
        foreach (var name in path)
        {
            var attributes = holder.Kind switch
            {
                PolicyValueKind.Record => holder.AsRecord,
                PolicyValueKind.Entity => frame.Request.Find(holder.AsEntity)?.Attributes ?? PolicyRecord.Empty,
                _ => null,
            };
            if (attributes is null) return frame.Fault(this, PolicyFaultCode.WrongType, $"asks {PolicyValue.NameOf(holder.Kind)} for {EntityUid.Quote(name)}; only entities and records have attributes");
            if (!frame.Spend(1, this)) return default;
            if (!attributes.TryGet(name, out holder)) return PolicyValue.From(false);
            // Neither answer would be safe: a null is there, and is nothing.
            if (holder.IsNull) return frame.Fault(this, PolicyFaultCode.Unreadable, $"meets a null in {EntityUid.Quote(name)}. Leave out what has no value");
        }
        return PolicyValue.From(true);
    }
}

/// <summary><c>context.target like "DE*"</c>: the asterisk stands for any characters, also none.</summary>
internal sealed class LikeTest(PolicyExpression text, IReadOnlyList<string> parts, int end) : PolicyExpression(text.At, end, text.Depth + 1)
{
    private readonly string[] parts = [.. parts];
    private readonly long patternChars = parts.Sum(part => part.Length);

    public PolicyExpression Text => text;

    /// <summary>What stands between the wildcards.</summary>
    public IReadOnlyList<string> Parts => parts;

    protected override PolicyValue Take(ref PolicyFrame frame)
    {
        if (!text.TryTake(ref frame, PolicyValueKind.String, out var value)) return default;
        var subject = value.AsString;
        // At worst every place of the text is compared with the whole of a part.
        if (!frame.Spend((int)Math.Min(PolicyLimits.StepsMax, 1 + subject.Length * (8 + patternChars) / 1024), this)) return default;
        return PolicyValue.From(Matches(subject));
    }

    // The first and the last part are tied to the ends; each one between is found as early as it can be, which leaves most to the others.
    private bool Matches(ReadOnlySpan<char> subject)
    {
        if (parts.Length == 1) return subject.SequenceEqual(parts[0]);
        if (subject.Length < parts[0].Length + parts[^1].Length || !subject.StartsWith(parts[0]) || !subject.EndsWith(parts[^1])) return false;
        var rest = subject[parts[0].Length..^parts[^1].Length];
        for (var i = 1; i < parts.Length - 1; i++)
        {
            var found = rest.IndexOf(parts[i]);
            if (found < 0) return false;
            rest = rest[(found + parts[i].Length)..];
        }
        return true;
    }
}

internal enum SetQuestion : byte
{
    Contains,
    ContainsAll,
    ContainsAny,
    IsEmpty,
}

/// <summary><c>set.contains(value)</c>, <c>set.containsAll(set)</c>, <c>set.containsAny(set)</c>, <c>set.isEmpty()</c>.</summary>
internal sealed class SetTest(SetQuestion question, PolicyExpression set, PolicyExpression? argument, int end)
    : PolicyExpression(set.At, end, 1 + Math.Max(set.Depth, argument?.Depth ?? 0))
{
    public SetQuestion Question => question;

    public PolicyExpression Set => set;

    public PolicyExpression? Argument => argument;

    protected override PolicyValue Take(ref PolicyFrame frame)
    {
        if (!set.TryTake(ref frame, PolicyValueKind.Set, out var holder)) return default;
        if (argument is null) return PolicyValue.From(holder.AsSet.Count == 0);
        PolicyValue asked;
        if (!(question is SetQuestion.Contains ? argument.TrySettle(ref frame, out asked) : argument.TryTake(ref frame, PolicyValueKind.Set, out asked))) return default;
        // What is asked for is looked at once, and so is the set, the first time.
        if (!frame.Spend(asked.Weight + Math.Min(holder.AsSet.Count, 8), this)) return default;
        return PolicyValue.From(question switch
        {
            SetQuestion.Contains => holder.AsSet.Contains(asked),
            SetQuestion.ContainsAll => holder.AsSet.ContainsAll(asked.AsSet),
            _ => holder.AsSet.ContainsAny(asked.AsSet),
        });
    }
}
