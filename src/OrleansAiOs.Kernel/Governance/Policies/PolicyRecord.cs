namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>Named values: a context, an entity's attributes, an object. Immutable; a name stands once.</summary>
public sealed class PolicyRecord
{
    // Few members are found fastest by looking at each.
    private const int LookedThrough = 12;

    public static readonly PolicyRecord Empty = new([]);

    private readonly KeyValuePair<string, PolicyValue>[] members;
    private readonly Dictionary<string, int>? places;
    private string? unreadable;
    private int weight;
    private int hash;

    /// <exception cref="ArgumentException">A name stands twice.</exception>
    public PolicyRecord(IReadOnlyCollection<KeyValuePair<string, PolicyValue>> members)
    {
        this.members = [.. members];
        if (this.members.Length > LookedThrough)
        {
            places = new Dictionary<string, int>(this.members.Length, StringComparer.Ordinal);
            for (var i = 0; i < this.members.Length; i++)
                if (!places.TryAdd(this.members[i].Key, i)) throw Twice(this.members[i].Key);
        }
        else
        {
            for (var i = 1; i < this.members.Length; i++)
                if (Find(this.members[i].Key) != i) throw Twice(this.members[i].Key);
        }
    }

    public static PolicyRecord Of(params ReadOnlySpan<(string Name, PolicyValue Value)> members)
    {
        var list = new KeyValuePair<string, PolicyValue>[members.Length];
        for (var i = 0; i < list.Length; i++) list[i] = new(members[i].Name, members[i].Value);
        return new PolicyRecord(list);
    }

    public int Count => members.Length;

    /// <summary>The member, its type known. One that cannot be read is found as <see cref="PolicyValueKind.Unreadable"/>.</summary>
    public bool TryGet(string name, out PolicyValue value)
    {
        var i = Find(name);
        value = i < 0 ? default : members[i].Value.Resolve();
        return i >= 0;
    }

    /// <summary>Reads all to the bottom; null if all can be read, else why not.</summary>
    internal string? Settle()
    {
        if (Volatile.Read(ref weight) > 0) return unreadable;
        var (sum, mixed) = (1, Count);
        foreach (var (name, value) in members)
        {
            var settled = value.Settle();
            if (settled.Kind is PolicyValueKind.Unreadable)
            {
                unreadable = $"its {EntityUid.Quote(name)} cannot be read: {settled.Why}";
                break;
            }
            sum += settled.Weight;
            mixed += HashCode.Combine(string.GetHashCode(name, StringComparison.Ordinal), settled.GetHashCode());
        }
        hash = mixed;
        Volatile.Write(ref weight, sum);
        return unreadable;
    }

    /// <summary>Only for what is settled, as its hash and its equality.</summary>
    internal int Weight => weight;

    internal bool Equals(PolicyRecord other)
    {
        if (ReferenceEquals(this, other)) return true;
        if (hash != other.hash || Count != other.Count) return false;
        foreach (var (name, value) in members)
            if (!other.TryGet(name, out var theirs) || !value.Resolve().Equals(theirs)) return false;
        return true;
    }

    public override bool Equals(object? obj) => obj is PolicyRecord other && Equals(other);

    public override int GetHashCode() => hash;

    private int Find(string name)
    {
        if (places is not null) return places.GetValueOrDefault(name, -1);
        for (var i = 0; i < members.Length; i++)
            if (string.Equals(members[i].Key, name, StringComparison.Ordinal)) return i;
        return -1;
    }

    private static ArgumentException Twice(string name) => new($"The record has {EntityUid.Quote(name)} twice.");
}
