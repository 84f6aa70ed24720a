using System.Collections.Concurrent;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Dispatch;

/// <summary>
/// Carries word between parents and children, after the append that says it is to be carried; the protocol stands in Steps/ChildStep.cs.
/// All of it is idempotent, so whoever finds it undone does it again; here it is tried until it is done or the host goes.
/// </summary>
internal sealed class Kinship(WorkflowHost host)
{
    // A take-over appends nothing, so the dead owner stays in the history while this host does its work: here it is known who does.
    private readonly ConcurrentDictionary<(RunKey Run, int Step, bool Cancels), bool> underWay = new();

    /// <summary>This host is about to reach the child of that step.</summary>
    public bool IsReaching(RunKey parent, ChildStep step) => underWay.ContainsKey((parent, step.Number, step.CancelAsked));

    /// <summary>This host is about to do what follows from the run's end.</summary>
    public bool IsSettling(RunKey run) => underWay.ContainsKey((run, 0, false));

    /// <summary>Starts a child, and asks it to cancel if that is asked for; then tells the parent that it was reached.</summary>
    public void Reach(RunKey parent, RunStarted started, IReadOnlyList<string> chain, ChildScheduled scheduled, bool cancelled) => Begin((parent, scheduled.Step, cancelled), async () =>
    {
        if (await StartAsync(parent, started, chain, scheduled) is { } refused)
        {
            await InsistAsync(parent, () => new ChildEndedInput(scheduled.Step, scheduled.Run, new ChildFailed(scheduled.Step, refused)));
            return;
        }
        if (cancelled) await EndAsync(parent, scheduled, "its parent was cancelled");
        host.Post(parent, new ChildReachedInput(scheduled.Step, cancelled));
    });

    /// <summary>Does what follows from a run's end.</summary>
    public void Settle(RunKey run, RunStarted started, IReadOnlyList<string> chain, Unsettled unsettled) => Begin((run, 0, false), async () =>
    {
        foreach (var child in unsettled.Children)
        {
            if (child.IsReaching && await StartAsync(run, started, chain, child.Scheduled) is not null) continue;
            if (child.CancelAsked || child.Scheduled.OnParentClose is not ParentClose.Abandon) await EndAsync(run, child.Scheduled, $"its parent {run.Id} ended");
        }
        if (unsettled.Parent is { } parent)
            await InsistAsync(new RunKey(run.Tenant, parent.Run), () => new ChildEndedInput(parent.Step, run.Id, ChildStep.Ended(parent.Step, unsettled.End)));
        host.Post(run, new SettledInput());
    });

    // Who started the parent, and how urgent it is, holds for the child.
    /// <returns>Why it cannot be started, ever; null if it was.</returns>
    private async Task<Failure?> StartAsync(RunKey parent, RunStarted started, IReadOnlyList<string> chain, ChildScheduled scheduled)
    {
        if (host.Registry.Find(scheduled.Workflow) is not { } type)
            return new Failure("UnknownWorkflow", $"There is no workflow '{scheduled.Workflow}' on host {host.Options.HostId}. It knows: {host.Registry.NamesForPeople}.");
        if (type.Objection(scheduled.Input) is { } objection) return new Failure("BadInput", objection);
        var start = new StartRun(scheduled.Workflow, scheduled.Input, scheduled.Run, scheduled.BusinessKey, Tenant: parent.Tenant, Priority: started.Priority ?? 0, Chain: chain is [var only] && only == started.By ? null : chain);
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

    /// <exception cref="CommandRefusedException">A refusal that trying again does not change.</exception>
    private async Task<T?> InsistAsync<T>(RunKey run, Func<Command<T>> make)
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
            catch (CommandRefusedException e) when (e.Refusal is not Refusal.Busy && command is not ChildEndedInput)
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

    private void Begin((RunKey Run, int Step, bool Cancels) what, Func<Task> work)
    {
        if (!underWay.TryAdd(what, true)) return;
        using (ExecutionContext.SuppressFlow()) _ = Task.Factory.StartNew(Carry, CancellationToken.None, TaskCreationOptions.DenyChildAttach, host.Options.Scheduler);

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
