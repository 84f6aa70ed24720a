using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;

namespace OrleansAiOs.Workflows.Turns;

// Steering a run from outside, without its code having a say.
//
// Stored: run-terminated, run-paused, run-resumed, each an input with the receipt of its command. A paused run is one that is held, as
// a parked one is: what reaches it is recorded and kept from its code (WorkflowRun.WhatToShow), nothing of it is due, and no attempt
// is begun: neither one that was put off, nor a dead host's. Attempts under way end as they would, and their outcomes are recorded;
// a receiver may still be asked what became of one. Resuming shows the code what was kept, and begins what was put off.
//
// A crash before the append leaves the run as it was, and its sender without an answer. A crash after it: the next host finds the run
// held, and leaves it alone, or finds it closed. An attempt of a terminated run that was under way is asked to stop; whether it took
// effect is no longer of interest to anybody, and nothing is undone.

/// <summary>Ends a run at once.</summary>
internal sealed class TerminateInput(string reason, string by, string? key) : RunCommand(key, $"terminate {reason}")
{
    public override object?[] Parts => [reason, by, Key];

    protected override void DecideOnce(WorkflowRun run, Turn turn) => Answer(turn, End(run, turn, new RunTerminated(Failure.Clean(reason), by, Key, Body)));

    public static long End(WorkflowRun run, Turn turn, RunTerminated end)
    {
        turn.Terminates = true;
        turn.ToStop.AddRange(run.State.InOrder<ActivityStep>().Where(step => step.UnderWay).Select(step => step.Number));
        return run.Record(turn, end);
    }
}

internal sealed class PauseInput(string reason, string by, string? key) : RunCommand(key, $"pause {reason}")
{
    public override object?[] Parts => [reason, by, Key];

    // A second one has nothing to add.
    protected override void DecideOnce(WorkflowRun run, Turn turn) =>
        Answer(turn, run.State.Paused is null ? run.Record(turn, new RunPaused(Failure.Clean(reason), by, Key, Body)) : run.State.Version);
}

internal sealed class ResumeInput(string by, string? key) : RunCommand(key, "resume")
{
    public override object?[] Parts => [by, Key];

    protected override void DecideOnce(WorkflowRun run, Turn turn)
    {
        if (run.State.Paused is null)
        {
            Refuse(turn, Refusal.Conflict, $"Run {run.State.Run} is not paused{(run.State.Parked is null ? "" : "; it is parked: unpark it")}.");
            return;
        }
        var version = run.Record(turn, new RunResumed(by, Key, Body));
        OwnerLostInput.TakeOver(run, turn, owner => !run.Context.IsLiving(owner));
        DueInput.DoWhatIsDue(run, turn);
        Answer(turn, version);
    }
}
