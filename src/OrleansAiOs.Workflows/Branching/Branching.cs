using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Turns;
using OrleansAiOs.Workflows.Versions;

namespace OrleansAiOs.Workflows.Branching;

/// <summary>Lets a run go on from an earlier event.</summary>
/// <param name="To">The last event to keep; 0 starts over.</param>
/// <param name="Effects">What becomes of each effect beyond the cut, by step.</param>
/// <param name="DropSignals">Signals of the dead branch are not shown to the new one.</param>
public sealed record ResetRun(RunKey Run, long To, string Why, IReadOnlyDictionary<int, EffectAction>? Effects = null, bool DropSignals = false);

/// <summary>Starts a run from an event of another.</summary>
/// <param name="At">The last event to take over.</param>
/// <param name="Id">The new run's id; a new one if left out.</param>
/// <param name="Input">Another input than the old run's.</param>
/// <param name="Version">Another version of the code.</param>
/// <param name="Outcomes">Other results than those recorded, by step; also for steps that are open at the cut.</param>
public sealed record ForkRun(RunKey Run, long At, string? Id = null, JsonText? Input = null, string? Version = null, IReadOnlyDictionary<int, JsonText>? Outcomes = null,
    IReadOnlyDictionary<int, EffectAction>? Effects = null, string? Why = null);

internal sealed class Brancher(WorkflowHost host)
{
    private const int Tries = 5;

    public async Task<long> ResetAsync(ResetRun command, string by, string? key)
    {
        for (var attempt = 1; ; attempt++)
        {
            var (old, events) = await ReadAsync(command.Run);
            var choices = command.Effects ?? new Dictionary<int, EffectAction>();
            var body = $"reset {command.To} {command.Why} {command.DropSignals} {string.Join(',', choices.OrderBy(choice => choice.Key).Select(choice => $"{choice.Key}={choice.Value}"))}";
            var reset = old.State.ReceiptOf(key) is not null ? new RunReset(command.To, command.Why, []) : await PlanAsync(old, events, command, choices);
            try
            {
                Task<long> SendAsync() => host.SendAsync(command.Run, new ResetInput(events, reset with { By = by, Key = key }, body));
                return await (old.State.IsClosed ? host.AdmittedAsync(command.Run, [.. old.State.Chain, by], SendAsync, wasOver: true) : SendAsync());
            }
            catch (HistoryWentOnException) when (attempt < Tries)
            {
            }
            catch (HistoryWentOnException)
            {
                throw new CommandRefusedException(Refusal.Busy, $"Run {command.Run} went on faster than its reset could be planned. Pause it, and reset it then.", TimeSpan.FromSeconds(1));
            }
        }
    }

    private async Task<RunReset> PlanAsync(WorkflowRun old, List<(WorkflowEvent Event, DateTimeOffset At)> events, ResetRun command, IReadOnlyDictionary<int, EffectAction> choices)
    {
        if (Branch.Objection(events, command.To, startOver: true) is { } objection) throw new CommandRefusedException(Refusal.Invalid, objection);
        if (old.State.Resets >= Branch.ResetsMax) throw new CommandRefusedException(Refusal.Conflict, $"Run {command.Run} was reset {old.State.Resets} times, the most one run takes. Fork it instead.");
        DemandNoUndoing(old);
        // What its end sends to parent and children must not reach those of a branch that goes on.
        if (old.State.Unsettled is not null)
            throw new CommandRefusedException(Refusal.Busy, $"Run {command.Run} has just ended, and its parent and children are being told. Reset it when they know: when run-settled stands in its history.", TimeSpan.FromSeconds(1));
        var effects = EffectsBeyond.Choose(old, await EffectsBeyond.OfAsync(host.Store, old, events, command.To, isFork: false), choices);
        var reset = new RunReset(command.To, Failure.Clean(command.Why), effects, command.DropSignals);
        DemandItRuns(WorkflowRun.Load(command.Run, [.. events, (reset, events[^1].At)], old.Context), command.To);
        return reset;
    }

