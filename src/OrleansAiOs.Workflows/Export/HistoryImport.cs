using System.Text.Json;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Payloads;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Export;

/// <summary>
/// Puts exported runs into a store, where they are evidence: listed, shown, replayed and exported again, but never dispatched, woken,
/// taken over or steered. What makes a run so is its last event, run-imported, which is in the same append as the history.
///
/// The file is read to its end and every run held against the store before the first is written: a file with one bad line, or one run
/// that is there already with another history, changes nothing. Then each run is one append. A crash in between leaves whole runs; the
/// same file again passes over the ones that are there.
/// </summary>
public static class HistoryImport
{
    // A database writes out the exponent that a number came with: an honest one may be longer than what authors may hand in.
    private const int NumberCharsMax = 4 * CanonicalJson.NumberCharsMax;

    /// <param name="file">Must be able to seek: it is read twice.</param>
    /// <param name="by">Who imports.</param>
    /// <param name="isTenant">Whether there is a tenant here; null: there is the first one only. A run stays its tenant's.</param>
    /// <exception cref="MalformedExportException">A line is not what the format says.</exception>
    /// <exception cref="CommandRefusedException">A run is there already, with another history.</exception>
    public static async Task<ImportReport> ImportAsync(IRunStore store, IPayloadStore? payloads, Stream file, string by, TimeProvider time, CancellationToken cancellation = default,
        Func<string, bool>? isTenant = null)
    {
        var beginning = file.Position;
        var there = new HashSet<RunKey>();
        var seen = new HashSet<RunKey>();
        CommandRefusedException? refusal = null; // told when the file is known to be whole
        var reader = new HistoryReader(file);
        await foreach (var lines in reader.ReadAsync(cancellation))
        {
            var run = lines.Parse();
            try
            {
                await HoldAgainstStoreAsync(run);
            }
            catch (CommandRefusedException e)
            {
                refusal ??= e;
            }
        }
        if (refusal is not null) throw refusal;

        file.Position = beginning;
        reader = new HistoryReader(file);
        var (imported, events, documents) = (0, 0L, 0);
        await foreach (var lines in reader.ReadAsync(cancellation))
        {
            var run = lines.Parse();
            foreach (var payload in run.Payloads)
            {
                if (payload.Content is null || payloads is null) continue;
                using var content = new MemoryStream(payload.Content, writable: false);
                await payloads.PutAsync(run.Run.Tenant, content, payload.Size, cancellation);
                documents++;
            }
            if (there.Contains(run.Run)) continue;
            await AppendAsync(store, run, reader.Header!, by, time);
            imported++;
            events += run.History.Count;
        }
        return new ImportReport(imported, there.Count, events, documents);

        async Task HoldAgainstStoreAsync(ExportedRun run)
        {
            if (!(isTenant?.Invoke(run.Run.Tenant) ?? run.Run.Tenant == RunKey.DefaultTenant))
                throw new CommandRefusedException(Refusal.Invalid, $"Run {run.Run} is of the tenant '{run.Run.Tenant}', which is not there. Nothing was imported. Make it first: aios tenants add {run.Run.Tenant}.");
            if (!seen.Add(run.Run)) throw new CommandRefusedException(Refusal.Invalid, $"Run {run.Run} stands twice in the file. Export it once.");
            Check(run);
            var stored = await store.ReadAsync(run.Run, 1, cancellation);
            if (stored.Count == 0) return;
            if (!IsImportOf(stored, run.History))
                throw new CommandRefusedException(Refusal.Conflict, $"Run {run.Run} exists here already, with another history or as a run of this installation. Nothing was imported. Import into another installation, or export without it.");
            there.Add(run.Run);
        }
    }

