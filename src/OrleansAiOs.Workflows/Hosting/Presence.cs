using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Hosting;

/// <summary>
/// This host among those that share its store: its heartbeat, who else lives, and what dead ones left.
///
/// A heartbeat answers with the hosts that live. One that was in an answer and is no more is dead, by the store's clock, for all alike; what
/// it had under way is taken over by whoever finds it, and the append says who was first. What a dead host sent may be committed after
/// that look, so there is a second one behind the time that takes, and one every five minutes though nobody dies.
///
/// A host that was declared dead itself learns so from its heartbeat, and serves no more.
/// </summary>
internal sealed class Presence : IDisposable
{
    // A dead host's append can commit however late (a synchronous standby that stalls): what it left is looked for though nobody dies.
    private static readonly TimeSpan TakeOverAgainAfter = TimeSpan.FromMinutes(5);

    private readonly WorkflowHost host;
    private readonly Unparking unparking;
    private readonly Lock sync = new();
    private readonly Dictionary<string, HashSet<RunKey>> foreignOwners = new(StringComparer.Ordinal);
    private readonly HashSet<string> known = new(StringComparer.Ordinal);
    private ITimer? heart;
    private ITimer? echo;
    private volatile HashSet<string> living = [];
    private volatile HashSet<string> dead = [];
    private volatile bool mustTakeOver;
    private long tookOver;
    private volatile bool fenced;

    public Presence(WorkflowHost host)
    {
        this.host = host;
        unparking = new Unparking(host);
    }

    /// <summary>Dead hosts were looked for, and what they left was taken over.</summary>
    public event Action? TookOver;

    /// <summary>Another host declared this one dead.</summary>
    public event Action? Fenced;

    public bool IsFenced => fenced;

    private WorkflowHostOptions Options => host.Options;

    /// <summary>Registers this incarnation, takes over what dead ones left, and goes on doing so.</summary>
    /// <param name="onRegistered">Told when the store knows this incarnation.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>How many runs dead hosts had left.</returns>
    public async Task<int> BeginAsync(Action onRegistered, CancellationToken cancellation)
    {
        // A host that is alone never asks again for the time: one slow answer would do for good.
        for (var tries = 0; tries < 5; tries++)
            if (await BeatAsync(cancellation)) break;
        onRegistered();
        var orphans = await TakeOverAsync(cancellation);
        host.WakeUps.Look();
        LookAgainLater();
        if (!Options.Shared) return orphans;
        // Whose runs were found is known to be dead only when the store is asked again.
        lock (sync)
            if (!host.IsHalted)
                heart = Options.Time.CreateTimer(static self => ((Presence)self!).BeatSoon(), this, orphans > 0 ? TimeSpan.FromMilliseconds(100) : Options.HeartbeatEvery, Timeout.InfiniteTimeSpan);
        unparking.Look();
        return orphans;
    }

    public void Dispose()
    {
        lock (sync)
        {
            heart?.Dispose();
            echo?.Dispose();
        }
    }

    public bool IsDead(string owner) => owner != Options.HostId && (!Options.Shared || dead.Contains(owner));

    private void BeatSoon()
    {
        host.InBackground(Beat);

        async Task Beat()
        {
            if (host.IsHalted) return;
            try
            {
                await BeatAsync(host.Halted);
                if (mustTakeOver)
                {
                    await TakeOverAsync(host.Halted);
                    host.WakeUps.Look();
                    LookAgainLater();
                    unparking.Look();
                }
                else if (Options.Time.GetElapsedTime(tookOver) > TakeOverAgainAfter)
                {
                    await TakeOverAsync(host.Halted);
                }
            }
            catch (HostFencedException)
            {
                fenced = true;
                host.Log.Fenced(Options.HostId);
                host.Halt();
                Fenced?.Invoke();
                return;
            }
            catch (Exception e)
            {
                host.Log.BeatFailed(e, Options.HostId);
            }
            if (!host.IsHalted) heart?.Change(Options.HeartbeatEvery, Timeout.InfiniteTimeSpan);
        }
    }