    public async Task<Started> ForkAsync(ForkRun command, string by)
    {
        var (old, events) = await ReadAsync(command.Run);
        if (Branch.Objection(events, command.At, startOver: false) is { } objection) throw new CommandRefusedException(Refusal.Invalid, objection);
        DemandNoUndoing(old);
        var id = command.Id ?? host.Context.Ids.NextId(host.Now).ToString();
        if (!RunKey.TryParse(command.Run.Tenant, id, out var run, out var error)) throw new CommandRefusedException(Refusal.Invalid, error!);
        var started = (RunStarted)events[0].Event;
        if (host.Registry.Find(started.Workflow, command.Version ?? old.State.CodeVersion) is not { } type)
            throw new CommandRefusedException(Refusal.NotFound, host.Registry.Find(started.Workflow) is null
                ? $"There is no workflow '{started.Workflow}' here. This host knows: {host.Registry.NamesForPeople}."
                : $"There is no version '{command.Version ?? old.State.CodeVersion}' of '{started.Workflow}' here. This host holds: {host.Registry.VersionsForPeople(started.Workflow)}.");
        if (command.Input is { } input && type.Objection(input) is { } unreadable) throw new CommandRefusedException(Refusal.Invalid, unreadable);

        // A step open at the cut that is given an outcome needs none of its own: it takes that one.
        var given = command.Outcomes ?? new Dictionary<int, JsonText>();
        var beyond = await EffectsBeyond.OfAsync(host.Store, old, events, command.At, isFork: true);
        var decided = beyond.Where(effect => effect.OpenAtCut && given.ContainsKey(effect.Step)).ToList();
        IReadOnlyList<EffectChoice> effects =
        [
            .. EffectsBeyond.Choose(old, [.. beyond.Except(decided)], command.Effects ?? new Dictionary<int, EffectAction>()),
            .. decided.Select(effect => new EffectChoice(effect.Step, effect.Activity, effect.Effect, EffectAction.Reuse, effect.Key, effect.Input, given[effect.Step],
                Child: effect.Child is { } child ? new ChildChoice(child, effect.OnParentClose) : null)),
        ];
        var prefix = Changed(events.GetRange(0, (int)command.At), command, [.. given.Where(outcome => !decided.Exists(effect => effect.Step == outcome.Key))]);
        var forked = new RunForked(command.Run.Id, command.At, events.Count, effects, command.Version, command.Why is null ? null : Failure.Clean(command.Why), by);
        DemandItRuns(WorkflowRun.Load(run, [.. prefix, (forked, events[^1].At)], old.Context), command.At);
        var answer = await host.AdmittedAsync(run, [.. old.State.Chain, by], () => host.SendAsync(run, new ForkInput(prefix, forked)));
        if (!answer.IsNew) await DemandTheSameAsync(run, prefix, forked);
        return answer;
    }

    // Of the fork's whole history: a run that has gone on to a checkpoint knows no more which fork it is.
    private async Task DemandTheSameAsync(RunKey fork, List<(WorkflowEvent Event, DateTimeOffset At)> prefix, RunForked forked)
    {
        var there = (await host.Store.ReadAsync(fork, 1, CancellationToken.None)).Select(stored => stored.Read()).ToList();
        // The last one is its own: what it took over may have been a fork as well. Another host may have said before it that it has the run now.
        if (there.OfType<RunForked>().LastOrDefault() is not { } known || known.At != forked.At || Asked((RunStarted)there[0], known) != Asked((RunStarted)prefix[0].Event, forked))
            throw new CommandRefusedException(Refusal.Conflict, $"Run {fork} exists already, and is not this fork of {forked.From}. Choose another id.");
        if (!prefix.Select(e => e.Event).Zip(there).All(pair => pair.First.GetType() == pair.Second.GetType() && CommandIdentity.IsByteEqual(pair.First, pair.Second))
            || !known.Effects.Zip(forked.Effects).All(pair => CanonicalJson.Digest(pair.First.Result) == CanonicalJson.Digest(pair.Second.Result)))
            throw new CommandRefusedException(Refusal.Conflict, $"Run {fork} exists already: it is this fork of {forked.From}, with other outcomes. Choose another id.");

        static string Asked(RunStarted started, RunForked of) =>
            $"{of.Version} {CanonicalJson.Digest(started.Input)} {string.Join(',', of.Effects.Select(choice => $"{choice.Step}={choice.Action}"))}";
    }

