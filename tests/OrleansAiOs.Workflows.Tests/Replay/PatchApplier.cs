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
            case PatchForm.GuardRepeats or PatchForm.GuardFirst when at is not null:
                return Text(Counted(root, at, patch));
            case PatchForm.KeepBehind when at is not null && patch.Old is not null:
                return Text(Behind(root, at, patch.Old));
            case PatchForm.KeepInFront when at is not null && patch.Old is not null:
                return Text(InFront(root, at, patch.Old));
            case PatchForm.KeepBetween when at is not null && patch.OldAt is not null && patch.Old is not null:
                var next = Statement(root, patch.OldAt.Line)!;
                var common = at.Ancestors().OfType<BlockSyntax>().First(block => next.Ancestors().Contains(block));
                return Text(InFront(root, common.Statements.First(s => s.Span.Contains(next.Span)), patch.Old));
            case PatchForm.KeepAtEnd when patch.Old is not null && at is not null:
                return Text(InFront(root, RunOf(at).Statements.OfType<ReturnStatementSyntax>().Last(), patch.Old));
            case PatchForm.KeepAtStart when patch.Old is not null && at is not null:
                return Text(InFront(root, RunOf(at).Statements[0], patch.Old));
            case PatchForm.ChooseUndo when at is not null && patch.Old is not null:
                var undo = at.DescendantNodes().OfType<ArgumentSyntax>().First(argument => argument.NameColon?.Name.ToString() == "undo").Expression;
                return Text(root.ReplaceNode(undo, SyntaxFactory.ParseExpression($"Patched(\"{patch.Name}\") ? {undo} : {patch.Old}")));
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

    // Counted from the method's start: a counter, on the line of the first statement, so that no line moves.
    private static SyntaxNode Counted(SyntaxNode root, StatementSyntax at, SuggestedPatch patch)
    {
        var (made, patched) = ($"made{patch.At!.Line}", $"Patched(\"{patch.Name}\")");
        var body = at.Ancestors().OfType<MethodDeclarationSyntax>().First().Body!;
        root = root.TrackNodes(at, body);
        var now = root.GetCurrentNode(at)!;
        var lambda = at.DescendantNodes().OfType<LambdaExpressionSyntax>().FirstOrDefault(l => l.ExpressionBody is InvocationExpressionSyntax { Expression: IdentifierNameSyntax { Identifier.Text: "Call" } });
        if (patch.Form is PatchForm.GuardFirst)
            root = root.ReplaceNode(now, Under(at, $"({made}++ >= {patch.Times} || {patched})"));
        else if (lambda is not null && patch.Old is not null)
            root = root.ReplaceNode(now, SyntaxFactory.ParseStatement(at.ToFullString().Replace(lambda.ExpressionBody!.ToString(), $"({made}++ < {patch.Times} || {patched}) ? {lambda.ExpressionBody} : {patch.Old}", StringComparison.Ordinal)));
        else if (at.Ancestors().TakeWhile(node => node is not (MethodDeclarationSyntax or LocalFunctionStatementSyntax or LambdaExpressionSyntax)).Any(node => node is ForStatementSyntax or WhileStatementSyntax or DoStatementSyntax or CommonForEachStatementSyntax))
            root = InFront(root, now, $"if ({made}++ >= {patch.Times} && !{patched}) break;");
        else
            root = root.ReplaceNode(now, Under(at, $"({made}++ < {patch.Times} || {patched})"));
        return root.InsertNodesBefore(root.GetCurrentNode(body)!.Statements[0], [SyntaxFactory.ParseStatement($"var {made} = 0; ")]);
    }

    private static BlockSyntax RunOf(SyntaxNode at) => at.Ancestors().OfType<ClassDeclarationSyntax>().First().Members.OfType<MethodDeclarationSyntax>().First(method => method.Identifier.Text == "RunAsync").Body!;

    private static string Move(SyntaxNode root, StatementSyntax moved, StatementSyntax old, SuggestedPatch patch)
    {
        var (isNew, isOld) = ($"Patched(\"{patch.Name}\")", $"!Patched(\"{patch.Name}\")");
        // Whichever comes first in the text declares what both assign.
        var movedIsFirst = moved.SpanStart < old.SpanStart;
        var name = (moved as LocalDeclarationStatementSyntax)?.Declaration.Variables.Single();
        var kept = AsRecorded(name?.Initializer!.Value ?? (moved as ReturnStatementSyntax)?.Expression ?? (moved as ExpressionStatementSyntax)?.Expression);
        var assign = name is null ? moved is ReturnStatementSyntax ? $"_ = {kept};" : $"{kept};" : $"{name.Identifier} = {kept};";
        var here = movedIsFirst || name is null ? Under(moved, isNew) : SyntaxFactory.ParseStatement($"if ({isNew}) {{ {name.Identifier} = {name.Initializer!.Value}; }}\n");
        var there = movedIsFirst || name is null ? $"if ({isOld}) {{ {assign} }}" : $"var {name.Identifier} = {isOld} ? {kept} : default!;";
        root = root.TrackNodes(moved, old);
        root = root.ReplaceNode(root.GetCurrentNode(moved)!, here);
        return Text(patch.Old == "front" ? InFront(root, root.GetCurrentNode(old)!, there) : Behind(root, root.GetCurrentNode(old)!, there));
    }

    // Any argument does: what the code has at the new place it may not have at the old one.
    private static ExpressionSyntax? AsRecorded(ExpressionSyntax? call)
    {
        if (call?.DescendantNodesAndSelf().OfType<InvocationExpressionSyntax>().FirstOrDefault(i => i.Expression.ToString() is "Call" or "saga.Call") is not { ArgumentList.Arguments: [_, var argument, ..] }) return call;
        return call.ReplaceNode(argument.Expression, SyntaxFactory.ParseExpression("default!"));
    }

    private static StatementSyntax Under(StatementSyntax statement, string condition)
    {
        if (statement is LocalDeclarationStatementSyntax { Declaration.Variables: [{ Initializer.Value: { } value } variable] })
            return SyntaxFactory.ParseStatement($"var {variable.Identifier} = {condition} ? {value} : default!;\n");
        if (statement is ReturnStatementSyntax { Expression: { } returned }) return SyntaxFactory.ParseStatement($"return {condition} ? {returned} : default!;\n");
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
