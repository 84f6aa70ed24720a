using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>
/// How people of the simulated world reach its hosts: through whichever answers. What got no answer is sent again under the same key; what got
/// one is remembered, for it must never turn out to be wrong.
/// </summary>
internal sealed class SimSender(SimWorld world, SimDisk disk, SimHost[] hosts, SimTime time)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public List<Acknowledged> Acknowledged { get; } = [];

    public List<Refused> Refused { get; } = [];

    public List<Asked> Asked { get; } = [];

    public List<Answered> Answered { get; } = [];

    public List<Violation> Complaints { get; } = [];

    public Task PauseAsync(TimeSpan span) => Task.Delay(span, time);

    public Task<CommandRefusedException?> SendAsync(RunKey run, string key, CommandKind kind, Func<WorkflowHost, Task<long>> send) => SendAsync(run, key, kind, send, version => version);

    /// <summary>Sends a command until it is answered.</summary>
    /// <returns>The refusal; null if it is recorded.</returns>
    public async Task<CommandRefusedException?> SendAsync<T>(RunKey run, string key, CommandKind kind, Func<WorkflowHost, Task<T>> send, Func<T, long> versionOf, IReadOnlyDictionary<int, EffectAction>? effects = null)
    {
        for (var sent = 0; ;)
        {
            if (Pick() is { } host)
            {
                sent++;
                try
                {
                    var reply = send(host);
                    if (!reply.IsCompleted) await Task.WhenAny(reply, Task.Delay(Patience, time));
                    if (reply.IsCompleted)
                    {
                        Acknowledged.Add(new Acknowledged(run, kind, key, versionOf(await reply)) { Effects = effects });
                        world.Note($"{run} {key} acknowledged");
                        return null;
                    }
                }
                catch (CommandRefusedException e) when (e.Refusal is not Refusal.Busy)
                {
                    world.Note($"{run} {key} refused: {e.Message}");
                    if (e.Refusal is Refusal.NotFound && kind is not (CommandKind.Update or CommandKind.Fork) && !disk.IsGone(run)) Complaints.Add(new Violation("I1", run, $"{key}: {e.Message}"));
                    // Of several that were sent, an earlier one may still be on its way; and what is refused of an update may be its answer only.
                    if (sent == 1 && (kind is not CommandKind.Update || e.Refusal is Refusal.Invalid)) Refused.Add(new Refused(run, kind, key, e.Message));
                    return e;
                }
                catch (Exception e) when (IsTrouble(e))
                {
                }
            }
            await PauseAsync(world.Random.Between(0.1, 1));
        }
    }

    /// <summary>Sends, once, what nobody is entitled to.</summary>
    public async Task RefusedAsync(RunKey run, Func<WorkflowHost, Task<long>> send)
    {
        if (Pick() is not { } host) return;
        try
        {
            var reply = send(host);
            await Task.WhenAny(reply, Task.Delay(Patience, time));
            if (reply.IsCompletedSuccessfully) Complaints.Add(new Violation("I1", run, "a decision nobody was entitled to make was accepted"));
            else if (reply.IsCompleted) await reply;
        }
        catch (Exception e) when (IsTrouble(e))
        {
        }
    }

    /// <summary>Asks a question, once. A run that is over, and has told its kin, is left by it as it was.</summary>
    public async Task QueryAsync(RunKey run, string query)
    {
        if (Pick() is not { } host) return;
        var from = Acknowledged.Where(acked => acked.Run == run).Select(acked => acked.Version).DefaultIfEmpty(0).Max();
        var still = await disk.Store.FindAsync(run, CancellationToken.None) is { ClosedAt: not null, Busy: false } ? disk.LengthOf(run) : (int?)null;
        try
        {
            var reply = host.QueryAsync(run, query);
            if (!reply.IsCompleted) await Task.WhenAny(reply, Task.Delay(Patience, time));
            if (!reply.IsCompleted) return;
            Asked.Add(new Asked(run, query, await reply, from, disk.LengthOf(run)));
            world.Note($"{run} query '{query}' answered {Asked[^1].Answer}");
            if (still is { } length && disk.LengthOf(run) != length) Complaints.Add(new Violation("I14", run, $"query '{query}' left a trace: the history had {length} events and has {disk.LengthOf(run)}"));
        }
        catch (Exception e) when (IsTrouble(e))
        {
        }
    }

    /// <summary>Sends an update and waits for its outcome, until there is one or there will be none.</summary>
    /// <param name="run">The run.</param>
    /// <param name="update">The update's name.</param>
    /// <param name="input">Its input.</param>
    /// <param name="key">Its idempotency key.</param>
    /// <param name="start">What is started if it is not there.</param>
    public async Task UpdateAsync(RunKey run, string update, JsonText input, string key, string? start = null)
    {
        UpdateOutcome? outcome = null;
        do
        {
            if (await SendAsync(run, key, CommandKind.Update, WaitAWhileAsync, said => (outcome = said).Version) is not null) return;
            if (outcome is { IsOver: true }) Answered.Add(new Answered(run, key, outcome));
        }
        while (outcome is { IsOver: false });

        async Task<UpdateOutcome> WaitAWhileAsync(WorkflowHost host)
        {
            using var wait = new CancellationTokenSource(world.Random.UpTo(Patience), time);
            return start is null ? await host.UpdateAsync(run, update, input, "alice", key, wait.Token)
                : await host.UpdateAsync(new StartRun(start, JsonText.From<object?>(null), run.Id), "alice", update, input, "alice", key, wait.Token);
        }
    }

    /// <summary>Sends something that answers for many runs, once.</summary>
    public async Task<T?> TryAsync<T>(Func<WorkflowHost, Task<T>> send) where T : class
    {
        if (Pick() is not { } host) return null;
        try
        {
            var reply = send(host);
            if (!reply.IsCompleted) await Task.WhenAny(reply, Task.Delay(Patience, time));
            return reply.IsCompleted ? await reply : null;
        }
        catch (Exception e) when (IsTrouble(e))
        {
            return null;
        }
    }

    private static bool IsTrouble(Exception e) => e is CommandRefusedException or InvalidOperationException or IOException or OperationCanceledException;

    private WorkflowHost? Pick() => hosts[world.Random.Below(hosts.Length)].Serving;
}
