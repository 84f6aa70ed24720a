using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>
/// Somebody who starts one run, signals, cancels, decides, resolves, asks for a retry and skips, through whichever host answers. What got no answer is sent
/// again under the same key; what got one is remembered, for it must never be lost.
/// </summary>
internal sealed class SimClient(SimWorld world, SimDisk disk, SimHost[] hosts, SimTime time, RunKey run, string workflow)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private int repairs;

    public List<Acknowledged> Acknowledged { get; } = [];

    public List<string> Complaints { get; } = [];

    public async Task ActAsync()
    {
        await PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(3)));
        var input = JsonText.From(world.Random.Below(100));
        await SendAsync("start", CommandKind.Start, async host =>
        {
            await host.StartRunAsync(new StartRun(workflow, input, run.Id), "alice");
            return 1;
        });
        if (workflow is "sim-waits" or "sim-loop") foreach (var signal in new[] { "go-1", "go-2" }) await SignalAsync(signal);
        var cancelled = world.Random.Below(workflow is "sim-saga" or "sim-family" ? 2 : 8) == 0;
        if (cancelled)
        {
            await PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(12)));
            await SendAsync("cancel", CommandKind.Cancel, host => host.CancelAsync(run, "no longer wanted", "alice", "cancel"));
        }
        if (world.Random.Chance(0.15)) await HaltAsync();
        await AttendAsync();
    }

    // Halts the run for a while, and now and then for good.
    private async Task HaltAsync()
    {
        await PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(10)));
        await SendAsync("pause", CommandKind.Pause, host => host.PauseAsync(run, "not now", "alice", "pause"));
        await PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(20)));
        if (world.Random.Chance(0.3)) await SendAsync("terminate", CommandKind.Terminate, host => host.TerminateAsync(run, "not at all", "alice", "terminate"));
        else await SendAsync("resume", CommandKind.Resume, host => host.ResumeAsync(run, "alice", "resume"));
    }

    private async Task SignalAsync(string key)
    {
        await PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(4)));
        await SendAsync(key, CommandKind.Signal, host => host.SignalAsync(run, SimWaits.Go.Name, JsonText.From(1), "alice", key));
    }

    // Looks at the list from time to time, as people do, and does what only a person can.
    private async Task AttendAsync()
    {
        while (true)
        {
            var row = await disk.Store.FindAsync(run, CancellationToken.None);
            if (row is { ClosedAt: not null }) return;
            foreach (var wait in row?.Waits ?? [])
            {
                if (wait is { Kind: "approval", Step: { } step }) await DecideAsync(step, wait.Digest!);
                if (wait is { Kind: "activity" or "outcome-unknown", Step: { } stuck } && world.Random.Chance(0.1)) await RepairAsync(stuck, wait.Until is not null);
                else if (wait is { Kind: "outcome-unknown", Until: null, Step: { } unknown } && workflow == "sim-person") await ResolveAsync(unknown);
            }
            await PauseAsync(world.Random.Between(0.5, 2));
        }
    }

    private async Task DecideAsync(int step, string digest)
    {
        if (world.Random.Chance(0.2)) await RefusedAsync(host => host.DecideAsync(run, step, true, new Decider("alice", ["controller"], "key"), null, digest));
        if (world.Random.Chance(0.2)) await RefusedAsync(host => host.DecideAsync(run, step, true, new Decider("eve", ["clerk"], "key"), null, digest));
        var granted = world.Random.Chance(0.8);
        await SendAsync($"decide-{step}", CommandKind.Decide, host => host.DecideAsync(run, step, granted, new Decider("carl", ["controller"], "key"), null, digest, $"decide-{step}"));
    }

    // The person asks the desk, and has the reference voided if it is not there.
    private async Task ResolveAsync(int step)
    {
        var epoch = EpochOf(step);
        var reference = IdempotencyKey.Of(run.Tenant, run.Id, step, epoch).Value;
        var said = world.Receivers.WireDesk.Inquire(reference, 0, andVoid: true);
        var happened = said.Verdict is ReconciledAs.Happened;
        await SendAsync($"resolve-{step}-{epoch}", CommandKind.Resolve, host => host.ResolveAsync(run, step, happened, JsonText.From(7), "asked the desk", "olga", $"resolve-{step}-{epoch}"));
    }

    // Who loses patience with a step has it tried at once, or gives its result in its stead. By the time it arrives the step may be over, or under way.
    private async Task RepairAsync(int step, bool isPause)
    {
        var key = $"repair-{step}-{++repairs}";
        if (isPause && world.Random.Chance(0.7)) await SendAsync(key, CommandKind.RetryNow, host => host.RetryNowAsync(run, step, "olga", key));
        else await SendAsync(key, CommandKind.Skip, host => host.SkipAsync(run, step, JsonText.From(7), "it is not needed", "olga", key));
    }

    private int EpochOf(int step) => disk.Store.ReadAsync(run, 1, CancellationToken.None).Result
        .Select(e => e.Read()).OfType<OutcomeNeverWill>().Count(e => e.Step == step);

    private async Task RefusedAsync(Func<WorkflowHost, Task<long>> send)
    {
        if (Pick() is not { } host) return;
        try
        {
            var reply = send(host);
            await Task.WhenAny(reply, Task.Delay(Patience, time));
            if (reply.IsCompletedSuccessfully) Complaints.Add("a decision nobody was entitled to make was accepted");
            else if (reply.IsCompleted) await reply;
        }
        catch (Exception e) when (e is CommandRefusedException or InvalidOperationException)
        {
        }
    }

    private async Task SendAsync(string key, CommandKind kind, Func<WorkflowHost, Task<long>> send)
    {
        while (true)
        {
            if (Pick() is { } host)
            {
                try
                {
                    var reply = send(host);
                    if (!reply.IsCompleted) await Task.WhenAny(reply, Task.Delay(Patience, time));
                    if (reply.IsCompleted)
                    {
                        Acknowledged.Add(new Acknowledged(run, kind, key, await reply));
                        world.Note($"{run} {key} acknowledged");
                        return;
                    }
                }
                catch (CommandRefusedException e) when (e.Refusal is not Refusal.Busy)
                {
                    if (e.Refusal is Refusal.NotFound) Complaints.Add($"{key}: {e.Message}");
                    return;
                }
                catch (Exception e) when (e is CommandRefusedException or InvalidOperationException or IOException)
                {
                }
            }
            await PauseAsync(world.Random.Between(0.1, 1));
        }
    }

    private WorkflowHost? Pick() => hosts[world.Random.Below(hosts.Length)].Serving;

    private Task PauseAsync(TimeSpan span) => Task.Delay(span, time);
}
