using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>Where a replay stops: the first command recorded that the code does not ask for, or asked for that was not recorded.</summary>
/// <param name="Version">Of the recorded command; without one, of the last event in front of the one asked for.</param>
/// <param name="At">The line that asks.</param>
internal sealed record FirstDifference(long Version, WorkflowEvent? Recorded, WorkflowEvent? Asked, CodePlace? At)
{
    public override string ToString() => (Recorded, Asked) switch
    {
        ({ } recorded, { } asked) => $"event {Version} is {CommandIdentity.Name(recorded)}, and the code now asks for {CommandIdentity.Name(asked)}{Place}",
        ({ } recorded, null) => $"event {Version} is {CommandIdentity.Name(recorded)}, and the code no longer asks for it",
        (_, { } asked) => $"behind event {Version} the code now asks for {CommandIdentity.Name(asked)}{Place}, which was not recorded",
        _ => "",
    };

    private string Place => At is null ? "" : $" at {At}";
}
