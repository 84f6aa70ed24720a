using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Schedules;

/// <summary>A schedule as people see it.</summary>
/// <param name="Paused">Why it is paused; null if it is not.</param>
/// <param name="Upcoming">The next times, jitter included.</param>
public sealed record ScheduleView(string Id, ScheduleSpec Spec, string? Paused, IReadOnlyList<DateTimeOffset> Upcoming, RunRow Run);

/// <summary>
/// What starts runs by the clock. A schedule is a run (<c>schedule:ID</c>) of a workflow of the engine's own; everything here is a
/// command to that run, and has its guarantees.
/// </summary>
public sealed class ScheduleClient
{
    /// <summary>The signal that carries what is said here: who may signal a run may not therefore say it.</summary>
    public const string Signal = "aios.schedule";

    internal const int BackfillMax = 1000;
    private const int IdBytesMax = 140; // the runs it starts carry its name and a time

    private readonly WorkflowHost host;

    internal ScheduleClient(WorkflowHost host) => this.host = host;

    /// <exception cref="CommandRefusedException">It cannot be followed, or there is another of this name.</exception>
    public async Task<Started> CreateAsync(string id, ScheduleSpec spec, string by, string? paused = null, string tenant = RunKey.DefaultTenant, IReadOnlyList<string>? chain = null)
    {
        var run = RunOf(id, tenant);
        Check(spec);
        var started = await host.StartRunAsync(new StartRun(ScheduleWorkflow.Name, JsonText.From(new ScheduleStart(spec, paused)), run.Id, Tenant: tenant, Chain: chain), by);
        // The runs that the one of before has started carry its name and their times: of another of that name they would be found, not started.
        if (!started.IsNew && await host.Store.FindAsync(run, CancellationToken.None) is { ClosedAt: { } ended })
            throw new CommandRefusedException(Refusal.Conflict, $"id: there was a schedule '{id}', which ended {ended:u}, and starts nothing any more. Choose another name, or purge run {run.Id} first.");
        return started;
    }

    /// <summary>From now on the schedule is this. Times before are dealt with. Whoever says so joins the chain of what it starts from then on.</summary>
    public Task<long> UpdateAsync(string id, ScheduleSpec spec, string by, string? key = null, string tenant = RunKey.DefaultTenant)
    {
        Check(spec);
        return TellAsync(id, new ScheduleCommand("update", Spec: spec), by, key, tenant);
    }

    /// <summary>Nothing is started by the clock until it is resumed. What falls due meanwhile is not made up for.</summary>
    public Task<long> PauseAsync(string id, string why, string by, string? key = null, string tenant = RunKey.DefaultTenant) =>
        TellAsync(id, new ScheduleCommand("pause", Failure.Clean(why)), by, key, tenant);

    public Task<long> ResumeAsync(string id, string by, string? key = null, string tenant = RunKey.DefaultTenant) => TellAsync(id, new ScheduleCommand("resume"), by, key, tenant);

    /// <summary>Starts a run now, paused or not.</summary>
    public Task<long> TriggerAsync(string id, Overlap? overlap, string by, string? key = null, string tenant = RunKey.DefaultTenant) =>
        TellAsync(id, new ScheduleCommand("trigger", Overlap: overlap), by, key, tenant);

    /// <summary>Starts the runs of the times from one moment to another, as if the schedule had been followed. Those that were started are found, not started again; those deleted since are.</summary>
    /// <returns>How many times those are.</returns>
    public async Task<int> BackfillAsync(string id, DateTimeOffset from, DateTimeOffset to, Overlap? overlap, string by, string? key = null, string tenant = RunKey.DefaultTenant)
    {
        if (to < from) throw new CommandRefusedException(Refusal.Invalid, $"from: {from:u} is later than to, {to:u}.");
        if (from < DateTimeOffset.UnixEpoch) throw new CommandRefusedException(Refusal.Invalid, $"from: {from:u} is before 1970, and no schedule has times from then. Give the first time that is to be made up for.");
        if (to > host.Now) throw new CommandRefusedException(Refusal.Invalid, $"to: {to:u} is in the future. A backfill is of the past; the schedule itself does the rest.");
        var schedule = await FindAsync(id, CancellationToken.None, tenant);
        var times = Between(schedule.Spec, from, to, BackfillMax + 1).Count;
        if (times > BackfillMax) throw new CommandRefusedException(Refusal.Invalid, $"from, to: there are more than {BackfillMax} times between {from:u} and {to:u}. Take a shorter span, and go on from its end.");
        await TellAsync(id, new ScheduleCommand("backfill", Overlap: overlap, From: from, To: to), by, key, tenant);
        return times;
    }

    /// <summary>Ends the schedule. What it has started goes on.</summary>
    public Task<long> RemoveAsync(string id, string by, string? key = null, string tenant = RunKey.DefaultTenant) =>
        host.CancelAsync(RunOf(id, tenant), "The schedule was removed.", by, key);

