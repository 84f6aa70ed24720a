using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.Quotas;

// What stands in the streams "escrow/stored/bytes/{n}" of a tenant that has a quota of bytes. The catalogue does not read them.

/// <summary>All that a tenant stores was measured.</summary>
/// <param name="Since">The setting of a quota from which on what is stored is counted.</param>
/// <param name="At">When, where that is not the event's own time.</param>
[StoredAs("stored-bytes-measured")]
public sealed record StoredBytesMeasured(long Bytes, long Since, DateTimeOffset? At = null) : KernelEvent;

/// <summary>So many bytes more are stored, or less, as one host has counted.</summary>
[StoredAs("stored-bytes-moved")]
public sealed record StoredBytesMoved(long By) : KernelEvent;

/// <summary>How much a tenant stores.</summary>
internal sealed class StoredPage(int number) : LedgerPage(number)
{
    public long Bytes { get; private set; }

    public long Since { get; private set; }

    /// <summary>When all was measured; null for never.</summary>
    public DateTimeOffset? MeasuredAt { get; private set; }

    protected override void Fold(KernelEvent e, DateTimeOffset at)
    {
        if (e is StoredBytesMeasured measured) (Bytes, Since, MeasuredAt) = (measured.Bytes, measured.Since, measured.At ?? at);
        else if (e is StoredBytesMoved moved) Bytes = Math.Max(0, Bytes + moved.By);
    }

    public override IReadOnlyList<KernelEvent> Next() => [new StoredBytesMeasured(Bytes, Since, MeasuredAt)];
}
