using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Workflows.Tests.Replay;

/// <summary>Does to a source what a suggested patch tells its reader to do, and nothing else.</summary>
internal static class PatchApplier
{
    /// <returns>Null if a person would have to find the place.</returns>
    public static string? Apply(string source, IEnumerable<SuggestedPatch> patches)
    {
        // From the end to the beginning: a place in front of the one changed keeps its line.
        foreach (var patch in patches.OrderByDescending(p => Math.Max(p.At?.Line ?? int.MaxValue, p.OldAt?.Line ?? 0)))
        {
            if (Apply(source, patch) is not { } patched) return null;
            source = patched;
        }
        return source;
    }

    private static string? Apply(string source, SuggestedPatch patch)
    {
        var root = CSharpSyntaxTree.ParseText(source).GetRoot();
        var at = patch.At is { Line: > 0 } place ? Statement(root, place.Line) : null;
        switch (patch.Form)
        {
            case PatchForm.KeepName:
                return source.Replace($"\"{patch.Old}\"", $"\"{patch.Name}\"");
            case PatchForm.Guard when at is not null:
                return Text(root.ReplaceNode(at, Under(at, $"Patched(\"{patch.Name}\")")));
            case PatchForm.GuardRepeats when at is not null:
                var body = at.Ancestors().OfType<MethodDeclarationSyntax>().First().Body!;
                var made = $"made{patch.At!.Line}";
                root = root.TrackNodes(at, body);
                root = root.ReplaceNode(root.GetCurrentNode(at)!, Under(at, $"({made}++ < {patch.Times} || Patched(\"{patch.Name}\"))"));
                return Text(root.InsertNodesBefore(root.GetCurrentNode(body)!.Statements[0], [SyntaxFactory.ParseStatement($"var {made} = 0;\n")]));
            case PatchForm.KeepBehind when at is not null && patch.Old is not null:
                return Text(Behind(root, at, patch.Old));
            case PatchForm.KeepInFront when at is not null && patch.Old is not null:
                return Text(InFront(root, at, patch.Old));
            case PatchForm.KeepBetween when at is not null && patch.OldAt is not null && patch.Old is not null:
                var next = Statement(root, patch.OldAt.Line)!;
                var common = at.Ancestors().OfType<BlockSyntax>().First(block => next.Ancestors().Contains(block));
                return Text(InFront(root, common.Statements.First(s => s.Span.Contains(next.Span)), patch.Old));
            case PatchForm.KeepAtEnd when patch.Old is not null && at is not null:
                return Text(InFront(root, at.Ancestors().OfType<MethodDeclarationSyntax>().First().Body!.Statements.OfType<ReturnStatementSyntax>().Last(), patch.Old));
            case PatchForm.Choose when at is not null:
                var call = at.DescendantNodes().OfType<InvocationExpressionSyntax>().First(i => i.Expression.ToString() is "Call" or "saga.Call");
                if (at is ExpressionStatementSyntax { Expression: AwaitExpressionSyntax }) return Text(root.ReplaceNode(at, SyntaxFactory.ParseStatement($"if (Patched(\"{patch.Name}\")) {{ {at} }} else {{ {patch.Old}; }}\n")));
                ExpressionSyntax whole = call.Parent is AwaitExpressionSyntax awaited ? awaited : call;
                var old = whole is AwaitExpressionSyntax ? patch.Old! : patch.Old!["await ".Length..];
                return Text(root.ReplaceNode(whole, SyntaxFactory.ParseExpression($"(Patched(\"{patch.Name}\") ? {whole} : {old})")));
            case PatchForm.Move when at is not null && patch.OldAt is not null:
                return Move(root, at, Statement(root, patch.OldAt.Line)!, patch);
            default:
                return null;
        }
    }

    private static string Move(SyntaxNode root, StatementSyntax moved, StatementSyntax old, SuggestedPatch patch)
    {
        var (isNew, isOld) = ($"Patched(\"{patch.Name}\")", $"!Patched(\"{patch.Name}\")");
        // Whichever comes first in the text declares what both assign.
        var movedIsFirst = moved.SpanStart < old.SpanStart;
        var name = (moved as LocalDeclarationStatementSyntax)?.Declaration.Variables.Single();
        var assign = name is null ? moved.ToString() : $"{name.Identifier} = {name.Initializer!.Value};";
        var here = movedIsFirst ? Under(moved, isNew) : SyntaxFactory.ParseStatement($"if ({isNew}) {{ {assign} }}\n");
        var there = movedIsFirst || name is null ? $"if ({isOld}) {{ {assign} }}" : $"var {name.Identifier} = {isOld} ? {name.Initializer!.Value} : default!;";
        root = root.TrackNodes(moved, old);
        root = root.ReplaceNode(root.GetCurrentNode(moved)!, here);
        return Text(patch.Old == "front" ? InFront(root, root.GetCurrentNode(old)!, there) : Behind(root, root.GetCurrentNode(old)!, there));
    }

    private static StatementSyntax Under(StatementSyntax statement, string condition)
    {
        if (statement is LocalDeclarationStatementSyntax { Declaration.Variables: [{ Initializer.Value: { } value } variable] })
            return SyntaxFactory.ParseStatement($"var {variable.Identifier} = {condition} ? {value} : default!;\n");
        return SyntaxFactory.ParseStatement($"if ({condition}) {{ {statement} }}\n");
    }

    private static SyntaxNode Behind(SyntaxNode root, StatementSyntax at, string old)
    {
        if (at is ReturnStatementSyntax { Expression: { } value })
            return root.ReplaceNode(at, SyntaxFactory.ParseStatement($"{{ var returned = {value}; {old} return returned; }}\n"));
        if (at.Parent is not BlockSyntax) return root.ReplaceNode(at, SyntaxFactory.ParseStatement($"{{ {at} {old} }}\n"));
        return root.InsertNodesAfter(at, [SyntaxFactory.ParseStatement(old + "\n")]);
    }

    private static SyntaxNode InFront(SyntaxNode root, StatementSyntax at, string old)
    {
        if (at.Parent is not BlockSyntax) return root.ReplaceNode(at, SyntaxFactory.ParseStatement($"{{ {old} {at} }}\n"));
        return root.InsertNodesBefore(at, [SyntaxFactory.ParseStatement(old + "\n")]);
    }

    private static StatementSyntax? Statement(SyntaxNode root, int line) => root.DescendantNodes().OfType<StatementSyntax>()
        .Where(s => s is not BlockSyntax && s.GetLocation().GetLineSpan() is var span && span.StartLinePosition.Line + 1 <= line && span.EndLinePosition.Line + 1 >= line)
        .OrderBy(s => s.Span.Length).FirstOrDefault(s => s.DescendantNodes().OfType<InvocationExpressionSyntax>().Any());

    private static string Text(SyntaxNode root) => root.ToFullString();
}
