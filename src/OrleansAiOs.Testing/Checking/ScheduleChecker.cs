using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Schedules;

namespace OrleansAiOs.Testing.Checking;

/// <summary>
/// I15: a schedule starts each of its times once, as its policy has it, and loses none. Of schedules it remembers what they asked for, of the runs they started
/// when those began and ended; a run that is gone cannot be asked any more.
/// </summary>
internal sealed class ScheduleChecker
{
    private const string Starter = "schedule:";
    private static readonly TimeSpan ClocksDifferBy = TimeSpan.FromSeconds(1);

    private readonly Dictionary<RunKey, Schedule> schedules = [];
    private readonly Dictionary<RunKey, List<Started>> runs = []; // one that was deleted may be started again

    private sealed record Started(string By, DateTimeOffset At, DateTimeOffset? EndedAt, bool IsTerminated, bool IsCancelled);

    private sealed record Asked(string Run, DateTimeOffset Nominal, DateTimeOffset At, DateTimeOffset? DoneAt);

    private sealed class Schedule
    {
        public required string Name { get; init; }

        public List<Asked> Starts { get; } = [];

        /// <summary>What it ever followed.</summary>
        public List<ScheduleSpec> Specs { get; } = [];

        public List<ScheduleCommand> Commands { get; } = [];

        /// <summary>What it decided, each with the time it looked at; and from when on its first spec is followed.</summary>
        public List<(SchedulePlan Plan, DateTimeOffset At)> Plans { get; } = [];

        public DateTimeOffset Since { get; init; }

        public bool HasEnded { get; init; }

        /// <summary>What a dead branch had asked for is asked for again.</summary>
        public bool WasReset { get; set; }

        public bool IsOfAPerson(Asked start) => start.Run.Contains("-trigger-", StringComparison.Ordinal)
            || Commands.Exists(command => command.Kind == "backfill" && command.From <= start.Nominal && start.Nominal <= command.To);

        /// <summary>By all that was ever said, the run could be started while another was open.</summary>
        public bool MayOverlap => Policies.Contains(Overlap.Allow);

        public IEnumerable<Overlap> Policies =>
            [.. Specs.Select(spec => spec.Overlap), .. Commands.Where(command => command.Kind is "trigger" or "backfill").Select(command => command.Overlap ?? (command.Kind == "backfill" ? Overlap.Allow : null)).OfType<Overlap>()];
    }

    public void Note(RunKey run, List<(WorkflowEvent Event, DateTimeOffset At)> events)
    {
        if (events[0].Event is not RunStarted started) return;
        if (started.By?.StartsWith(Starter, StringComparison.Ordinal) is true)
        {
            var schedule = ScheduleWorkflow.RunPrefix + started.By[Starter.Length..];
            if (!runs.TryGetValue(run, out var known)) runs.Add(run, known = []);
            known.Add(new Started(started.By, events[0].At, events.Where(e => e.Event is RunClosed).Select(e => (DateTimeOffset?)e.At).FirstOrDefault(),
                events.Exists(e => e.Event is RunTerminated { By: { } by } && by == $"run:{schedule}"), events.Exists(e => e.Event is CancelRequested { By: { } by } && by == $"run:{schedule}")));
        }
        if (started.Workflow == ScheduleWorkflow.Name) schedules[run] = Read(ScheduleWorkflow.ScheduleOf(run.Id), started, events);
    }

    private static Schedule Read(string name, RunStarted started, List<(WorkflowEvent Event, DateTimeOffset At)> events)
    {
        var schedule = new Schedule { Name = name, WasReset = events.Exists(e => e.Event is RunReset or RunForked), Since = events[0].At, HasEnded = events.Exists(e => e.Event is RunClosed) };
        if (Of<ScheduleStart>(started.Input) is { } start) schedule.Specs.Add(start.Spec);
        var done = events.Where(e => e.Event is StepCompleted).ToLookup(e => ((StepCompleted)e.Event).Step, e => e.At);
        foreach (var (e, at) in events)
            switch (e)
            {
                case SignalReceived signal when signal.Signal == ScheduleWorkflow.Commands.Name && Of<ScheduleCommand>(signal.Value) is { } command:
                    schedule.Commands.Add(command);
                    if (command is { Kind: "update", Spec: { } spec }) schedule.Specs.Add(spec);
                    break;
                case ValueRecorded recorded when Of<SchedulePlan>(recorded.Value) is { Counts: true } plan:
                    schedule.Plans.Add((plan, at));
                    break;
                case StepScheduled scheduled when scheduled.Activity == ScheduleTools.Start.Name && Of<ScheduleTools.Starting>(scheduled.Input) is { } starting:
                    schedule.Starts.Add(new Asked(starting.Run, starting.Nominal, at, done[scheduled.Step].Cast<DateTimeOffset?>().LastOrDefault()));
                    break;
            }
        return schedule;
    }

