using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace OrleansAiOs.Analyzers.Rules;

internal sealed class StaticStateRule() : Rule("AIOS009", "Workflow code shares static state")
{
    private const string Says = "is shared by all runs of this process and by none elsewhere: on replay it is not what it was. Keep state in locals or fields of the workflow; make a constant readonly.";

    // GetOrAdd is not among them: what it does to a cache of pure values cannot be seen.
    private static readonly HashSet<string> Mutators = new(StringComparer.Ordinal)
    {
        "Add", "AddRange", "AddFirst", "AddLast", "AddBefore", "AddAfter", "AddOrUpdate", "TryAdd", "TryUpdate", "Insert", "InsertRange", "Enqueue", "EnqueueRange", "Dequeue", "TryDequeue",
        "EnqueueDequeue", "Push", "PushRange", "Pop", "TryPop", "TryPopRange", "Take", "TryTake", "Remove", "RemoveAt", "RemoveAll", "RemoveRange", "RemoveWhere", "RemoveFirst", "RemoveLast",
        "TryRemove", "Clear", "Sort", "Reverse", "UnionWith", "ExceptWith", "IntersectWith", "SymmetricExceptWith", "Set", "SetAll",
    };

    public override (string, string)? Objection(IOperation operation, bool isDirect) => operation switch
    {
        IFieldReferenceOperation { Field: { IsStatic: true, IsConst: false, IsReadOnly: false } field } when IsSource(field) => (Name(field), Says),
        IPropertyReferenceOperation { Property: { IsStatic: true, SetMethod: not null } property } when IsSource(property) && IsAuto(property) => (Name(property), Says),
        IEventReferenceOperation { Event: { IsStatic: true } e } when IsSource(e) => (Name(e), Says),
        IInvocationOperation { Instance: { } on, TargetMethod: { } method } when Mutators.Contains(method.Name) && IsCollection(method.ContainingType) && Shared(on) is { } shared =>
            ($"{Name(shared)}.{method.Name}", Says),
        // The same dice for all runs, and how often they were thrown depends on the others.
        IInvocationOperation { Instance: { } on, TargetMethod.ContainingType: { Name: "Random", ContainingNamespace.Name: "System" } } when Shared(on) is { } shared => (Name(shared), Says),
        IAssignmentOperation { Target: IPropertyReferenceOperation { Instance: { } on, Property: { IsIndexer: true } property } } when IsCollection(property.ContainingType) && Shared(on) is { } shared =>
            ($"{Name(shared)}[…]", Says),
        IAssignmentOperation { Target: IArrayElementReferenceOperation { ArrayReference: var on } } when Shared(on) is { } shared => ($"{Name(shared)}[…]", Says),
        IIncrementOrDecrementOperation { Target: IArrayElementReferenceOperation { ArrayReference: var on } } when Shared(on) is { } shared => ($"{Name(shared)}[…]", Says),
        IIncrementOrDecrementOperation { Target: IPropertyReferenceOperation { Instance: { } on, Property: { IsIndexer: true } property } } when IsCollection(property.ContainingType) && Shared(on) is { } shared =>
            ($"{Name(shared)}[…]", Says),
        // An object behind a readonly field is one for all runs too.
        IAssignmentOperation { Target: IMemberReferenceOperation { Instance: { } on, Member: var member } } when member is not IPropertySymbol { IsIndexer: true } && Shared(on) is { } shared => ($"{Name(shared)}.{member.Name}", Says),
        IIncrementOrDecrementOperation { Target: IMemberReferenceOperation { Instance: { } on, Member: var member } } when member is not IPropertySymbol { IsIndexer: true } && Shared(on) is { } shared => ($"{Name(shared)}.{member.Name}", Says),
        IInvocationOperation { Instance: { } on, TargetMethod: { Name: not ("ToString" or "Equals" or "GetHashCode" or "GetType"), ContainingType: { } changing } } when IsChangedByUse(changing) && Shared(on) is { } shared => (Name(shared), Says),
        _ => null,
    };

    // The static field or property a value comes from, if that itself is not objected to.
    private static ISymbol? Shared(IOperation on) => on switch
    {
        IFieldReferenceOperation { Field: { IsStatic: true, IsReadOnly: true } field } when IsSource(field) => field,
        IPropertyReferenceOperation { Property: { IsStatic: true, SetMethod: null } property } when IsSource(property) && IsAuto(property) => property,
        IConversionOperation { OperatorMethod: null } conversion => Shared(conversion.Operand),
        _ => null,
    };

    private static bool IsSource(ISymbol symbol) => !symbol.DeclaringSyntaxReferences.IsEmpty && symbol.ContainingType.TypeKind != TypeKind.Enum;

    // A gate that runs share lets one wait for another; a builder holds what the others wrote.
    private static bool IsChangedByUse(INamedTypeSymbol type) => (type.Name, type.ContainingNamespace.ToDisplayString()) is ("SemaphoreSlim", "System.Threading") or ("StringBuilder", "System.Text");

    private static bool IsAuto(IPropertySymbol property) =>
        property.ContainingType.GetMembers().Any(member => member is IFieldSymbol { AssociatedSymbol: { } owner } && SymbolEqualityComparer.Default.Equals(owner, property));

    private static bool IsCollection(INamedTypeSymbol type)
    {
        for (var space = type.ContainingNamespace; space is { IsGlobalNamespace: false }; space = space.ContainingNamespace)
            if (space is { Name: "Collections", ContainingNamespace: { Name: "System", ContainingNamespace.IsGlobalNamespace: true } })
                return !type.Name.StartsWith("Immutable", StringComparison.Ordinal) && !type.Name.StartsWith("IImmutable", StringComparison.Ordinal) && !type.Name.StartsWith("Frozen", StringComparison.Ordinal);
        return false;
    }

    private static string Name(ISymbol symbol) => $"{symbol.ContainingType.Name}.{symbol.Name}";
}
