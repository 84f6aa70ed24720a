using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Testing.Simulation;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Workflows.Tests.Replay;

/// <param name="Safe">The histories of before replay with it.</param>
internal sealed record Edit(string Workflow, string What, string Find, string With, bool Safe);

/// <summary>Workflows as text, a run of each, and edits of the text.</summary>
/// <param name="source">The workflows.</param>
/// <param name="inputs">Of those that are not started with 3.</param>
/// <param name="drive">Sends a run what it needs.</param>
internal sealed class Corpus(string source, Edit[] edits, Dictionary<string, int> inputs, Func<VirtualHost, RunKey, string, Task> drive)
{
    public static readonly Corpus Samples = new(SampleCode.Source, SampleEdits.All, new() { ["purchase"] = 100 }, SampleCode.DriveAsync);

    public static readonly Corpus HeldOut = new(HeldOutCode.Source, HeldOutEdits.All, new() { ["claim"] = 20 }, HeldOutCode.DriveAsync);

    public static readonly Corpus Fresh = new(FreshCode.Source, FreshCode.Edits, [], FreshCode.DriveAsync);

    private readonly Lazy<Dictionary<string, IReadOnlyList<StoredEvent>>> histories = new(() =>
    {
        var registry = SampleBuild.Build(source);
        return registry.All.ToDictionary(type => type.Name, type => Run(registry, type.Name, inputs.GetValueOrDefault(type.Name, 3), drive));
    });

    public Edit[] Edits => edits;

    public string Source => source;

    public IReadOnlyDictionary<string, IReadOnlyList<StoredEvent>> Histories => histories.Value;

    public string Edited(Edit edit)
    {
        // The same words stand in more than one workflow: what is edited is the first behind this one's name, or the tools in front of all.
        var begin = source.IndexOf($"[Workflow(\"{edit.Workflow}\"", StringComparison.Ordinal);
        var at = source.IndexOf(edit.Find, begin, StringComparison.Ordinal);
        if (at < 0) at = source.IndexOf(edit.Find, StringComparison.Ordinal);
        at.Should().BeGreaterThanOrEqualTo(0, $"'{edit.Workflow}: {edit.What}' finds what it edits");
        return source[..at] + edit.With + source[(at + edit.Find.Length)..];
    }

    // Renamed activities and signals are looked for in the whole assembly: those edits are built by themselves.
    public IEnumerable<(WorkflowRegistry? Code, string? Objection)> BuildEdited()
    {
        static bool IsAlone(Edit edit) => edit.What.StartsWith("rename an activity", StringComparison.Ordinal) || edit.What == "rename a signal";
        var together = new Queue<(WorkflowRegistry?, string?)>(SampleBuild.BuildAll([.. edits.Where(edit => !IsAlone(edit)).Select(Edited)]));
        return edits.Select(edit => IsAlone(edit) ? SampleBuild.BuildAll([Edited(edit)])[0] : together.Dequeue());
    }

    public ReplayVerdict Replay(Edit edit, WorkflowRegistry code) => new Replayer(code).Replay(new RunKey("default", edit.Workflow), Histories[edit.Workflow]);

    public static async Task DecideAsync(VirtualHost world, RunKey run, string role)
    {
        var row = await world.UntilAsync(run, r => r.AwaitsApproval);
        var wait = row.Waits.Single(w => w.Kind == "approval");
        await world.SendAsync(host => host.DecideAsync(run, wait.Step!.Value, true, new Decider("mia", [role], "key"), key: "d"));
    }

    public static async Task SignalAsync(VirtualHost world, RunKey run, string name, object value)
    {
        await world.UntilAsync(run, r => r.Waits.Any(w => w.Kind == "signal" && w.Name == name) && !r.Busy);
        await world.SendAsync(host => host.SignalAsync(run, name, JsonText.From(value), "mia"));
    }

    // To its end, in virtual time.
    private static IReadOnlyList<StoredEvent> Run(WorkflowRegistry registry, string workflow, int input, Func<VirtualHost, RunKey, string, Task> drive)
    {
        var world = new VirtualHost(registry, () => new ServiceCollection().BuildServiceProvider());
        IReadOnlyList<StoredEvent> history = [];
        world.Run(async _ =>
        {
            var run = (await world.SendAsync(host => host.StartRunAsync(new StartRun(workflow, JsonText.From(input), workflow), "paula"))).Run;
            await drive(world, run, workflow);
            await world.UntilAsync(run, r => r.ClosedAt is not null);
            history = await world.Store.ReadAsync(run, 1, default);
        }, within: TimeSpan.FromDays(30));
        return history;
    }
}