    // Anybody may send it anything: the schedule passes it over too.
    private static T? Of<T>(JsonText text) where T : class
    {
        try
        {
            return text.To<T>();
        }
        catch (System.Text.Json.JsonException)
        {
            return null;
        }
    }

    public IEnumerable<Violation> Check()
    {
        foreach (var (run, known) in runs)
            if (known[0] is var started && schedules.TryGetValue(new RunKey(run.Tenant, ScheduleWorkflow.RunPrefix + started.By[Starter.Length..]), out var schedule) && !schedule.Starts.Exists(start => start.Run == run.Id))
                yield return new Violation("I15", run, $"it was started by {started.By}, which did not ask for it");
        foreach (var (key, schedule) in schedules)
            foreach (var what in Check(key, schedule)) yield return new Violation("I15", key, what);
    }

    private IEnumerable<string> Check(RunKey key, Schedule schedule)
    {
        var byTheClock = schedule.Starts.Where(start => !schedule.IsOfAPerson(start)).ToList();
        if (!schedule.WasReset)
            foreach (var twice in byTheClock.GroupBy(start => start.Nominal).Where(group => group.Count() > 1))
                yield return $"its time {twice.Key:O} was started {twice.Count()} times";
        foreach (var start in byTheClock)
        {
            if (start.At < start.Nominal) yield return $"its time {start.Nominal:O} was started at {start.At:O}";
            if (!schedule.Specs.Exists(spec => spec.Objection() is not null || spec.TimeZone != "UTC" || ScheduleTimes.Of(spec).Next(start.Nominal.AddTicks(-1)) == start.Nominal)) yield return $"{start.Nominal:O} is none of its times, and was started";
        }
        if (Unfollowed(schedule) is { } unfollowed) yield return unfollowed;
        Started? last = null;
        foreach (var start in schedule.Starts.Where(start => start.DoneAt is not null))
        {
            var present = runs.GetValueOrDefault(new RunKey(key.Tenant, start.Run))?.Where(run => run.At <= start.DoneAt + ClocksDifferBy).MaxBy(run => run.At);
            if (present is { IsTerminated: true } && !schedule.Policies.Contains(Overlap.TerminateOther)) yield return $"it terminated run {start.Run}, and no policy says so";
            if (present is { IsCancelled: true } && !schedule.Policies.Contains(Overlap.CancelOther)) yield return $"it cancelled run {start.Run}, and no policy says so";
            // What was there already was found, not started.
            if (present is not null && last is not null && present.At >= start.At && !ReferenceEquals(present, last) && !schedule.MayOverlap && !(last.EndedAt <= present.At + ClocksDifferBy))
                yield return $"run {start.Run} was started at {present.At:O}, while the one before was open until {last.EndedAt:O}";
            last = present;
        }
    }

    /// <summary>
    /// Of a schedule that was never told other times: none of its times is lost. What each look went over is what it started and what it counted as passed
    /// over; and what was due when it looked, and behind that, it took.
    /// </summary>
    private static string? Unfollowed(Schedule schedule)
    {
        if (schedule.WasReset || schedule.Specs is not [{ TimeZone: "UTC" } spec] || spec.Objection() is not null || schedule.Commands.Exists(command => command.Kind is not ("trigger" or "backfill"))) return null;
        var (times, through) = (ScheduleTimes.Of(spec), schedule.Since);
        for (var i = 0; i < schedule.Plans.Count; i++)
        {
            var (plan, at) = schedule.Plans[i];
            if (plan.Passed < ScheduleWorkflow.CaughtUpMax)
            {
                var (over, next) = (0L, times.Next(through));
                for (; next <= plan.Through; next = times.Next(next.Value)) over++;
                if (over != plan.Passed + (plan.Due is null ? 0 : 1)) return $"it went over {over} of its times from {through:O} to {plan.Through:O}, and tells of {plan.Passed} passed over and {(plan.Due is null ? "none" : "one")} taken";
                if (plan.Due is null && next is { } missed && missed + ScheduleTimes.Jitter(schedule.Name, missed, spec.Jitter) <= at) return $"its time {missed:O} was due when it looked at {at:O}, and was not taken";
            }
            through = plan.Through;
            var isLast = i == schedule.Plans.Count - 1;
            if (spec.Overlap is Overlap.Allow && plan.Due is { } due && !(isLast && schedule.HasEnded) && !schedule.Starts.Exists(start => start.Nominal == due)) return $"its time {due:O} was taken at {at:O}, and nothing was started";
        }
        return null;
    }
}
