using System.Runtime.Loader;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Emit;
using Microsoft.CodeAnalysis.Text;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Replay;

/// <summary>Builds sources in memory, with symbols.</summary>
internal static class SampleBuild
{
    private static readonly MetadataReference[] References =
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(System.IO.Path.PathSeparator)
            .Where(path => System.IO.Path.GetFileName(path) is "System.Runtime.dll" or "System.Private.CoreLib.dll" or "System.Collections.dll" or "System.Linq.dll" or "System.Text.Json.dll"
                or "System.Threading.dll" or "System.Net.Http.dll" or "System.Net.Primitives.dll" or "System.Data.Common.dll" or "System.ComponentModel.dll" or "netstandard.dll"
                or "System.Private.Uri.dll" or "System.Memory.dll")
            .Select(path => MetadataReference.CreateFromFile(path)),
        MetadataReference.CreateFromFile(typeof(Workflow).Assembly.Location),
    ];

    /// <summary>Builds the source and loads it, with symbols.</summary>
    public static WorkflowRegistry Build(string source) => BuildAll([source])[0].Code ?? throw new InvalidOperationException($"The source does not compile: {BuildAll([source])[0].Objection}");

    /// <summary>Builds many sources at once, each in a namespace of its own; what does not compile is null, with the reason.</summary>
    public static IReadOnlyList<(WorkflowRegistry? Code, string? Objection)> BuildAll(IReadOnlyList<string> sources)
    {
        var trees = sources.Select((source, i) => CSharpSyntaxTree.ParseText(SourceText.From(source.Replace("namespace Samples;", $"namespace Samples{i};"), System.Text.Encoding.UTF8),
            new CSharpParseOptions(LanguageVersion.Latest), $"/samples/{i}/Shop.cs")).ToList();
        var compilation = CSharpCompilation.Create($"Samples-{Guid.NewGuid():N}", trees, References, new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, optimizationLevel: OptimizationLevel.Debug));
        var wrong = compilation.GetDiagnostics().Where(d => d.Severity == DiagnosticSeverity.Error).GroupBy(d => d.Location.SourceTree!).ToDictionary(group => group.Key, group => group.First().ToString());
        compilation = compilation.RemoveSyntaxTrees(wrong.Keys);
        using var code = new MemoryStream();
        using var symbols = new MemoryStream();
        var result = compilation.Emit(code, symbols, options: new EmitOptions(debugInformationFormat: DebugInformationFormat.PortablePdb));
        if (!result.Success) throw new InvalidOperationException(string.Join("; ", result.Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error).Take(3)));
        (code.Position, symbols.Position) = (0, 0);
        var assembly = new AssemblyLoadContext(null, isCollectible: true).LoadFromStream(code, symbols);
        var add = typeof(WorkflowRegistry).GetMethods().Single(method => method is { Name: "Add", IsGenericMethod: true });
        return [.. trees.Select((tree, i) =>
        {
            if (wrong.TryGetValue(tree, out var objection)) return (null, objection);
            var registry = new WorkflowRegistry();
            foreach (var type in assembly.GetTypes().Where(type => type.Namespace == $"Samples{i}" && type.IsSubclassOf(typeof(Workflow)))) add.MakeGenericMethod(type).Invoke(registry, null);
            return ((WorkflowRegistry?)registry, (string?)null);
        })];
    }
}
