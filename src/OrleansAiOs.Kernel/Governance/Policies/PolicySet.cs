namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>
/// A set of settled values, each once. Its hash is made when it is: so comparing two sets, however deep, looks at each value about once,
/// and nobody who writes arguments can make it look more often (hashes are seeded by the process).
/// </summary>
internal sealed class PolicySet
{
    // Few items are found fastest by looking at each.
    private const int LookedThrough = 8;

    private readonly PolicyValue[] items;
    private readonly HashSet<PolicyValue>? index;
    private readonly int hash;

    /// <param name="settled">All of them read to the bottom; doubles are left out.</param>
    public PolicySet(ReadOnlySpan<PolicyValue> settled)
    {
        if (settled.Length > LookedThrough)
        {
            index = new HashSet<PolicyValue>(settled.Length);
            foreach (var item in settled) index.Add(item);
            items = [.. index];
        }
        else
        {
            var distinct = new List<PolicyValue>(settled.Length);
            foreach (var item in settled)
                if (!distinct.Contains(item)) distinct.Add(item);
            items = [.. distinct];
        }
        Weight = 1;
        foreach (var item in items)
        {
            Weight += item.Weight;
            hash += item.GetHashCode();
        }
    }

    /// <summary>A set, or what cannot be read because one of the items cannot.</summary>
    public static PolicyValue Of(ReadOnlySpan<PolicyValue> items)
    {
        var settled = new PolicyValue[items.Length];
        for (var i = 0; i < settled.Length; i++)
        {
            settled[i] = items[i].Settle();
            if (settled[i].Kind is PolicyValueKind.Unreadable) return PolicyValue.Unreadable($"its item {i + 1} cannot be read: {settled[i].Why}");
        }
        return PolicyValue.From(new PolicySet(settled));
    }

    public int Count => items.Length;

    public int Weight { get; }

    public ReadOnlySpan<PolicyValue> Items => items;

    public bool Contains(PolicyValue value)
    {
        if (index is not null) return index.Contains(value);
        foreach (var item in items)
            if (item.Equals(value)) return true;
        return false;
    }

    public bool ContainsAll(PolicySet others)
    {
        foreach (var item in others.items)
            if (!Contains(item)) return false;
        return true;
    }

    public bool ContainsAny(PolicySet others)
    {
        foreach (var item in others.items)
            if (Contains(item)) return true;
        return false;
    }

    public override bool Equals(object? obj) => obj is PolicySet other && (ReferenceEquals(this, other) || (hash == other.hash && Count == other.Count && ContainsAll(other)));

    public override int GetHashCode() => hash;
}
