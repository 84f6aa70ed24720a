using System.Text.Json;

namespace OrleansAiOs.Host.Cli;

/// <summary>One line of a run's story: a step from its first event to its last, or something that reached the run.</summary>
internal sealed class TimelineEntry(DateTimeOffset at, int? step, string what)
{
    public DateTimeOffset At => at;

    public int? Step => step;

    public string What => what;

    public string Outcome { get; set; } = "";

    public string Note { get; set; } = "";

    public int Attempts { get; set; }

    public bool IsBad { get; set; }

    public DateTimeOffset? Ended { get; set; }
}

/// <summary>A history told: each step one line, in the order in which they began.</summary>
internal sealed class Timeline
{
    private readonly List<TimelineEntry> entries = [];
    private readonly Dictionary<int, TimelineEntry> steps = [];

    public static IReadOnlyList<TimelineEntry> Of(IEnumerable<EventDocument> history)
    {
        var timeline = new Timeline();
        foreach (var e in history) timeline.Tell(e);
        return timeline.entries;
    }

    private void Tell(EventDocument e)
    {
        switch (e.Type)
        {
            case "run-started": Add(e, "started", By(e), $"on {Text(e, "host")}"); break;
            case "host-changed": Add(e, "another host took over", Text(e, "host")); break;
            case "signal-received": Add(e, $"signal {Text(e, "signal")}", By(e), Raw(e, "value")); break;
            case "cancel-requested": Add(e, "cancel asked", By(e), Text(e, "reason")); break;
            case "run-parked": Add(e, "parked", "", Text(e, "reason"), bad: true); break;
            case "run-unparked": Add(e, "unparked", By(e)); break;
            case "run-paused": Add(e, "paused", By(e), Text(e, "reason")); break;
            case "run-resumed": Add(e, "resumed", By(e)); break;
            case "run-terminated": Add(e, "terminated", By(e), Text(e, "reason"), bad: true); break;
            case "update-accepted": Add(e, $"update {Text(e, "name")}", By(e), Raw(e, "input")); break;
            case "update-completed": Add(e, "update answered", "", Raw(e, "answer")); break;
            case "update-failed": Add(e, "update failed", "", Failure(e), bad: true); break;
            case "run-reset": Add(e, $"reset to event {Raw(e, "to")}", By(e), Text(e, "why")); break;
            case "run-forked": Add(e, $"forked from {Text(e, "from")} at event {Raw(e, "at")}", By(e), Text(e, "why")); break;
            case "branch-begun": Add(e, "goes on from there"); break;
            case "run-migrated": Add(e, $"moved from version {Text(e, "from")} to {Text(e, "to")}", By(e)); break;
            case "attributes-set": Add(e, "attributes", "", Raw(e, "attributes")); break;
            case "patch-marked": Add(e, $"patch {Text(e, "patch")}"); break;
            case "run-completed": Add(e, "completed"); break;
            case "run-failed": Add(e, "failed", "", Failure(e), bad: true); break;
            case "run-cancelled": Add(e, "cancelled", "", Text(e, "reason")); break;

            case "step-scheduled": Begin(e, $"{Text(e, "activity")} ({Text(e, "effect").ToLowerInvariant()})", "under way").Attempts = 1; break;
            case "timer-set": Begin(e, $"timer until {Time(e, "due")}", "waits"); break;
            case "child-scheduled": Begin(e, $"child {Text(e, "workflow")} {Text(e, "run")}", "is started"); break;
            case "run-settled": break; // of interest to the engine only
            case "approval-requested": Begin(e, $"approval \"{Text(e, "title")}\"", $"awaits {Text(e, "role")}"); break;
            case "value-recorded": End(Begin(e, "value", ""), e, "recorded"); break;

            default: Follow(e); break;
        }
    }

