using System.Text.Json;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Host.Api;

// What goes over the wire. Requests are read strictly: an unknown or doubled member is refused.

internal sealed record StartRequest(string Workflow, JsonElement Input, string? Id = null, string? BusinessKey = null, Dictionary<string, string>? Attributes = null, int Priority = 0,
    string? Version = null);

internal sealed record ReasonRequest(string? Reason = null);

internal sealed record DecisionRequest(bool Granted, string? Comment = null, string? Digest = null);

internal sealed record ResolutionRequest(bool Happened, JsonElement? Result = null, string? Why = null);

internal sealed record Nothing;

internal sealed record RunView(string Id, string Workflow, string? CodeVersion, RunStatus Status, string? BusinessKey, IReadOnlyDictionary<string, string>? Attributes,
    IReadOnlyList<RunWait> Waits, bool Busy, string Host, DateTimeOffset StartedAt, DateTimeOffset UpdatedAt, DateTimeOffset? ClosedAt)
{
    public JsonElement? Result { get; init; }

    public Failure? Failure { get; init; }

    public string? Reason { get; init; }

    public static RunView Of(RunRow row) => new(row.Run.Id, row.Workflow, row.CodeVersion, row.Status, row.BusinessKey, row.Attributes, row.Waits, row.Busy, row.Host,
        row.StartedAt, row.UpdatedAt, row.ClosedAt);

    public RunView With(RunClosed? end) => end switch
    {
        RunCompleted completed => this with { Status = RunStatus.Completed, Result = completed.Result.ToElement() },
        RunFailed failed => this with { Status = RunStatus.Failed, Failure = failed.Failure },
        RunCancelled cancelled => this with { Status = RunStatus.Cancelled, Reason = cancelled.Reason },
        RunTerminated terminated => this with { Status = RunStatus.Terminated, Reason = terminated.Reason },
        _ => this,
    };
}

internal sealed record StartedView(string Id, bool IsNew, RunView Run);

internal sealed record ResultView(RunStatus Status, JsonElement? Result, Failure? Failure, string? Reason);

internal sealed record PageView<T>(IReadOnlyList<T> Items, string? Next = null);

internal sealed record EventView(long Version, string Type, DateTimeOffset At, JsonElement Data);

internal sealed record ApprovalView(string Run, string Workflow, string? BusinessKey, int Step, string Title, string Role, IReadOnlyList<string> NotBy, DateTimeOffset? Deadline,
    string Digest, JsonElement? Subject, DateTimeOffset? Since);

internal sealed record QueryView(JsonElement Answer);

/// <param name="Status">"accepted" (no answer yet), "completed" or "failed".</param>
internal sealed record UpdateView(long Version, string Status, JsonElement? Answer, Failure? Failure);

internal sealed record VersionView(long Version);

internal sealed record PayloadView(string Sha256, long Size);
