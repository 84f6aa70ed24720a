using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;
using System.Collections.Concurrent;

namespace OrleansAiOs.Workflows.Dispatch;

/// <summary>
/// Carries word between parents and children, after the append that says it is to be carried; the protocol stands in Steps/ChildStep.cs.
/// All of it is idempotent, so whoever finds it undone does it again; here it is tried until it is done or the host goes.
/// </summary>
internal sealed class Kinship(WorkflowHost host)
{
    // A take-over appends nothing, so the dead owner stays in the history while this host does its work: here it is known who does.
    // What a branch that was left has on its way does not stand for what the next one sends: the one counts resets, the other ends.
    private readonly ConcurrentDictionary<(RunKey Run, int Step, bool Cancels, long Of), bool> underWay = new();

    /// <summary>This host is about to reach the child of that step.</summary>
    public bool IsReaching(RunKey parent, ChildStep step) => underWay.ContainsKey((parent, step.Number, step.CancelAsked, step.Epoch));

    /// <summary>This host is about to do what follows from the run's end.</summary>
    public bool IsSettling(RunKey run, Unsettled unsettled) => underWay.ContainsKey((run, 0, false, unsettled.Version));

    /// <summary>Starts a child, and asks it to cancel if that is asked for; behind a cut, asks whether it has ended. Then tells the parent that it was reached.</summary>
    public void Reach(RunKey parent, RunStarted started, IReadOnlyList<string> chain, ChildStep step)
    {
        var (scheduled, cancelled, epoch) = (step.Scheduled, step.CancelAsked, step.Epoch);
        Begin((parent, scheduled.Step, cancelled, epoch), async () =>
        {
            if (scheduled.Step < 0)
            {
                await LeaveAsync(parent, started, scheduled);
            }
            else
            {
                if (await StartAsync(parent, started, chain, scheduled) is { } refused)
                {
                    await TellAsync(parent, scheduled, new ChildFailed(scheduled.Step, refused));
                    return;
                }
                if (cancelled) await EndAsync(parent, scheduled, "its parent was cancelled");
                if (epoch > 0 && await InsistAsync(ChildOf(parent, scheduled), () => new ChildEndInput(scheduled.Step), untilAnswered: true) is { } end)
                    await TellAsync(parent, scheduled, end);
            }
            host.Post(parent, new ChildReachedInput(scheduled.Step, cancelled, epoch));
        });
    }

    /// <summary>Does what follows from a run's end.</summary>
    public void Settle(RunKey run, RunStarted started, IReadOnlyList<string> chain, Unsettled unsettled) => Begin((run, 0, false, unsettled.Version), async () =>
    {
        foreach (var child in unsettled.Children)
        {
            if (child.Number < 0)
            {
                await LeaveAsync(run, started, child.Scheduled);
                continue;
            }
            if (child.MayNotBeThere && await StartAsync(run, started, chain, child.Scheduled) is not null) continue;
            if (child.CancelAsked || child.Scheduled.OnParentClose is not ParentClose.Abandon) await EndAsync(run, child.Scheduled, $"its parent {run.Id} ended");
        }
        if (unsettled.Parent is { } parent)
            await InsistAsync(new RunKey(run.Tenant, parent.Run), () => new ChildEndedInput(parent.Step, run.Id, ChildStep.Ended(parent.Step, unsettled.End)));
        host.Post(run, new SettledInput(unsettled.Version));
    });

    private static RunKey ChildOf(RunKey parent, ChildScheduled scheduled) => new(parent.Tenant, scheduled.Run);

    private Task TellAsync(RunKey parent, ChildScheduled scheduled, StepEvent end) => InsistAsync(parent, () => new ChildEndedInput(Math.Abs(scheduled.Step), scheduled.Run, end));

