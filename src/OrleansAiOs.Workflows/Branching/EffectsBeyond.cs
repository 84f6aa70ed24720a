using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Branching;

/// <summary>An effect of the old branch whose intent is recorded behind the cut, or that is open at it.</summary>
/// <param name="OpenAtCut">The code had asked for it at the cut already, and asks no second time.</param>
/// <param name="Activity">What was called; of a child, its workflow.</param>
/// <param name="Outcome">"happened", "did not happen", "unknown" or "under way"; of a child "completed", "failed", "under way", "not started yet" or "gone".</param>
/// <param name="Undo">The activity that undoes it, as the saga registered it.</param>
/// <param name="CanBe">What it can be chosen as.</param>
/// <param name="Default">What it is when nothing is chosen; null if it must be chosen.</param>
/// <param name="Child">The child's run; null if it is no child.</param>
public sealed record EffectBeyond(int Step, string Activity, Effect Effect, string Key, bool OpenAtCut, string Outcome, JsonText? Result, Failure? Failure, string? Undo,
    IReadOnlyList<EffectAction> CanBe, EffectAction? Default, string? Child = null)
{
    internal JsonText Input { get; init; }

    internal JsonText UndoInput { get; init; }

    internal Effect UndoEffect { get; init; }

    internal ParentClose OnParentClose { get; init; }

    /// <summary>It is a child that may not have ended.</summary>
    internal bool GoesOn { get; init; }

    internal bool IsFork { get; init; }
}

/// <summary>Effects lie beyond the cut, and were not all chosen.</summary>
public sealed class EffectsToChooseException(Refusal refusal, string message, IReadOnlyList<EffectBeyond> effects) : CommandRefusedException(refusal, message)
{
    public IReadOnlyList<EffectBeyond> Effects => effects;
}

