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

    // Only where the order becomes the order of commands: a loop, or a Select and the like, that awaits, or starts what can be awaited.
    public override (string, string)? Objection(IOperation operation, bool isDirect) => operation switch
    {
        IForEachLoopOperation { Collection: var collection, Body: var body } when ByHashOf(collection) is { } type && Commands(body) => Told(type, "this loop awaits, or starts what is awaited,"),
        IInvocationOperation { TargetMethod: { ContainingType.Name: "Enumerable", IsExtensionMethod: true } method, Arguments: { Length: > 1 } arguments } when ByHashOf(arguments[0].Value) is { } type && arguments.Skip(1).Any(argument => Commands(argument.Value)) =>
            Told(type, $"this {method.Name} starts what is awaited"),
        _ => null,
    };

    private static (string, string) Told(string type, string what) => ($"The order of {type}", $"is by hash code, which is another one in each process, and {what} in that order. Sort it first: OrderBy(…, StringComparer.Ordinal).");

    // The collection whose order this is, however it was narrowed; nothing behind a sort.
    private static string? ByHashOf(IOperation source) => source switch
    {
        IConversionOperation { OperatorMethod: null } conversion => ByHashOf(conversion.Operand),
        IInvocationOperation { TargetMethod: { ContainingType.Name: "Enumerable", Name: "Where" or "Select" or "SelectMany" or "ToList" or "ToArray" or "Distinct" or "Skip" or "Take" }, Arguments: { Length: > 0 } arguments } => ByHashOf(arguments[0].Value),
        IPropertyReferenceOperation { Property.Name: "Keys" or "Values", Instance: { Type: { } owner } } when NameOf(owner) is { } name => name,
        { Type: { } type } => NameOf(type),
        _ => null,
    };

    private static string? NameOf(ITypeSymbol type) =>
        type is INamedTypeSymbol named && ByHash.Contains(named.Name) && named.ContainingNamespace.ToDisplayString().StartsWith("System.Collections", StringComparison.Ordinal)
        && (named.TypeArguments.IsEmpty || HasStrings(named.TypeArguments[0], 0)) ? named.Name : null;

    // What is compared by value hashes what it is made of.
    private static bool HasStrings(ITypeSymbol type, int depth) => type.SpecialType is SpecialType.System_String
        || depth < 4 && (type.IsTupleType || type.IsRecord) && type.GetMembers().OfType<IFieldSymbol>().Any(field => !field.IsStatic && HasStrings(field.Type, depth + 1));

    private static bool Commands(IOperation body) => body.DescendantsAndSelf().Any(inner => inner is IAwaitOperation || inner is IInvocationOperation { Type: { } type } && IsTask(type));

    private static bool IsTask(ITypeSymbol type) => type is { Name: "Task" or "ValueTask" } && type.ContainingNamespace.ToDisplayString() == "System.Threading.Tasks";
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
