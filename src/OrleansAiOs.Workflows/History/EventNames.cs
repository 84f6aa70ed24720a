using System.Collections.Frozen;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace OrleansAiOs.Workflows.History;

/// <summary>The stored name of every event, and how its body is written and read.</summary>
public static class EventNames
{
    private static readonly (string Name, Type Type)[] All =
    [
        ("run-started", typeof(RunStarted)),
        ("host-changed", typeof(HostChanged)),
        ("signal-received", typeof(SignalReceived)),
        ("cancel-requested", typeof(CancelRequested)),
        ("run-parked", typeof(RunParked)),
        ("run-unparked", typeof(RunUnparked)),
        ("run-imported", typeof(RunImported)),
        ("run-paused", typeof(RunPaused)),
        ("run-resumed", typeof(RunResumed)),
        ("run-reset", typeof(RunReset)),
        ("run-forked", typeof(RunForked)),
        ("branch-begun", typeof(BranchBegun)),
        ("run-migrated", typeof(RunMigrated)),
        ("attributes-set", typeof(AttributesSet)),
        ("patch-marked", typeof(PatchMarked)),
        ("loop-checkpoint", typeof(LoopCheckpoint)),
        ("run-completed", typeof(RunCompleted)),
        ("run-failed", typeof(RunFailed)),
        ("run-cancelled", typeof(RunCancelled)),
        ("run-terminated", typeof(RunTerminated)),
        ("run-settled", typeof(RunSettled)),
        ("update-accepted", typeof(UpdateAccepted)),
        ("update-completed", typeof(UpdateCompleted)),
        ("update-failed", typeof(UpdateFailed)),
        ("step-scheduled", typeof(StepScheduled)),
        ("attempt-started", typeof(AttemptStarted)),
        ("effect-signed", typeof(EffectSigned)),
        ("attempt-heartbeat", typeof(AttemptHeartbeat)),
        ("attempt-prepared", typeof(AttemptPrepared)),
        ("attempt-failed", typeof(AttemptFailed)),
        ("step-completed", typeof(StepCompleted)),
        ("step-failed", typeof(StepFailed)),
        ("step-cancelled", typeof(StepCancelled)),
        ("step-cancel-asked", typeof(StepCancelAsked)),
        ("outcome-unknown", typeof(OutcomeUnknown)),
        ("outcome-still-unknown", typeof(OutcomeStillUnknown)),
        ("inquiry-started", typeof(InquiryStarted)),
        ("outcome-never-will", typeof(OutcomeNeverWill)),
        ("outcome-happened", typeof(OutcomeHappened)),
        ("retry-asked", typeof(RetryAsked)),
        ("step-skipped", typeof(StepSkipped)),
        ("outcome-reused", typeof(OutcomeReused)),
        ("child-scheduled", typeof(ChildScheduled)),
        ("child-cancel-asked", typeof(ChildCancelAsked)),
        ("child-reached", typeof(ChildReached)),
        ("child-completed", typeof(ChildCompleted)),
        ("child-failed", typeof(ChildFailed)),
        ("child-end-asked", typeof(ChildEndAsked)),
        ("child-replaced", typeof(ChildReplaced)),
        ("timer-set", typeof(TimerSet)),
        ("timer-fired", typeof(TimerFired)),
        ("timer-cancelled", typeof(TimerCancelled)),
        ("approval-requested", typeof(ApprovalRequested)),
        ("approval-decided", typeof(ApprovalDecided)),
        ("approval-expired", typeof(ApprovalExpired)),
        ("approval-withdrawn", typeof(ApprovalWithdrawn)),
        ("value-recorded", typeof(ValueRecorded)),
    ];

    private static readonly JsonSerializerOptions Json = new(EventJson.Default.Options) { TypeInfoResolver = EventJson.Default.WithAddedModifier(WorkflowJson.InOrder) };

    private static readonly FrozenDictionary<Type, (string Name, JsonTypeInfo Info)> ByType =
        All.ToFrozenDictionary(e => e.Type, e => (e.Name, Json.GetTypeInfo(e.Type)));

    private static readonly FrozenDictionary<string, JsonTypeInfo> ByName =
        All.ToFrozenDictionary(e => e.Name, e => Json.GetTypeInfo(e.Type));

    public static IEnumerable<string> Names => All.Select(e => e.Name);

    /// <summary>Each name, and the record it stands for.</summary>
    public static IEnumerable<(string Name, Type Type)> Types => All;

    public static string Of(WorkflowEvent e) => ByType[e.GetType()].Name;

