using System.Text.Json.Serialization;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Schedules;

/// <summary>What a schedule's run begins with.</summary>
internal sealed record ScheduleStart(ScheduleSpec Spec, string? Paused = null);

/// <summary>What a person tells a schedule.</summary>
internal sealed record ScheduleCommand(string Kind, string? Why = null, ScheduleSpec? Spec = null, Overlap? Overlap = null, DateTimeOffset? From = null, DateTimeOffset? To = null);

/// <summary>A run that is to be started.</summary>
/// <param name="Asked">By a person, or else by the clock; null from a build that did not say, whose rounds go on as they did.</param>
internal sealed record Intended(string Run, DateTimeOffset Nominal, Overlap Overlap, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] bool? Asked = null);

/// <summary>All that a schedule knows from one round to the next.</summary>
/// <param name="Through">Times up to this one are dealt with.</param>
/// <param name="Last">The run started last.</param>
/// <param name="Buffered">Waits for the last one's end.</param>
/// <param name="Backlog">What a person asked for, and is still to be done.</param>
/// <param name="Triggers">Runs that a person triggered: part of their ids.</param>
/// <param name="Others">Runs before the last one that may be open still: somebody had others started beside them.</param>
/// <param name="PassedUntil">What fell due up to here, while one waited, is passed over and still to be counted.</param>
internal sealed record ScheduleState(ScheduleSpec Spec, DateTimeOffset Through, string? Paused = null, string? Last = null, Intended? Buffered = null,
    IReadOnlyList<Intended>? Backlog = null, int Triggers = 0, long Started = 0, long Skipped = 0, long Failed = 0, string? Trouble = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Others = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? PassedUntil = null)
{
    public ScheduleState After(ScheduleCommand command, string schedule, DateTimeOffset now)
    {
        switch (command.Kind)
        {
            case "pause":
                // What the clock has waiting does not start in the pause either. What a person asked for does.
                var drops = Buffered is { Asked: not true };
                return this with { Paused = command.Why ?? "no reason given", Buffered = drops ? null : Buffered, Skipped = Skipped + (drops ? 1 : 0) };
            case "resume":
                return Paused is null ? this : this with { Paused = null, Through = now }; // what fell due in the pause is not made up for
            case "update" when command.Spec is { } spec && spec.Objection() is null:
                return this with { Spec = spec, Through = now };
            case "trigger":
                var run = ScheduleWorkflow.RunOf(schedule, now) + $"-trigger-{Triggers + 1}";
                return this with { Triggers = Triggers + 1, Backlog = [.. Backlog ?? [], new Intended(run, now, command.Overlap ?? Spec.Overlap, Asked: true)] };
            case "backfill" when Spec.Objection() is { } objection:
                return this with { Trouble = objection };
            case "backfill" when command is { From: { } from, To: { } to }:
                var times = ScheduleClient.Between(Spec, from, to, ScheduleClient.BackfillMax);
                return this with { Backlog = [.. Backlog ?? [], .. times.Select(time => new Intended(ScheduleWorkflow.RunOf(schedule, time), time, command.Overlap ?? Overlap.Allow, Asked: true))] };
            default:
                return this with { Trouble = $"A command '{Failure.Clean(command.Kind)}' was not understood." };
        }
    }
}

/// <summary>What is due now, and when the next time is. Recorded: another build's tables of time zones must not change what was decided.</summary>
/// <param name="Due">The time to act on now.</param>
/// <param name="Through">Times up to this one are dealt with once it is.</param>
/// <param name="Passed">Times passed over: too late, or together with the one that is due.</param>
/// <param name="Next">When to look again.</param>
/// <param name="Trouble">Why nothing could be planned.</param>
/// <param name="Counts">Made by a build that counts what is passed over while one waits.</param>
internal sealed record SchedulePlan(DateTimeOffset? Due, DateTimeOffset Through, long Passed, DateTimeOffset? Next,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Trouble = null, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Counts = false);

/// <summary>
/// A schedule is a run like any other. Its timer is the next time, its signals are what people tell it, its effects are starts.
///
/// A start is idempotent: the run's id is made of the schedule and the nominal time. A crash at any place repeats it, and finds the run.
/// Each round begins with what was recorded of the clock, so a replay follows the same rounds; a checkpoint every hundred events keeps
/// its history quick to load for ever. Of times that fell due while nobody looked, all are started where runs may overlap, and else one.
/// </summary>
[Workflow(Name)]
internal sealed class ScheduleWorkflow : Workflow<ScheduleStart, JsonText>
{
    public const string Name = "aios.schedule";
    public const string RunPrefix = "schedule:";
    internal const int CaughtUpMax = 1000;

