using System.Runtime.CompilerServices;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Timers;
using OrleansAiOs.Workflows.Turns;
using OrleansAiOs.Workflows.Versions;

namespace OrleansAiOs.Testing.Checking;

/// <summary>
/// The invariants of the engine, checked from outside on what is stored. One checker for the simulator, for crash tests and for
/// <c>aios verify</c> over a live database. It reads nothing itself, and remembers nothing of a run it has seen but the
/// references of its effects, and those only if there are ledgers to compare them with.
///
/// I1 what was acknowledged is recorded, once. I2 one schedule and one terminal event per step and epoch. I3 the receivers' counts
/// are what the histories say. I4 versions are dense and events follow the grammar. I5 row and wake-up are what the history folds to.
/// I6 a replay asks for the same commands. I8 an open run is busy, due, or waits for something that has a name. I10 approvals were
/// decided by somebody entitled. I12 nothing is left open. I13 a parent's step and its child's run say the same. I14 what the code
/// answered, a query or an update, is what the history says. I15 a schedule starts each of its times once, as its policy has it. I16 what
/// was deleted was over, its time to be kept too, and so were its parent and its children (<see cref="PurgeChecker"/>).
/// </summary>
public sealed class HistoryChecker(CheckerOptions options)
{
    private static readonly TimeSpan ClocksDifferBy = TimeSpan.FromSeconds(1);

    private readonly HashSet<string> known = new(StringComparer.Ordinal);
    private readonly ScheduleChecker schedules = new();
    private readonly WorkflowRegistry registry = options.Registry ?? new WorkflowRegistry();

    /// <summary>Effects the histories checked so far demand.</summary>
    public long EffectsExpected { get; private set; }

    /// <summary>Effects the receivers counted for them.</summary>
    public long EffectsApplied { get; private set; }

    /// <summary>Checks run after run.</summary>
    public async IAsyncEnumerable<Violation> CheckAsync(IAsyncEnumerable<RunFacts> runs, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        await foreach (var run in runs.WithCancellation(cancellation))
            foreach (var violation in Check(run)) yield return violation;
        foreach (var violation in CheckRest()) yield return violation;
    }

    /// <summary>Checks one run.</summary>
    public IReadOnlyList<Violation> Check(RunFacts facts)
    {
        var found = new List<Violation>();
        void Report(string invariant, string what) => found.Add(new Violation(invariant, facts.Run, what));

        var events = new List<(WorkflowEvent Event, DateTimeOffset At)>(facts.History.Count);
        try
        {
            for (var i = 0; i < facts.History.Count; i++)
            {
                var stored = facts.History[i];
                if (stored.Version != i + 1)
                {
                    Report("I4", $"version {stored.Version} stands where {i + 1} must");
                    return found;
                }
                events.Add((stored.Read(), stored.At));
            }
        }
        catch (UnreadableHistoryException e)
        {
            Report("I4", e.Message);
            return found;
        }
        if (events.Count == 0)
        {
            if (facts.Row is not null) Report("I5", "there is a summary row, and no history");
            CheckAcknowledged(facts.Run, events, Report);
            return found;
        }

        var grammar = new StepGrammar();
        for (var i = 0; i < events.Count; i++) grammar.Show(i + 1, events[i].Event, events[i].At);
        foreach (var (invariant, what) in grammar.Faults) Report(invariant, what);
        NoteKin(facts.Run, events, grammar);
        schedules.Note(facts.Run, events);
        CheckAcknowledged(facts.Run, events, Report);
        foreach (var (step, owner, at) in grammar.TakenOver)
            if (options.DiedAt is { } diedAt && !(diedAt(owner) <= at + ClocksDifferBy)) Report("I8", $"step {step} was taken over at {at:O} from {owner}, which lived");
        if (options.Ledgers.Count > 0) CheckEffects(facts.Run, grammar, Report);
        if (grammar.Faults.Count == 0) CheckRow(facts, events, Report);
        foreach (var what in Answers.Check(facts, events, options, Sealed(registry))) Report("I14", what);
        return found;
    }

