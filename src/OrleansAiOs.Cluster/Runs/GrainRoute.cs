using Microsoft.Extensions.Logging;
using OrleansAiOs.Cluster.Wire;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Cluster.Runs;

/// <summary>
/// Takes an input to where its run is active. A call that failed may have been carried out all the same, so only what is done once
/// however often it comes is sent again; for the rest, its sender is told that nobody knows.
/// </summary>
internal sealed class GrainRoute(IGrainFactory grains, MessageSeal seal, ILogger log)
{
    // Longer than it takes to find out that a silo is dead, and to make its runs active elsewhere.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public void Post(WorkflowHost host, RunKey run, Input input)
    {
        if (input.Parts is null) host.PostHere(run, input);
        else if (!host.TryPostHere(run, input))
            using (ExecutionContext.SuppressFlow()) _ = Task.Run(() => CarryAsync(host, run, input)); // outside of the grain that may have sent it
    }

    private async Task CarryAsync(WorkflowHost host, RunKey run, Input input)
    {
        try
        {
            var key = GrainKeys.Of(run);
            var (grain, message) = (grains.GetGrain<IWorkflowGrain>(key), seal.Close(key, InputForms.Write(input)));
            var started = TimeProvider.System.GetTimestamp();
            for (var attempt = 1; ; attempt++)
            {
                try
                {
                    var reply = await grain.TellAsync(message);
                    if (!reply.IsElsewhere)
                    {
                        reply.Give(input, run);
                        return;
                    }
                }
                catch (Exception e) when (e is OrleansException or TimeoutException or InvalidOperationException or IOException) // the last: this silo or that one is closing
                {
                    if (host.Route is null)
                    {
                        host.PostHere(run, input); // this host has left the cluster meanwhile
                        return;
                    }
                    ClusterLog.NotReached(log, run.ToString(), attempt, e);
                    if (!input.IsRepeatable || input is not InnerInput && TimeProvider.System.GetElapsedTime(started) > Patience)
                        throw new CommandRefusedException(Refusal.Busy, $"The host on which run {run} is did not answer. Whether the command was recorded is not known: send it again with the same id or Idempotency-Key.", TimeSpan.FromSeconds(5));
                }
                if (host.IsHalted || input.Answered.IsCompleted && input is not InnerInput) throw new CommandRefusedException(Refusal.Busy, "The host is going down. Send it again with the same id or Idempotency-Key.", TimeSpan.FromSeconds(5));
                await Task.Delay(host.Pause(attempt));
            }
        }
        catch (Exception e) when (input is InnerInput && !host.IsHalted)
        {
            // Nobody would send it again. Decided here it is as good: the append is the fence.
            ClusterLog.NotReached(log, run.ToString(), 0, e);
            host.PostHere(run, input);
        }
        catch (Exception e)
        {
            input.Fail(e);
        }
    }
}