    private static List<(WorkflowEvent Event, DateTimeOffset At)> Changed(List<(WorkflowEvent Event, DateTimeOffset At)> prefix, ForkRun command, List<KeyValuePair<int, JsonText>> outcomes)
    {
        prefix[0] = ((RunStarted)prefix[0].Event with { Input = command.Input ?? ((RunStarted)prefix[0].Event).Input, ForkedFrom = command.Run.Id, Parent = null }, prefix[0].At);
        var live = Branch.Live(prefix);
        foreach (var (step, result) in outcomes)
        {
            var at = Enumerable.Range(0, prefix.Count).Where(i => live?[i] is not false).Cast<int?>()
                .FirstOrDefault(i => prefix[i!.Value].Event is StepCompleted or OutcomeHappened or StepSkipped or OutcomeReused or StepFailed or ChildCompleted or ChildFailed or ValueRecorded && ((StepEvent)prefix[i.Value].Event).Step == step) ?? -1;
            if (at < 0) throw new CommandRefusedException(Refusal.Invalid, $"Step {step} has no outcome in what the fork takes over (events 1 to {command.At}), and is not open there: only a recorded outcome can be exchanged, or one that is awaited at the cut given.");
            prefix[at] = (prefix[at].Event switch
            {
                StepCompleted completed => completed with { Result = result },
                OutcomeHappened happened => happened with { Result = result },
                StepSkipped skipped => skipped with { Result = result },
                OutcomeReused reused => reused with { Result = result, Failure = null },
                StepFailed failed => new StepCompleted(step, failed.Attempt, result),
                ChildCompleted or ChildFailed => new ChildCompleted(step, result),
                var value => ((ValueRecorded)value) with { Value = result },
            }, prefix[at].At);
        }
        return prefix;
    }

    private async Task<(WorkflowRun Old, List<(WorkflowEvent Event, DateTimeOffset At)> Events)> ReadAsync(RunKey run)
    {
        var history = await host.Store.ReadAsync(run, 1, CancellationToken.None);
        if (history.Count == 0) throw new CommandRefusedException(Refusal.NotFound, $"There is no run '{run}'.");
        try
        {
            List<(WorkflowEvent Event, DateTimeOffset At)> events = [.. history.Select(stored => (stored.Read(), stored.At))];
            return (WorkflowRun.Load(run, [.. events], host.Context), events);
        }
        catch (UnreadableHistoryException e)
        {
            throw new CommandRefusedException(Refusal.Conflict, $"Run {run} cannot be read: {e.Message}");
        }
    }

    // What is being undone at this moment would be left half undone.
    private static void DemandNoUndoing(WorkflowRun old)
    {
        if (old.State.IsCompensating)
            throw new CommandRefusedException(Refusal.Conflict, $"Run {old.State.Run} undoes what an earlier reset or fork chose to undo. Wait until it has; if that waits for a person, resolve it first.");
    }

    private static void DemandItRuns(WorkflowRun cut, long at)
    {
        if (cut.LoadFault is { } fault)
            throw new CommandRefusedException(Refusal.Conflict, $"What is kept does not run on this build. {fault.Reason}. {fault.Detail} Cut before the difference{(at > 0 ? "; a reset to 0 starts the run over" : "")}.");
        if (cut.State.IsClosed) throw new CommandRefusedException(Refusal.Invalid, $"At event {at} the run is over ({cut.State.Status.ToString().ToLowerInvariant()}): cut before its end.");
    }
}

internal sealed class ResetInput(List<(WorkflowEvent Event, DateTimeOffset At)> history, RunReset reset, string body) : RunCommand(reset.Key, body)
{
    private readonly string asked = body;

    public override object?[] Parts => [history, reset, asked];

    public override bool NeedsCode(WorkflowRun run) => false;

    public override bool Rereads => true;

    protected override bool OpensAgain => true;

    protected override void DecideOnce(WorkflowRun run, Turn turn)
    {
        if (run.State.Version != history.Count) Refuse(turn, new HistoryWentOnException(run.State.Run));
        else Answer(turn, run.Reread(turn, history, [(reset with { Body = Body }, run.Now)]));
    }
}

internal sealed class ForkInput(List<(WorkflowEvent Event, DateTimeOffset At)> prefix, RunForked forked) : Command<Started>
{
    public override object?[] Parts => [prefix, forked];

    public override bool Begins => true;

    public override bool Rereads => true;

    public override void Decide(WorkflowRun run, Turn turn)
    {
        if (run.State.Started is not { } first)
        {
            var now = run.Now > prefix[^1].At ? run.Now : prefix[^1].At;
            run.Reread(turn, [], [.. prefix, (forked, now)]);
            Answer(turn, new Started(run.State.Run, IsNew: true));
        }
        else if (first.ForkedFrom == forked.From)
        {
            Answer(turn, new Started(run.State.Run, IsNew: false)); // whether it is this fork, its whole history says: DemandTheSameAsync
        }
        else
        {
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} exists already, and is not this fork of {forked.From}. Choose another id.");
        }
    }
}
