using Orleans.Services;
using OrleansAiOs.Cluster.Wire;

namespace OrleansAiOs.Cluster.Explaining;

/// <summary>What a member has in hand, told to the others. Each has one, whose calls wait for no turn of a run, and make none active.</summary>
[Alias("aios.member")]
internal interface IMemberService : IGrainService
{
    /// <summary>Why a run is where it is, if this member has it in hand; else null.</summary>
    [Alias("explain")]
    Task<RunReply> ExplainAsync(SealedMessage message);
}
