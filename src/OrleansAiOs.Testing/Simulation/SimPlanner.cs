using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Schedules;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>Somebody who has runs started by the clock, changes his mind about when and how, and in the end has no more of it.</summary>
internal sealed class SimPlanner(SimWorld world, SimSender sender, SimDisk disk, SimTime time, string id)
{
    private readonly RunKey run = new(RunKey.DefaultTenant, ScheduleWorkflow.RunPrefix + id);
    private int told;

    public async Task ActAsync()
    {
        await sender.PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(3)));
        var spec = Spec();
        await sender.SendAsync(run, "start", CommandKind.Start, host => host.Schedules.CreateAsync(id, spec, "alice"), _ => 1);
        for (var acts = world.Random.Below(4); acts > 0; acts--)
        {
            await sender.PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(10)));
            await ActOnceAsync(spec);
        }
        await sender.PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(15)));
        await sender.SendAsync(run, "remove", CommandKind.Cancel, host => host.Schedules.RemoveAsync(id, "alice", "remove"));
        while (!disk.IsGone(run) && await disk.Store.FindAsync(run, CancellationToken.None) is { ClosedAt: null }) await sender.PauseAsync(TimeSpan.FromSeconds(1));
    }

    private Task ActOnceAsync(ScheduleSpec spec)
    {
        var key = $"told-{++told}";
        var overlap = world.Random.Chance(0.5) ? spec.Overlap : Draw();
        switch (world.Random.Below(5))
        {
            case 0:
                return TellAsync(host => host.Schedules.PauseAsync(id, "not now", "alice", key));
            case 1:
                return TellAsync(host => host.Schedules.ResumeAsync(id, "alice", key));
            case 2:
                return TellAsync(host => host.Schedules.TriggerAsync(id, overlap, "alice", key));
            case 3:
                var other = Spec();
                return TellAsync(host => host.Schedules.UpdateAsync(id, other, "alice", key));
            default:
                // Of the clock on the wall here: a host whose clock is behind says that this is in the future.
                var to = time.GetUtcNow() - TimeSpan.FromSeconds(world.Random.Below(5));
                return TellAsync(async host => await host.Schedules.BackfillAsync(id, to - TimeSpan.FromSeconds(20), to, overlap, "alice", key));
        }

        Task TellAsync(Func<WorkflowHost, Task<long>> tell) => sender.SendAsync(run, key, CommandKind.Signal, tell);
    }

    private ScheduleSpec Spec() => new($"@every {4 + world.Random.Below(5)}s", new ScheduledStart(SimErrand.Name, JsonText.From(world.Random.Below(100))), Overlap: Draw(),
        CatchUp: TimeSpan.FromSeconds(10 + world.Random.Below(10)), Jitter: world.Random.Chance(0.3) ? TimeSpan.FromSeconds(2) : null);

    private Overlap Draw() => (Overlap)world.Random.Below(Enum.GetValues<Overlap>().Length);
}

/// <summary>What the simulated schedules start: over before the next time or behind it, as its id has it.</summary>
[Workflow(Name)]
internal sealed class SimErrand : Workflow<int, int>
{
    public const string Name = "sim-errand";

    protected override async Task<int> RunAsync(int value)
    {
        Answers(SimValue.Query, () => value);
        value = await Call(SimTools.Post, value);
        await Sleep(TimeSpan.FromSeconds(RunId.Sum(letter => letter) % 11));
        return await Call(SimTools.Read, value);
    }
}
