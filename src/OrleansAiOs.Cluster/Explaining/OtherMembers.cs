using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Runtime.Services;
using OrleansAiOs.Cluster.Wire;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Explaining;

namespace OrleansAiOs.Cluster.Explaining;

/// <summary>
/// Asks the others what they have in hand of a run. All of them: nobody else knows for certain which it is, and a run that is active nowhere
/// must not become active because somebody asked after it. Who does not answer has nothing to say; what is stored is an answer too.
/// </summary>
internal sealed class OtherMembers(IServiceProvider services, MessageSeal seal, ILogger log) : GrainServiceClient<IMemberService>(services)
{
    // Longer than the other takes at most to find out that its database, or the run's code, does not answer.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(6);

    private readonly ISiloStatusOracle members = services.GetRequiredService<ISiloStatusOracle>();

    public async Task<Explanation?> ExplainAsync(RunKey run, IReadOnlyList<Keyholder>? keyholders, CancellationToken cancellation)
    {
        var message = new RunMessage("Explain", [run.Tenant, run.Id, InputForms.Form(keyholders)]);
        await foreach (var told in Task.WhenEach(members.GetActiveSilos().Where(silo => !silo.Equals(members.SiloAddress)).Select(silo => AskAsync(silo, run, message, cancellation))))
            if (await told is { } explanation) return explanation;
        return null;
    }

    internal IMemberService On(SiloAddress silo) => GetGrainService(silo);

    private async Task<Explanation?> AskAsync(SiloAddress silo, RunKey run, RunMessage message, CancellationToken cancellation)
    {
        try
        {
            var member = On(silo);
            var reply = await member.ExplainAsync(seal.Close(member.GetGrainId().Key.ToString()!, message)).WaitAsync(Patience, cancellation);
            return reply.Fault is null ? (Explanation?)InputForms.Part(reply.Answer, null) : throw new InvalidOperationException(reply.Fault.Message);
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            ClusterLog.NotAnswered(log, silo.ToString(), run.ToString(), e);
            return null;
        }
    }
}
