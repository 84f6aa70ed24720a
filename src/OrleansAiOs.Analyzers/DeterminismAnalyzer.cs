using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Diagnostics;

namespace OrleansAiOs.Analyzers;

/// <summary>
/// Determinism as build errors. Each body of workflow code is read (<see cref="Body"/>) and its offences reported where they stand; each
/// call that leaves workflow code for other code of this compilation is followed (<see cref="CallGraph"/>), and what it leads to is reported at the call, with the way.
/// </summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class DeterminismAnalyzer : DiagnosticAnalyzer
{
    /// <summary>Properties of a diagnostic that a code fix can cure: which fix, and what it writes.</summary>
    internal const string FixKind = "fix", FixText = "text";

    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } = BanTable.Rules.Select(rule => rule.Descriptor).ToImmutableArray();

    public override void Initialize(AnalysisContext context)
    {
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.EnableConcurrentExecution();
        context.RegisterCompilationStartAction(start =>
        {
            if (WorkflowCode.In(start.Compilation) is not { } code) return;
            var bans = new BanTable(start.Compilation);
            var calls = new CallGraph(start.Compilation, code, bans);
            start.RegisterOperationBlockAction(block =>
            {
                if (code.Includes(block.OwningSymbol)) Check(block, code, bans, calls);
            });
        });
    }

    private static void Check(OperationBlockAnalysisContext block, WorkflowCode code, BanTable bans, CallGraph calls)
    {
        var body = Body.Read(block.OperationBlocks, code, bans, isDirect: true);
        foreach (var offence in body.Offences)
        {
            // Where the workflow's members can be used: not in constructors and initialisers.
            var properties = offence.Fix is { } fix && block.OwningSymbol is IMethodSymbol { MethodKind: not MethodKind.Constructor }
                ? ImmutableDictionary<string, string?>.Empty.Add(FixKind, fix.Kind).Add(FixText, fix.Text)
                : ImmutableDictionary<string, string?>.Empty;
            block.ReportDiagnostic(Diagnostic.Create(offence.Rule.Descriptor, offence.Where.GetLocation(), properties, $"{offence.What} {offence.Says}"));
        }
        foreach (var call in body.Calls)
            foreach (var (offence, path) in calls.Reached(call, block.CancellationToken))
            {
                var there = offence.Where.GetLocation();
                var line = there.GetLineSpan();
                var place = $"{Path.GetFileName(line.Path)}({line.StartLinePosition.Line + 1})";
                block.ReportDiagnostic(Diagnostic.Create(offence.Rule.Descriptor, Called(call.Where), additionalLocations: [there],
                    $"{path} uses {offence.What}, which {offence.Says} [{place}]"));
            }
    }

    // The name that is called, not its arguments.
    private static Location Called(SyntaxNode where) => (where switch
    {
        InvocationExpressionSyntax call => call.Expression,
        ObjectCreationExpressionSyntax creation => creation.Type,
        _ => where,
    }).GetLocation();
}
