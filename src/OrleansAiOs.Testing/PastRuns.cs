using System.Reflection;
using System.Text;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Testing;

/// <summary>
/// Runs of the past as a test: what <c>aios export</c> wrote is replayed with the code of now, which must ask for the same.
/// <c>aios replay RUN --as-test</c> writes such a test.
/// </summary>
public static class PastRuns
{
    /// <summary>Replays every run of an export.</summary>
    /// <param name="export">The text of the file.</param>
    /// <param name="registry">The workflows; if left out, they are looked for by their names in the assemblies beside the test.</param>
    /// <exception cref="PastRunDiffersException">The code asks for something else, or cannot be replayed: the message says what and where, and the patch.</exception>
    public static async Task ReplayAsync(string export, WorkflowRegistry? registry = null) =>
        // The lines of a checked-out source file may end otherwise than those of the export.
        await ReplayAsync(new MemoryStream(Encoding.UTF8.GetBytes(export.Replace("\r\n", "\n", StringComparison.Ordinal))), registry);

    /// <inheritdoc cref="ReplayAsync(string, WorkflowRegistry?)"/>
    /// <param name="export">The file's content.</param>
    /// <param name="registry">The workflows; if left out, they are looked for by their names in the assemblies beside the test.</param>
    public static async Task ReplayAsync(Stream export, WorkflowRegistry? registry = null)
    {
        var verdicts = new List<ReplayVerdict>();
        await foreach (var lines in new HistoryReader(export).ReadAsync())
        {
            var run = lines.Parse();
            verdicts.Add(new Replayer(registry ?? Beside(run.Workflow)).Replay(run.Run, run.History));
        }
        if (verdicts.Count == 0) throw new PastRunDiffersException("The export holds no run: nothing was replayed.");
        var bad = verdicts.Where(verdict => verdict.Result is not ReplayResult.Same).ToList();
        if (bad.Count > 0) throw new PastRunDiffersException($"{bad.Count} of {verdicts.Count} past runs do not replay with this code.\n{string.Join('\n', bad.Select(Describe))}");
    }

    private static string Describe(ReplayVerdict verdict)
    {
        var text = new StringBuilder($"{verdict.Run} ({verdict.Workflow}): {verdict.Why}");
        foreach (var change in verdict.Changes) text.Append($"\n  {change.Kind.ToString().ToLowerInvariant()}: {change.Text}");
        foreach (var patch in verdict.Patches) text.Append($"\n  patch: {patch.Text}");
        return text.ToString();
    }

    private static WorkflowRegistry Beside(string workflow)
    {
        var found = Directory.EnumerateFiles(AppContext.BaseDirectory, "*.dll").Select(Load).OfType<Assembly>().Distinct()
            .SelectMany(TypesOf).Where(type => !type.IsAbstract && type.GetCustomAttribute<WorkflowAttribute>()?.Name == workflow).ToList();
        return found switch
        {
            [var type] => new WorkflowRegistry().Add(type),
            [] => throw new PastRunDiffersException($"No assembly beside this test holds a workflow '{workflow}'. Reference its project, or hand a registry to PastRuns.ReplayAsync."),
            _ => throw new PastRunDiffersException($"Several classes are the workflow '{workflow}': {string.Join(", ", found.Select(type => type.FullName))}. Hand a registry with the one you mean to PastRuns.ReplayAsync."),
        };
    }

    // Only what was built against the engine can hold a workflow; the rest is not even loaded.
    private static Assembly? Load(string path)
    {
        try
        {
            using var file = new System.Reflection.PortableExecutable.PEReader(File.OpenRead(path));
            if (!file.HasMetadata) return null;
            var metadata = System.Reflection.Metadata.PEReaderExtensions.GetMetadataReader(file);
            var engine = typeof(Workflow).Assembly.GetName().Name;
            return metadata.AssemblyReferences.Any(reference => metadata.GetString(metadata.GetAssemblyReference(reference).Name) == engine)
                ? Assembly.Load(new AssemblyName(Path.GetFileNameWithoutExtension(path)))
                : null;
        }
        catch (Exception e) when (e is BadImageFormatException or IOException)
        {
            return null;
        }
    }

    private static IEnumerable<Type> TypesOf(Assembly assembly)
    {
        try
        {
            return assembly.GetTypes();
        }
        catch (ReflectionTypeLoadException e)
        {
            return e.Types.OfType<Type>(); // what it needs beyond that is not here
        }
    }
}

/// <summary>A run of the past does not replay with the code of now.</summary>
public sealed class PastRunDiffersException(string message) : Exception(message);
