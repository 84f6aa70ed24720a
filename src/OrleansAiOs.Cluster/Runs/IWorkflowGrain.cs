using OrleansAiOs.Cluster.Wire;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Cluster.Runs;

/// <summary>A run as a grain. Its key is tenant/id (<see cref="GrainKeys"/>).</summary>
[Alias("aios.run")]
internal interface IWorkflowGrain : IGrainWithStringKey
{
    /// <summary>Has the run decide on an input. Answered when what it decided is durable.</summary>
    [Alias("tell")]
    Task<RunReply> TellAsync(SealedMessage message);
}

/// <summary>How a run is addressed. A tenant's name holds no slash.</summary>
internal static class GrainKeys
{
    public static string Of(RunKey run) => $"{run.Tenant}/{run.Id}";

    public static RunKey Run(string key)
    {
        var slash = key.IndexOf('/', StringComparison.Ordinal);
        return slash > 0 && RunKey.TryParse(key[..slash], key[(slash + 1)..], out var run, out _)
            ? run
            : throw new ArgumentException($"'{key}' names no run: it is not tenant/id.", nameof(key));
    }
}
