using Microsoft.CodeAnalysis;

namespace OrleansAiOs.Analyzers;

/// <summary>One family of things that workflow code may not do.</summary>
internal abstract class Rule(string id, string title)
{
    public DiagnosticDescriptor Descriptor { get; } = new(id, title, "{0}", "Determinism", DiagnosticSeverity.Error, isEnabledByDefault: true,
        description: "Workflow code is run again from its history after every restart, so it must do the same each time. docs/analyzers.md has the table.");

    /// <summary>Members of the base library that are named outright.</summary>
    public virtual IEnumerable<Ban> Bans => [];

    /// <summary>What no name tells: an objection to the operation as it stands.</summary>
    /// <param name="isDirect">The operation stands in workflow code itself, not in a method it calls.</param>
    public virtual (string What, string Says)? Objection(IOperation operation, bool isDirect) => null;
}

/// <summary>Members of a type that are not for workflow code.</summary>
/// <param name="type">Its metadata name.</param>
/// <param name="members">Names, separated by spaces; <c>.ctor</c> is its constructors, <c>*</c> everything.</param>
/// <param name="says">What is wrong with it, and the cure.</param>
internal sealed class Ban(string type, string members, string says)
{
    private readonly string[] members = members.Split(' ');

    public string Type => type;

    public string Says => says;

    /// <summary>Those of derived types too.</summary>
    public bool AndDerived { get; init; }

    /// <summary>Which overloads; all if left out.</summary>
    public Func<IMethodSymbol, bool>? Overloads { get; init; }

    /// <summary>Which uses; all if left out.</summary>
    public Func<IOperation, bool>? Uses { get; init; }

    /// <summary>The code fix, one of <see cref="Fixes.Fix"/>; and what it writes.</summary>
    public (string Kind, string Text)? Fix { get; init; }

    public bool Covers(ISymbol member) =>
        (members[0] == "*" || members.Contains(member.Name)) && (Overloads is null || member is IMethodSymbol method && Overloads(method));

    public static bool TakesNoTime(IMethodSymbol method) => !method.Parameters.Any(p => p.Type.Name == "TimeProvider");
}