    /// <summary>What can be said only when all runs were seen: an effect that no history knows.</summary>
    public IEnumerable<Violation> CheckRest()
    {
        foreach (var violation in CheckKin()) yield return violation;
        foreach (var violation in schedules.Check()) yield return violation;
        foreach (var ledger in options.Ledgers)
            foreach (var (reference, count) in ledger.Effects)
                if (!known.Contains(reference)) yield return new Violation("I3", null, $"{count} effect(s) under {reference}, which belongs to no step of any history");
    }

    // ---- I13 ----

    private readonly Dictionary<RunKey, Parent> parents = [];
    private readonly Dictionary<RunKey, (ParentRun Parent, List<RunClosed> Ends, bool IsOver, bool Settled)> children = [];

    /// <summary>Of a history too long to be kept: what ties it to others.</summary>
    /// <param name="Steps">The steps that have a child, with its run.</param>
    /// <param name="Ever">Every run that was the child of a step, also on branches that a reset left.</param>
    private sealed record Parent(List<(int Number, StepGrammar.Step Step, string Child, ParentClose Policy)> Steps, HashSet<(int Step, string Run)> Ever, List<EffectChoice> Choices, HashSet<string> Waiting,
        bool IsFork, bool HasBegun, bool Closed, bool Settled);

    private void NoteKin(RunKey run, List<(WorkflowEvent Event, DateTimeOffset At)> events, StepGrammar grammar)
    {
        var live = Branch.Live(events);
        var isOver = events.Where((e, i) => live?[i] is not false && e.Event is RunClosed).Any();
        var settled = events[^1].Event is RunSettled;
        if (grammar.Children.Count > 0)
            parents[run] = new Parent([.. grammar.Steps.Where(step => step.Key > 0 && step.Value is { Child: not null, IsCopied: false }).Select(step => (step.Key, step.Value, step.Value.Child!, ((ChildScheduled)step.Value.Opened).OnParentClose))],
                grammar.Children, grammar.ChildChoices, [.. grammar.Waiting], events[0].Event is RunStarted { ForkedFrom: not null }, grammar.HasBegun, isOver, settled);
        // How it ended before a reset stays true for who was told.
        if (events[0].Event is RunStarted { Parent: { } parent }) children[run] = (parent, [.. events.Select(e => e.Event).OfType<RunClosed>()], isOver, settled);
    }

    private IEnumerable<Violation> CheckKin()
    {
        foreach (var (run, parent) in parents)
        {
            foreach (var (number, step, child, policy) in parent.Steps)
            {
                var id = new RunKey(run.Tenant, child);
                var isOurs = children.TryGetValue(id, out var known) && known.Parent == new ParentRun(run.Id, number);
                if (step.Ended is not null && isOurs && known.Ends.Count == 0)
                    yield return new Violation("I13", run, $"{EventNames.Of(step.Ended)} of step {number}, and its child run {id} has not ended");
                if (step.Ended is ChildCompleted completed && !(isOurs && known.Ends.Exists(end => IsTold(end, completed.Result, null))))
                    yield return new Violation("I13", run, $"step {number} completed with a result that its child run {id} does not have");
                // Who has yet to ask for it will hear.
                if (!step.IsOver && step.Now is StepGrammar.Phase.Waiting && isOurs && known is { IsOver: true, Settled: true } && !parent.Closed)
                    yield return new Violation("I13", run, $"step {number} waits for its child run {id}, which has ended and believes that this is known");
                if (!step.IsOver && parent is { Closed: true, Settled: true } && isOurs && !known.IsOver && policy is not ParentClose.Abandon && options.AllHaveEnded)
                    yield return new Violation("I13", run, $"it ended, and its child run {id} goes on");
            }
            foreach (var choice in parent.IsFork ? [] : parent.Choices)
            {
                var id = new RunKey(run.Tenant, choice.Child!.Run);
                if (choice is not { Action: EffectAction.Reuse, Child.Stays: false } || !children.TryGetValue(id, out var known) || known.Parent != new ParentRun(run.Id, choice.Step)) continue;
                if (!known.Ends.Exists(end => IsTold(end, choice.Result, choice.Failure))) yield return new Violation("I13", run, $"it reuses an outcome for step {choice.Step} that its child run {id} never had");
            }
            // A run that a branch left behind goes on for nobody.
            foreach (var (number, child) in parent.HasBegun && !parent.Closed ? parent.Ever : [])
            {
                var id = new RunKey(run.Tenant, child);
                if (parent.Steps.Exists(step => step.Number == number && step.Child == child) || parent.Waiting.Contains(child)) continue;
                if (children.TryGetValue(id, out var known) && known.Parent == new ParentRun(run.Id, number) && known.Ends.Count == 0)
                    yield return new Violation("I13", run, $"the branch that had run {id} as the child of step {number} was left, and the child goes on");
            }
        }
        foreach (var (id, (parent, _, _, _)) in children)
            if (parents.TryGetValue(new RunKey(id.Tenant, parent.Run), out var known) && !known.Ever.Contains((parent.Step, id.Id)))
                yield return new Violation("I13", id, $"it was started by step {parent.Step} of run {parent.Run}, which did not schedule it");
    }

