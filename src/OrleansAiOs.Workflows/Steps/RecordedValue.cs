using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Workflows.Steps;

/// <summary>A value computed once and read from the history ever after.</summary>
internal static class RecordedValue
{
    public static T Record<T>(WorkflowExecution execution, Func<T> value)
    {
        var step = execution.NextStep(null);
        // Nothing is recorded of one that threw: in replay it has to throw again, for the code that caught it to go on as it did.
        var recorded = execution.Upcoming<ValueRecorded>(step) ?? new ValueRecorded(step, JsonText.From(value()));
        execution.Emit(recorded);
        return recorded.Value.To<T>()!;
    }
}