    /// <exception cref="CommandRefusedException">There is no such schedule.</exception>
    public async Task<ScheduleView> FindAsync(string id, CancellationToken cancellation, string tenant = RunKey.DefaultTenant)
    {
        var run = RunOf(id, tenant);
        var row = await host.Store.FindAsync(run, cancellation);
        if (row?.Workflow != ScheduleWorkflow.Name) throw new CommandRefusedException(Refusal.NotFound, $"There is no schedule '{id}'.");
        var state = await StateAsync(run, id, cancellation);
        var upcoming = new List<DateTimeOffset>();
        if (state.Paused is null && row.ClosedAt is null && state.Spec.Objection() is null)
        {
            var times = ScheduleTimes.Of(state.Spec);
            var now = host.Now;
            // One that came, and was put off, is still to start.
            var from = now - (state.Spec.Jitter ?? TimeSpan.Zero);
            for (var next = times.Next(state.Through > from ? state.Through : from); next is { } time && upcoming.Count < 5; next = times.Next(time))
                if (time + ScheduleTimes.Jitter(id, time, state.Spec.Jitter) is var start && start > now) upcoming.Add(start);
        }
        return new ScheduleView(id, state.Spec, state.Paused, upcoming, row);
    }

    // What it was started or found with, and what it was told since.
    private async Task<ScheduleState> StateAsync(RunKey run, string id, CancellationToken cancellation)
    {
        ScheduleState? state = null;
        foreach (var stored in await host.Store.LoadAsync(run, cancellation))
            state = stored.Read() switch
            {
                RunStarted started when started.Input.To<ScheduleStart>() is { } start => new ScheduleState(start.Spec, stored.At, start.Paused),
                LoopCheckpoint checkpoint => (checkpoint.Signals ?? []).SelectMany(early => early.Values).Aggregate(checkpoint.State.To<ScheduleState>(), (now, value) => Told(now!, value, stored.At)),
                SignalReceived signal when signal.Signal == ScheduleWorkflow.Commands.Name => Told(state!, signal.Value, stored.At),
                _ => state,
            };
        return state!;

        ScheduleState Told(ScheduleState now, JsonText value, DateTimeOffset at)
        {
            try
            {
                return value.To<ScheduleCommand>() is { Kind: "pause" or "resume" or "update" } command ? now.After(command, id, at) : now;
            }
            catch (System.Text.Json.JsonException)
            {
                return now; // passed over by the schedule too
            }
        }
    }

    internal static List<DateTimeOffset> Between(ScheduleSpec spec, DateTimeOffset from, DateTimeOffset to, int max)
    {
        var (times, found) = (ScheduleTimes.Of(spec), new List<DateTimeOffset>());
        for (var next = times.Next(from.AddTicks(-1)); next is { } time && time <= to && found.Count < max; next = times.Next(time)) found.Add(time);
        return found;
    }

    private Task<long> TellAsync(string id, ScheduleCommand command, string by, string? key, string tenant) =>
        host.SignalAsync(RunOf(id, tenant), ScheduleWorkflow.Commands.Name, JsonText.From(command), by, key);

    private void Check(ScheduleSpec spec)
    {
        if (spec.Objection() is { } objection) throw new CommandRefusedException(Refusal.Invalid, objection);
        if (spec.Jitter is { } jitter && Shortest(spec) is { } shortest && jitter > shortest)
            throw new CommandRefusedException(Refusal.Invalid, $"jitter: {jitter} is longer than the {shortest} between two of its times: they would overtake each other, and those overtaken be passed over. Take {shortest} at most.");
        if (spec.Start.Workflow.StartsWith(Activity.EnginesOwn, StringComparison.Ordinal)) throw new CommandRefusedException(Refusal.Invalid, $"start.workflow: '{spec.Start.Workflow}' is the engine's own, and is not started by a schedule.");
        if (host.Registry.Find(spec.Start.Workflow) is not { } type)
            throw new CommandRefusedException(Refusal.NotFound, $"start.workflow: there is no workflow '{spec.Start.Workflow}' here. This host knows: {host.Registry.NamesForPeople}.");
        if (type.Objection(spec.Start.Input) is { } wrong) throw new CommandRefusedException(Refusal.Invalid, $"start.input: {wrong}");
        if (spec.Start.Attributes is { Count: > 30 }) throw new CommandRefusedException(Refusal.Invalid, "start.attributes: at most 30; the schedule adds two of its own.");
    }

    // Of the next hundred times: whatever comes closer to each other than these comes seldom.
    private TimeSpan? Shortest(ScheduleSpec spec)
    {
        var times = spec.TimesAfter(host.Now).Take(100).ToList();
        return times.Count < 2 ? null : times.Zip(times.Skip(1), (time, next) => next - time).Min();
    }

    private static RunKey RunOf(string id, string tenant)
    {
        if (System.Text.Encoding.UTF8.GetByteCount(id) is 0 or > IdBytesMax) throw new CommandRefusedException(Refusal.Invalid, $"id: a schedule's name has 1 to {IdBytesMax} bytes.");
        return RunKey.TryParse(tenant, ScheduleWorkflow.RunPrefix + id, out var run, out var error) ? run : throw new CommandRefusedException(Refusal.Invalid, $"id: {error}");
    }
}
