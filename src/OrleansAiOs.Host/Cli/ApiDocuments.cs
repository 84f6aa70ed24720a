using System.Text.Json;

namespace OrleansAiOs.Host.Cli;

// What the API answers, as far as people are shown it. Members that a later host adds are passed over.

internal sealed record RunDocument(string Id, string Workflow, string Status, DateTimeOffset StartedAt, DateTimeOffset UpdatedAt, DateTimeOffset? ClosedAt = null,
    string? CodeVersion = null, string? BusinessKey = null, Dictionary<string, string>? Attributes = null, List<WaitDocument>? Waits = null, bool Busy = false,
    string? Host = null, JsonElement? Result = null, FailureDocument? Failure = null, string? Reason = null)
{
    public IEnumerable<WaitDocument> OpenWaits => Waits ?? [];
}

internal sealed record WaitDocument(string Kind, string? Name = null, int? Step = null, DateTimeOffset? Until = null, string? Role = null, List<string>? NotBy = null,
    string? Digest = null, JsonElement? Subject = null, string? Why = null, DateTimeOffset? Since = null);

internal sealed record FailureDocument(string? Type, string? Message, string? Kind = null);

internal sealed record StartedDocument(string Id, bool IsNew, RunDocument Run);

internal sealed record ResultDocument(string Status, JsonElement? Result = null, FailureDocument? Failure = null, string? Reason = null)
{
    /// <summary>0 completed, 1 failed, cancelled or terminated, 8 not over.</summary>
    public int Code => Status.ToLowerInvariant() switch
    {
        "completed" => ExitCode.Done,
        "failed" or "cancelled" or "terminated" => ExitCode.Failed,
        _ => ExitCode.StillOpen,
    };
}

internal sealed record PageDocument<T>(List<T> Items, string? Next = null);

internal sealed record EventDocument(long Version, string Type, DateTimeOffset At, JsonElement Data);

internal sealed record ApprovalDocument(string Run, string Workflow, int Step, string Title, string Role, List<string>? NotBy = null, string? BusinessKey = null,
    DateTimeOffset? Deadline = null, string? Digest = null, JsonElement? Subject = null, DateTimeOffset? Since = null);

internal sealed record SigningKeyDocument(string Id, string Principal, DateTimeOffset Since, string? Person = null, DateTimeOffset? RevokedAt = null);

internal sealed record HoldDocument(JsonElement Statement, string Digest);

internal sealed record StoppedDocument(bool Changed, string? Note = null);

internal sealed record KillSwitchDocument(string Target, string Id, string Why, DateTimeOffset Since, string? By = null);

internal sealed record ScheduleDocument(string Id, string Cron, string TimeZone, string Workflow, string? Paused = null, string? Next = null, string? Last = null, long Started = 0, long Skipped = 0,
    long Failed = 0, string? Trouble = null, string? Overlap = null, string? CatchUp = null, string? Jitter = null, List<DateTimeOffset>? Upcoming = null);

internal sealed record BulkDocument(int Matched, int Done, List<BulkRefusalDocument> Refused, string? Next = null);

internal sealed record BulkRefusalDocument(string Id, string Why);

internal sealed record BackfillDocument(int Times);

internal sealed record VersionDocument(long Version);

internal sealed record PayloadDocument(string Sha256, long Size);

internal sealed record KeyDocument(string Name, List<string>? Roles, string? Key = null, string? Principal = null, DateTimeOffset? CreatedAt = null, DateTimeOffset? ExpiresAt = null, DateTimeOffset? RevokedAt = null);

internal sealed record PrincipalDocument(string Id, List<string>? Roles = null, string? Disabled = null, List<GrantDocument>? Grants = null, List<IssuedKeyDocument>? Keys = null);

internal sealed record IssuedKeyDocument(string Name, string Hash, DateTimeOffset? ExpiresAt = null);

internal sealed record GrantDocument(string Id, string To = "", List<string>? Actions = null, string Resource = "", DateTimeOffset? ExpiresAt = null, string? By = null, DateTimeOffset? LastUsedAt = null, List<string>? Unused = null,
    DateTimeOffset? UsesKnownSince = null);

internal sealed record TenantDocument(string Id, string? Disabled = null, DateTimeOffset? AddedAt = null, string? Key = null);

internal sealed record MeDocument(string Tenant, string Principal);
