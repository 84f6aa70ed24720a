using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Explaining;

/// <summary>The run as a whole: over, parked, being cancelled, or in code that awaits nothing.</summary>
internal static class RunCauses
{
    public static IEnumerable<Cause> Of(Subject subject)
    {
        var state = subject.State;
        if (state.Imported is { } imported)
        {
            yield return new Cause(CauseCodes.Imported, $"The run was imported{(imported.By is { } by ? $" by {by}" : "")} from another installation (exported {Words.Time(imported.ExportedAt)}) and is kept as evidence: it never goes on here.", Urgency.Stopped, subject.LastOf<RunImported>())
            {
                Unblockers = ["nobody here: it goes on where it came from", "aios replay and aios debug open it"],
            };
            yield break;
        }
        if (state.Outcome is { } outcome)
        {
            yield return outcome switch
            {
                RunCompleted => new Cause(CauseCodes.Completed, $"The run is over: it completed at {Words.Time(state.Now)}, {Words.Span(state.Now - state.StartedAt)} after its start.", Urgency.Note, state.Now),
                RunFailed failed => new Cause(CauseCodes.Failed, $"The run is over: it failed. {failed.Failure.Type}: {failed.Failure.Message}", Urgency.Note, state.Now),
                RunTerminated ended => new Cause(CauseCodes.Terminated, $"The run is over: {ended.By ?? "somebody"} terminated it ({ended.Reason}). Nothing was undone.", Urgency.Note, state.Now),
                _ => new Cause(CauseCodes.Cancelled, $"The run is over: it was cancelled ({state.CancelReason}), and what it had done is undone as far as its code says so.", Urgency.Note, state.Now),
            };
            yield break;
        }
        if (Stopped(subject) is { } stopped) yield return stopped;
        if (state.Paused is { } paused)
            yield return new Cause(CauseCodes.Paused, $"{paused.By ?? "Somebody"} paused the run ({paused.Reason}): what reaches it is kept, and no attempt begins.", Urgency.Stopped, subject.LastOf<RunPaused>())
            {
                Unblockers = ["anybody with a key"],
                Repairs = [new("let it go on", $"aios resume {subject.Id}")],
            };
        if (state.CancelReason is { } reason)
        {
            var at = subject.Events.First(e => e.Event is CancelRequested).At;
            var left = state.Open.Count == 0 ? "" : $" Open: {string.Join(", ", state.InOrder<OpenStep>().Select(step => $"step {step.Number} ({step.Describe().Name ?? step.Describe().Kind})"))}.";
            yield return new Cause(CauseCodes.Cancelling, $"Cancelling was asked for at {Words.Until(at, subject.Now)} ({reason}). What may have taken effect is awaited, and what was done is undone first.{left}", Urgency.Undoing, at)
            {
                Unblockers = ["the steps below: when the last is over, the run is cancelled"],
            };
        }
        foreach (var update in state.Updates.Values.Where(update => update.Outcome is null))
            yield return new Cause(CauseCodes.UpdateUnanswered, $"The update '{update.Name}' was accepted at {Words.Until(update.At, subject.Now)}, and the code has not answered it.", Urgency.Note, update.At)
            {
                Unblockers = ["the code that handles it, when what it waits for has come"],
            };
        if (state.IsHeld || state.Open.Count > 0 || subject.Loaded?.Execution is not { IsUnderWay: true } code || code.AwaitedSignals.Any()) yield break;
        if (code.Updates.Names.ToList() is { Count: > 0 } takes)
            yield return new Cause(CauseCodes.UpdateAwaited, $"It does nothing of its own accord, and waits to be told something: {string.Join(", ", takes)}.", Urgency.Waiting, state.Now)
            {
                Unblockers = ["whoever sends it an update"],
                Repairs = [.. takes.Take(3).Select(name => new Repair($"send '{name}'", $"aios update {subject.Id} {name} JSON"))],
            };
        else
            yield return new Cause(CauseCodes.CodeStuck, "The code awaits something the engine does not know: no step, timer, approval or signal of the run is open, and no input can end such a wait.", Urgency.Stopped, state.Now)
            {
                Detail = "Usual reasons: a TaskCompletionSource nobody completes, a Channel nobody writes to, Task.Delay without Time, two branches that await each other.",
                Unblockers = ["a build whose code awaits through the workflow's own members and Time: deploy it, and restart the host"],
                Repairs = [new("ask the code to cancel, if what it awaits watches Cancellation", $"aios cancel {subject.Id} --reason 'awaits nothing'")],
            };
    }

    private static Cause? Stopped(Subject subject)
    {
        var (state, fault) = (subject.State, subject.Loaded?.LoadFault);
        if (state.Parked is null && fault is null) return null;
        var parked = state.Parked;
        var (reason, detail) = fault is null ? (parked!.Reason, parked.Detail) : (fault.Reason, fault.Detail);
        var started = state.Started!;
        var here = subject.Around.Registry.Find(started.Workflow);
        var unpark = new Repair("let it go on", $"aios unpark {subject.Id}");
        var soon = parked is null ? " It is parked as soon as something reaches it." : "";
        Cause Make(string code, string says, IReadOnlyList<string> unblockers, params Repair[] repairs) =>
            new(code, says + soon, Urgency.Stopped, parked is null ? null : subject.LastOf<RunParked>()) { Detail = detail, Unblockers = unblockers, Repairs = repairs };

        if (fault is not null && here is null)
            return Make(CauseCodes.WorkflowUnknown, $"No code for the workflow '{started.Workflow}' is on host {subject.Around.HostId}, which knows {subject.Around.Registry.NamesForPeople}.",
                [$"a host with the pack that holds '{started.Workflow}': aios serve --pack DIR"], unpark with { Does = "then let it go on" });
        if (fault is not null && here!.Version != started.Version)
            return Make(CauseCodes.VersionMissing, $"The run began with '{started.Workflow}' {Version(started.Version)}; host {subject.Around.HostId} has {Version(here.Version)}, whose code asks for something else than the history holds. {reason}.",
                [$"a host with {Version(started.Version)} of '{started.Workflow}'", "a build whose changes stand behind Patched(\"…\"), so that it replays the history"], unpark with { Does = "then let it go on" });
        if (fault is not null)
            return Make(CauseCodes.HistoryDiffers, $"This build's code of '{started.Workflow}' does not do what the history says it did. {reason}.",
                ["a build that replays the history: the one before, or one whose changes stand behind Patched(\"…\")"], unpark with { Does = "then let it go on" });
        if (reason.StartsWith(Parking.LeftTheEngine, StringComparison.Ordinal))
            return Make(CauseCodes.CodeLeftEngine, $"The code awaited something outside the engine and went on from another thread; where that belongs in the order of things cannot be repeated, so the run is parked.",
                ["a build that puts such work into an activity"], unpark with { Does = "then let it go on" });
        if (subject.GoesOn is true)
            return Make(CauseCodes.CodeMended, $"The run is parked ({reason}), and the code on host {subject.Around.HostId} gets past that point: it was mended since.", ["anybody with a key"], unpark);
        return Make(CauseCodes.CodeThrew, $"The code threw, and would again{(subject.GoesOn is false ? " (tried just now, in memory)" : "")}: {reason}", ["a build in which it does not, on this host"], unpark with { Does = "then let it go on" });
    }

    private static string Version(string? version) => version is null ? "no named version" : $"version {version}";
}
