using Microsoft.CodeAnalysis;

namespace OrleansAiOs.Analyzers;

/// <summary>
/// Which code is workflow code: the instance members of classes derived from <c>Workflow</c>, and whatever they call. Not: the delegates
/// an activity is made of, what <c>Record</c> is handed, and static members that no workflow code calls.
/// </summary>
internal sealed class WorkflowCode(INamedTypeSymbol workflow, Compilation compilation)
{
    private const string Namespace = "OrleansAiOs.Workflows";

    private readonly INamedTypeSymbol? activity = compilation.GetTypeByMetadataName($"{Namespace}.Activity");
    private readonly INamedTypeSymbol? activityContext = compilation.GetTypeByMetadataName($"{Namespace}.ActivityContext");

    /// <summary>Null where there is no engine, and in the engine itself.</summary>
    public static WorkflowCode? In(Compilation compilation) =>
        compilation.GetTypeByMetadataName($"{Namespace}.Workflow") is { } workflow && !SymbolEqualityComparer.Default.Equals(workflow.ContainingAssembly, compilation.Assembly)
            ? new WorkflowCode(workflow, compilation)
            : null;

    /// <summary>Whether a member's body is workflow code by where it stands.</summary>
    public bool Includes(ISymbol member)
    {
        if (member.IsStatic || member is not (IMethodSymbol or IFieldSymbol or IPropertySymbol)) return false;
        for (var type = member.ContainingType?.BaseType; type is not null; type = type.BaseType)
            if (SymbolEqualityComparer.Default.Equals(type, workflow)) return true;
        return false;
    }

    /// <summary>Whether the delegates handed to this call run elsewhere: in an activity, or once and never on replay.</summary>
    public bool RunsElsewhere(IMethodSymbol called) =>
        called.Name == "Record" && SymbolEqualityComparer.Default.Equals(called.ContainingType, workflow)
        || called.IsStatic && SymbolEqualityComparer.Default.Equals(called.ContainingType, activity);

    /// <summary>Whether this is an activity's code, wherever it stands: nothing else is handed an attempt.</summary>
    public bool IsActivity(IMethodSymbol code) => activityContext is not null && code.Parameters.Any(p => SymbolEqualityComparer.Default.Equals(p.Type, activityContext));
}