    // Looking takes a moment, and a host that is taken over from a minute: neither is a time that nobody saw.
    private static readonly TimeSpan Grace = TimeSpan.FromMinutes(1), UntilMended = TimeSpan.FromMinutes(1);

    public static readonly Signal<ScheduleCommand> Commands = new(ScheduleClient.Signal);

    private string schedule = "";

    /// <summary>The id of the run that a schedule starts for a time.</summary>
    public static string RunOf(string schedule, DateTimeOffset nominal) => $"{schedule}:{nominal.UtcDateTime:yyyyMMdd'T'HHmmss'Z'}";

    /// <summary>Whether a signal to a schedule says what it starts from now on.</summary>
    public static bool Redirects(string signal, JsonText value)
    {
        if (signal != Commands.Name) return false;
        try
        {
            return value.To<ScheduleCommand>() is { Kind: "update" };
        }
        catch (System.Text.Json.JsonException)
        {
            return false; // passed over by the schedule too
        }
    }

    public static string ScheduleOf(string run) => run.StartsWith(RunPrefix, StringComparison.Ordinal) ? run[RunPrefix.Length..] : run;

    protected override async Task<JsonText> RunAsync(ScheduleStart input)
    {
        if (input.Spec.Unreadable() is { } objection) throw new WorkflowFailedException($"The schedule cannot be followed. {objection}");
        schedule = ScheduleOf(RunId);
        await Loop(new ScheduleState(input.Spec, Now, input.Paused), async state => Iteration.Next(await RoundAsync(state)));
        return default; // a schedule ends by being cancelled
    }

    private async Task<ScheduleState> RoundAsync(ScheduleState state)
    {
        // One at a time: what a person asked for first, then what the clock says. While one waits for its turn, nothing else is started.
        if (state is { Buffered: null, Backlog: [var first, ..] }) return await BeginAsync(state with { Backlog = [.. state.Backlog.Skip(1)] }, first);

        var now = Now;
        var plan = state.Paused is null && state.Buffered is null ? Record(() => Plan(state, schedule, now)) : null;
        if (plan?.Counts == true) state = state with { PassedUntil = null };
        if (plan is { Due: { } due })
            return await BeginAsync(state with { Through = plan.Through, Skipped = state.Skipped + plan.Passed }, new Intended(RunOf(schedule, due), due, state.Spec.Overlap, plan.Counts ? false : null));
        if (plan is { Passed: > 0 }) state = state with { Through = plan.Through, Skipped = state.Skipped + plan.Passed };
        if (plan is { Trouble: { } trouble }) state = state with { Trouble = trouble };
        Show(state, plan?.Next);
        return await WaitAsync(state, plan?.Next);
    }

    private async Task<ScheduleState> WaitAsync(ScheduleState state, DateTimeOffset? next)
    {
        Task<ScheduleCommand> command;
        Task<bool>? ended = null;
        using (var over = CancellationTokenSource.CreateLinkedTokenSource(Cancellation))
        {
            command = Receive(Commands, over.Token);
            List<Task> any = [command];
            if (next is { } moment) any.Add(Until(moment, over.Token));
            if (state is { Buffered: not null, Last: { } last }) any.Add(ended = Call(ScheduleTools.AwaitEnd, state.Others is [var other, ..] ? other : last, cancellation: over.Token));
            await Task.WhenAny(any);
            over.Cancel();
        }
        // Nothing may be pending behind a round.
        var hasEnded = ended is not null && await EndedAsync(ended);
        Cancellation.ThrowIfCancellationRequested();
        if (command.IsCompletedSuccessfully)
        {
            var said = await command;
            var now = Now;
            state = Record(() => state.After(said, schedule, now));
        }
        if (!hasEnded || state.Buffered is not { } buffered) return state;
        // What fell due while the clock's own waited is passed over with it.
        var until = state.Through > Now ? state.Through : Now;
        state = buffered.Asked switch
        {
            null => state with { Buffered = null, Through = until },
            false => state with { Buffered = null, PassedUntil = until },
            true => state with { Buffered = null },
        };
        return state.Others is null ? await StartAsync(state, buffered) : await BeginAsync(state, buffered with { Overlap = Overlap.BufferOne });
    }

