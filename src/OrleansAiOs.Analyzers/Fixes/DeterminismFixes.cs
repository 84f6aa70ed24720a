using System.Collections.Immutable;
using System.Composition;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Formatting;
using static Microsoft.CodeAnalysis.CSharp.SyntaxFactory;

namespace OrleansAiOs.Analyzers.Fixes;

/// <summary>Writes the cure that a diagnostic names, where it is one expression for another.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp), Shared]
public sealed class DeterminismFixes : CodeFixProvider
{
    public override ImmutableArray<string> FixableDiagnosticIds { get; } =
        BanTable.Rules.Where(rule => rule.Bans.Any(ban => ban.Fix is not null)).Select(rule => rule.Descriptor.Id).ToImmutableArray();

    public override FixAllProvider GetFixAllProvider() => WellKnownFixAllProviders.BatchFixer;

    public override async Task RegisterCodeFixesAsync(CodeFixContext context)
    {
        var root = await context.Document.GetSyntaxRootAsync(context.CancellationToken).ConfigureAwait(false);
        var model = await context.Document.GetSemanticModelAsync(context.CancellationToken).ConfigureAwait(false);
        if (root is null || model is null) return;
        foreach (var diagnostic in context.Diagnostics)
        {
            if (!diagnostic.Properties.TryGetValue(DeterminismAnalyzer.FixKind, out var kind) || diagnostic.Properties[DeterminismAnalyzer.FixText] is not { } text) continue;
            if (root.FindNode(diagnostic.Location.SourceSpan, getInnermostNodeForTie: true) is not ExpressionSyntax bad) continue;
            // A static lambda or local function cannot use the workflow's members.
            if (kind is not (Fix.Unwrap or Fix.Await) && bad.Ancestors().Any(a => a is AnonymousFunctionExpressionSyntax f && f.Modifiers.Any(SyntaxKind.StaticKeyword)
                || a is LocalFunctionStatementSyntax l && l.Modifiers.Any(SyntaxKind.StaticKeyword))) continue;

            foreach (var (title, old, cure) in Cures(kind!, text, bad, model, context.CancellationToken))
                context.RegisterCodeFix(CodeAction.Create(title, _ => Task.FromResult(context.Document.WithSyntaxRoot(
                    root.ReplaceNode(old, cure.WithTriviaFrom(old).WithAdditionalAnnotations(Formatter.Annotation)))), equivalenceKey: title), diagnostic);
        }
    }

    private static IEnumerable<(string Title, ExpressionSyntax Old, ExpressionSyntax New)> Cures(string kind, string text, ExpressionSyntax bad, SemanticModel model, CancellationToken cancellation)
    {
        switch (kind)
        {
            case Fix.Replace:
                yield return ($"Use {text}", bad, ParseExpression(text));
                break;

            case Fix.Record:
                var whole = Chain(bad);
                if (model.GetTypeInfo(whole, cancellation).Type is { SpecialType: not SpecialType.System_Void } && whole.Parent is not AwaitExpressionSyntax)
                    yield return ("Record the value", whole, Call("Record", ParenthesizedLambdaExpression(ParameterList(), null, whole.WithoutTrivia())));
                break;

            case Fix.AddTime:
                if (Arguments(bad) is not { Arguments.Count: > 0 } arguments) break;
                var (span, rest) = (Span(arguments.Arguments[0], model, cancellation), arguments.Arguments.Skip(1));
                yield return ("Pass the run's Time", bad, bad.ReplaceNode(arguments, arguments.WithArguments(SeparatedList<ArgumentSyntax>([span, Argument(IdentifierName("Time")), .. rest]))));
                if (text == "Sleep") yield return ("Use Sleep", bad, Call("Sleep", [span.Expression, .. rest.Select(a => a.Expression)]));
                break;

            case Fix.Unwrap:
                if (bad is InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax { Expression: var task } }) yield return ("Remove ConfigureAwait", bad, task);
                break;

            case Fix.Await:
                if (!InAsync(bad)) break;
                // A Wait with a time-out gives up, an await does not; that is not for a fix to decide.
                var awaited = bad switch
                {
                    InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax { Name.Identifier.Text: "GetResult", Expression: InvocationExpressionSyntax
                        { Expression: MemberAccessExpressionSyntax { Name.Identifier.Text: "GetAwaiter", Expression: var inner } } } } => inner,
                    InvocationExpressionSyntax { ArgumentList.Arguments.Count: 0, Expression: MemberAccessExpressionSyntax { Name.Identifier.Text: "Wait", Expression: var inner } } => inner,
                    MemberAccessExpressionSyntax { Name.Identifier.Text: "Result", Expression: var inner } => inner,
                    _ => null,
                };
                if (awaited is not null) yield return ("Await it", bad, InPlace(AwaitExpression(Token(SyntaxKind.AwaitKeyword).WithTrailingTrivia(Space), awaited.WithoutTrivia()), bad));
                break;

