using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows;

/// <summary>Where a run stands.</summary>
public enum RunStatus
{
    Running,
    Parked,
    Completed,
    Failed,
    Cancelled,
    Paused,
    Terminated,
}

/// <summary>A named thing an open run waits for.</summary>
/// <param name="Kind">"activity", "timer", "approval", "child", "signal", "update", "signature", "outcome-unknown", "unpark" or "resume".</param>
/// <param name="Name">Which one: the activity, the signal, the approval's title.</param>
public sealed record RunWait(string Kind, string? Name = null, int? Step = null, DateTimeOffset? Until = null, string? Role = null,
    IReadOnlyList<string>? NotBy = null, string? Digest = null, JsonText? Subject = null, string? Why = null, DateTimeOffset? Since = null);
