using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Retention;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>
/// Where what is over is deleted after a day: lets days pass, while some runs are still open and when none is, and kills hosts that delete.
///
/// A receipt lives as long as its run, so a day passes only when no start can still be on its way: no host is paused, and the last fault is older than the
/// longest retry.
/// </summary>
internal sealed class SimHousekeeper(SimWorld world, SimSender sender, SimHost[] hosts, SimDisk disk, Func<bool> othersAreDone, Func<bool> othersHaveBegun)
{
    public static readonly IReadOnlyList<RetentionRule> Rules = [new(SimVigil.Name, RunStatus.Failed, null), new(null, RunStatus.Completed, TimeSpan.FromDays(1)), new(null, null, TimeSpan.FromHours(20))];

    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(55);
    private static readonly RunKey Run = new(RunKey.DefaultTenant, RetentionWorkflow.Run);
    private int looks;

    public async Task ActAsync()
    {
        while (world.Loop.Now < Settled || !othersHaveBegun() || Array.Exists(hosts, host => host.IsPaused) || world.UnderWay > 0) await sender.PauseAsync(TimeSpan.FromSeconds(1));
        await sender.PauseAsync(TimeSpan.FromSeconds(5));
        for (var days = 0; days < 2 || !othersAreDone(); days++)
        {
            await LetADayPassAsync(mayKill: days < 2);
            // Some work takes its time, and a host alone notices late that its clock was set.
            for (var waited = 0; days > 0 && waited < 100 && !othersAreDone(); waited++) await sender.PauseAsync(TimeSpan.FromSeconds(4));
        }
        await LetADayPassAsync(mayKill: true);
        await sender.SendAsync(Run, "enough", CommandKind.Cancel, host => host.CancelAsync(Run, "enough", "olga", "enough"));
        while (await disk.Store.FindAsync(Run, CancellationToken.None) is { ClosedAt: null }) await sender.PauseAsync(TimeSpan.FromSeconds(1));
    }

    private async Task LetADayPassAsync(bool mayKill)
    {
        world.Loop.Jumped += TimeSpan.FromHours(25);
        world.Note("a day passes");
        var key = $"look-{++looks}";
        await sender.SendAsync(Run, key, CommandKind.Signal, host => host.SignalAsync(Run, RetentionWorkflow.Look.Name, JsonText.From(""), "olga", key));
        if (mayKill && world.Random.Chance(0.5))
        {
            await sender.PauseAsync(world.Random.UpTo(TimeSpan.FromMilliseconds(50)));
            hosts[world.Random.Below(hosts.Length)].Kill(world.Random.UpTo(TimeSpan.FromSeconds(2)));
        }
        await sender.PauseAsync(TimeSpan.FromSeconds(10));
    }
}

/// <summary>Goes on for days after its child has ended.</summary>
[Workflow(Name)]
internal sealed class SimVigil : Workflow<int, int>
{
    public const string Name = "sim-vigil";

    private static readonly Child<int, int> Child = Child<int, int>.Of<SimErrand>();

    protected override async Task<int> RunAsync(int value)
    {
        Answers(SimValue.Query, () => value);
        value = await Call(Child, value);
        await Sleep(TimeSpan.FromHours(40));
        return value;
    }
}
