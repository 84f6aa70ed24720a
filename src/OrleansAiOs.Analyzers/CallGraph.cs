using System.Collections.Concurrent;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace OrleansAiOs.Analyzers;

/// <summary>
/// What a call leads to inside this compilation. Bodies are read on demand and once, and only those that workflow code can reach, so code
/// without workflows pays nothing. A call through an interface, or of what can be overridden, leads to what <see cref="Dispatch"/> says.
/// </summary>
internal sealed class CallGraph(Compilation compilation, WorkflowCode code, BanTable bans)
{
    private readonly ConcurrentDictionary<(ISymbol Member, Reach How), Body> bodies = new(ReachComparer.Instance);
    private readonly ConcurrentDictionary<(ISymbol Member, Reach How), (Offence Offence, string Path)[]> reached = new(ReachComparer.Instance);
    private Dispatch? dispatch;

    private Dispatch Dispatching => dispatch ??= new Dispatch(compilation, code, BodyOf);

    /// <summary>The nearest offence against each rule, with the way to it; nothing for workflow code, whose offences are reported where they stand.</summary>
    public (Offence Offence, string Path)[] Reached(Call call, CancellationToken cancellation) =>
        reached.GetOrAdd((call.Target, call.How), start => Search(start.Member, start.How, cancellation));

    private Body BodyOf(ISymbol member, Reach how, CancellationToken cancellation) =>
        bodies.GetOrAdd((member, how is Reach.Dispatched ? Reach.Exact : how), one => Read(one.Member, one.How, cancellation));

    private (Offence, string)[] Search(ISymbol start, Reach how, CancellationToken cancellation)
    {
        List<(Offence, string)>? found = null;
        var seen = new HashSet<(ISymbol, Reach)>(ReachComparer.Instance) { (start, how) };
        var ahead = new Queue<(ISymbol Member, Reach How, string Path)>();
        ahead.Enqueue((start, how, Name(start)));
        while (ahead.Count > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            var (member, through, path) = ahead.Dequeue();
            if (through is Reach.Dispatched)
                foreach (var standing in Dispatching.Of(member, cancellation)) Lead(standing, Reach.Exact, path);
            if (code.Includes(member)) continue;
            var body = BodyOf(member, through, cancellation);
            foreach (var offence in body.Offences)
                if (found is null || !found.Exists(known => known.Item1.Rule == offence.Rule)) (found ??= []).Add((offence, path));
            foreach (var next in body.Calls) Lead(next.Target, next.How, path);
        }
        return found?.ToArray() ?? [];

        void Lead(ISymbol next, Reach how, string path)
        {
            if (seen.Add((next, how))) ahead.Enqueue((next, how, $"{path} → {Name(next)}"));
        }
    }

    private Body Read(ISymbol member, Reach how, CancellationToken cancellation)
    {
        switch (member)
        {
            case IMethodSymbol { MethodKind: MethodKind.Constructor } constructor:
                var body = Body.Read(Code(constructor).Concat(Initialisers(constructor.ContainingType)), code, bans, isDirect: false);
                if (BaseOf(constructor) is var (inherited, at)) body.Calls.Add(new Call(inherited, at, Reach.Exact));
                return body;
            case IMethodSymbol method:
                return Body.Read(Code(method.PartialImplementationPart ?? method), code, bans, isDirect: false);
            case IPropertySymbol { IsStatic: true } property when property.DeclaringSyntaxReferences.Any(r => r.GetSyntax(cancellation) is PropertyDeclarationSyntax { Initializer: not null }):
                return Body.Read(Code(property), code, bans, isDirect: false, runsDelegates: how is Reach.Invoked);
            case IPropertySymbol property:
                var accessors = new[] { property.GetMethod, property.SetMethod }.OfType<IMethodSymbol>();
                return Body.Read(accessors.SelectMany(Code), code, bans, isDirect: false);
            case IFieldSymbol { IsStatic: true }:
                return Body.Read(Code(member), code, bans, isDirect: false, runsDelegates: how is Reach.Invoked);
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
                    TypeDeclarationSyntax type => type.BaseList?.Types.OfType<PrimaryConstructorBaseTypeSyntax>().FirstOrDefault(), // a primary constructor: what it hands to its base
                    VariableDeclaratorSyntax variable => variable.Initializer,
                    PropertyDeclarationSyntax { Initializer: { } initialiser } => initialiser,
                    var other => other,
                };
                if (node is not null && Operation(node) is { } operation) yield return operation;
            }
        }

        // The constructor of the base type that runs though no operation says so.
        (IMethodSymbol Constructor, SyntaxNode At)? BaseOf(IMethodSymbol constructor)
        {
            if (constructor.ContainingType.BaseType?.OriginalDefinition is not { DeclaringSyntaxReferences.IsEmpty: false } parent || constructor.ContainingType.TypeKind is not TypeKind.Class) return null;
            var at = (constructor.DeclaringSyntaxReferences.FirstOrDefault() ?? constructor.ContainingType.DeclaringSyntaxReferences[0]).GetSyntax(cancellation);
            if (at is ConstructorDeclarationSyntax { Initializer: not null }) return null; // base(…) is an operation, and this(…) leads to one that is not
            if (at is TypeDeclarationSyntax { BaseList: { } bases } && bases.Types.Any(type => type is PrimaryConstructorBaseTypeSyntax)) return null;
            return parent.InstanceConstructors.FirstOrDefault(one => one.Parameters.All(parameter => parameter.IsOptional || parameter.IsParams)) is { } inherited ? (inherited, at) : null;
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
        _ => $"{member.ContainingType.Name}.{member.Name.Substring(member.Name.LastIndexOf('.') + 1)}", // of one that is implemented explicitly, without the interface
    };
}