    // An append of a dead host may still have been on its way, and been committed after the look.
    private void LookAgainLater()
    {
        lock (sync)
        {
            echo?.Dispose();
            if (!host.IsHalted) echo = Options.Time.CreateTimer(static self => ((Presence)self!).LookAgain(), this, Options.LateAppendsFor, Timeout.InfiniteTimeSpan);
        }
    }

    private void LookAgain()
    {
        host.InBackground(Look);

        async Task Look()
        {
            if (host.IsHalted) return;
            try
            {
                await TakeOverAsync(host.Halted);
                host.WakeUps.Look();
            }
            catch (Exception e)
            {
                host.Log.BeatFailed(e, Options.HostId);
                LookAgainLater();
            }
        }
    }

    /// <returns>Whether the answer came quickly enough to say the time well.</returns>
    private async Task<bool> BeatAsync(CancellationToken cancellation)
    {
        List<string> before;
        lock (sync) before = [.. known];
        var (asked, started) = (Options.Time.GetUtcNow(), Options.Time.GetTimestamp());
        var beat = await host.Store.BeatAsync(Options.HostId, alone: !Options.Shared, Options.DeadAfter, cancellation);
        var quick = host.Context.Clock.Correct(beat.StoreTime, asked, Options.Time.GetUtcNow(), Options.Time.GetElapsedTime(started));
        lock (sync)
        {
            // Not living can also mean: registered since. Dead is who was known before the question, and is not in the answer.
            var gone = before.Where(owner => !beat.Living.Contains(owner)).ToList();
            dead = [.. dead, .. gone];
            known.UnionWith(beat.Living);
            known.ExceptWith(gone);
            living = [.. beat.Living];
            mustTakeOver |= gone.Count > 0;
        }
        return quick;
    }

    private async Task<int> TakeOverAsync(CancellationToken cancellation)
    {
        // Lowered before the look: who dies during it is for the next one.
        mustTakeOver = false;
        tookOver = Options.Time.GetTimestamp();
        HashSet<RunKey> orphans;
        try
        {
            orphans = [.. await host.Store.OrphansAsync([.. living, Options.HostId], cancellation)];
        }
        catch
        {
            mustTakeOver = true;
            throw;
        }
        lock (sync)
        {
            foreach (var owner in foreignOwners.Keys.Where(IsDead).ToList())
            {
                orphans.UnionWith(foreignOwners[owner]);
                foreignOwners.Remove(owner);
            }
        }
        foreach (var run in orphans.OrderBy(run => run.Tenant, StringComparer.Ordinal).ThenBy(run => run.Id, StringComparer.Ordinal)) host.Post(run, new OwnerLostInput());
        TookOver?.Invoke();
        return orphans.Count;
    }

    /// <summary>Another host has an attempt of this run under way: if it is dead, or should it die, nobody else might know.</summary>
    public void WatchOwners(WorkflowRun run)
    {
        var key = run.State.Run;
        var owners = run.State.IsClosed ? run.State.Unsettled is { } unsettled && !host.Kinship.IsSettling(key, unsettled) ? [run.State.Host!] : []
            // A held run's attempts are taken over when it goes on: until then it is left alone.
            : run.State.Open.Where(step => step.UnderWay && !(run.State.IsHeld && step is ActivityStep && IsDead(step.Owner)) && !(step is ChildStep child && host.Kinship.IsReaching(key, child))).Select(step => step.Owner);
        foreach (var owner in owners.Where(owner => owner != Options.HostId).Distinct(StringComparer.Ordinal))
        {
            if (IsDead(owner)) host.Post(run.State.Run, new OwnerLostInput());
            else
                lock (sync)
                {
                    known.Add(owner);
                    if (!foreignOwners.TryGetValue(owner, out var runs)) foreignOwners.Add(owner, runs = []);
                    runs.Add(run.State.Run);
                }
        }
    }
}