    private static bool IsTold(RunClosed end, JsonText result, Failure? failure) => ChildStep.Ended(0, end) switch
    {
        ChildCompleted completed => failure is null && CanonicalJson.Write(completed.Result).AsSpan().SequenceEqual(CanonicalJson.Write(result)),
        ChildFailed failed => failed.Failure == failure,
        _ => false,
    };

    // ---- I1 ----

    private void CheckAcknowledged(RunKey run, List<(WorkflowEvent Event, DateTimeOffset At)> events, Action<string, string> report)
    {
        foreach (var acked in options.Acknowledged?[run] ?? [])
        {
            if (acked.Version > events.Count) report("I1", $"{acked.Kind} {acked.Key} was acknowledged at version {acked.Version}, and the history has {events.Count}");
            var recorded = events.Count(e => Matches(e.Event, acked));
            if (recorded == 0) report("I1", $"{acked.Kind} {acked.Key} was acknowledged, and is not in the history");
            foreach (var (step, action) in acked.Effects ?? new Dictionary<int, EffectAction>())
                if (!events.Exists(e => Matches(e.Event, acked) && (e.Event as RunReset)?.Effects is var chosen && (chosen ?? (e.Event as RunForked)?.Effects)?.Any(choice => choice.Step == step && choice.Action == action) is true))
                    report("I1", $"{acked.Kind} {acked.Key} chose to {action} the effect of step {step}, and the history says otherwise");
        }
        foreach (var refused in options.Refused?[run] ?? [])
            if (events.Exists(e => KeyOf(e.Event) == refused.Key)) report("I1", $"{refused.Kind} {refused.Key} was refused ({refused.Why}), and is in the history");
        foreach (var twice in events.Select(e => KeyOf(e.Event)).OfType<string>().GroupBy(key => key).Where(group => group.Count() > 1))
            report("I1", $"the command with key {twice.Key} is recorded {twice.Count()} times");
    }

    private static bool Matches(WorkflowEvent e, Acknowledged acked) => acked.Kind switch
    {
        CommandKind.Start => e is RunStarted,
        CommandKind.Cancel => e is CancelRequested, // a second one has nothing to add
        CommandKind.Pause => e is RunPaused,
        CommandKind.Fork => e is RunForked,
        CommandKind.Migrate => e is RunMigrated,
        _ => KeyOf(e) == acked.Key,
    };

    private static string? KeyOf(WorkflowEvent e) => e switch
    {
        SignalReceived signal => signal.Key,
        CancelRequested cancel => cancel.Key,
        ApprovalDecided decided => decided.Key,
        OutcomeHappened happened => happened.Key,
        OutcomeNeverWill never => never.Key,
        RetryAsked retry => retry.Key,
        StepSkipped skipped => skipped.Key,
        RunUnparked unparked => unparked.Key,
        UpdateAccepted update => update.Key,
        RunPaused paused => paused.Key,
        RunResumed resumed => resumed.Key,
        RunTerminated terminated => terminated.Key,
        RunReset reset => reset.Key,
        RunMigrated migrated => migrated.Key,
        _ => null,
    };

    // ---- I3 ----

