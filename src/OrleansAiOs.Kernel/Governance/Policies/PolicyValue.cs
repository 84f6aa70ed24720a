using System.Text.Json;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>The types of the language. There is no null and no floating point: what has such a value cannot be read, and reading it is a fault.</summary>
public enum PolicyValueKind : byte
{
    Unreadable,
    Bool,
    Long,
    Decimal,
    String,
    Set,
    Record,
    Entity,
}

/// <summary>A value that policies see. Immutable.</summary>
public readonly struct PolicyValue : IEquatable<PolicyValue>
{
    // For Unreadable: why (string), or the JSON that was not looked at yet (UnreadJson).
    private readonly object? held;
    private readonly long number;

    private PolicyValue(PolicyValueKind kind, long number, object? held) => (Kind, this.number, this.held) = (kind, number, held);

    public PolicyValueKind Kind { get; }

    public static PolicyValue From(bool value) => new(PolicyValueKind.Bool, value ? 1 : 0, null);

    public static PolicyValue From(long value) => new(PolicyValueKind.Long, value, null);

    /// <summary>An amount, exactly. One with more than four places, or beyond 922337203685477.5807, cannot be read: a policy that looks at it denies.</summary>
    public static PolicyValue From(decimal amount) =>
        PolicyDecimal.Of(amount) is { } units ? FromUnits(units) : Unreadable($"the amount {amount} does not fit a decimal: at most {PolicyDecimal.Places} places, up to 922337203685477.5807");

    public static PolicyValue From(string text) => new(PolicyValueKind.String, 0, text);

    public static PolicyValue From(EntityUid entity) => new(PolicyValueKind.Entity, 0, entity);

    public static PolicyValue From(PolicyRecord record) => new(PolicyValueKind.Record, 0, record);

    /// <summary>A set: order and doubles do not matter.</summary>
    public static PolicyValue SetOf(params ReadOnlySpan<PolicyValue> items) => PolicySet.Of(items);

    /// <summary>
    /// JSON as it came, not looked at before a policy does. An object is a record, an array a set; a number without a fraction is a long,
    /// one with a fraction a decimal. What is not JSON, has a member twice, a null, or a number that is too big or too fine, is a fault for
    /// the policy that reads it. Nothing in it is taken for an entity.
    /// </summary>
    public static PolicyValue Json(JsonText json) => new(PolicyValueKind.Unreadable, 0, new UnreadJson(json, asDecimals: false));

    /// <summary>The same, but every number is a decimal: 150 is 150.0000. So a policy compares money that a program writes as 150 or as 150.00.</summary>
    public static PolicyValue JsonAmounts(JsonText json) => new(PolicyValueKind.Unreadable, 0, new UnreadJson(json, asDecimals: true));

    internal static PolicyValue FromUnits(long tenThousandths) => new(PolicyValueKind.Decimal, tenThousandths, null);

    internal static PolicyValue From(PolicySet set) => new(PolicyValueKind.Set, 0, set);

    internal static PolicyValue Later(JsonElement element, bool asDecimals) => new(PolicyValueKind.Unreadable, 0, new UnreadJson(element, asDecimals));

    internal static PolicyValue Unreadable(string why) => new(PolicyValueKind.Unreadable, 0, why);

    internal static readonly PolicyValue Null = Unreadable("it is null");

    internal bool AsBool => number != 0;

    internal long AsLong => number;

    internal string AsString => (string)held!;

    internal PolicySet AsSet => (PolicySet)held!;

    internal PolicyRecord AsRecord => (PolicyRecord)held!;

    internal EntityUid AsEntity => (EntityUid)held!;

    /// <summary>Why it cannot be read. Only for what is <see cref="PolicyValueKind.Unreadable"/> and was resolved.</summary>
    internal string Why => held as string ?? "it has no value";

    internal bool IsNull => Kind is PolicyValueKind.Unreadable && ReferenceEquals(held, Null.held);

    /// <summary>Looks at what was not looked at yet: its type is known then, what is inside an object is still to be read.</summary>
    internal PolicyValue Resolve() => held is UnreadJson json && Kind is PolicyValueKind.Unreadable ? json.Value : this;

    /// <summary>Reads it to the bottom, as a comparison has to. Unreadable if anything in it is.</summary>
    internal PolicyValue Settle()
    {
        var value = Resolve();
        return value.Kind is PolicyValueKind.Record && value.AsRecord.Settle() is { } why ? Unreadable(why) : value;
    }

    /// <summary>How many values it holds, with one more for each 1,024 characters. Only for what is settled.</summary>
    internal int Weight => Kind switch
    {
        PolicyValueKind.String => 1 + AsString.Length / 1024,
        PolicyValueKind.Set => AsSet.Weight,
        PolicyValueKind.Record => AsRecord.Weight,
        _ => 1,
    };

    /// <summary>Only for what is settled. Values of different types differ; so do a long and a decimal.</summary>
    public bool Equals(PolicyValue other) => Kind == other.Kind && Kind switch
    {
        PolicyValueKind.Bool or PolicyValueKind.Long or PolicyValueKind.Decimal => number == other.number,
        PolicyValueKind.String => string.Equals(AsString, other.AsString, StringComparison.Ordinal),
        PolicyValueKind.Entity => AsEntity.Equals(other.AsEntity),
        PolicyValueKind.Set => AsSet.Equals(other.AsSet),
        PolicyValueKind.Record => AsRecord.Equals(other.AsRecord),
        _ => false,
    };

    public override bool Equals(object? other) => other is PolicyValue value && Equals(value);

    public override int GetHashCode() => Kind switch
    {
        PolicyValueKind.Bool or PolicyValueKind.Long or PolicyValueKind.Decimal => HashCode.Combine(Kind, number),
        PolicyValueKind.String => string.GetHashCode(AsString, StringComparison.Ordinal),
        PolicyValueKind.Entity => AsEntity.GetHashCode(),
        PolicyValueKind.Set => AsSet.GetHashCode(),
        PolicyValueKind.Record => AsRecord.GetHashCode(),
        _ => 0,
    };

    /// <summary>In the words of the language; long ones are cut.</summary>
    public override string ToString()
    {
        var value = Resolve();
        return value.Kind switch
        {
            PolicyValueKind.Bool => value.AsBool ? "true" : "false",
            PolicyValueKind.Long => $"{value.number}",
            PolicyValueKind.Decimal => $"decimal(\"{PolicyDecimal.Write(value.number)}\")",
            PolicyValueKind.String => EntityUid.Quote(value.AsString.Length <= 60 ? value.AsString : $"{value.AsString.AsSpan(0, 60)}…"),
            PolicyValueKind.Entity => value.AsEntity.ToString(),
            PolicyValueKind.Set => $"a set of {value.AsSet.Count}",
            PolicyValueKind.Record => "a record",
            _ => value.Why,
        };
    }

    internal static string NameOf(PolicyValueKind kind) => kind switch
    {
        PolicyValueKind.Bool => "a bool",
        PolicyValueKind.Long => "a long",
        PolicyValueKind.Decimal => "a decimal",
        PolicyValueKind.String => "a string",
        PolicyValueKind.Set => "a set",
        PolicyValueKind.Record => "a record",
        PolicyValueKind.Entity => "an entity",
        _ => "unreadable",
    };
}
