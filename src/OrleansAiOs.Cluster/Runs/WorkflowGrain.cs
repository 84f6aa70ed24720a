using Orleans.Concurrency;
using OrleansAiOs.Cluster.Wire;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Cluster.Runs;

/// <summary>
/// The shell of a run: where Orleans says it is, its mailbox is, and the mailbox's turns are turns of this grain. Calls interleave, so that
/// a turn takes all inputs that wait, as on the local host; the mailbox lets one turn go at a time. When the mailbox leaves memory, so does the grain.
/// </summary>
[GrainType("run")]
[Reentrant]
[CollectionAgeLimit(AlwaysActive = true)] // a run knows itself whether it is idle
internal sealed class WorkflowGrain(ClusterMember member) : Grain, IWorkflowGrain
{
    private RunKey run;
    private volatile bool leaving;

    public override Task OnActivateAsync(CancellationToken cancellation)
    {
        run = GrainKeys.Run(this.GetPrimaryKeyString());
        return member.Engine.Registered.WaitAsync(cancellation);
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellation)
    {
        leaving = true;
        return member.Engine.LeaveAsync(run).WaitAsync(cancellation);
    }

    public async Task<RunReply> TellAsync(SealedMessage message)
    {
        var engine = member.Engine;
        await engine.Registered; // before, its clock is not the store's
        if (leaving) return RunReply.Elsewhere;
        try
        {
            var input = InputForms.Read(member.Seal.Open<RunMessage>(message), engine);
            engine.PostHere(run, input, TaskScheduler.Current, Leave);
            return RunReply.Of(await input.Answered);
        }
        catch (Exception e)
        {
            return RunReply.Of(e);
        }
    }

    private void Leave()
    {
        leaving = true;
        GrainContext.Deactivate(new DeactivationReason(DeactivationReasonCode.ApplicationRequested, "The run is idle."));
    }
}
