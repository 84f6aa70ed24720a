using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Tests.Shared;

/// <summary>
/// Histories that builds of the past have written, in the export format, replayed for ever. A file that is missing is written by the engine
/// as it is now, for review; one that is there is never rewritten: if it no longer replays, what was changed is an event's stored form
/// (add members, never rename them), the engine's replay, or a workflow without <c>Patched</c>.
/// </summary>
internal static class StoredHistories
{
    public static async Task ReplayAsync(string file, WorkflowRegistry code, Func<IEnumerable<(RunKey Run, IReadOnlyList<StoredEvent> History)>> produce)
    {
        if (!File.Exists(file))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            await using (var to = File.Create(file)) await WriteAsync(to, produce());
            Assert.Fail($"{file} was missing and has been written by the engine as it is now. Review and commit it.");
        }
        await using var from = File.OpenRead(file);
        await ReplayAsync(from, code);
    }

    /// <summary>Every run of the file, whole and as it stood after each of its turns: a host may die after any of them.</summary>
    public static async Task<int> ReplayAsync(Stream file, WorkflowRegistry code, bool everyTurn = true)
    {
        var (replayer, count) = (new Replayer(code), 0);
        await foreach (var lines in new HistoryReader(file).ReadAsync())
        {
            var run = lines.Parse();
            count++;
            for (var length = everyTurn ? 1 : run.History.Count; length <= run.History.Count; length++)
            {
                if (length < run.History.Count && run.History[length].Read().IsCommand) continue;
                var verdict = replayer.Replay(run.Run, run.History.Take(length).ToList());
                if (verdict.Result != ReplayResult.Same || !verdict.ByteEqual)
                    Assert.Fail($"{run.Run} ({run.Workflow}), its first {length} events: {verdict.Result} {verdict.Why}\n{string.Join('\n', verdict.Changes.Select(change => change.Text))}\n"
                        + "Histories are for ever. Give the stored form back what it had; version a workflow with Patched(\"…\"); and leave this file as it is.");
            }
        }
        return count;
    }

    public static async Task WriteAsync(Stream to, IEnumerable<(RunKey Run, IReadOnlyList<StoredEvent> History)> runs)
    {
        using var writer = new HistoryWriter(to, new ExportOptions { ExportedAt = DateTimeOffset.UnixEpoch });
        foreach (var (run, history) in runs) await writer.WriteAsync(run, history);
        await writer.FinishAsync();
    }
}