    /// <summary>The key of the command that an event records, if it had one, and the digest of what was asked.</summary>
    internal static (string? Key, string? Body) ReceiptOf(WorkflowEvent e) => e switch
    {
        SignalReceived of => (of.Key, of.Body),
        CancelRequested of => (of.Key, of.Body),
        RunUnparked of => (of.Key, of.Body),
        RunPaused of => (of.Key, of.Body),
        RunResumed of => (of.Key, of.Body),
        RunTerminated of => (of.Key, of.Body),
        UpdateAccepted of => (of.Key, of.Body),
        RunMigrated of => (of.Key, of.Body),
        RunReset of => (of.Key, of.Body),
        ApprovalDecided of => (of.Key, of.Body),
        OutcomeHappened of => (of.Key, of.Body),
        OutcomeNeverWill of => (of.Key, of.Body),
        EffectSigned of => (of.Key, of.Body),
        RetryAsked of => (of.Key, of.Body),
        StepSkipped of => (of.Key, of.Body),
        _ => default,
    };

    internal static (string Name, byte[] Body) Write(WorkflowEvent e)
    {
        var (name, info) = ByType[e.GetType()];
        return (name, JsonSerializer.SerializeToUtf8Bytes(e, info));
    }

    /// <exception cref="UnreadableHistoryException">The name is not known to this build, or the body is not what the name promises.</exception>
    internal static WorkflowEvent Read(long version, string name, ReadOnlySpan<byte> body)
    {
        if (!ByName.TryGetValue(name, out var info))
            throw new UnreadableHistoryException($"Event {version} is a '{name}', which this build does not know. It was written by a newer build: run that one, or a later one.");
        try
        {
            return (WorkflowEvent)JsonSerializer.Deserialize(body, info)!;
        }
        catch (JsonException e)
        {
            throw new UnreadableHistoryException($"Event {version} ('{name}') cannot be read: {e.Message}");
        }
    }
}

/// <summary>A stored history that this build cannot read. The run is parked; its neighbours go on.</summary>
public sealed class UnreadableHistoryException(string message) : Exception(message);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true,
    GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(RunStarted))]
[JsonSerializable(typeof(HostChanged))]
[JsonSerializable(typeof(SignalReceived))]
[JsonSerializable(typeof(CancelRequested))]
[JsonSerializable(typeof(RunParked))]
[JsonSerializable(typeof(RunUnparked))]
[JsonSerializable(typeof(RunImported))]
[JsonSerializable(typeof(RunPaused))]
[JsonSerializable(typeof(RunResumed))]
[JsonSerializable(typeof(RunReset))]
[JsonSerializable(typeof(RunForked))]
[JsonSerializable(typeof(BranchBegun))]
[JsonSerializable(typeof(RunMigrated))]
[JsonSerializable(typeof(AttributesSet))]
[JsonSerializable(typeof(PatchMarked))]
[JsonSerializable(typeof(LoopCheckpoint))]
[JsonSerializable(typeof(RunCompleted))]
[JsonSerializable(typeof(RunFailed))]
[JsonSerializable(typeof(RunCancelled))]
[JsonSerializable(typeof(RunTerminated))]
[JsonSerializable(typeof(RunSettled))]
[JsonSerializable(typeof(UpdateAccepted))]
[JsonSerializable(typeof(UpdateCompleted))]
[JsonSerializable(typeof(UpdateFailed))]
[JsonSerializable(typeof(StepScheduled))]
[JsonSerializable(typeof(AttemptStarted))]
[JsonSerializable(typeof(EffectSigned))]
[JsonSerializable(typeof(AttemptHeartbeat))]
[JsonSerializable(typeof(AttemptPrepared))]
[JsonSerializable(typeof(AttemptFailed))]
[JsonSerializable(typeof(StepCompleted))]
[JsonSerializable(typeof(StepFailed))]
[JsonSerializable(typeof(StepCancelled))]
[JsonSerializable(typeof(StepCancelAsked))]
[JsonSerializable(typeof(OutcomeUnknown))]
[JsonSerializable(typeof(OutcomeStillUnknown))]
[JsonSerializable(typeof(InquiryStarted))]
[JsonSerializable(typeof(OutcomeNeverWill))]
[JsonSerializable(typeof(OutcomeHappened))]
[JsonSerializable(typeof(RetryAsked))]
[JsonSerializable(typeof(StepSkipped))]
[JsonSerializable(typeof(OutcomeReused))]
[JsonSerializable(typeof(ChildScheduled))]
[JsonSerializable(typeof(ChildCancelAsked))]
[JsonSerializable(typeof(ChildReached))]
[JsonSerializable(typeof(ChildCompleted))]
[JsonSerializable(typeof(ChildFailed))]
[JsonSerializable(typeof(ChildEndAsked))]
[JsonSerializable(typeof(ChildReplaced))]
[JsonSerializable(typeof(TimerSet))]
[JsonSerializable(typeof(TimerFired))]
[JsonSerializable(typeof(TimerCancelled))]
[JsonSerializable(typeof(ApprovalRequested))]
[JsonSerializable(typeof(ApprovalDecided))]
[JsonSerializable(typeof(ApprovalExpired))]
[JsonSerializable(typeof(ApprovalWithdrawn))]
[JsonSerializable(typeof(ValueRecorded))]
internal sealed partial class EventJson : JsonSerializerContext;
