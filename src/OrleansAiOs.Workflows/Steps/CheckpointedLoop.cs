using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Workflows.Steps;

/// <summary>
/// A loop whose past may be left unread.
///
/// What is stored: between two iterations, when the code waits for nothing at all, a <see cref="LoopCheckpoint"/>: the loop's state, and
/// what the engine itself would have learnt from the events before it (counters, receipts, attributes, patches, signals nobody took yet).
/// Steps that are open cannot stand before it, for there are none: an approval, a timer, an attempt in the air keep it from being written.
///
/// How a run is loaded: the store hands over the events up to the loop's entry, and those from the last checkpoint on; between them is
/// a gap. The code runs from its start, over the first part, into the loop; there it finds the checkpoint, takes its state for its own,
/// and goes on behind it. A loop behind a loop is entered over the first one's last checkpoint. Read as a whole, without a gap, a
/// history replays as well: a checkpoint is a command like any other, and replay writes one where one was recorded, never elsewhere.
///
/// A crash before the append that holds a checkpoint leaves the checkpoint before it, from which the same inputs are shown again.
/// </summary>
internal sealed class CheckpointedLoop(WorkflowExecution execution)
{
    /// <summary>Receipts are let go at a checkpoint when they are older than this.</summary>
    public static readonly TimeSpan ReceiptsFor = TimeSpan.FromDays(30);

    private IReadOnlyList<long>? entryOfLast;
    private long last;
    private int active;

    public async Task<TState> RunAsync<TState>(TState state, Func<TState, Task<Iteration<TState>>> body, int checkpointAfter)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(checkpointAfter, 1);
        active++;
        try
        {
            // Only the outermost loop, entered while nothing was pending: else what is pending would be lost with the events before.
            long iteration = 0;
            IReadOnlyList<long>? entry = active == 1 && execution.IsQuiet ? Entry() : null;
            var from = execution.State.Version;
            if (active == 1 && execution.TakeResumption() is { } resumption)
            {
                state = resumption.Checkpoint.State.To<TState>()!;
                (iteration, entry, from) = (resumption.Checkpoint.Iteration, resumption.Checkpoint.Entry, resumption.Version);
                (entryOfLast, last) = (entry, from);
            }
            while (true)
            {
                var (next, isDone) = await body(state);
                state = next;
                if (isDone) return state;
                iteration++;
                if (entry is null || active != 1 || Checkpoint(state, entry, iteration, from, checkpointAfter) is not { } written) continue;
                // What the state's JSON does not hold is gone now, in every test, and not only after a crash.
                state = written.State.To<TState>()!;
                (entryOfLast, last, from) = (entry, execution.State.Version, execution.State.Version);
            }
        }
        finally
        {
            active--;
        }
    }

    private long[] Entry() => [.. entryOfLast is null ? [1] : entryOfLast.Append(last), execution.State.Version];

    private LoopCheckpoint? Checkpoint<TState>(TState state, IReadOnlyList<long> entry, long iteration, long from, int after)
    {
        LoopCheckpoint checkpoint;
        if (execution.IsReplaying)
        {
            if (execution.UpcomingCheckpoint(iteration) is not { } recorded) return null;
            checkpoint = recorded;
        }
        else
        {
            // One that is large comes less often, so that writing them stays a small part of the whole.
            if (!execution.IsQuiet || execution.State.Version - from < Math.Max(after, execution.State.Receipts.Count + execution.State.Updates.Count + execution.EarlySignals.Sum(early => early.Values.Count))) return null;
            checkpoint = Make(JsonText.From(state), entry, iteration);
        }
        execution.Emit(checkpoint);
        return checkpoint;
    }

    private LoopCheckpoint Make(JsonText state, IReadOnlyList<long> entry, long iteration)
    {
        var run = execution.State;
        var updates = run.Updates.Values.Where(update => update.At > run.Now - ReceiptsFor).Select(update => update.Keep()).ToList();
        // An update's is kept as long as its answer, which may have waited for a person: whoever asks again is not to have it carried out again.
        var answered = updates.Select(update => update.Version).ToHashSet();
        var receipts = run.Receipts.Where(kept => kept.Value.At > run.Now - ReceiptsFor || answered.Contains(kept.Value.Version)).OrderBy(kept => kept.Value.Version).ThenBy(kept => kept.Key, StringComparer.Ordinal)
            .Select(kept => new KeptReceipt(kept.Key, kept.Value.Body, kept.Value.Version, kept.Value.At)).ToList();
        var (steps, guids, patches) = execution.Counters;
        return new LoopCheckpoint(state, entry, iteration, steps, guids, run.Host!, run.Attributes?.ToDictionary(), patches, execution.EarlySignals is { Count: > 0 } early ? early : null,
            receipts.Count > 0 ? receipts : null, run.UpdatesAccepted == 0 ? null : new KeptUpdates(run.UpdatesAccepted, updates.Count > 0 ? updates : null), run.CodeVersion, run.Resets > 0 ? run.Resets : null, run.Spent, run.Joined?.ToList());
    }
}

/// <summary>A checkpoint that stands behind a gap: the events before it were not read. Never stored.</summary>
internal sealed record LoopResumption(LoopCheckpoint Checkpoint, long Version) : WorkflowEvent
{
    public override bool IsCommand => true;
}

/// <summary>How much of a history it takes to rebuild a run.</summary>
internal static class FoldedHistory
{
    /// <param name="suffix">The history from the last checkpoint on; all of it if there is none.</param>
    /// <param name="read">Reads the events from one version to another.</param>
    public static async ValueTask<IReadOnlyList<StoredEvent>> ReadAsync(IReadOnlyList<StoredEvent> suffix, Func<long, long, ValueTask<IReadOnlyList<StoredEvent>>> read)
    {
        if (suffix is not [{ Version: > 1 } first, ..]) return suffix;
        // A row that is wrong costs time, and nothing else.
        if (Read(first) is not { } checkpoint) return await read(1, long.MaxValue);
        var whole = new List<StoredEvent>();
        for (var i = 0; i < checkpoint.Entry.Count; i += 2) whole.AddRange(await read(checkpoint.Entry[i], checkpoint.Entry[i + 1]));
        whole.AddRange(suffix);
        return whole;
    }

    private static LoopCheckpoint? Read(StoredEvent stored)
    {
        try
        {
            return stored.Read() as LoopCheckpoint;
        }
        catch (UnreadableHistoryException)
        {
            return null; // whoever reads the whole will be told
        }
    }

    /// <summary>The history's events; one behind a gap resumes from what it holds.</summary>
    public static List<(WorkflowEvent Event, DateTimeOffset At)> Events(IReadOnlyList<StoredEvent> history)
    {
        var events = new List<(WorkflowEvent Event, DateTimeOffset At)>(history.Count);
        var before = 0L;
        foreach (var stored in history)
        {
            var e = stored.Read();
            if (stored.Version != before + 1)
                e = e is LoopCheckpoint checkpoint && before > 0 ? new LoopResumption(checkpoint, stored.Version)
                    : throw new UnreadableHistoryException($"Event {stored.Version} ('{stored.Type}') follows event {before}: those between are missing.");
            before = stored.Version;
            events.Add((e, stored.At));
        }
        return events;
    }
}
