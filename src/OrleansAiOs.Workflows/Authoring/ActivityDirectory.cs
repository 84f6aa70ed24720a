namespace OrleansAiOs.Workflows;

/// <summary>
/// Says what activities do that are known by name only, and declared while the host runs: those of tools. Asked in a turn each time the code
/// calls one, so it answers from memory. What it says then is recorded with the call, and holds for the call's every attempt and replay.
/// </summary>
public interface IActivityDirectory
{
    /// <summary>The activity as it is declared now; null if there is none that may be called. A call of it is recorded as <see cref="Effect.AtMostOnce"/> then.</summary>
    ActivityDeclaration? Find(string tenant, string activity);
}

/// <summary>How an activity that is known by name is declared at a moment.</summary>
/// <param name="Effect">Its effect class.</param>
/// <param name="Options">What holds for every call.</param>
/// <param name="Version">Changes whenever the options do: calls declared alike share the host's limits.</param>
public sealed record ActivityDeclaration(Effect Effect, ActivityOptions Options, string Version);
