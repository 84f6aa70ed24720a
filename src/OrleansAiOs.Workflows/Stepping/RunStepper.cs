using System.Text.Json.Nodes;
using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Stepping;

/// <summary>
/// Steps through a run's history, forward and back, with the workflow's code at each event. The code is replayed and reaches nothing:
/// no store, no clock, no activity.
///
/// Running code cannot be copied, and cannot go back. So a moment is read out into plain data when the replay passes it, and kept; what
/// lies before the place of the replay and was not kept is read by one replay from the start, which keeps the moments of a whole window
/// before the one asked for. Going back by one therefore costs a replay once in a window, and else nothing.
///
/// Where the code does not come to rest in time, or is held, it is taken no further: the moments from there on are the history's alone.
/// </summary>
public sealed class RunStepper
{
    private const int Window = 128;
    private const int KeptMax = 4096;

    private readonly WorkflowRegistry? registry;
    private readonly Func<int, Moment>? elsewhere;
    private readonly RunKey run;
    private readonly List<(WorkflowEvent Event, DateTimeOffset At)> events;
    private readonly bool[]? live;
    private readonly Dictionary<int, Moment> kept = [];
    private Cursor? cursor;
    private Cursor? codeless;
    private int stuckFrom = int.MaxValue;

    public RunStepper(WorkflowRegistry registry, RunKey run, IReadOnlyList<StoredEvent> history) : this(run, history) => this.registry = registry;

    /// <summary>Steps through moments that are read elsewhere: in a process that is sealed off.</summary>
    /// <param name="run">The run.</param>
    /// <param name="history">Its history.</param>
    /// <param name="moments">Reads the moment at a version.</param>
    public RunStepper(RunKey run, IReadOnlyList<StoredEvent> history, Func<int, Moment> moments) : this(run, history) => elsewhere = moments;

    private RunStepper(RunKey run, IReadOnlyList<StoredEvent> history)
    {
        if (history.Count == 0 || history[0].Version != 1) throw new ArgumentException("The history must be whole: it begins with event 1.", nameof(history));
        this.run = run;
        events = [.. history.Select(stored => (stored.Read(), stored.At))];
        live = Branch.Live(events);
        if (events[0].Event is not RunStarted) throw new ArgumentException($"The history begins with a {EventNames.Of(events[0].Event)}, not with a run-started.", nameof(history));
    }

    public int Count => events.Count;

    /// <summary>The version the stepper stands at; 1 to <see cref="Count"/>.</summary>
    public int Version { get; private set; } = 1;

    public Moment Now => At(Version);

    /// <summary>Replays made so far.</summary>
    public int Replays { get; private set; }

    /// <inheritdoc cref="Replayer.RestWithin"/>
    public TimeSpan RestWithin { get; init; } = Replayer.DefaultRestWithin;

    /// <summary>Why the code was taken no further, if it was not: it did not come to rest, or was held. Its thread may be lost to this process.</summary>
    public string? Stuck { get; private set; }

    /// <summary>Goes to an event; beyond the ends, to the end.</summary>
    public Moment GoTo(long version)
    {
        Version = (int)Math.Clamp(version, 1, Count);
        return Now;
    }

    /// <summary>The next event from here, or the one before, that is of a kind: an event's name, an activity's, or a signal's.</summary>
    public int? Find(IReadOnlyCollection<string> kinds, bool backward = false)
    {
        for (var v = Version + (backward ? -1 : 1); v >= 1 && v <= Count; v += backward ? -1 : 1)
            if (IsOf(events[v - 1].Event, kinds)) return v;
        return null;
    }

    /// <summary>An event in a line, without the code.</summary>
    public string Text(int version) => Describe(events[version - 1].Event);

    /// <summary>The first event, from here on, at which another run went another way: null if neither does.</summary>
    /// <param name="other">The other run's history.</param>
    /// <returns>The versions here and there; that of one that has ended before is one behind its end.</returns>
    public (int Here, int There)? FirstDifference(IReadOnlyList<StoredEvent> other)
    {
        // Which host it was, and who sent what under which key, makes no difference to the code.
        var (here, there) = (Compared(events.Select(e => e.Event)), Compared(other.Select(stored => stored.Read())));
        for (var i = 0; i < Math.Max(here.Count, there.Count); i++)
        {
            if (i < here.Count && here[i].Version < Version) continue;
            if (i < here.Count && i < there.Count && here[i].Body == there[i].Body) continue;
            return (i < here.Count ? here[i].Version : Count + 1, i < there.Count ? there[i].Version : other.Count + 1);
        }
        return null;
    }

    // ---- for an IDE ----

    /// <summary>
    /// Replays up to an event and calls <paramref name="stop"/> there, on the code's own stack where the code asks for it; for an input, just
    /// before it is shown to the code.
    /// </summary>
    public void StopAt(int version, Action stop)
    {
        var it = new Cursor(this, new Patience(Timeout.InfiniteTimeSpan), Math.Clamp(version, 1, Count), stop);
        while (it.Done < version && it.Advance(int.MaxValue))
        {
        }
    }

    // ---- moments ----

    private Moment At(int version)
    {
        var index = version - 1;
        if (kept.TryGetValue(index, out var known)) return known;
        if (kept.Count > KeptMax) kept.Clear();
        if (elsewhere is not null) return kept[index] = elsewhere(version);
        var from = index - Window;
        if (index < stuckFrom) Take(index, from);
        if (index >= stuckFrom)
        {
            if (codeless is null || codeless.Done > index) codeless = new Cursor(this, null, null, null);
            while (codeless.Done <= index) codeless.Advance(Math.Max(from, stuckFrom));
        }
        return kept[index];
    }

