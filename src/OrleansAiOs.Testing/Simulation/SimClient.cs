using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;
using OrleansAiOs.Workflows.Versions;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>Somebody who starts one run, steers it in every way there is, and sees it to its end.</summary>
internal sealed class SimClient(SimWorld world, SimDisk disk, SimSender sender, RunKey run, string workflow)
{
    private int repairs;
    private int signals;
    private int questions;

    public async Task ActAsync()
    {
        await PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(3)));
        var input = JsonText.From(world.Random.Below(100));
        var version = workflow == SimMoving.Name ? SimMoving.Versions[world.Random.Below(2)] : null;
        if (workflow == SimTill.Name) await KeepTillAsync();
        else await sender.SendAsync(run, "start", CommandKind.Start, host => host.StartRunAsync(new StartRun(workflow, input, run.Id, Version: version), "alice"), _ => 1);
        if (workflow is "sim-waits" or "sim-loop") foreach (var signal in new[] { "go-1", "go-2" }) await SignalAsync(signal);
        if (workflow == "sim-account") await BankAsync();
        if (workflow == SimMoving.Name) await MoveAsync();
        var cancelled = world.Random.Below(workflow is "sim-saga" or "sim-family" or SimTransfer.Name ? 2 : 8) == 0;
        if (cancelled)
        {
            await PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(12)));
            await sender.SendAsync(run, "cancel", CommandKind.Cancel, host => host.CancelAsync(run, "no longer wanted", "alice", "cancel"));
        }
        if (workflow == SimTransfer.Name)
        {
            // To end it at once, or to have an effect anew, is to leave one till without the other.
            await AttendAsync(run, new SimBranching(world, disk, sender, run));
            await CountTillsAsync();
            return;
        }
        if (world.Random.Chance(0.15)) await HaltAsync();
        var branching = new SimBranching(world, disk, sender, run);
        if (world.Random.Chance(0.08))
        {
            await PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(8)));
            await branching.ResetAsync();
        }
        await AttendAsync(run, branching);
        if (world.Random.Chance(0.04))
        {
            await branching.ResetAsync();
            await AttendAsync(run, branching);
        }
        if (world.Random.Chance(0.04) && await branching.ForkAsync() is { } fork) await AttendAsync(fork, new SimBranching(world, disk, sender, fork));
    }

    // Halts the run for a while, and now and then for good.
    private async Task HaltAsync()
    {
        await PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(10)));
        await sender.SendAsync(run, "pause", CommandKind.Pause, host => host.PauseAsync(run, "not now", "alice", "pause"));
        await PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(20)));
        if (world.Random.Chance(0.3)) await sender.SendAsync(run, "terminate", CommandKind.Terminate, host => host.TerminateAsync(run, "not at all", "alice", "terminate"));
        else await sender.SendAsync(run, "resume", CommandKind.Resume, host => host.ResumeAsync(run, "alice", "resume"));
    }

    private async Task SignalAsync(string key)
    {
        await PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(4)));
        await sender.SendAsync(run, key, CommandKind.Signal, host => host.SignalAsync(run, SimWaits.Go.Name, JsonText.From(1), "alice", key));
    }

    // Updates that are answered at once, later, badly or not at all, one after the other and two at a time.
    private async Task BankAsync()
    {
        for (var i = 0; i < 2; i++)
        {
            var first = sender.UpdateAsync(run, SimAccount.Deposit.Name, JsonText.From(world.Random.Below(12) - 1), $"deposit-{i}");
            if (world.Random.Chance(0.5)) await first;
            await sender.UpdateAsync(run, SimAccount.Set.Name, JsonText.From(world.Random.Below(12) - 1), $"set-{i}");
            await first;
            await sender.QueryAsync(run, SimValue.Query.Name);
            await PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(2)));
        }
    }

    // Whoever speaks to it first begins it.
    private async Task KeepTillAsync()
    {
        await Task.WhenAll(Enumerable.Range(0, 2).Select(async teller =>
        {
            for (var i = 0; i < 3; i++)
            {
                var (update, amount) = (world.Random.Chance(0.7) ? SimTill.Take : SimTill.Count, world.Random.Below(12) - 1);
                await sender.UpdateAsync(run, update.Name, JsonText.From(amount), $"teller-{teller}-{i}", SimTill.Name);
                await PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(2)));
            }
        }));
        await sender.UpdateAsync(run, SimTill.Close.Name, JsonText.From(0), "close", SimTill.Name);
        sender.Acknowledged.Add(new Acknowledged(run, CommandKind.Start, "start", 1));
    }

    private async Task CountTillsAsync()
    {
        var together = 0;
        foreach (var till in new[] { SimTransfer.From(run.Id), SimTransfer.To(run.Id) }.Select(id => run with { Id = id }))
        {
            await sender.UpdateAsync(till, SimTill.Close.Name, JsonText.From(0), "close", SimTill.Name);
            together += sender.Answered.LastOrDefault(answered => answered.Run == till)?.Outcome.Answer?.To<int>() ?? 0;
        }
        if (together != 0) sender.Complaints.Add(new Violation("I3", run, $"the tills it moved money between hold {together} more than before"));
    }

    // Moves all runs of the workflow to another version, and perhaps back.
    private async Task MoveAsync()
    {
        for (var moves = world.Random.Below(3); moves > 0; moves--)
        {
            await PauseAsync(world.Random.UpTo(TimeSpan.FromSeconds(6)));
            var command = new MigrateRuns(SimMoving.Name, SimMoving.Versions[world.Random.Below(3)], DryRun: world.Random.Chance(0.2), Undo: world.Random.Chance(0.3));
            if (await sender.TryAsync(host => host.MigrateAsync(command, "olga")) is not { } page) continue;
            foreach (var moved in page.Runs.Where(moved => moved.Result is MigrationResult.Moved))
                sender.Acknowledged.Add(new Acknowledged(moved.Run, CommandKind.Migrate, $"to version {moved.To}", moved.Version!.Value));
            foreach (var one in page.Runs) world.Note($"{one.Run} to version {one.To}: {one.Result} {one.Why}");
        }
    }

    // Looks at the list from time to time, as people do, and does what only a person can.
    private async Task AttendAsync(RunKey which, SimBranching branching)
    {
        for (var looks = 0; ; looks++)
        {
            if (disk.IsGone(which)) return;
            var row = await disk.Store.FindAsync(which, CancellationToken.None);
            if (world.Random.Chance(looks < 4 ? 0.03 : 0.01) || row is { ClosedAt: not null } && questions == 0 && world.Random.Chance(0.1))
            {
                questions++;
                await sender.QueryAsync(which, SimValue.Query.Name);
            }
            if (row is { ClosedAt: not null }) return;
            foreach (var wait in row?.Waits ?? [])
            {
                if (wait is { Kind: "approval", Step: { } step }) await DecideAsync(which, step, wait.Digest!);
                if (wait is { Kind: "activity" or "outcome-unknown", Step: { } stuck } && stuck > 0 && workflow != SimTransfer.Name && world.Random.Chance(0.1)) await RepairAsync(which, stuck, wait.Until is not null);
                else if (wait is { Kind: "outcome-unknown", Until: null, Step: { } unknown } && workflow == "sim-person") await ResolveAsync(which, unknown);
                // A dead branch had it, or the one the run was forked from.
                if (wait is { Kind: "signal" } && looks > 3 && world.Random.Chance(0.2))
                {
                    var key = $"go-again-{++signals}";
                    await sender.SendAsync(which, key, CommandKind.Signal, host => host.SignalAsync(which, SimWaits.Go.Name, JsonText.From(1), "alice", key));
                }
                // It was told so in a dead branch, or what it was forked from was. Its answer is not waited for: it may be parked by then.
                if (wait is { Kind: "update", Name: "close" } && looks > 3 && world.Random.Chance(0.2))
                {
                    var key = $"close-again-{++signals}";
                    await sender.SendAsync(which, key, CommandKind.Update, host => host.UpdateAsync(which, SimTill.Close.Name, JsonText.From(0), "alice", key, new CancellationToken(canceled: true)), said => said.Version);
                }
                if (wait is { Kind: "unpark" }) await branching.MendAsync();
                if (wait is { Kind: "resume" } && looks > 20)
                {
                    var key = $"resume-{which.Id}-{looks}"; // it was paused in what a reset kept
                    await sender.SendAsync(which, key, CommandKind.Resume, host => host.ResumeAsync(which, "alice", key));
                }
            }
            await PauseAsync(world.Random.Between(0.5, 2));
        }
    }

    private async Task DecideAsync(RunKey which, int step, string digest)
    {
        if (world.Random.Chance(0.2)) await sender.RefusedAsync(which, host => host.DecideAsync(which, step, true, new Decider("alice", ["controller"], "key"), null, digest));
        if (world.Random.Chance(0.2)) await sender.RefusedAsync(which, host => host.DecideAsync(which, step, true, new Decider("eve", ["clerk"], "key"), null, digest));
        var granted = world.Random.Chance(0.8);
        // The same step may be decided on anew behind a reset.
        var key = $"decide-{step}-{StateOf(which).Resets}";
        await sender.SendAsync(which, key, CommandKind.Decide, host => host.DecideAsync(which, step, granted, new Decider("carl", ["controller"], "key"), null, digest, key));
    }

    // The person asks the desk, and has the reference voided if it is not there.
    private async Task ResolveAsync(RunKey which, int step)
    {
        if (StateOf(which).Find<ActivityStep>(step) is not { Now: ActivityStep.Phase.AwaitingPerson } unknown) return;
        var reference = IdempotencyKey.Of(which.Tenant, which.Id, step, unknown.Epoch).Value;
        var said = world.Receivers.WireDesk.Inquire(reference, 0, andVoid: true);
        var happened = said.Verdict is ReconciledAs.Happened;
        var key = $"resolve-{step}-{unknown.Epoch}";
        await sender.SendAsync(which, key, CommandKind.Resolve, host => host.ResolveAsync(which, step, happened, JsonText.From(7), "asked the desk", "olga", key));
    }

    // Who loses patience with a step has it tried at once, or gives its result in its stead. By the time it arrives the step may be over, or under way.
    private async Task RepairAsync(RunKey which, int step, bool isPause)
    {
        var key = $"repair-{step}-{++repairs}";
        if (isPause && world.Random.Chance(0.7)) await sender.SendAsync(which, key, CommandKind.RetryNow, host => host.RetryNowAsync(which, step, "olga", key));
        else await sender.SendAsync(which, key, CommandKind.Skip, host => host.SkipAsync(which, step, JsonText.From(7), "it is not needed", "olga", key));
    }

    private RunState StateOf(RunKey which) => RunState.Of(which, [.. disk.Store.ReadAsync(which, 1, CancellationToken.None).Result.Select(e => (e.Read(), e.At))]);

    private Task PauseAsync(TimeSpan span) => sender.PauseAsync(span);
}
