using Microsoft.Extensions.Logging;
using OrleansAiOs.Cluster.Wire;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Explaining;

namespace OrleansAiOs.Cluster.Explaining;

internal sealed class MemberService(GrainId id, Silo silo, ILoggerFactory log, ClusterMember member) : GrainService(id, silo, log), IMemberService
{
    public async Task<RunReply> ExplainAsync(SealedMessage message)
    {
        try
        {
            var parts = member.Seal.Open<RunMessage>(message).Parts;
            var run = new RunKey((string)parts[0]!, (string)parts[1]!);
            return RunReply.Of(await member.Engine.ExplainInHandAsync(run, (IReadOnlyList<Keyholder>?)InputForms.Part(parts[2], null)));
        }
        catch (Exception e)
        {
            return RunReply.Of(e);
        }
    }
}
