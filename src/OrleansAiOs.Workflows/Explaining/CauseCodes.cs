namespace OrleansAiOs.Workflows.Explaining;

/// <summary>The names of causes. Scripts and alarms hold on to them: a name is never given another meaning.</summary>
public static class CauseCodes
{
    // ---- the end ----
    public const string Completed = "completed";
    public const string Failed = "failed";
    public const string Cancelled = "cancelled";
    public const string Terminated = "terminated";
    public const string Imported = "imported";
    public const string NoSuchRun = "no-such-run";

    // ---- the host and its database ----
    public const string DatabaseUnreachable = "database-unreachable";
    public const string DatabaseSlow = "database-slow";
    public const string HostStopped = "host-stopped";
    public const string HostFenced = "host-fenced";
    public const string HostLost = "host-lost";
    public const string HostFull = "host-full";
    public const string QueueFull = "queue-full";
    public const string Overdue = "overdue";
    public const string ClockSkew = "clock-skew";

    // ---- the code ----
    public const string CodeRuns = "code-runs";
    public const string CodeThrew = "code-threw";
    public const string CodeLeftEngine = "code-left-engine";
    public const string CodeStuck = "code-stuck";
    public const string CodeMended = "code-mended";
    public const string WorkflowUnknown = "workflow-unknown";
    public const string VersionMissing = "version-missing";
    public const string HistoryDiffers = "history-differs";
    public const string HistoryUnreadable = "history-unreadable";
    public const string Paused = "paused";
    public const string UpdateUnanswered = "update-unanswered";
    public const string Cancelling = "cancelling";

    // ---- an activity ----
    public const string AttemptUnderWay = "attempt-under-way";
    public const string AttemptElsewhere = "attempt-elsewhere";
    public const string AttemptSlow = "attempt-slow";
    public const string GateFull = "gate-full";
    public const string TenantShareFull = "tenant-share-full";
    public const string RateLimited = "rate-limited";
    public const string QuotaFull = "quota-full";
    public const string RetryPause = "retry-pause";
    public const string BreakerOpen = "breaker-open";
    public const string ToolUnknown = "tool-unknown";
    public const string InquiryUnderWay = "inquiry-under-way";
    public const string InquiryPause = "inquiry-pause";
    public const string OutcomeUnknown = "outcome-unknown";

    public const string GateHolds = "gate-holds";
    public const string GateWaits = "gate-waits";

    // ---- waits ----
    public const string ChildUnderWay = "child-under-way";
    public const string EntityAwaited = "entity-awaited";
    public const string Timer = "timer";
    public const string TimerFar = "timer-far";
    public const string Approval = "approval";
    public const string ApproverAbsent = "approver-absent";
    public const string ApprovalDeadlineNear = "approval-deadline-near";
    public const string SignalNeverSent = "signal-never-sent";
    public const string SignalAwaited = "signal-awaited";
    public const string SignalMisnamed = "signal-misnamed";
    public const string SignalUnreadable = "signal-unreadable";
    public const string SignalNotAwaited = "signal-not-awaited";
    public const string UpdateAwaited = "update-awaited";
    public const string Waiting = "waiting";
}
