using System.Data;
using System.Data.Common;
using OrleansAiOs.Workflows.Audit;

namespace OrleansAiOs.Kernel.Audit;

/// <summary>Batches into blocks, and blocks under a signature.</summary>
public sealed partial class Auditor
{
    private const int BatchesMax = 1000;
    private const int EventsMax = 65_536;
    private const int ForeignMax = 20_000;

    private sealed record Standing(Guid Id, long Blocks, long Events, long Began, byte[] Peaks, string Covered);

    private static async Task<Standing> StandingAsync(DbConnection connection, CancellationToken cancellation) =>
        (await Sql.ListAsync(connection, "select id, blocks, events, began, peaks, covered::text from aios.audit_log",
            row => new Standing(row.GetGuid(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetFieldValue<byte[]>(4), row.GetString(5)), cancellation)) is [var standing] ? standing
            : throw new AuditStoppedException("aios.audit_log has lost its row. Somebody has changed the trail: run `aios audit verify`.");

    /// <summary>One block of what waits. All in one snapshot: what is seen of the events and what is seen of the batches is of one moment, so an event without a batch has none.</summary>
    /// <returns>Whether something was left. What comes meanwhile is the next checkpoint's: under load a fold that waited for the end would never end.</returns>
    private async Task<bool> FoldAsync(DbConnection connection, CancellationToken cancellation)
    {
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellation);
        var standing = await StandingAsync(connection, cancellation);
        var rows = await Sql.ListAsync(connection, $"""
            delete from aios.audit_batches where id in (
                select id from (select id, sum(coalesce(events, cardinality(numbers), cardinality(low), 0)) over (order by id) events, row_number() over (order by id) n
                    from (select id, events, numbers, low from aios.audit_batches order by id limit {BatchesMax}) waiting) counted
                where events <= {EventsMax} or n = 1)
            returning id, {Waiting.Columns}
            """, row => (Id: row.GetInt64(0), Batch: Waiting.Read(row, 1)), cancellation);
        rows.Sort((a, b) => a.Id.CompareTo(b.Id));
        var batches = rows.ConvertAll(row => row.Batch.Folded()
            ?? throw new AuditStoppedException($"Batch {row.Id} in aios.audit_batches cannot be read. Somebody has changed the trail: run `aios audit verify`."));
        var covered = SeqRanges.Parse(standing.Covered);
        var (events, ranges) = (0L, new List<(long From, long To)>());
        foreach (var (_, batch) in rows)
        {
            events += batch.Events;
            batch.Ranges(ranges);
        }
        covered.Add(ranges);
        // Only when no batch is left: an event whose batch still waits is not foreign.
        var left = (await Sql.ListAsync(connection, "select exists (select from aios.audit_batches)", row => row.GetBoolean(0), cancellation))[0];
        if (!left)
        {
            var foreign = await ForeignAsync(connection, covered, cancellation);
            left = foreign.Count == ForeignMax;
            // What was there before the trail is taken in with its first checkpoint: what turns up later under such a number was put there.
            var begins = (await Sql.ListAsync(connection, "select not exists (select from aios.audit_checkpoints)", row => row.GetBoolean(0), cancellation))[0];
            foreach (var kind in foreign.GroupBy(e => begins && e.Seq > 0 && e.Seq <= standing.Began ? AuditKind.Before : AuditKind.Foreign))
            {
                var found = kind.ToList();
                var batch = AuditBatch.Of(found.ConvertAll(e => new AuditedAppend(e.Tenant, e.Stream, e.Version == 1, 1)), [.. found.SelectMany(e => e.LeafOrZeros())]);
                var numbers = found.Select(e => e.Seq).ToArray();
                batches.Add(new BlockBatch(kind.Key, batch.Root.ToArray(), BatchContent.Write(numbers, [], null, batch.Detail.Span)));
                covered.Add(numbers);
                events += numbers.Length;
                SeqRanges.RangesOf(numbers, ranges);
                if (kind.Key is AuditKind.Foreign) AuditorLog.Foreign(log, found.Count, $"event {found[0].Version} of {found[0].Stream}");
            }
        }
        if (batches.Count == 0) return false;
        var block = new AuditBlock(standing.Blocks, events, AuditLeaf.Micros(time.GetUtcNow()), batches);
        var tree = MerkleLog.Resume(standing.Blocks, standing.Peaks);
        var head = block.Head();
        tree.Add(AuditBlock.HashOf(head));
        await Sql.ExecuteAsync(connection, "insert into aios.audit_blocks (number, head, body, first_seq, last_seq) values ($1, $2, $3, $4, $5)", cancellation,
            block.Number, head, block.Body(), ranges.Count == 0 ? 0L : ranges.Min(range => range.From), ranges.Count == 0 ? 0L : ranges.Max(range => range.To) - 1);
        await Sql.ExecuteAsync(connection, "update aios.audit_log set blocks = $1, events = events + $2, peaks = $3, covered = $4::int8multirange", cancellation,
            tree.Size, events, tree.Peaks, covered.ToString());
        await transaction.CommitAsync(cancellation);
        return left;
    }