    private void Follow(EventDocument e)
    {
        if (Number(e, "step") is not { } number || !steps.TryGetValue(number, out var step))
        {
            Add(e, e.Type);
            return;
        }
        if (Number(e, "attempt") is { } attempt) step.Attempts = Math.Max(step.Attempts, attempt);
        switch (e.Type)
        {
            case "attempt-started": Stand(step, "under way"); break;
            case "attempt-failed": Stand(step, $"next attempt {Time(e, "retryAt")}", Failure(e)); break;
            case "step-completed": End(step, e, "done", Changed(e), bad: Changed(e, "unasked") is not null); break;
            case "step-failed": End(step, e, "failed", Failure(e), bad: true); break;
            case "step-cancelled": End(step, e, "cancelled"); break;
            case "step-cancel-asked": Stand(step, "asked to stop"); break;
            case "outcome-unknown": Stand(step, "outcome unknown", Failure(e), bad: true); break;
            case "inquiry-started": Stand(step, "outcome unknown, the receiver is asked", bad: true); break;
            case "outcome-still-unknown":
                Stand(step, e.Data.TryGetProperty("retryAt", out _) ? $"outcome unknown, asked again {Time(e, "retryAt")}" : "outcome unknown, a person has to say", Text(e, "why"), bad: true);
                break;
            case "outcome-never-will": Stand(step, $"did not happen{Said(e)}", Text(e, "why")); break;
            case "outcome-reused": End(step, e, "done before the reset, reused"); break;
            case "outcome-happened": End(step, e, $"had happened{Said(e)}"); break;
            case "retry-asked": Stand(step, $"retry asked{Said(e)}"); break;
            case "step-skipped": End(step, e, $"skipped{Said(e)}", Text(e, "why")); break;
            case "attempt-heartbeat": Stand(step, "under way", Raw(e, "details")); break;
            case "attempt-prepared": Stand(step, "under way", "its target was read before"); break;
            case "child-cancel-asked": Stand(step, "asked to end"); break;
            case "child-reached": Stand(step, "awaited"); break;
            case "child-completed": End(step, e, "done"); break;
            case "child-failed": End(step, e, "failed", Failure(e), bad: true); break;
            case "timer-fired": End(step, e, "fired"); break;
            case "timer-cancelled": End(step, e, "cancelled"); break;
            case "approval-decided":
                var granted = e.Data.TryGetProperty("granted", out var yes) && yes.ValueKind is JsonValueKind.True;
                End(step, e, $"{(granted ? "granted" : "rejected")} by {Decider(e)}", Text(e, "comment"), bad: !granted);
                break;
            case "approval-expired": End(step, e, "nobody decided in time", bad: true); break;
            case "approval-withdrawn": End(step, e, "withdrawn"); break;
            default: Add(e, e.Type); break;
        }
        if (step.Attempts > 1) step.Outcome += $", attempt {step.Attempts}";
    }

    private void Add(EventDocument e, string what, string outcome = "", string note = "", bool bad = false) =>
        entries.Add(new TimelineEntry(e.At, Number(e, "step"), what) { Outcome = outcome, Note = note, IsBad = bad });

    private TimelineEntry Begin(EventDocument e, string what, string outcome)
    {
        var entry = new TimelineEntry(e.At, Number(e, "step"), what) { Outcome = outcome };
        entries.Add(entry);
        if (entry.Step is { } number) steps[number] = entry;
        return entry;
    }

    private static void Stand(TimelineEntry step, string outcome, string? note = null, bool bad = false) =>
        (step.Outcome, step.Note, step.IsBad, step.Ended) = (outcome, note ?? step.Note, bad, null);

    private static void End(TimelineEntry step, EventDocument e, string outcome, string? note = null, bool bad = false)
    {
        Stand(step, outcome, note, bad);
        step.Ended = e.At;
    }

    private static string By(EventDocument e) => Text(e, "by") is { Length: > 0 } by ? $"by {by}" : "";

    private static string Said(EventDocument e) => Text(e, "by") is { Length: > 0 } by ? $", says {by}" : "";

    private static string Decider(EventDocument e) => e.Data.TryGetProperty("by", out var by) && by.ValueKind is JsonValueKind.Object && by.TryGetProperty("id", out var id) ? id.ToString() : "?";

    private static string Failure(EventDocument e)
    {
        if (!e.Data.TryGetProperty("failure", out var failure) || failure.ValueKind is not JsonValueKind.Object) return "";
        string Member(string name) => failure.TryGetProperty(name, out var value) ? value.ToString() : "";
        return $"{Member("type")}: {Member("message")}";
    }

    // What a tool's call has changed, where that was looked at.
    private static string? Changed(EventDocument e, string which = "changed")
    {
        if (!e.Data.TryGetProperty("result", out var result) || result.ValueKind is not JsonValueKind.Object || !result.TryGetProperty("comparison", out var comparison) || comparison.ValueKind is not JsonValueKind.Object) return null;
        var fields = comparison.TryGetProperty(which, out var listed) && listed.ValueKind is JsonValueKind.Array ? Human.Names([.. listed.EnumerateArray().Select(field => field.ToString())]) : "";
        if (which is not "changed") return fields.Length == 0 ? null : fields;
        var note = result.TryGetProperty("note", out var said) && said.ValueKind is JsonValueKind.String ? said.GetString() : null;
        return note ?? (fields.Length == 0 ? "nothing was changed" : $"changed: {fields}");
    }

    private static string Time(EventDocument e, string name) =>
        e.Data.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String && value.TryGetDateTimeOffset(out var time) ? Human.Time(time) : "?";

    private static string Text(EventDocument e, string name) => e.Data.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String ? value.GetString()! : "";

    private static string Raw(EventDocument e, string name) => e.Data.TryGetProperty(name, out var value) ? value.GetRawText() : "";

    private static int? Number(EventDocument e, string name) =>
        e.Data.ValueKind is JsonValueKind.Object && e.Data.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.Number && value.TryGetInt32(out var number) ? number : null;
}
