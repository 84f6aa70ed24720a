using System.Security.Cryptography;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Replay;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Versions;

// Moves open runs from one version of their code to another.
//
// What is stored: one input event a run, RunMigrated, at the end of its history. From then on the whole history is shown to the version it
// names, before and after it.
//
// The algorithm, a run at a time: read the history to its end; show it, with a RunMigrated behind it, to the new version. If that asks for
// the commands recorded, in their order, append the RunMigrated at the very version that was read, with the digest of what was asked for:
// the certificate. A run that went on meanwhile loses at that version and is tried afresh. One that asks for anything else stays pinned to
// its version, and the difference is reported. Undoing is the same with the versions exchanged: the history since then has to replay on the
// old version too.
//
// A crash before the append leaves the run where it was, one behind it leaves it moved; there is no plan that could be half done, so running
// the same migration again finds the rest. Attempts under way stay under way: their outcome is shown to the new version.

/// <summary>Which runs to move.</summary>
/// <param name="To">The version to move to; with <paramref name="Undo"/> the one to move back from.</param>
/// <param name="From">Only runs on this version; with <paramref name="Undo"/> only runs that came from it.</param>
/// <param name="DryRun">Only says what would be done.</param>
/// <param name="Undo">Runs that were moved to the version go back to where they came from.</param>
/// <param name="After">Go on behind this run (the last of the page before).</param>
/// <param name="Limit">How many runs to look at, open or not.</param>
public sealed record MigrateRuns(string Workflow, string To, string? From = null, bool DryRun = false, bool Undo = false, string Tenant = RunKey.DefaultTenant,
    RunCursor? After = null, int Limit = 100);

/// <param name="Runs">The open runs of the page that a move was tried for; those that are there already are not among them.</param>
/// <param name="Next">Where the next page begins; null after the last.</param>
public sealed record MigrationPage(IReadOnlyList<MigratedRun> Runs, RunCursor? Next);

/// <param name="Why">Why it stays: the difference.</param>
/// <param name="Version">The event that moved it.</param>
public sealed record MigratedRun(RunKey Run, string? From, string? To, MigrationResult Result, string? Why = null, long? Version = null, MigrationCertificate? Certificate = null);

public enum MigrationResult
{
    Moved,

    /// <summary>It replays: without <see cref="MigrateRuns.DryRun"/> it would have been moved.</summary>
    WouldMove,

    /// <summary>It stays on its version: the new one asks for something else.</summary>
    Pinned,

    /// <summary>It went on faster than it could be replayed; try again.</summary>
    Busy,
}

internal sealed class Migration(WorkflowHost host)
{
    private const int Tries = 5;

    public async Task<MigrationPage> RunAsync(MigrateRuns command, string by, CancellationToken cancellation)
    {
        if (host.Registry.Find(command.Workflow) is null)
            throw new CommandRefusedException(Refusal.NotFound, $"There is no workflow '{command.Workflow}' here. This host knows: {host.Registry.NamesForPeople}.");
        if (!command.Undo && host.Registry.Find(command.Workflow, command.To) is null)
            throw new CommandRefusedException(Refusal.NotFound, $"There is no version '{command.To}' of '{command.Workflow}' here. This host holds: {host.Registry.VersionsForPeople(command.Workflow)}.");
        // Closed runs are looked at too: narrowed by status, a run that is parked on the way would be missed.
        var rows = await host.Store.ListAsync(new RunQuery(command.Tenant, Workflow: command.Workflow, Sort: RunSort.OldestFirst, After: command.After, Limit: command.Limit), cancellation);
        var moved = new List<MigratedRun>();
        foreach (var row in rows)
            if (row.ClosedAt is null && await MoveAsync(row.Run, command, by, cancellation) is { } outcome) moved.Add(outcome);
        return new MigrationPage(moved, rows.Count == command.Limit ? new RunCursor(rows[^1].StartedAt, rows[^1].Run.Id) : null);
    }

