using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace OrleansAiOs.Analyzers.Rules;

/// <summary>
/// Hash codes of strings are another in each process. So is the order of a collection that keeps its entries by hash; that of
/// Dictionary and HashSet is not, they keep the order of insertion and removal.
/// </summary>
internal sealed class HashRule() : Rule("AIOS010", "Workflow code depends on hash codes, which differ in each process")
{
    private const string Says = "is another one in each process. Use something stable: the value itself, or SHA256.HashData of its bytes.";

    private static readonly HashSet<string> ByHash = new(StringComparer.Ordinal)
    {
        "ConcurrentDictionary", "ImmutableDictionary", "ImmutableHashSet", "IImmutableDictionary", "IImmutableSet", "FrozenDictionary", "FrozenSet", "Hashtable",
    };

    public override IEnumerable<Ban> Bans =>
    [
        new("System.String", "GetHashCode", Says),
        new("System.HashCode", "*", Says),
        new("System.Object", "GetHashCode", Says),
        new("System.Runtime.CompilerServices.RuntimeHelpers", "GetHashCode", Says),
    ];

    // Only where the order becomes the order of commands: a loop that awaits.
    public override (string, string)? Objection(IOperation operation, bool isDirect) =>
        operation is IForEachLoopOperation { Collection: var collection, Body: var body }
        && Source(collection).Type is INamedTypeSymbol type && ByHash.Contains(type.Name) && type.ContainingNamespace.ToDisplayString().StartsWith("System.Collections", StringComparison.Ordinal)
        && (type.TypeArguments.IsEmpty || type.TypeArguments[0].SpecialType is SpecialType.System_String) && Awaits(body)
            ? ($"The order of {type.Name}", "is by hash code, which is another one in each process, and this loop awaits in that order. Sort it first: OrderBy(…, StringComparer.Ordinal).")
            : null;

    private static IOperation Source(IOperation collection) => collection is IConversionOperation { IsImplicit: true } conversion ? conversion.Operand : collection;

    private static bool Awaits(IOperation body) => body.DescendantsAndSelf().Any(inner => inner is IAwaitOperation);
}

internal static class Operations
{
    public static IEnumerable<IOperation> DescendantsAndSelf(this IOperation root)
    {
        var ahead = new Stack<IOperation>();
        ahead.Push(root);
        while (ahead.Count > 0)
        {
            var next = ahead.Pop();
            yield return next;
            foreach (var child in next.ChildOperations) ahead.Push(child);
        }
    }
}