            case Fix.Sleep:
                if (InAsync(bad) && Arguments(bad) is { Arguments: { Count: 1 } lengths })
                    yield return ("Use await Sleep", bad, InPlace(AwaitExpression(Token(SyntaxKind.AwaitKeyword).WithTrailingTrivia(Space), Call("Sleep", Span(lengths[0], model, cancellation).Expression)), bad));
                break;
        }
    }

    // Random.Shared alone is flagged; what is recorded is the value drawn from it.
    private static ExpressionSyntax Chain(ExpressionSyntax start)
    {
        while (true)
        {
            switch (start.Parent)
            {
                case MemberAccessExpressionSyntax access when access.Expression == start: start = access; break;
                case InvocationExpressionSyntax call when call.Expression == start: start = call; break;
                case ElementAccessExpressionSyntax element when element.Expression == start: start = element; break;
                default: return start;
            }
        }
    }

    private static ArgumentListSyntax? Arguments(ExpressionSyntax call) => call switch
    {
        InvocationExpressionSyntax invocation => invocation.ArgumentList,
        BaseObjectCreationExpressionSyntax creation => creation.ArgumentList,
        _ => null,
    };

    // The overloads with a TimeProvider take no milliseconds.
    private static ArgumentSyntax Span(ArgumentSyntax given, SemanticModel model, CancellationToken cancellation) =>
        model.GetTypeInfo(given.Expression, cancellation).Type is { SpecialType: SpecialType.System_Int32 or SpecialType.System_Int64 }
            ? Argument(InvocationExpression(MemberAccessExpression(SyntaxKind.SimpleMemberAccessExpression, IdentifierName("TimeSpan"), IdentifierName("FromMilliseconds")),
                ArgumentList(SingletonSeparatedList(Argument(given.Expression.WithoutTrivia())))))
            : Argument(given.Expression.WithoutTrivia());

    private static InvocationExpressionSyntax Call(string member, params ExpressionSyntax[] arguments) =>
        InvocationExpression(IdentifierName(member), ArgumentList(SeparatedList(arguments.Select(Argument))));

    private static ExpressionSyntax InPlace(ExpressionSyntax cure, ExpressionSyntax old) =>
        old.Parent is MemberAccessExpressionSyntax or InvocationExpressionSyntax or ElementAccessExpressionSyntax or ConditionalAccessExpressionSyntax or BinaryExpressionSyntax ? ParenthesizedExpression(cure) : cure;

    private static bool InAsync(SyntaxNode node) =>
        node.Ancestors().FirstOrDefault(a => a is AnonymousFunctionExpressionSyntax or LocalFunctionStatementSyntax or BaseMethodDeclarationSyntax or AccessorDeclarationSyntax) switch
        {
            AnonymousFunctionExpressionSyntax lambda => lambda.Modifiers.Any(SyntaxKind.AsyncKeyword),
            LocalFunctionStatementSyntax local => local.Modifiers.Any(SyntaxKind.AsyncKeyword),
            MethodDeclarationSyntax method => method.Modifiers.Any(SyntaxKind.AsyncKeyword),
            _ => false,
        };
}
