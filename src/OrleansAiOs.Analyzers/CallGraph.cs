using System.Collections.Concurrent;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace OrleansAiOs.Analyzers;

/// <summary>
/// What a call leads to inside this compilation. Bodies are read on demand and once, and only those that workflow code can reach, so code
/// without workflows pays nothing. Dispatch through an interface or an override in source is not followed: which one runs is not known here.
/// </summary>
internal sealed class CallGraph(Compilation compilation, WorkflowCode code, BanTable bans)
{
    private readonly ConcurrentDictionary<ISymbol, Body> bodies = new(SymbolEqualityComparer.Default);
    private readonly ConcurrentDictionary<ISymbol, (Offence Offence, string Path)[]> reached = new(SymbolEqualityComparer.Default);

    /// <summary>The nearest offence against each rule, with the way to it; nothing for workflow code, whose offences are reported where they stand.</summary>
    public (Offence Offence, string Path)[] Reached(ISymbol target, CancellationToken cancellation) =>
        reached.GetOrAdd(target, start => Search(start, cancellation));

    private (Offence, string)[] Search(ISymbol start, CancellationToken cancellation)
    {
        List<(Offence, string)>? found = null;
        var seen = new HashSet<ISymbol>(SymbolEqualityComparer.Default) { start };
        var ahead = new Queue<(ISymbol Member, string Path)>();
        ahead.Enqueue((start, Name(start)));
        while (ahead.Count > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            var (member, path) = ahead.Dequeue();
            if (code.Includes(member)) continue;
            var body = bodies.GetOrAdd(member, m => Read(m, cancellation));
            foreach (var offence in body.Offences)
                if (found is null || !found.Exists(known => known.Item1.Rule == offence.Rule)) (found ??= []).Add((offence, path));
            foreach (var (next, _) in body.Calls)
                if (seen.Add(next)) ahead.Enqueue((next, $"{path} → {Name(next)}"));
        }
        return found?.ToArray() ?? [];
    }

    private Body Read(ISymbol member, CancellationToken cancellation)
    {
        switch (member)
        {
            case IMethodSymbol { MethodKind: MethodKind.Constructor } constructor:
                return Body.Read(Code(constructor).Concat(Initialisers(constructor.ContainingType)), code, bans, isDirect: false);
            case IMethodSymbol method:
                return Body.Read(Code(method.PartialImplementationPart ?? method), code, bans, isDirect: false);
            case IPropertySymbol { IsStatic: true } property when property.DeclaringSyntaxReferences.Any(r => r.GetSyntax(cancellation) is PropertyDeclarationSyntax { Initializer: not null }):
                return Body.Read(Code(property), code, bans, isDirect: false, runsDelegates: false);
            case IPropertySymbol property:
                var accessors = new[] { property.GetMethod, property.SetMethod }.OfType<IMethodSymbol>();
                return Body.Read(accessors.SelectMany(Code), code, bans, isDirect: false);
            case IFieldSymbol { IsStatic: true }:
                return Body.Read(Code(member), code, bans, isDirect: false, runsDelegates: false);
            default:
                return new Body();
        }

        IEnumerable<IOperation> Code(ISymbol symbol)
        {
            if (symbol.IsImplicitlyDeclared) yield break;
            foreach (var reference in symbol.DeclaringSyntaxReferences)
            {
                SyntaxNode? node = reference.GetSyntax(cancellation) switch
                {
                    VariableDeclaratorSyntax variable => variable.Initializer,
                    PropertyDeclarationSyntax { Initializer: { } initialiser } => initialiser,
                    TypeDeclarationSyntax => null, // a primary constructor
                    var other => other,
                };
                if (node is not null && Operation(node) is { } operation) yield return operation;
            }
        }

        IEnumerable<IOperation> Initialisers(INamedTypeSymbol type)
        {
            foreach (var reference in type.DeclaringSyntaxReferences)
            {
                if (reference.GetSyntax(cancellation) is not TypeDeclarationSyntax declaration) continue;
                foreach (var inner in declaration.Members)
                {
                    IEnumerable<EqualsValueClauseSyntax?> values = inner switch
                    {
                        FieldDeclarationSyntax field when !IsStatic(field.Modifiers) => field.Declaration.Variables.Select(v => v.Initializer),
                        PropertyDeclarationSyntax property when !IsStatic(property.Modifiers) => [property.Initializer],
                        _ => [],
                    };
                    foreach (var value in values)
                        if (value is not null && Operation(value) is { } operation) yield return operation;
                }
            }
        }

        static bool IsStatic(SyntaxTokenList modifiers) => modifiers.Any(SyntaxKind.StaticKeyword) || modifiers.Any(SyntaxKind.ConstKeyword);

#pragma warning disable RS1030 // Only bodies that workflow code reaches are bound a second time, each once; an end-of-compilation action would show nothing while one types.
        IOperation? Operation(SyntaxNode node) => compilation.GetSemanticModel(node.SyntaxTree).GetOperation(node, cancellation);
#pragma warning restore RS1030
    }

    private static string Name(ISymbol member) => member switch
    {
        IMethodSymbol { MethodKind: MethodKind.Constructor } => $"new {member.ContainingType.Name}",
        IMethodSymbol { AssociatedSymbol: { } property } => Name(property),
        _ => $"{member.ContainingType.Name}.{member.Name}",
    };
}
