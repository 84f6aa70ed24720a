namespace OrleansAiOs.Kernel.Tests.Governance.Policies;

// The language a second time, as plainly as its description (docs/policies.md) has it, sharing nothing with the code that is tested:
// trees that are written as text for the one and evaluated as they are by the other, values that are ordinary objects, faults that are
// exceptions, and policies looked at one after the other.

internal sealed record Uid(string Type, string Id);

/// <summary>An amount in ten-thousandths.</summary>
internal sealed record Dec(long Units);

/// <summary>What cannot be read.</summary>
internal sealed record Bad(bool IsNull);

internal abstract record Node;

/// <summary>A bool, long, string or <see cref="Uid"/>.</summary>
internal sealed record Lit(object Value) : Node;

internal sealed record Var(string Name) : Node;

internal sealed record Attr(Node Target, string Name, bool InBrackets) : Node;

internal sealed record Not(Node Operand) : Node;

internal sealed record Neg(Node Operand) : Node;

internal sealed record Logic(bool IsAnd, Node Left, Node Right) : Node;

internal sealed record Choice(Node Condition, Node Then, Node Otherwise) : Node;

/// <summary>== != &lt; &lt;= &gt; &gt;= in.</summary>
internal sealed record Relation(string Sign, Node Left, Node Right) : Node;

internal sealed record Is(Node Target, string Type, Node? In) : Node;

internal sealed record Has(Node Target, string[] Path, bool Quoted) : Node;

/// <summary>Null stands for a wildcard.</summary>
internal sealed record Like(Node Target, string?[] Pattern) : Node;

/// <summary>+ - *.</summary>
internal sealed record Arithmetic(char Sign, Node Left, Node Right) : Node;

internal sealed record SetOf(Node[] Items) : Node;

internal sealed record RecordOf((string Name, Node Value)[] Members) : Node;

internal sealed record DecimalOf(Node Text) : Node;

/// <summary>.contains and its kin, .lessThan and its kin.</summary>
internal sealed record Question(string Method, Node Target, Node? Argument) : Node;

internal sealed record Scope(Uid? Equal, Uid[]? In, string? Type);

internal sealed record ModelPolicy(string Id, bool IsPermit, string? Autonomy, string? Approval, Scope Principal, Scope Action, Scope Resource, (bool IsWhen, Node Test)[] Conditions);

internal sealed record ModelEntity(Uid Uid, Dictionary<string, object> Attributes, HashSet<Uid> Ancestors);

internal sealed record ModelRequest(ModelEntity Principal, ModelEntity Action, ModelEntity Resource, Dictionary<string, object> Context, Dictionary<Uid, ModelEntity> Others);

/// <summary>Arguments: their text for the one, their meaning for the other, with numbers as written and as amounts.</summary>
internal sealed record ModelJson(string Text, object Value, object Amounts);

internal sealed record ModelVerdict(string Decision, string Autonomy, string[] Policies, string[] Approvals, string? FaultyPolicy, string Fault)
{
    public override string ToString() => $"{Decision} {Autonomy} by [{string.Join(' ', Policies)}] for [{string.Join("; ", Approvals)}], fault {Fault} {FaultyPolicy}";
}
