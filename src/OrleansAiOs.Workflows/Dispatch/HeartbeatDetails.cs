using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Dispatch;

/// <summary>
/// What an attempt says of its progress, on its way into the history. A beat that came with details is appended (attempt-heartbeat) if
/// they have changed and none was appended for a while; else the last ones are when that while is over. So a tool may beat as often as
/// it likes: it costs one append a while, and nothing where the details stay the same.
///
/// The guarantee: the next attempt is handed the last details if this one failed while its host lived; if the host died, details at most
/// one while (<see cref="Hosting.WorkflowHostOptions.KeepHeartbeatsEvery"/>) and one append old. They may be older than what the attempt
/// had done by then: a tool that goes on from them must not mind doing the last stretch twice.
/// </summary>
internal sealed class HeartbeatDetails(TimeProvider time, TimeSpan every, Action<JsonText> keep)
{
    private readonly Lock sync = new();
    private JsonText? latest;
    private JsonText? kept;
    private long? keptAt;
    private ITimer? later;
    private bool isOver;

    public void Note(JsonText details)
    {
        lock (sync)
        {
            if (isOver) return;
            latest = details;
            if (later is not null) return;
            var since = keptAt is { } at ? time.GetElapsedTime(at) : every;
            if (since >= every) KeepLatest();
            else later = time.CreateTimer(static self => ((HeartbeatDetails)self!).Ring(), this, every - since, Timeout.InfiniteTimeSpan);
        }
    }

    /// <returns>The last details, if they were not kept.</returns>
    public JsonText? End()
    {
        lock (sync)
        {
            if (isOver) return null;
            isOver = true;
            later?.Dispose();
            return IsKept ? null : latest;
        }
    }

    private bool IsKept => latest is not { } last || kept is { } before && before.Equals(last);

    private void Ring()
    {
        lock (sync)
        {
            later?.Dispose();
            later = null;
            if (!isOver) KeepLatest();
        }
    }

    private void KeepLatest()
    {
        if (IsKept) return;
        (kept, keptAt) = (latest, time.GetTimestamp());
        keep(latest!.Value);
    }
}

/// <summary>An attempt under way says how far it has come.</summary>
internal sealed class HeartbeatInput(int step, int attempt, JsonText details) : InnerInput
{
    public override void Decide(WorkflowRun run, Turn turn)
    {
        if (run.State.Find<ActivityStep>(step) is { Now: ActivityStep.Phase.Attempting } activity && activity.Attempt == attempt)
            run.Record(turn, new AttemptHeartbeat(step, attempt, details));
    }
}
