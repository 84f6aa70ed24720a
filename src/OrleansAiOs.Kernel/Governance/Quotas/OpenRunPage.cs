using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.Quotas;

// What stands in the streams "escrow/{quota}/runs/{n}". The catalogue does not read them: each host that starts runs does.

/// <summary>Runs that are about to be open, and such as are open no more.</summary>
/// <param name="Entered">They are counted before they are started.</param>
/// <param name="Left">Those that are over, or never began.</param>
/// <param name="Since">The setting of the quota from which on all that is open is counted, if this begins it.</param>
[StoredAs("quota-runs-moved")]
public sealed record QuotaRunsMoved(IReadOnlyList<OpenRun>? Entered = null, IReadOnlyList<string>? Left = null, long? Since = null) : KernelEvent;

/// <param name="Run">The run's id.</param>
/// <param name="Host">Who lets it be open.</param>
/// <param name="WasOver">It was over, and is to be open again: that its row says so means nothing at first.</param>
/// <param name="At">When it was entered, where that is not the event's own time.</param>
public sealed record OpenRun(string Run, string Host, bool? WasOver = null, DateTimeOffset? At = null);

/// <summary>Which runs a quota counts as open. The invariant, in each event's fold: no more than the quota (but where it was lowered).</summary>
internal sealed class OpenRunPage(int number) : LedgerPage(number)
{
    private const int RunsPerEvent = 500;

    private readonly Dictionary<string, OpenRun> runs = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, OpenRun> Runs => runs;

    /// <summary>The setting from which on all that is open is counted.</summary>
    public long Since { get; private set; }

    protected override void Fold(KernelEvent e, DateTimeOffset at)
    {
        if (e is not QuotaRunsMoved moved) return;
        Since = moved.Since ?? Since;
        foreach (var run in moved.Left ?? []) runs.Remove(run);
        foreach (var run in moved.Entered ?? []) runs[run.Run] = run with { At = run.At ?? at };
    }

    public override IReadOnlyList<KernelEvent> Next() => [new QuotaRunsMoved(Since: Since), .. runs.Values.Chunk(RunsPerEvent).Select(page => new QuotaRunsMoved(page))];
}