    private void CheckEffects(RunKey run, StepGrammar grammar, Action<string, string> report)
    {
        foreach (var (number, step) in grammar.Steps.Select(step => (step.Key, step.Value)).Concat(grammar.Dead))
        {
            // What the engine does to itself has no receiver outside.
            if (step.Opened is not StepScheduled { Effect: not Effect.Pure } scheduled || step.IsCopied || scheduled.Activity.StartsWith(Activity.EnginesOwn, StringComparison.Ordinal)) continue;
            var sum = 0;
            for (var epoch = step.FirstEpoch; epoch <= step.Epoch; epoch++)
            {
                var reference = IdempotencyKey.Of(run.Tenant, run.Id, number, epoch).Value;
                known.Add(reference);
                var count = options.Ledgers.Sum(ledger => ledger.Effects.GetValueOrDefault(reference));
                sum += count;
                if (count > 1 && scheduled.Effect is not Effect.Idempotent) report("I3", $"{scheduled.Activity} (step {number}, epoch {epoch}) took effect {count} times");
                if (count > 0 && epoch < step.Epoch) report("I3", $"{scheduled.Activity} (step {number}, epoch {epoch}) took effect, and the history says it never will");
            }
            if (step.Now is StepGrammar.Phase.Completed)
            {
                EffectsExpected++;
                EffectsApplied += sum;
                if (sum != 1) report("I3", $"{scheduled.Activity} (step {number}) completed, and took effect {sum} times");
            }
            // Of a skipped step a person took it on himself whether it happened; more than once it still must not.
            else if (step.IsOver && sum > 0 && step.Now is not StepGrammar.Phase.Skipped && scheduled.Effect is not Effect.Idempotent)
            {
                report("I3", $"{scheduled.Activity} (step {number}) ended as {step.Now}, and took effect {sum} times");
            }
        }
    }

    // ---- I5, I6, I8, I12: what the history folds to ----

    private void CheckRow(RunFacts facts, List<(WorkflowEvent Event, DateTimeOffset At)> events, Action<string, string> report)
    {
        if (facts.Row is not { } row)
        {
            report("I5", "there is a history, and no summary row");
            return;
        }
        RunState state;
        WorkflowRun? run = null;
        if (registry.Find(((RunStarted)events[0].Event).Workflow, WorkflowRun.VersionAtEnd(events)) is not null)
        {
            run = WorkflowRun.Load(facts.Run, facts.History, Sealed(registry));
            state = run.State;
            if (run.LoadFault is { } fault && state.Parked is null) report("I6", $"{fault.Reason}. {fault.Detail}");
        }
        else
        {
            state = RunState.Of(facts.Run, events);
        }

        if (run is { LoadFault: null } && state.Checkpoint is not null) CheckFolded(facts, state, report);
        CheckCertificates(facts.Run, events, report);

        var busy = state.IsBusy;
        if (row.CodeVersion != state.CodeVersion) report("I5", $"the row says version {row.CodeVersion}, the history {state.CodeVersion}");
        if (row.Checkpoint != state.Checkpoint) report("I5", $"the row says checkpoint {row.Checkpoint}, the history {state.Checkpoint}");
        if (row.Status != state.Status) report("I5", $"the row says {row.Status}, the history {state.Status}");
        if (row.Busy != busy) report("I5", $"the row says busy: {row.Busy}, the history {busy}");
        if (row.Host != state.Host) report("I5", $"the row says host {row.Host}, the history {state.Host}");
        if (state.Imported is not null)
        {
            if (facts.WakeUp is not null || row.Busy) report("I8", "it was imported and is inert, and yet the engine would look at it");
            return;
        }
        if (state.IsClosed != row.ClosedAt is not null) report("I5", $"the row says closed at {row.ClosedAt:u}, the history says {state.Status}");
        if (options.AllHaveEnded && state.Unsettled is not null) report("I12", "it has ended, and what follows from that is not done: its parent or its children were not told");
        if (busy && state.IsClosed && options.LivingHosts?.Contains(state.Host!) is false) report("I8", $"it ended on host {state.Host}, which is dead, and nobody has told its kin");
        if (state.IsClosed) return;

        if (state.Due is { } due && !(facts.WakeUp <= due))
            report("I5", $"something is due at {due:O}, and the wake-up row says {(facts.WakeUp is { } at ? at.ToString("O") : "nothing")}");
        foreach (var step in state.Open.OfType<ApprovalStep>())
            if (!row.Waits.Any(wait => wait.Kind == "approval" && wait.Step == step.Number && wait.Digest == step.Request.Digest))
                report("I5", $"approval {step.Number} is awaited, and the row does not list it");
        if (!busy && facts.WakeUp is null && row.Waits.Count == 0 && !state.IsHeld) report("I8", "it is open, and neither busy nor due nor waiting for anything");
        if (busy && !state.IsHeld && options.LivingHosts is { } living)
            foreach (var step in state.Open.Where(step => step.UnderWay && !living.Contains(step.Owner)))
                report("I8", $"step {step.Number} is under way on host {step.Owner}, which is dead, and nobody has taken it over");
        if (options.AllHaveEnded) report("I12", $"it has not ended: {state.Status}, waits for {string.Join("; ", row.Waits)}");
    }