    private static async Task<bool> EndedAsync(Task<bool> ended)
    {
        try
        {
            return await ended;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private async Task<ScheduleState> BeginAsync(ScheduleState state, Intended intended)
    {
        if (intended.Overlap is Overlap.Allow || state.Last is not { } last) return await StartAsync(state, intended);
        IReadOnlyList<string> open = state.Others is { } others ? await Call(ScheduleTools.StillOpen, [last, .. others]) : await Call(ScheduleTools.IsOpen, last) ? [last] : [];
        state = state with { Others = open.Any(run => run != last) ? [.. open.Where(run => run != last)] : null };
        if (open.Count == 0) return await StartAsync(state, intended);
        switch (intended.Overlap)
        {
            case Overlap.Skip:
                return state with { Skipped = state.Skipped + 1 };
            case Overlap.CancelOther:
                foreach (var run in open) await Call(ScheduleTools.Cancel, new ScheduleTools.Ending(run, $"{intended.Run} takes its place."));
                return state with { Buffered = intended };
            case Overlap.TerminateOther:
                foreach (var run in open) await Call(ScheduleTools.Terminate, new ScheduleTools.Ending(run, $"{intended.Run} takes its place."));
                return await StartAsync(state with { Others = null }, intended);
            default:
                return state with { Buffered = intended };
        }
    }

    private async Task<ScheduleState> StartAsync(ScheduleState state, Intended intended)
    {
        try
        {
            await Call(ScheduleTools.Start, new ScheduleTools.Starting(state.Spec.Start, intended.Run, schedule, intended.Nominal));
            // Where times may not overlap, what a person has started beside the last one, or has found there, does not make that one's end forgotten.
            var others = intended is { Asked: true, Overlap: Overlap.Allow } && state.Spec.Overlap is not Overlap.Allow && state.Last is { } before && before != intended.Run
                ? [.. (state.Others ?? []).Where(run => run != intended.Run), before] : state.Others;
            return state with { Last = intended.Run, Started = state.Started + 1, Trouble = null, Others = others };
        }
        catch (ActivityFailedException e)
        {
            // The next time may find it mended.
            return state with { Failed = state.Failed + 1, Trouble = Failure.Clean(e.Failure.Message) };
        }
    }

    private static SchedulePlan Plan(ScheduleState state, string schedule, DateTimeOffset now)
    {
        // Its zone may be one that another host knows.
        if (state.Spec.Objection() is { } objection) return new SchedulePlan(null, state.Through, 0, now + UntilMended, objection);
        var (spec, times) = (state.Spec, ScheduleTimes.Of(state.Spec));
        var (due, through, passed) = (new Queue<DateTimeOffset>(), state.Through, 0L);
        if (state.PassedUntil is { } until && until > through)
        {
            for (var over = times.Next(through); over <= until && passed < CaughtUpMax; over = times.Next(through)) (through, passed) = (over.Value, passed + 1);
            if (passed == CaughtUpMax) through = until;
        }
        var from = now - new[] { spec.CatchUp ?? ScheduleSpec.CatchUpDefault, Grace }.Max();
        if (times.Next(through) is not { } time) return new SchedulePlan(null, through, passed, null, Counts: true);
        if (Start(time) < from)
        {
            // Nobody looked for longer than is made up for. How many those were is not counted one by one beyond a bound.
            for (; Start(time) < from && passed < CaughtUpMax && times.Next(time) is { } later; time = later) (through, passed) = (time, passed + 1);
            if (Start(time) < from)
            {
                through = new[] { time, from - (spec.Jitter ?? TimeSpan.Zero) }.Max();
                time = times.Next(through) ?? DateTimeOffset.MaxValue;
            }
        }
        DateTimeOffset? next = time;
        for (; next is { } at && Start(at) <= now; next = times.Next(at))
        {
            due.Enqueue(at);
            if (due.Count > (spec.Overlap is Overlap.Allow ? CaughtUpMax : 1)) (through, passed, _) = (due.Peek(), passed + 1, due.Dequeue());
        }
        return due.TryPeek(out var first) ? new SchedulePlan(first, first, passed, null, Counts: true) : new SchedulePlan(null, through, passed, next is { } soon ? Start(soon) : null, Counts: true);

        DateTimeOffset Start(DateTimeOffset nominal) => nominal < DateTimeOffset.MaxValue ? nominal + ScheduleTimes.Jitter(schedule, nominal, spec.Jitter) : nominal;
    }

    // What a list of schedules shows; written only when it changes.
    private void Show(ScheduleState state, DateTimeOffset? next)
    {
        (string Name, string Value)[] wanted =
        [
            ("cron", Cut(state.Spec.Cron)), ("zone", state.Spec.TimeZone), ("starts", Cut(state.Spec.Start.Workflow)), ("paused", Cut(state.Paused ?? "")),
            ("next", next is { } moment ? $"{moment.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}" : ""), ("last", Cut(state.Last ?? "")),
            ("started", $"{state.Started}"), ("skipped", $"{state.Skipped}"), ("failed", $"{state.Failed}"), ("trouble", Cut(state.Trouble ?? "")),
        ];
        var changed = wanted.Where(pair => (Execution.State.Attributes?.GetValueOrDefault(pair.Name) ?? "") != pair.Value).ToArray();
        if (changed.Length > 0) SetAttributes(changed);

        static string Cut(string text) => text.Length <= 256 ? text : $"{text.AsSpan(0, 255)}…";
    }
}
