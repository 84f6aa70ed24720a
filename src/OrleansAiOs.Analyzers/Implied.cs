using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Operations;

namespace OrleansAiOs.Analyzers;

/// <summary>The members of this compilation that a statement runs without naming them: what disposes, enumerates, awaits.</summary>
internal static class Implied
{
    public static IEnumerable<ISymbol> By(IOperation operation) => Of(operation).OfType<ISymbol>().Where(member => !member.OriginalDefinition.DeclaringSyntaxReferences.IsEmpty);

    private static IEnumerable<ISymbol?> Of(IOperation operation) => operation switch
    {
        IUsingOperation { Resources: IVariableDeclarationGroupOperation group } statement => Disposers(group, statement.IsAsynchronous),
        IUsingOperation { Resources: var resource } statement => [Disposer(resource.Type, statement.IsAsynchronous)],
        IUsingDeclarationOperation declaration => Disposers(declaration.DeclarationGroup, declaration.IsAsynchronous),
        IForEachLoopOperation { Syntax: CommonForEachStatementSyntax syntax, SemanticModel: { } model } => Enumerating(model.GetForEachStatementInfo(syntax)),
        IAwaitOperation { Syntax: AwaitExpressionSyntax syntax, SemanticModel: { } model } when model.GetAwaitExpressionInfo(syntax) is var info => [info.GetAwaiterMethod, info.IsCompletedProperty, info.GetResultMethod],
        _ => [],
    };

    private static IEnumerable<ISymbol?> Enumerating(ForEachStatementInfo info) => [info.GetEnumeratorMethod, info.MoveNextMethod, info.CurrentProperty, info.DisposeMethod];

    private static IEnumerable<ISymbol?> Disposers(IVariableDeclarationGroupOperation group, bool isAsynchronous) =>
        group.Declarations.SelectMany(declaration => declaration.Declarators).Select(declarator => Disposer(declarator.Symbol.Type, isAsynchronous));

    // Of the type as it is declared: its own, or that of a type before it, or the one it has for the interface alone.
    private static ISymbol? Disposer(ITypeSymbol? type, bool isAsynchronous)
    {
        var name = isAsynchronous ? "DisposeAsync" : "Dispose";
        for (var one = type; one is not null; one = one.BaseType)
            if (one.GetMembers(name).OfType<IMethodSymbol>().FirstOrDefault(method => method.Parameters.IsEmpty) is { } method) return method;
        return type?.AllInterfaces.SelectMany(implemented => implemented.GetMembers(name)).Select(type.FindImplementationForInterfaceMember).FirstOrDefault(found => found is not null);
    }
}