    // Read from its last checkpoint, a run is the same as read from its beginning.
    private void CheckFolded(RunFacts facts, RunState whole, Action<string, string> report)
    {
        var folded = WorkflowRun.Load(facts.Run, FoldedHistory.ReadAsync([.. facts.History.Skip((int)whole.Checkpoint!.Value - 1)],
            (from, to) => new([.. facts.History.Skip((int)from - 1).Take((int)(to - from + 1))])).AsTask().GetAwaiter().GetResult(), Sealed(registry));
        if (folded.LoadFault is { } fault) report("I6", $"from the checkpoint at {whole.Checkpoint}: {fault.Reason}. {fault.Detail}");
        else if (Told(folded.State) is var told && Told(whole) is var expected && told != expected) report("I6", $"read from the checkpoint at {whole.Checkpoint} it is {told}, read as a whole {expected}");

        static string Told(RunState state) => $"{state.Version} {state.Now:O} {state.Status} {state.Host} {state.CancelReason} {state.Parked?.Reason} signals {state.Signals} on {state.CodeVersion} "
            + $"attributes {string.Join(',', state.Attributes?.OrderBy(a => a.Key, StringComparer.Ordinal).Select(a => $"{a.Key}={a.Value}") ?? [])} "
            + $"receipts {string.Join(',', state.Receipts.OrderBy(r => r.Key, StringComparer.Ordinal).Select(r => $"{r.Key}:{r.Value.Version}"))} "
            + $"updates {state.UpdatesAccepted} {string.Join(',', state.Updates.Values.Select(update => update.Keep()))} "
            + $"open {string.Join(',', state.InOrder<OpenStep>().Select(step => step.Describe()))}";
    }

    // A run was moved because the new version asked for what was recorded: it still does.
    private void CheckCertificates(RunKey run, List<(WorkflowEvent Event, DateTimeOffset At)> events, Action<string, string> report)
    {
        // What was copied was certified of another run.
        foreach (var (e, _) in events.Skip(events.FindLastIndex(e => e.Event is RunForked) + 1))
        {
            if (e is not RunMigrated { Certificate: var certificate } moved || registry.Find(((RunStarted)events[0].Event).Workflow, moved.To) is null) continue;
            var (again, fault) = Migration.Certify(run, events.GetRange(0, (int)certificate.UpTo), moved.From, moved.To, registry);
            if (fault is not null) report("I6", $"it was moved to version {moved.To}, which does not replay it up to event {certificate.UpTo}: {fault.Detail}");
            else if (again != certificate) report("I6", $"it was moved to version {moved.To}, which now asks for other commands up to event {certificate.UpTo} than its certificate says");
        }
    }

    // Enough for a replay, which reads no clock and starts nothing.
    private static RunContext Sealed(WorkflowRegistry registry) => new()
    {
        Registry = registry,
        HostId = "checker",
        Clock = new StoreClock(TimeProvider.System),
        Ids = new IdSource(0),
        IsLiving = _ => true,
        OnForeignWork = _ => _ => { },
    };
}
