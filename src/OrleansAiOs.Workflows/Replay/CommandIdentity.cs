using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>
/// What makes two commands the same in a replay: their kind, their place, and what they are about. Arguments may differ: a recorded
/// intent is carried out as recorded.
/// </summary>
internal static class CommandIdentity
{
    /// <summary>What a command is about, where its kind does not say it: the activity, the patch.</summary>
    public static string? Subject(WorkflowEvent command) => command switch
    {
        StepScheduled scheduled => scheduled.Activity,
        ChildScheduled scheduled => scheduled.Workflow,
        PatchMarked marked => marked.Patch,
        UpdateCompleted completed => $"of update {completed.Update}",
        UpdateFailed failed => $"of update {failed.Update}",
        _ => null,
    };

    public static bool IsSame(WorkflowEvent recorded, WorkflowEvent asked) =>
        IsAlike(recorded, asked) && (recorded as StepEvent)?.Step == (asked as StepEvent)?.Step;

    /// <summary>The same, but for the place.</summary>
    public static bool IsAlike(WorkflowEvent recorded, WorkflowEvent asked) =>
        recorded.GetType() == asked.GetType() && string.Equals(Subject(recorded), Subject(asked), StringComparison.Ordinal);

    /// <summary>For people: the stored name, the subject and the step.</summary>
    public static string Name(WorkflowEvent e) => e is LoopResumption resumption ? Name(resumption.Checkpoint) :
        $"{EventNames.Of(e)}{(Subject(e) is { } subject ? $" {subject}" : "")}{(e is StepEvent step ? $" (step {step.Step})" : "")}";

    /// <summary>The same event at another step: histories count steps in the order in which the code that wrote them asked.</summary>
    public static WorkflowEvent At(int step, WorkflowEvent e) => e is StepEvent of && of.Step != step ? of with { Step = step } : e;

    /// <summary>Whether two commands are the same byte for byte, white space and the order of members aside: a database keeps neither.</summary>
    public static bool IsByteEqual(WorkflowEvent recorded, WorkflowEvent asked)
    {
        if (recorded.Equals(asked)) return true;
        var (a, b) = (EventNames.Write(recorded).Body, EventNames.Write(asked).Body);
        return a.AsSpan().SequenceEqual(b) || CanonicalJson.Write(new JsonText(a)).AsSpan().SequenceEqual(CanonicalJson.Write(new JsonText(b)));
    }
}