    private async Task<MigratedRun?> MoveAsync(RunKey run, MigrateRuns command, string by, CancellationToken cancellation)
    {
        for (var attempt = 1; ; attempt++)
        {
            cancellation.ThrowIfCancellationRequested();
            var history = await host.Store.ReadAsync(run, 1, cancellation);
            List<(WorkflowEvent Event, DateTimeOffset At)> events;
            try
            {
                events = [.. history.Select(stored => (stored.Read(), stored.At))];
            }
            catch (UnreadableHistoryException e)
            {
                return new MigratedRun(run, null, command.To, MigrationResult.Pinned, e.Message);
            }
            var from = WorkflowRun.VersionAtEnd(events);
            if (Target(command, events, from) is not { } target) return null;
            if (host.Registry.Find(command.Workflow, target.To) is null)
                return new MigratedRun(run, from, target.To, MigrationResult.Pinned, $"This host holds of '{command.Workflow}': {host.Registry.VersionsForPeople(command.Workflow)}.");

            var (certificate, fault) = Certify(run, events, from, target.To, host.Registry);
            if (fault is not null) return new MigratedRun(run, from, target.To, MigrationResult.Pinned, $"{fault.Reason}. {fault.Detail}");
            if (command.DryRun) return new MigratedRun(run, from, target.To, MigrationResult.WouldMove, Certificate: certificate);
            try
            {
                var version = await host.SendAsync(run, new MigrateInput(events, new RunMigrated(from, target.To, certificate, command.Undo, by)));
                return new MigratedRun(run, from, target.To, MigrationResult.Moved, null, version, certificate);
            }
            catch (HistoryWentOnException) when (attempt < Tries)
            {
            }
            catch (HistoryWentOnException)
            {
                return new MigratedRun(run, from, target.To, MigrationResult.Busy, "It went on while it was replayed; migrate again.");
            }
            catch (CommandRefusedException e) when (e.Refusal is Refusal.Conflict)
            {
                return null; // it has ended meanwhile
            }
        }
    }

    // Null: this run is none of those meant.
    private static (string? To, bool Is)? Target(MigrateRuns command, List<(WorkflowEvent Event, DateTimeOffset At)> events, string? from)
    {
        if (events.Count == 0) return null;
        if (!command.Undo) return from == command.To || command.From is not null && from != command.From ? null : (command.To, true);
        var last = events.FindLastIndex(e => e.Event is RunMigrated);
        if (last < 0 || events[last].Event is not RunMigrated { Undo: false } move || move.To != command.To || command.From is not null && move.From != command.From) return null;
        return (move.From, true);
    }

    /// <summary>Shows a history to another version: what it asked for, or why it cannot run.</summary>
    public static (MigrationCertificate Certificate, Parking? Fault) Certify(RunKey run, List<(WorkflowEvent Event, DateTimeOffset At)> events, string? from, string? to, WorkflowRegistry registry)
    {
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var commands = 0;
        string? left = null;
        var context = Replayer.Sealed(registry, (_, asked) =>
        {
            commands++;
            var (name, body) = EventNames.Write(asked);
            digest.AppendData(System.Text.Encoding.UTF8.GetBytes(name));
            digest.AppendData("\n"u8);
            digest.AppendData(body);
            digest.AppendData("\n"u8);
        }, left: what => left ??= what);
        var unproved = new RunMigrated(from, to, new MigrationCertificate(events.Count, 0, ""));
        var loaded = WorkflowRun.Load(run, [.. events, (unproved, events[^1].At)], context);
        var fault = loaded.LoadFault ?? (left is null ? null : new Parking(0, "The code left the deterministic scheduler", left));
        return (new MigrationCertificate(events.Count, commands, Convert.ToHexStringLower(digest.GetHashAndReset())), fault);
    }
}

/// <summary>The run is not any more at the version at which its history was read.</summary>
internal sealed class HistoryWentOnException(RunKey run) : Exception($"Run {run} went on while its history was read.");

internal sealed class MigrateInput(List<(WorkflowEvent Event, DateTimeOffset At)> history, RunMigrated migrated) : RunCommand(migrated.Key, $"migrate {migrated.From} {migrated.To} {migrated.Undo}")
{
    public override object?[] Parts => [history, migrated];

    public override bool NeedsCode(WorkflowRun run) => false;

    public override bool Rereads => true;

    protected override void DecideOnce(WorkflowRun run, Turn turn)
    {
        if (run.State.Version != history.Count) Refuse(turn, new HistoryWentOnException(run.State.Run));
        else Answer(turn, run.Reread(turn, history, [(migrated with { Body = Body }, run.Now)]));
    }
}
