using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Text;
using OrleansAiOs.Analyzers.Fixes;

namespace OrleansAiOs.Analyzers.Tests;

/// <summary>Sources compiled against the engine, with the analyzer in the compiler's place.</summary>
internal static class Analysed
{
    private const string Usings = """
        global using System;
        global using System.Collections.Concurrent;
        global using System.Collections.Generic;
        global using System.Collections.Immutable;
        global using System.Data.Common;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Net.Http.Json;
        global using System.Security.Cryptography;
        global using System.Threading;
        global using System.Threading.Channels;
        global using System.Threading.Tasks;
        global using OrleansAiOs.Workflows;
        global using Process = System.Diagnostics.Process;
        global using Stopwatch = System.Diagnostics.Stopwatch;
        """;

    private static readonly ImmutableArray<MetadataReference> References =
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(path => MetadataReference.CreateFromFile(path)),
    ];

    private static readonly CSharpCompilationOptions Options = new(OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable, allowUnsafe: false);

    // All samples share its references, whose symbols are read once.
    private static readonly CSharpCompilation Empty = CSharpCompilation.Create("Sample", [Parse(Usings, "Usings.cs")], References, Options);

    private static readonly Lazy<Task<Project>> Editor = new(async () =>
    {
        var project = new AdhocWorkspace().AddProject(ProjectInfo.Create(ProjectId.CreateNewId(), VersionStamp.Default, "Sample", "Sample", LanguageNames.CSharp,
            compilationOptions: Options, parseOptions: CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.Latest), metadataReferences: References)).AddDocument("Usings.cs", Usings).Project;
        await project.GetCompilationAsync();
        return project;
    });

    /// <summary>A workflow whose code is <paramref name="body"/>, with other members of its class and other types behind it.</summary>
    public static string Workflow(string body, string members = "", string types = "") => $$"""
        [Workflow("sample")]
        public sealed class Sample : Workflow<int, int>
        {
            {{members}}
            protected override async Task<int> RunAsync(int input)
            {
                await Task.Yield();
                {{body}}
                return input;
            }
        }
        {{types}}
        """;

    public static async Task<ImmutableArray<Diagnostic>> FindAsync(string source) => [.. (await FindAsync([source]))[source]];

    /// <summary>What is found in each of many sources, compiled at once.</summary>
    public static async Task<ILookup<string, Diagnostic>> FindAsync(IReadOnlyList<string> sources)
    {
        var trees = sources.Select((source, i) => Parse(sources.Count == 1 ? source : $"namespace S{i};\n{source}", "Sample.cs")).ToList();
        var compilation = Empty.AddSyntaxTrees(trees);
        compilation.GetDiagnostics().Where(d => d.Severity is DiagnosticSeverity.Error).Select(d => (d, d.Location.SourceTree?.ToString())).Should().BeEmpty("the samples must compile");
        var found = await compilation.WithAnalyzers([new DeterminismAnalyzer()]).GetAnalyzerDiagnosticsAsync();
        return found.ToLookup(d => sources[trees.IndexOf(d.Location.SourceTree!)]);
    }

    /// <summary>The source after the fix of this title, which must compile and end the complaint.</summary>
    public static async Task<string> FixAsync(string source, string? title = null)
    {
        var document = (await Editor.Value).AddDocument("Sample.cs", source);
        var actions = new List<CodeAction>();
        var found = (await (await document.Project.GetCompilationAsync())!.WithAnalyzers([new DeterminismAnalyzer()]).GetAnalyzerDiagnosticsAsync()).Single();
        await new DeterminismFixes().RegisterCodeFixesAsync(new CodeFixContext(document, found, (action, _) => actions.Add(action), CancellationToken.None));
        if (actions.Count == 0) return "no fix";
        var chosen = title is null ? actions[0] : actions.Single(action => action.Title == title);
        var change = (await chosen.GetOperationsAsync(CancellationToken.None)).OfType<ApplyChangesOperation>().Single();
        var text = (await change.ChangedSolution.GetDocument(document.Id)!.GetTextAsync()).ToString();
        (await FindAsync(text)).Should().BeEmpty("the fix is the cure");
        return text;
    }

    private static SyntaxTree Parse(string source, string path) =>
        CSharpSyntaxTree.ParseText(SourceText.From(source), CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.Latest), path);
}