    // Numbers the trail does not know: rolled back, under way, or written by somebody who does not tell (Marten, a person).
    private static async Task<List<AuditedEvent>> ForeignAsync(DbConnection connection, SeqRanges covered, CancellationToken cancellation)
    {
        var found = new List<AuditedEvent>();
        // The largest number cannot be taken in, since no range ends behind it: `aios audit verify` names it each time.
        await foreach (var e in AuditedEvents.WithinAsync(connection, covered.Gaps(), ForeignMax, cancellation))
            if (e.Seq < long.MaxValue) found.Add(e);
        return found;
    }

    /// <summary>Whether the database is where the outlets say it was; if it is not, whether a person has said so.</summary>
    private async Task<RestoredFrom?> CompareAsync(DbConnection connection, string? acceptRestore, CancellationToken cancellation)
    {
        RestoredFrom? restored = null;
        foreach (var outlet in outlets)
        {
            var (number, sha256) = (0L, "");
            try
            {
                (number, sha256) = await outlet.LastAsync(cancellation);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // A place that cannot be read says nothing; delivering to it will say why.
                continue;
            }
            catch (InvalidDataException e)
            {
                throw new AuditStoppedException(e.Message);
            }
            if (number == 0) continue;
            var here = (await Sql.ListAsync(connection, "select line from aios.audit_checkpoints where number = $1", row => row.GetString(0), cancellation, number)) is [var line] ? line : null;
            if (here is not null && Checkpoint.HashOf(here) == sha256) continue;
            var last = (await Sql.ListAsync(connection, "select line from aios.audit_checkpoints order by number desc limit 1", row => row.GetString(0), cancellation)) is [var own] ? Checkpoint.Read(own) : null;
            if (last is not null && last.Number > number)
                throw new AuditStoppedException($"{outlet.Name} ends with a checkpoint {number} that the database does not have, and the database goes on to {last.Number}: its lines are those of another log, or of a past that was left behind. "
                    + "Keep them, and point AIOS_AUDIT_CHECKPOINTS to a new place. (If another host has accepted a restore: or add to them the lines that its place has got since.)");
            if (acceptRestore is null)
                throw new AuditStoppedException($"{outlet.Name} has checkpoint {number}, and the database {(here is null ? "does not have it" : "has another of that number")}: it was put back to an earlier state, or rewritten. "
                    + "If a backup was restored on purpose, say so with `aios audit checkpoint --accept-restore WHY`; else run `aios audit verify`.");
            // Numbers go on behind the highest of any place, or that place would take none of them.
            if (restored is not null && number <= outside.Number) continue;
            outside = (number, sha256);
            restored = new RestoredFrom(last?.Blocks ?? 0, acceptRestore);
        }
        return restored;
    }

    private (long Number, string Sha256) outside;

    private async Task<long> SignAsync(DbConnection connection, RestoredFrom? restored, CancellationToken cancellation)
    {
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellation);
        var standing = await StandingAsync(connection, cancellation);
        var line = (await Sql.ListAsync(connection, "select line from aios.audit_checkpoints order by number desc limit 1", row => row.GetString(0), cancellation)) is [var found] ? found : null;
        var last = line is null ? null : Checkpoint.Read(line) ?? throw new AuditStoppedException("The last checkpoint in the database is not in the form in which it was signed. Run `aios audit verify`.");
        if (restored is null && standing.Blocks == (last?.Blocks ?? 0)) return last?.Number ?? 0;
        var added = await Sql.ListAsync(connection, "select head from aios.audit_blocks where number >= $1 order by number", row => AuditBlock.HashOf(row.GetFieldValue<byte[]>(0)), cancellation, last?.Blocks ?? 0);
        var tree = MerkleLog.Resume(standing.Blocks, standing.Peaks);
        if (added.Count != standing.Blocks - (last?.Blocks ?? 0)) throw new AuditStoppedException($"Blocks of the trail are missing: {standing.Blocks} were made, and behind the {last?.Blocks ?? 0} that are signed for there are {added.Count}. Run `aios audit verify`.");
        var (number, before) = restored is null ? ((last?.Number ?? 0) + 1, line is null ? "" : Checkpoint.HashOf(line)) : (outside.Number + 1, outside.Sha256);
        var next = new Checkpoint(number, standing.Id, time.GetUtcNow(), standing.Blocks, standing.Events, standing.Began, [.. added.Select(Convert.ToHexStringLower)], Convert.ToHexStringLower(tree.Root()),
            before, restored, key.Public, []);
        await Sql.ExecuteAsync(connection, "insert into aios.audit_checkpoints (number, line) values ($1, $2)", cancellation, number, next.Sign(key));
        await transaction.CommitAsync(cancellation);
        return number;
    }
}