    private void Take(int index, int from)
    {
        if (cursor is null || cursor.Done > index)
        {
            cursor = new Cursor(this, new Patience(RestWithin), null, null);
            Replays++;
        }
        var (it, patience) = (cursor, cursor.Patience!);
        var cameBack = ApartThread.Run(patience, () =>
        {
            while (it.Done <= index && !patience.IsOver)
            {
                it.Advance(from);
                patience.Rest();
            }
        });
        if (!patience.IsOver) return;
        // What it has kept of the input that it did not come to the end of stands for nothing.
        (cursor, stuckFrom) = (null, it.Input);
        foreach (var later in kept.Keys.Where(at => at >= stuckFrom).ToList()) kept.Remove(later);
        Stuck = new Overdue(patience, RestWithin, registry!, run, events, it.Replay).Why(cameBack);
    }

    private static bool IsOf(WorkflowEvent e, IReadOnlyCollection<string> kinds) =>
        kinds.Contains(EventNames.Of(e)) || e is StepScheduled scheduled && kinds.Contains(scheduled.Activity) || e is SignalReceived signal && kinds.Contains(signal.Signal);

    private static string Describe(WorkflowEvent e)
    {
        var (name, body) = EventNames.Write(e);
        var text = System.Text.Encoding.UTF8.GetString(body);
        return $"{name} {(text.Length > 300 ? text[..299] + "…" : text)}";
    }

    private static List<(int Version, string Body)> Compared(IEnumerable<WorkflowEvent> history) =>
    [
        .. history.Select((e, i) => (Version: i + 1, Event: e)).Where(e => e.Event is not (HostChanged or RunImported)).Select(e =>
        {
            var (name, body) = EventNames.Write(e.Event);
            var json = JsonNode.Parse(body)!.AsObject();
            foreach (var passing in (string[])["host", "by", "key", "body", "due", "retryAt", "deadline", "businessKey"]) if (e.Event is not ApprovalDecided || passing != "by") json.Remove(passing);
            return (e.Version, $"{name} {CanonicalJson.Digest(JsonText.From(json))}");
        }),
    ];

    /// <summary>One replay under way. It only goes forward.</summary>
    private sealed class Cursor
    {
        private readonly RunStepper stepper;
        private readonly WorkflowRun? replay;
        private readonly RunState fold;
        private readonly int? stopAt;
        private readonly Action? stop;
        private int keepFrom;
        private CodePlace? askedAt;

        /// <param name="stepper">What it reads for.</param>
        /// <param name="patience">With the code; null to read on without it.</param>
        /// <param name="stopAt">The event to stop at.</param>
        /// <param name="stop">What to do there.</param>
        public Cursor(RunStepper stepper, Patience? patience, int? stopAt, Action? stop)
        {
            (this.stepper, Patience, this.stopAt, this.stop) = (stepper, patience, stopAt, stop);
            fold = new RunState(stepper.run);
            if (patience is not null) replay = WorkflowRun.Begin(stepper.run, stepper.events, Replayer.Sealed(stepper.registry!, Matched, patience: patience));
        }

        public Patience? Patience { get; }

        public WorkflowRun Replay => replay!;

        /// <summary>Events that the replay has behind it.</summary>
        public int Done { get; private set; }

        /// <summary>The index of the input that was shown last.</summary>
        public int Input { get; private set; }

        /// <summary>Shows the code the next input, and keeps the moments from an index on.</summary>
        /// <returns>False at the end.</returns>
        public bool Advance(int from)
        {
            if (Done >= stepper.events.Count) return false;
            (keepFrom, askedAt, Input) = (from, null, Done);
            var behind = Done + 1;
            while (behind < stepper.events.Count && stepper.events[behind].Event.IsCommand) behind++;
            if (Done + 1 == stopAt) stop!();
            Fold();
            replay?.ReplayNext();
            if (Patience is { IsOver: true }) return true;
            // What the code was not asked about: it is parked, or has gone another way.
            while (Done < behind)
            {
                Keep(null);
                askedAt = null;
                Fold();
            }
            Keep(null);
            return true;
        }

        private void Fold()
        {
            var (e, at) = stepper.events[Done];
            if (stepper.live?[Done] is false) fold.Skip(e, at);
            else fold.Apply(e, at);
            Done++;
        }

        // On the code's stack: it asks for the next event.
        private void Matched(WorkflowEvent recorded, WorkflowEvent asked)
        {
            if (Patience is { IsOver: true }) return;
            if (Done + 1 == stopAt) stop!();
            var line = Done > keepFrom ? CodePlace.OfCaller() : null;
            Keep(line);
            askedAt = line;
            Fold();
        }

        private void Keep(CodePlace? line)
        {
            var index = Done - 1;
            if (index < keepFrom) return;
            var (e, at) = stepper.events[index];
            var (fields, frames) = replay?.Execution is { } code ? CodeState.Read(code) : ([], []);
            var difference = replay is null ? stepper.Stuck : replay.LoadFault is { } fault ? $"{fault.Reason}. {fault.Detail}" : null;
            stepper.kept[index] = new Moment(index + 1, EventNames.Of(e), Describe(e), at, e.IsCommand, askedAt, fold.Status, [.. fold.InOrder<OpenStep>().Select(step => step.Describe())],
                [.. replay?.Execution?.AwaitedSignals ?? []], fields, frames, line, difference);
        }
    }
}
