using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>
/// A replay that goes on behind a difference, to see all that the code asks for now. What is asked for is matched with what was
/// recorded by kind and subject, not by place: an operation that now stands elsewhere, or has another number, still gets the outcome
/// that history holds for it, when history holds it or, if that is long past, at once. An operation that no history knows ends with
/// something made up. It says nothing about whether the run can go on: that is the strict replay's verdict, which came first.
/// </summary>
/// <param name="history">The run's events.</param>
/// <param name="renamed">A hypothesis: operations by these names stand where others were recorded, and get their outcomes.</param>
internal sealed class LenientReplay(IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)> history, IReadOnlySet<string> renamed)
{
    private const int SignalsMadeUpMax = 3;

    private readonly List<RecordedCommand> recorded = Commands(history);
    private readonly List<AskedCommand> asked = [];
    private readonly Dictionary<int, int> nowOf = [];
    private readonly Dictionary<int, int> thenOf = [];
    private readonly Dictionary<int, List<(StepEvent Event, DateTimeOffset At)>> early = [];
    private readonly Queue<int> invented = new();
    private readonly HashSet<string> candidates = new(StringComparer.Ordinal);
    private WorkflowExecution? execution;
    private int input;

    // A loop that ends by an outcome may never end by made-up ones.
    private int AskedMax => 2 * recorded.Count + 50;

    public IReadOnlyList<RecordedCommand> Recorded => recorded;

    public IReadOnlyList<AskedCommand> Asked => asked;

    /// <summary>Operations that no history knows, and that stand where another of their kind was recorded.</summary>
    public IReadOnlySet<string> Candidates => candidates;

    /// <summary>The code went on and on, with what was made up for it: what it no longer asked for may be behind that.</summary>
    public bool IsRunaway => asked.Count >= AskedMax;

    /// <summary>What the code threw on the way; of interest only if it threw where the strict replay did.</summary>
    public Exception? Fault => execution?.Fault;

    private bool IsOver => execution is null or { Fault: not null } or { State.IsClosed: true } || asked.Count >= AskedMax;

    /// <summary>The input as it concerns the code of now; null if it has not asked for that step, or not yet.</summary>
    public WorkflowEvent? Translate(WorkflowEvent e, DateTimeOffset at, int index)
    {
        input = index;
        if (e is not StepEvent step) return e;
        if (nowOf.TryGetValue(step.Step, out var now)) return CommandIdentity.At(now, step);
        if (!early.TryGetValue(step.Step, out var waiting)) early.Add(step.Step, waiting = []);
        waiting.Add((step, at));
        return null;
    }

    /// <summary>The checkpoint recorded behind this iteration and not asked for yet.</summary>
    public LoopCheckpoint? Checkpoint(long iteration) => recorded.Select(command => command.Event).OfType<LoopCheckpoint>()
        .FirstOrDefault(checkpoint => checkpoint.Iteration == iteration && !asked.Exists(a => ReferenceEquals(a.Command, checkpoint)));

    public void Show(WorkflowExecution of, IReadOnlyList<WorkflowEvent> inputs)
    {
        execution = of;
        of.DeliverLive(inputs, Take);
        Settle();
    }

    /// <summary>The history is at its end, and the run it tells of had ended too: whatever the code still waits for is made up.</summary>
    public void End()
    {
        for (var made = 0; made < SignalsMadeUpMax && !IsOver && execution!.AwaitedSignals.Order(StringComparer.Ordinal).FirstOrDefault() is { } signal; made++)
        {
            if (asked.FindLastIndex(a => a.Signal == signal && !a.IsReal) is >= 0 and var at) asked[at].IsReal = true;
            execution.ImagineSignal(signal, Take);
            Settle();
        }
    }

    private void Settle()
    {
        while (!IsOver)
        {
            var then = early.Keys.Where(nowOf.ContainsKey).Order().Cast<int?>().FirstOrDefault();
            if (then is { } step)
            {
                var outcomes = early[step];
                early.Remove(step);
                foreach (var (e, at) in outcomes)
                {
                    var translated = CommandIdentity.At(nowOf[step], e);
                    execution!.State.Apply(translated, at);
                    execution.DeliverLive([translated], Take);
                }
            }
            else if (invented.TryDequeue(out var unknown))
            {
                execution!.State.Close(unknown);
                execution.Imagine(unknown, Take);
            }
            else return;
        }
    }

    /// <summary>The code waits for a signal: no command, but what an inserted or removed wait is told by.</summary>
    public void Receives(string signal) => asked.Add(new AskedCommand(null, signal, CodePlace.OfCaller(), input) { IsReal = false });