internal static class EffectsBeyond
{
    /// <summary>Folds the branch the run is on, and looks what it did behind the cut.</summary>
    /// <param name="store">Where the children are read.</param>
    /// <param name="old">The run as it is now, its code with it if that still follows: the sagas are asked how to undo.</param>
    /// <param name="isFork">Children are another tree's, and are left alone.</param>
    public static async Task<List<EffectBeyond>> OfAsync(IRunStore store, WorkflowRun old, IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)> events, long cut, bool isFork)
    {
        var live = Branch.Live(events);
        var state = new RunState(old.State.Run);
        var seen = new SortedDictionary<int, (OpenStep Step, WorkflowEvent? End)>();
        var openAtCut = new HashSet<int>();
        var closedBefore = new HashSet<int>();
        for (var i = 0; i < events.Count; i++)
        {
            if (i == cut) AtCut();
            var (e, at) = events[i];
            if (live?[i] is false) state.Skip(e, at);
            else state.Apply(e, at);
            if (live?[i] is false || e is not StepEvent { Step: > 0 and var number }) continue;
            if (e is StepScheduled or ChildScheduled && state.Find<OpenStep>(number) is { } scheduled) seen[number] = (scheduled, null);
            else if (seen.TryGetValue(number, out var known) && state.Find<OpenStep>(number) is null) seen[number] = (known.Step, e);
        }
        if (cut == events.Count) AtCut();

        var effects = new List<EffectBeyond>();
        foreach (var (number, (step, end)) in seen)
        {
            if (closedBefore.Contains(number)) continue;
            var open = openAtCut.Contains(number);
            effects.Add(step is ChildStep child ? await ChildrenBeyond.DescribeAsync(store, old, child.Scheduled, child.MayNotBeThere, end ?? child.Reused, open, isFork) : Describe(old, (ActivityStep)step, end, open));
        }
        // Chosen by an earlier reset, and not asked for since.
        foreach (var choice in state.Reuses.Values.Where(choice => !seen.ContainsKey(choice.Step)).OrderBy(choice => choice.Step))
            effects.Add(choice.Child is { } child
                ? await ChildrenBeyond.DescribeAsync(store, old, new ChildScheduled(choice.Step, choice.Activity, child.Run, choice.Input, child.OnParentClose), mayNotBeThere: true,
                    child.Stays ? null : new OutcomeReused(choice.Step, choice.Key, choice.Result, choice.Failure), openAtCut: false, isFork)
                : new EffectBeyond(choice.Step, choice.Activity, choice.Effect, choice.Key, false, choice.Failure is null ? "happened" : "did not happen", choice.Result, choice.Failure, null,
                    [EffectAction.Reuse, EffectAction.Redo], null) { Input = choice.Input });
        return effects;

        void AtCut()
        {
            foreach (var (number, (step, _)) in seen)
                if (state.Find<OpenStep>(number) == step) openAtCut.Add(number);
                else closedBefore.Add(number);
        }
    }

    private static EffectBeyond Describe(WorkflowRun old, ActivityStep step, WorkflowEvent? end, bool openAtCut)
    {
        var scheduled = step.Scheduled;
        // Chosen by an earlier reset, and the run has not come to take it.
        if (end is null && step.Reuse is { } chosen) end = new OutcomeReused(step.Number, chosen.Key, chosen.Result, chosen.Failure);
        var (result, failure) = end switch
        {
            StepCompleted completed => ((JsonText?)completed.Result, (Failure?)null),
            OutcomeHappened happened => (happened.Result, null),
            StepSkipped skipped => (skipped.Result, null),
            OutcomeReused { Failure: null } reused => (reused.Result, null),
            OutcomeReused reused => (null, reused.Failure),
            StepFailed failed => (null, failed.Failure),
            _ => (null, null),
        };
        var key = end is OutcomeReused { Key: var original } ? original : IdempotencyKey.Of(old.State.Run.Tenant, old.State.Run.Id, step.Number, step.Epoch).Value;
        // What failed or was given up for good did not happen: the engine says so of no other.
        var nothing = failure is not null || end is StepCancelled || end is null && !step.UnderWay && !step.MayHaveHappened && step.Now is ActivityStep.Phase.Pausing;
        var outcome = result is not null ? "happened" : nothing ? "did not happen" : step.UnderWay && end is null ? "under way" : "unknown";
        var free = scheduled.Effect is Effect.Pure or Effect.Idempotent;
        var undo = result is null ? null : old.UndoOf(step.Number);
        var canBe = new List<EffectAction>();
        if (result is not null || failure is not null) canBe.Add(EffectAction.Reuse);
        if (result is not null || nothing || scheduled.Effect is not Effect.AtMostOnce) canBe.Add(EffectAction.Redo);
        if (undo is not null && old.Context.Registry.FindActivity(undo.Value.Activity.Name) is not null) canBe.Add(EffectAction.Compensate);
        return new EffectBeyond(step.Number, scheduled.Activity, scheduled.Effect, key, openAtCut, outcome, result, failure, undo?.Activity.Name, canBe, free || nothing ? EffectAction.Redo : null)
        {
            Input = scheduled.Input,
            UndoInput = undo?.Input ?? default,
            UndoEffect = undo?.Activity.Effect ?? default,
        };
    }

    /// <summary>Holds the choices against the effects.</summary>
    /// <exception cref="EffectsToChooseException">One is missing, or cannot be.</exception>
    public static IReadOnlyList<EffectChoice> Choose(WorkflowRun old, List<EffectBeyond> effects, IReadOnlyDictionary<int, EffectAction> chosen)
    {
        var run = old.State.Run;
        foreach (var step in chosen.Keys)
            if (!effects.Exists(effect => effect.Step == step)) throw new EffectsToChooseException(Refusal.Invalid, $"Step {step} of run {run} is no effect beyond the cut. {Told(effects)}", effects);
        var stuck = effects.Where(effect => effect.CanBe.Count == 0).ToList();
        if (stuck.Count > 0)
            throw new EffectsToChooseException(Refusal.Conflict, $"{string.Join(", ", stuck.Select(Name))} may run at most once, and what became of it is {(stuck.Exists(effect => effect.Outcome == "under way") ? "not known yet: wait for its outcome" : $"unknown: resolve it first (aios resolve {run.Id} {stuck[0].Step} …)")}. {Told(effects)}", effects);
        var missing = effects.Where(effect => effect.Default is null && !chosen.ContainsKey(effect.Step)).ToList();
        if (missing.Count > 0)
            throw new EffectsToChooseException(Refusal.Conflict, $"Beyond the cut lie effects that stay in the world: choose for each, {string.Join(", ", missing.Select(Name))}, whether to reuse its outcome, redo it under a new key, or compensate it. {Told(effects)}", effects);
        foreach (var effect in effects)
            if (chosen.TryGetValue(effect.Step, out var action) && !effect.CanBe.Contains(action))
                throw new EffectsToChooseException(Refusal.Conflict, $"{Name(effect)} cannot be chosen as '{Word(action)}': {WhyNot(effect, action)}. {Told(effects)}", effects);
        return
        [
            .. effects.Select(effect => chosen.TryGetValue(effect.Step, out var action) ? (effect, action) : (effect, action: effect.Default!.Value)).Select(choice => choice.action switch
            {
                _ when choice.effect.Child is not null => ChildrenBeyond.Chosen(choice.effect, choice.action),
                EffectAction.Reuse => new EffectChoice(choice.effect.Step, choice.effect.Activity, choice.effect.Effect, choice.action, choice.effect.Key, choice.effect.Input, choice.effect.Result ?? default, choice.effect.Failure),
                EffectAction.Compensate => new EffectChoice(choice.effect.Step, choice.effect.Activity, choice.effect.Effect, choice.action, choice.effect.Key, Undo: choice.effect.Undo, UndoInput: choice.effect.UndoInput, UndoEffect: choice.effect.UndoEffect),
                _ => new EffectChoice(choice.effect.Step, choice.effect.Activity, choice.effect.Effect, choice.action, choice.effect.Key),
            }),
        ];
    }

    private static string WhyNot(EffectBeyond effect, EffectAction action) => action switch
    {
        _ when effect.Child is not null => ChildrenBeyond.WhyNot(effect, action),
        EffectAction.Reuse => $"it has no recorded outcome ({effect.Outcome})",
        EffectAction.Compensate when effect.Result is null => $"it is not known to have happened ({effect.Outcome})",
        EffectAction.Compensate when effect.Undo is { } undo => $"its undo, '{undo}', is in no static field of this build's workflow assemblies, where it could be found again after a restart",
        EffectAction.Compensate => "no saga of the run has registered an undo for it, or it was undone already",
        _ => "it may run at most once, and its outcome is unknown",
    };

    private static string Told(List<EffectBeyond> effects) => effects.Count == 0 ? "There is none."
        : string.Join("; ", effects.Select(effect => (effect.Child is not null ? ChildrenBeyond.Told(effect) : $"step {effect.Step} {effect.Activity} ({effect.Effect}, {effect.Outcome}, key {effect.Key}): {(effect.CanBe.Count == 0 ? "nothing yet" : string.Join(" or ", effect.CanBe.Select(Word)))}")
            + $"{(effect.Default is { } usual ? $", {Word(usual)} if nothing is said" : "")}")) + ".";

    private static string Name(EffectBeyond effect) => $"step {effect.Step} ({(effect.Child is { } child ? $"child run {child} of '{effect.Activity}'" : effect.Activity)})";

    public static string Word(EffectAction action) => action.ToString().ToLowerInvariant();
}
