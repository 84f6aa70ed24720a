using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Webhooks.Outbound;

/// <summary>What events of runs are called outside. These names are for ever: receivers branch on them.</summary>
public static class RunEventKinds
{
    public const string ApprovalRequested = "approval.requested";

    public static IReadOnlyList<string> All { get; } =
    [
        "run.started", "run.completed", "run.failed", "run.cancelled", "run.terminated", "run.parked", "run.unparked", "run.paused", "run.resumed", "run.reset",
        "step.completed", "step.failed", "step.outcome-unknown", ApprovalRequested, "approval.decided", "approval.signed", "approval.expired",
    ];

    /// <summary>The kind of an event; null for one that nobody outside is told of.</summary>
    public static string? Of(WorkflowEvent e) => e switch
    {
        RunStarted => "run.started",
        RunCompleted => "run.completed",
        RunFailed => "run.failed",
        RunCancelled => "run.cancelled",
        RunTerminated => "run.terminated",
        RunParked => "run.parked",
        RunUnparked => "run.unparked",
        RunPaused => "run.paused",
        RunResumed => "run.resumed",
        RunReset => "run.reset",
        StepCompleted => "step.completed",
        StepFailed => "step.failed",
        OutcomeUnknown => "step.outcome-unknown",
        Workflows.History.ApprovalRequested => ApprovalRequested,
        _ when HoldOf(e) is not null => ApprovalRequested,
        ApprovalDecided => "approval.decided",
        EffectSigned => "approval.signed",
        ApprovalExpired => "approval.expired",
        _ => null,
    };

    /// <summary>What somebody has to sign, if the event says that the gate holds an attempt.</summary>
    public static HoldTerms? HoldOf(WorkflowEvent e) => e switch
    {
        StepScheduled { Gate: { Answer: GateAnswer.Hold, Hold: { } hold } } => hold,
        AttemptStarted { Gate: { Answer: GateAnswer.Hold, Hold: { } hold } } => hold,
        _ => null,
    };

    /// <summary>Whether a pattern names one at least.</summary>
    public static bool Exists(string pattern) => All.Any(kind => Names(pattern, kind));

    public static bool Wants(Webhook hook, string workflow, string kind) =>
        // The engine's own runs are nobody's business who has not asked for them.
        (hook.Workflow is null ? !workflow.StartsWith(Activity.EnginesOwn, StringComparison.Ordinal) : hook.Workflow == workflow) && hook.Kinds.Any(pattern => Names(pattern, kind));

    private static bool Names(string pattern, string kind) =>
        pattern == "*" || pattern == kind || pattern.EndsWith(".*", StringComparison.Ordinal) && kind.StartsWith(pattern[..^1], StringComparison.Ordinal);
}
