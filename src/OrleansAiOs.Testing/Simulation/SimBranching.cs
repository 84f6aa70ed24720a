using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>How somebody resets and forks a run: behind any event, or none that fits, and with any choice for what lies beyond it.</summary>
internal sealed class SimBranching(SimWorld world, SimDisk disk, SimSender sender, RunKey run)
{
    private const int MendedMax = 3;
    private int sent;
    private int mended;

    public Task ResetAsync() => TryAsync("reset", startOver: true, CommandKind.Reset, (to, effects, key) =>
    {
        var drops = world.Random.Chance(0.2);
        return sender.SendAsync(run, key, CommandKind.Reset, host => host.ResetAsync(new ResetRun(run, to, "second thoughts", effects, drops), "olga", key), version => version, effects);
    });

    /// <returns>The new run; null if there is none.</returns>
    public async Task<RunKey?> ForkAsync()
    {
        var fork = run with { Id = $"{run.Id}-fork" };
        var input = world.Random.Chance(0.3) ? JsonText.From(world.Random.Below(100)) : (JsonText?)null;
        return await TryAsync("fork", startOver: false, CommandKind.Fork, (at, effects, _) =>
            sender.SendAsync(fork, $"fork at {at}", CommandKind.Fork, host => host.ForkAsync(new ForkRun(run, at, fork.Id, input, Effects: effects), "olga"), _ => 1, effects)) ? fork : null;
    }

    /// <summary>The run is parked because its code had no use for what a reset chose to reuse: it is reset again, and at last given up.</summary>
    public async Task MendAsync()
    {
        if (mended++ < MendedMax)
        {
            await ResetAsync();
            return;
        }
        var key = $"give-up-{run.Id}-{mended}"; // a receipt of an end that a reset has left still answers
        await sender.SendAsync(run, key, CommandKind.Terminate, host => host.TerminateAsync(run, "it does not fit", "olga", key));
    }

    // Nobody knows what lies beyond a cut before he is told; by the time he has chosen there may be more.
    private async Task<bool> TryAsync(string verb, bool startOver, CommandKind kind, Func<long, IReadOnlyDictionary<int, EffectAction>?, string, Task<CommandRefusedException?>> send)
    {
        if (disk.IsGone(run)) return false;
        List<(WorkflowEvent Event, DateTimeOffset At)> events = [.. (await disk.Store.ReadAsync(run, 1, CancellationToken.None)).Select(stored => (stored.Read(), stored.At))];
        var cuts = Branch.Cuts(events, startOver);
        if (cuts.Count == 0) return false;
        var to = world.Random.Chance(0.1) ? world.Random.Below(events.Count + 2) : cuts[world.Random.Below(cuts.Count)];
        IReadOnlyDictionary<int, EffectAction>? effects = null;
        for (var tries = 0; tries < 4; tries++)
        {
            var refusal = await send(to, effects, $"{verb}-{run.Id}-{++sent}");
            if (refusal is null) return true;
            if (refusal is not EffectsToChooseException { Effects: { } beyond } || beyond.Any(effect => effect.CanBe.Count == 0)) return false;
            effects = beyond.ToDictionary(effect => effect.Step, effect => effect.CanBe[world.Random.Below(effect.CanBe.Count)]);
        }
        return false;
    }
}