    // The child of a dead branch ends, or is recorded as over before it could begin.
    private async Task LeaveAsync(RunKey parent, RunStarted started, ChildScheduled scheduled)
    {
        var version = host.Registry.Find(scheduled.Workflow)?.Version;
        var end = await InsistAsync(ChildOf(parent, scheduled), () => new ChildLeftInput(scheduled, new ParentRun(parent.Id, -scheduled.Step), started.By, version), untilAnswered: true);
        if (end is not null) await TellAsync(parent, scheduled, end);
    }

    // Who started the parent, and how urgent it is, holds for the child.
    /// <returns>Why it cannot be started, ever; null if it was.</returns>
    private async Task<Failure?> StartAsync(RunKey parent, RunStarted started, IReadOnlyList<string> chain, ChildScheduled scheduled)
    {
        if (host.Registry.Find(scheduled.Workflow) is not { } type)
            return new Failure("UnknownWorkflow", $"There is no workflow '{scheduled.Workflow}' on host {host.Options.HostId}. It knows: {host.Registry.NamesForPeople}.");
        if (type.Objection(scheduled.Input) is { } objection) return new Failure("BadInput", objection);
        var start = new StartRun(scheduled.Workflow, scheduled.Input, scheduled.Run, scheduled.BusinessKey, Tenant: parent.Tenant, Priority: started.Priority ?? 0, Chain: Joiners.Beside(started.By, chain));
        try
        {
            await InsistAsync(new RunKey(parent.Tenant, scheduled.Run), () => new StartInput(start, started.By, type, new ParentRun(parent.Id, scheduled.Step)));
            return null;
        }
        catch (CommandRefusedException e)
        {
            return new Failure("ChildExists", e.Message);
        }
    }

    private async Task EndAsync(RunKey parent, ChildScheduled scheduled, string why)
    {
        var child = new RunKey(parent.Tenant, scheduled.Run);
        var (by, key) = ($"run:{parent.Id}", $"{parent.Id}#{scheduled.Step}");
        try
        {
            await InsistAsync<long>(child, () => scheduled.OnParentClose is ParentClose.Terminate ? new TerminateInput(why, by, key) : new CancelInput(why, by, key));
        }
        catch (CommandRefusedException)
        {
            // It has ended already.
        }
    }

    /// <param name="untilAnswered">Also a refusal is no answer: a run that cannot be read today may be tomorrow.</param>
    /// <exception cref="CommandRefusedException">A refusal that trying again does not change.</exception>
    private async Task<T?> InsistAsync<T>(RunKey run, Func<Command<T>> make, bool untilAnswered = false)
    {
        for (var attempt = 1; ; attempt++)
        {
            if (host.IsHalted) throw new OperationCanceledException();
            var command = make();
            host.Post(run, command);
            try
            {
                return await command.Reply;
            }
            catch (CommandRefusedException e) when (e.Refusal is Refusal.NotFound && command is ChildEndedInput)
            {
                return default; // a parent that is gone needs no telling
            }
            catch (CommandRefusedException e) when (e.Refusal is not Refusal.Busy && command is not ChildEndedInput && !untilAnswered)
            {
                throw;
            }
            catch (Exception e) when (e is CommandRefusedException or InvalidOperationException)
            {
                if (host.IsHalted) throw new OperationCanceledException();
                host.Log.StoreTrouble(e, "reach", run);
                await Task.Delay(e is CommandRefusedException { Refusal: Refusal.Busy } ? host.Pause(attempt) : TimeSpan.FromMinutes(1), host.Options.Time);
            }
        }
    }

    private void Begin((RunKey Run, int Step, bool Cancels, long Of) what, Func<Task> work)
    {
        if (!underWay.TryAdd(what, true)) return;
        host.InBackground(Carry);

        async Task Carry()
        {
            try
            {
                await work();
            }
            catch (OperationCanceledException) when (host.IsHalted)
            {
                // What was not carried is in the history, for the next incarnation.
            }
            catch (Exception e)
            {
                host.Log.TurnBroke(e, what.Run);
            }
            finally
            {
                underWay.TryRemove(what, out _);
            }
        }
    }
}
