using System.Runtime.InteropServices;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Audit;

/// <summary>
/// Makes what each flush of a pump says of its events, in rooms that are used again for the next. What it gives out is good until then.
/// </summary>
internal sealed class AuditFlush
{
    private readonly AuditBuffer text = new();
    private readonly List<AuditedAppend> appends = [];
    private PaddedMessage[] messages = [];
    private byte[] leaves = [], nodes = [], detail = [];
    private int events, named;

    /// <summary>Begins the next.</summary>
    public void Begin()
    {
        text.Clear();
        appends.Clear();
        (events, named) = (0, 0);
    }

    /// <param name="replaced">Bodies that are stored in place of the events' own; null where there are none.</param>
    /// <exception cref="FormatException">A body is no JSON, or none that a database takes.</exception>
    public void Add(RunAppend append, byte[]?[]? replaced)
    {
        var count = append.Events.Count;
        Room(ref messages, events + count, events);
        AuditLeaf.WriteForms(text, append, replaced, messages.AsSpan(events, count));
        events += count;
        appends.Add(new AuditedAppend(append.Run.Tenant, append.Run.Stream, append.Expected == 0, count));
        named += AuditBatch.DetailMax(appends[^1]);
    }

    /// <summary>What is to be said of all that was added since it began.</summary>
    public AuditBatch End()
    {
        if (events == 0) return default;
        var size = events * AuditLeaf.Bytes;
        Room(ref leaves, size, 0);
        Room(ref nodes, size, 0);
        Room(ref detail, named, 0);
        Sha256Lanes.Hash(text.Written, messages.AsSpan(0, events), leaves);
        var (at, leaf) = (0, 0);
        foreach (ref readonly var append in CollectionsMarshal.AsSpan(appends))
        {
            at += AuditBatch.WriteDetail(append, leaves.AsSpan(leaf), detail.AsSpan(at));
            leaf += append.Events * AuditLeaf.Bytes;
        }
        leaves.AsSpan(0, size).CopyTo(nodes);
        return new AuditBatch(AuditTree.Root(nodes.AsSpan(0, size)), detail.AsMemory(0, at), leaves.AsMemory(0, size));
    }

    private static void Room<T>(ref T[] room, int size, int kept)
    {
        if (room.Length >= size) return;
        var next = new T[Math.Max(size, 2 * room.Length)];
        room.AsSpan(0, kept).CopyTo(next);
        room = next;
    }
}