/// <summary>A batch as its transaction wrote it.</summary>
/// <param name="First">The first of its numbers, where they follow each other.</param>
/// <param name="Count">How many do; 0 if each of them is given.</param>
/// <param name="Seqs">Each of them, where they do not.</param>
internal sealed record Waiting(AuditKind Kind, byte[] Root, byte[] Detail, long First, int Count, long[] Seqs, int[] Lost, byte[]? Leaves)
{
    public const string Columns = "kind, root, detail, first, events, numbers, leaves, low, lost";

    private long?[]? Numbers { get; init; } // of a flush in which appends lost: which, only its detail says

    /// <summary>As it stands in the table; one that <see cref="Folded"/> refuses if it is of no form at all.</summary>
    public static Waiting Read(DbDataReader row, int at)
    {
        try
        {
            return ReadAny(row, at);
        }
        catch (InvalidCastException)
        {
            return new Waiting(default, [], [], 0, 0, [], [], null); // an array of arrays
        }
    }

    private static Waiting ReadAny(DbDataReader row, int at)
    {
        var (kind, root, detail) = ((AuditKind)row.GetInt16(at), row.GetFieldValue<byte[]>(at + 1), row.GetFieldValue<byte[]>(at + 2));
        var first = row.IsDBNull(at + 3) ? 0 : row.GetInt64(at + 3);
        if (!row.IsDBNull(at + 4)) return new Waiting(kind, root, detail, first, row.GetInt32(at + 4), [], [], null);
        var leaves = row.IsDBNull(at + 6) ? null : row.GetFieldValue<byte[]>(at + 6);
        if (!row.IsDBNull(at + 5))
        {
            var numbers = row.GetFieldValue<long?[]>(at + 5);
            return new Waiting(kind, root, detail, 0, 0, [.. numbers.OfType<long>()], [], leaves) { Numbers = numbers };
        }
        return new Waiting(kind, root, detail, 0, 0, Array.ConvertAll(Ints(at + 7), number => first + ((number - first) & int.MaxValue)), Ints(at + 8), leaves);

        // Without a value only where somebody else has written: the leaves tell.
        int[] Ints(int column) => row.IsDBNull(column) ? [] : Array.ConvertAll(row.GetFieldValue<int?[]>(column), value => value ?? 0);
    }

    /// <summary>How many events it is about.</summary>
    public int Events => Count + Seqs.Length;

    /// <summary>Adds the ranges of their numbers.</summary>
    public void Ranges(List<(long From, long To)> into)
    {
        if (Count > 0) into.Add((First, First + Count));
        else SeqRanges.RangesOf(Seqs, into);
    }

    /// <summary>As it stands in a block; null if no host can have written it.</summary>
    public BlockBatch? Folded()
    {
        try
        {
            // What is folded is signed, and stands in its block for ever: it has to be what the readers of blocks can read.
            if (Root.Length != AuditLeaf.Bytes) return null;
            if (Kind is AuditKind.Purge) return Seqs.Length == 0 && Count == 0 ? new(Kind, Root, []) : null;
            if (Kind is not AuditKind.Appended) return null;
            // Most are of this kind, and it is all that a fold does to an event: nothing of it is made for each.
            if (Count > 0) return First > 0 && First < long.MaxValue - Count && AuditBatch.Count(Detail) == Count ? new(Kind, Root, BatchContent.Write(First, Count, Detail)) : null;
            if (!Array.TrueForAll(Seqs, number => number is > 0 and < long.MaxValue)) return null;
            var rest = BatchContent.Write(Seqs, Numbers is null ? Lost : Losers(Numbers), Leaves, Detail);
            BatchContent.Read(rest);
            return new(Kind, Root, rest);
        }
        catch (Exception e) when (e is FormatException or ArgumentException or OverflowException or NullReferenceException)
        {
            return null;
        }
    }

    private int[] Losers(long?[] numbers)
    {
        if (!numbers.Contains(null)) return [];
        var lost = new List<int>();
        var (appends, at) = (AuditBatch.Read(Detail), 0);
        for (var i = 0; i < appends.Count; at += appends[i].Events, i++)
            if (at < numbers.Length && numbers[at] is null) lost.Add(i + 1);
        return [.. lost];
    }
}