    public bool Holds(string patch) => recorded.Exists(r => r.Event is PatchMarked marked && marked.Patch == patch);

    public T? Upcoming<T>(int step) where T : StepCommand =>
        recorded.Find(r => r.By is null && r.Event is T) is { } next ? (T)CommandIdentity.At(step, next.Event) : null;

    private void Take(WorkflowEvent command)
    {
        if (IsOver) return;
        var undone = execution!.Undoing is { } undoing ? asked.Find(a => a.Command is StepEvent s && s.Step == undoing) : null;
        var ask = new AskedCommand(command, null, command is RunClosed ? null : undone is not null ? undone.Place : CodePlace.OfCaller(), input) { Undoes = undone };
        asked.Add(ask);
        var match = command is StepEvent of && thenOf.TryGetValue(of.Step, out var then)
            ? recorded.Find(r => r.By is null && r.Event is StepEvent known && known.Step == then && known.GetType() == command.GetType()) // about a step that is known by now
            : Twin(command) ?? Replaced(command);
        if (match is not null)
        {
            (match.By, ask.Of) = (ask, match);
            if (command is StepEvent asking && match.Event is StepEvent original) (nowOf[original.Step], thenOf[asking.Step]) = (asking.Step, original.Step);
        }
        else if (command is StepEvent { Step: var step } && asked.FindIndex(a => a.Command is StepEvent s && s.Step == step) == asked.Count - 1)
        {
            invented.Enqueue(step);
        }
        var now = match is null || match.Event.GetType() != command.GetType() ? command : CommandIdentity.At(command is StepEvent s ? s.Step : 0, match.Event);
        execution!.State.Apply(now, match?.At ?? execution.State.Now);
    }

    // The first of its kind that nobody asked for yet; one with the same arguments is preferred, and one with others is none if the code
    // was to see a signal or a decision first: it is a later round's.
    private RecordedCommand? Twin(WorkflowEvent command)
    {
        RecordedCommand? first = null;
        foreach (var r in recorded)
        {
            if (r.By is not null || !CommandIdentity.IsAlike(r.Event, command) || r.Event is StepEvent known && nowOf.ContainsKey(known.Step)) continue;
            if (CommandIdentity.At(0, r.Event).Equals(CommandIdentity.At(0, command))) return r;
            if (r.Input <= input || !IsFromOutside(r.Input)) first ??= r;
        }
        return first;
    }

    private bool IsFromOutside(int at)
    {
        for (var i = input + 1; i <= at; i++)
            if (history[i].Event is SignalReceived or ApprovalDecided) return true;
        return false;
    }

    private RecordedCommand? Replaced(WorkflowEvent command)
    {
        var candidate = recorded.Find(r => r.By is null && !(r.Event is StepEvent known && nowOf.ContainsKey(known.Step)));
        if (candidate is null || candidate.Event.GetType() != command.GetType() || CommandIdentity.Subject(command) is not { } subject) return null;
        candidates.Add(subject);
        return renamed.Contains(subject) ? candidate : null;
    }

    private static List<RecordedCommand> Commands(IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)> history)
    {
        var commands = new List<RecordedCommand>();
        var behind = 0;
        for (var i = 0; i < history.Count; i++)
        {
            if (history[i].Event.IsCommand) commands.Add(new RecordedCommand(i + 1, history[i].Event, history[i].At, behind));
            else behind = i;
        }
        return commands;
    }
}

/// <param name="version">Its place in the history.</param>
/// <param name="input">The index of the input it stands behind.</param>
internal sealed class RecordedCommand(long version, WorkflowEvent e, DateTimeOffset at, int input)
{
    public long Version => version;

    public WorkflowEvent Event => e;

    public DateTimeOffset At => at;

    public int Input => input;

    /// <summary>What the code of now asks for in its place.</summary>
    public AskedCommand? By { get; set; }
}

/// <param name="command">Null for a wait for a signal, which is no event.</param>
/// <param name="signal">The signal waited for.</param>
/// <param name="place">The line that asks.</param>
/// <param name="input">The index of the input that was shown last.</param>
internal sealed class AskedCommand(WorkflowEvent? command, string? signal, CodePlace? place, int input)
{
    public WorkflowEvent? Command => command;

    public string? Signal => signal;

    public CodePlace? Place => place;

    public int Input => input;

    public RecordedCommand? Of { get; set; }

    /// <summary>The step of a saga that this one undoes.</summary>
    public AskedCommand? Undoes { get; init; }

    /// <summary>False for a wait for a signal that came.</summary>
    public bool IsReal { get; set; } = true;
}