    private static async Task AppendAsync(IRunStore store, ExportedRun run, ExportHeader header, string by, TimeProvider time)
    {
        List<NewEvent> events = [.. run.History.Select(e => new NewEvent(e.Id, e.Type, e.Body, e.At))];
        if (run.History[^1].Read() is not RunImported)
        {
            var at = time.GetUtcNow() is var now && now > run.History[^1].At ? now : run.History[^1].At;
            var (name, body) = EventNames.Write(new RunImported(header.ExportedAt, header.Engine, by));
            events.Add(new NewEvent(new IdSource(BitConverter.ToUInt64(run.History[^1].Id.ToByteArray())).NextId(at), name, body, at));
        }
        var state = RunState.Of(run.Run, [.. events.Select((e, i) => (EventNames.Read(i + 1, e.Type, e.Body), e.At))]);
        var row = new RunRow(run.Run, run.Workflow, state.CodeVersion, state.Status, state.Host!, Busy: false, state.Started!.BusinessKey, state.Attributes,
            state.Outcome is null ? [new RunWait("imported", "nothing: it is kept as evidence", Why: $"imported by {by}", Since: state.Now)] : [], state.StartedAt, state.Now,
            state.Outcome is null ? null : run.History.Last(e => e.Type is not "run-imported").At, state.Checkpoint);
        for (var attempt = 1; ; attempt++)
        {
            var result = await store.AppendAsync(new RunAppend(run.Run, 0, events, row, null));
            if (result is AppendResult.Appended) return;
            // Whether an unknown one was committed, and whose a conflict is, is read back.
            var stored = await store.ReadAsync(run.Run, 1, CancellationToken.None);
            if (stored.Count > 0 && stored[0].Id == events[0].Id) return;
            if (stored.Count > 0) throw new CommandRefusedException(Refusal.Conflict, $"Run {run.Run} was started here while the file was imported. The runs in front of it are imported; import the rest elsewhere.");
            if (attempt == 5) throw new CommandRefusedException(Refusal.Busy, $"The store did not take run {run.Run}. Import the file again: what is there already is passed over.");
            await Task.Delay(TimeSpan.FromMilliseconds(100 * attempt), time);
        }
    }

    // A body that cannot be read would be found only when somebody looks at the run; one that no database takes, when the runs in front of it are imported.
    private static void Check(ExportedRun run)
    {
        var events = new List<(WorkflowEvent Event, DateTimeOffset At)>();
        var state = new RunState(run.Run);
        foreach (var e in run.History)
        {
            try
            {
                if (JsonText.Objection(e.Body, NumberCharsMax) is { } objection) throw new ArgumentException($"It cannot be stored: {objection}.");
                events.Add((e.Read(), e.At));
                // What a reset left is known only from the reset.
                if (events[^1].Event is RunReset) state = RunState.Of(run.Run, events);
                else state.Apply(events[^1].Event, e.At);
            }
            catch (Exception broken) when (broken is UnreadableHistoryException or ArgumentException or InvalidOperationException or NullReferenceException or JsonException)
            {
                throw new CommandRefusedException(Refusal.Invalid, $"Run {run.Run}, event {e.Version}: {broken.Message} Nothing was imported.");
            }
        }
        if (state.Started!.BusinessKey is { Length: > 200 }) throw new CommandRefusedException(Refusal.Invalid, $"Run {run.Run}: its business key has more than 200 characters. Nothing was imported.");
        if (state.Started.Workflow != run.Workflow) throw new CommandRefusedException(Refusal.Invalid, $"Run {run.Run}: its run line says workflow '{run.Workflow}', its first event '{state.Started.Workflow}'. Nothing was imported.");
    }

    private static bool IsImportOf(IReadOnlyList<StoredEvent> stored, IReadOnlyList<StoredEvent> history)
    {
        var imported = stored[^1].Type == "run-imported";
        if (!imported || stored.Count - history.Count is not (0 or 1)) return false;
        return history.Zip(stored).All(pair => pair.First.Id == pair.Second.Id && pair.First.Type == pair.Second.Type);
    }
}

/// <param name="AlreadyThere">Runs of the file that an earlier import had brought in.</param>
public sealed record ImportReport(int Runs, int AlreadyThere, long Events, int Payloads);
