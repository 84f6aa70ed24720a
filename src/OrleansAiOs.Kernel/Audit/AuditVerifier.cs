using System.Data.Common;
using System.Security.Cryptography;
using OrleansAiOs.Workflows.Audit;

namespace OrleansAiOs.Kernel.Audit;

/// <summary>
/// Holds a database against its audit trail, and the trail against the checkpoints that were kept outside. It believes neither the
/// database nor the host: every hash is made anew from what is stored.
///
/// 1. The checkpoints outside say which blocks there are. 2. Each block is what its hash says. 3. Each batch of a block has the root that
/// follows from the events as they stand; an event that is gone has a tombstone, signed and itself in the trail. 4. No event is there that
/// is in no batch. 5. Streams are whole from 1 to the version in their head. 6. Documents and large bodies are what their names say.
///
/// Memory: the events of one page of blocks, the ranges of numbers the trail knows, and 16 bytes a purge.
/// </summary>
public sealed class AuditVerifier
{
    private const int PageBytes = 4 * 1024 * 1024;
    private const int PageBlocks = 256;

    private readonly DbConnection connection;
    private readonly CheckpointLines outside;
    private readonly Action<AuditFinding> found;
    private readonly SeqRanges covered = new();
    private readonly HashSet<UInt128> purges = [];
    private readonly HashSet<uint> tagsOfLost = [];
    private readonly List<(AuditFault Fault, long Seq, uint Tag, string What)> unnamed = [];
    private long findings, before, foreign, purged, young;

    /// <param name="connection">Open, and in a transaction of one snapshot if a host runs.</param>
    /// <param name="outside">The checkpoints that were kept outside the database.</param>
    /// <param name="found">Told of each finding.</param>
    public AuditVerifier(DbConnection connection, CheckpointLines outside, Action<AuditFinding> found) => (this.connection, this.outside, this.found) = (connection, outside, found);

    public async Task<AuditReport> VerifyAsync(CancellationToken cancellation = default)
    {
        foreach (var finding in outside.Findings) Say(finding);
        if (await Sql.ListAsync(connection, "select to_regclass('aios.audit_log') is not null and to_regclass('aios.audit_blocks') is not null", row => row.GetBoolean(0), cancellation) is [false])
        {
            Say(AuditFault.Trail, "the database", "has no audit trail: its tables are not there");
            return Report(0, 0, null);
        }
        var log = (await Sql.ListAsync(connection, "select id, began from aios.audit_log", row => (Id: row.GetGuid(0), Began: row.GetInt64(1)), cancellation)).FirstOrDefault();
        if (outside.Last is { } known && (known.Log != log.Id || known.Began != log.Began)) Say(AuditFault.Forked, "aios.audit_log", "is not the log that the checkpoints outside are about");
        var began = outside.Last?.Began ?? log.Began;
        await CheckpointsAsync(cancellation);
        var (blocks, events) = await BlocksAsync(began, cancellation);
        await YoungAsync(began, cancellation);
        await TombstonesAsync(cancellation);
        await UncoveredAsync(blocks, cancellation);
        await StreamsAsync(cancellation);
        await PayloadsAsync(cancellation);
        await NamesAsync(cancellation);
        return Report(blocks, events, outside.Last?.At);
    }

    private AuditReport Report(long blocks, long events, DateTimeOffset? signed) =>
        new(findings, blocks, events, before, foreign, purged, young, outside.Count, outside.Last?.Number ?? 0, signed, [.. outside.Keys.Order(StringComparer.Ordinal)],
            [.. outside.Restores.Select(line => $"At {line.At:u} the database was put back to block {line.Restored!.Blocks}: {line.Restored.Why}")]);

    // ---- 1: the lines in the database are those outside; newer ones are signed by the same keys ----

    private async Task CheckpointsAsync(CancellationToken cancellation)
    {
        var last = 0L;
        foreach (var (number, line) in await Sql.ListAsync(connection, "select number, line from aios.audit_checkpoints order by number", row => (row.GetInt64(0), row.GetString(1)), cancellation))
        {
            last = number;
            var where = $"checkpoint {number} in the database";
            if (outside.LineOf(number) is { } kept)
            {
                if (kept != line) Say(AuditFault.Trail, where, "is not the one outside");
            }
            else if (outside.Last is { } known && number <= known.Number) Say(AuditFault.Trail, where, "was never handed out");
            else if (Checkpoint.Read(line) is not { } read || !read.Verifies() || read.Number != number) Say(AuditFault.Trail, where, "is not in the form in which it was signed");
            else if (outside.Keys.Count > 0 && !outside.Keys.Contains(read.Key)) Say(AuditFault.KeyUnknown, where, "is signed by a key that has signed nothing outside and was not given with --public-key");
        }
        if (outside.Last is { } newest && newest.Number > last)
            Say(AuditFault.RolledBack, "the database", $"ends at checkpoint {last}; outside there are {newest.Number}, the last of {newest.At:u}: it was put back, or its trail cut off");
    }

    // ---- 2 and 3: blocks, batches, events ----

    private async Task<(long Blocks, long Events)> BlocksAsync(long began, CancellationToken cancellation)
    {
        var (last, blocks, events) = (-1L, 0L, 0L);
        while (true)
        {
            var rows = await Sql.ListAsync(connection, $"""
                select number, head, body from (select number, head, body, sum(octet_length(body)) over (order by number) bytes from aios.audit_blocks where number > $1 order by number limit {PageBlocks}) page
                where bytes < {PageBytes} or number = (select min(number) from aios.audit_blocks where number > $1) order by number
                """, row => (Number: row.GetInt64(0), Head: row.GetFieldValue<byte[]>(1), Body: row.GetFieldValue<byte[]>(2)), cancellation, last);
            if (rows.Count == 0) break;
            var page = new List<AuditBlock>();
            foreach (var (number, head, body) in rows)
            {
                Missing(number, "is missing from the trail");
                (last, blocks) = (number, blocks + 1);
                if (outside.Last is not null && number < outside.Blocks.Count && !AuditBlock.HashOf(head).AsSpan().SequenceEqual(outside.Blocks[(int)number]))
                    Say(AuditFault.Trail, $"block {number}", "is not the one that was signed for outside: the trail was rewritten from here on");
                try
                {
                    var block = AuditBlock.Read(head, body);
                    if (block.Number != number || !block.Head().AsSpan().SequenceEqual(head)) Say(AuditFault.Trail, $"block {number}", "its batches are not those of its head");
                    page.Add(block);
                }
                catch (Exception e) when (e is FormatException or OverflowException)
                {
                    Say(AuditFault.Trail, $"block {number}", $"cannot be read: {e.Message}");
                }
            }
            events += await EventsAsync(page.SelectMany(block => block.Batches.Select(batch => (batch, $"block {block.Number}"))), began, cancellation);
        }
        Missing(outside.Blocks.Count, "was signed for outside and is gone", AuditFault.RolledBack);
        return (blocks, events);

        // Up to a number that somebody may have made up: no line for each.
        void Missing(long until, string what, AuditFault fault = AuditFault.Trail)
        {
            if (last < until - 1) Say(fault, until - last == 2 ? $"block {last + 1}" : $"each of the blocks {last + 1} to {until - 1}", what);
        }
    }

    private async Task YoungAsync(long began, CancellationToken cancellation)
    {
        var after = long.MinValue;
        while (true)
        {
            var rows = await Sql.ListAsync(connection, $"select id, {Waiting.Columns} from aios.audit_batches where id > $1 order by id limit 500", row => (Id: row.GetInt64(0), Batch: Waiting.Read(row, 1)), cancellation, after);
            if (rows.Count == 0) return;
            after = rows[^1].Id;
            var batches = new List<(BlockBatch, string)>();
            foreach (var (id, batch) in rows)
            {
                var where = $"batch {id}, not signed for yet";
                if (batch.Folded() is { } folded) batches.Add((folded, where));
                else Say(AuditFault.Trail, where, "cannot be read");
            }
            young += await EventsAsync(batches, began, cancellation);
        }
    }

    private sealed class Place(int batch, int place, uint prefix, uint tag)
    {
        public int Batch => batch;

        public int At => place;

        public uint Prefix => prefix;

        public uint Tag => tag;

        public byte[]? Leaf { get; set; }

        public AuditedEvent? Differs { get; set; }
    }

    private async Task<long> EventsAsync(IEnumerable<(BlockBatch Batch, string Where)> batches, long began, CancellationToken cancellation)
    {
        var contents = new List<(BlockBatch Batch, BatchContent Content, string Where)>();
        var places = new SortedDictionary<long, Place>();
        foreach (var (batch, where) in batches)
        {
            if (batch.Kind is AuditKind.Purge)
            {
                purges.Add(Short(batch.Root));
                continue;
            }
            try
            {
                var content = BatchContent.Read(batch.Rest);
                foreach (var (seq, place, prefix, tag) in content.Events())
                {
                    if (!places.TryAdd(seq, new Place(contents.Count, place, prefix, tag)) || covered.Contains(seq)) Say(AuditFault.Trail, where, $"it claims event number {seq}, which is in the trail already");
                    if (batch.Kind is AuditKind.Before && seq > began) Say(AuditFault.Inserted, where, $"event number {seq} is said to be older than the trail, and is not");
                }
                if (batch.Kind is AuditKind.Before) before += content.Seqs.Length;
                if (batch.Kind is AuditKind.Foreign) foreign += content.Seqs.Length;
                contents.Add((batch, content, where));
            }
            catch (Exception e) when (e is FormatException or OverflowException or ArgumentException)
            {
                Say(AuditFault.Trail, where, $"a batch in it cannot be read: {e.Message}");
            }
        }
        if (contents.Count == 0) return 0;
        var seqs = places.Keys.ToArray();
        covered.Add(seqs);
        var ranges = AuditedEvents.Around(seqs);
        var references = new HashSet<(string Tenant, string Sha256)>();
        await foreach (var e in AuditedEvents.WithinAsync(connection, ranges, long.MaxValue, cancellation))
        {
            if (!places.TryGetValue(e.Seq, out var place)) continue;
            place.Leaf = e.LeafOrZeros();
            if (e.PayloadOf() is { } sha256) references.Add((e.Tenant, sha256));
            if (System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(place.Leaf) != place.Prefix) place.Differs = e;
            if (contents[place.Batch].Batch.Kind is AuditKind.Foreign) Say(AuditFault.Inserted, $"event {e.Version} of {e.Stream}", $"no host of aios appended it ({contents[place.Batch].Where} found it there)");
        }
        await GoneAsync(places, cancellation);
        for (var i = 0; i < contents.Count; i++) Judge(i, contents[i].Batch, contents[i].Content, contents[i].Where, places);
        await ReferencesAsync(references, cancellation);
        return seqs.Length;
    }

    // Events that are gone lawfully left their leaves.
    private async Task GoneAsync(SortedDictionary<long, Place> places, CancellationToken cancellation)
    {
        var gone = places.Where(pair => pair.Value.Leaf is null).Select(pair => pair.Key).ToList();
        if (gone.Count == 0) return;
        var stones = await Sql.ListAsync(connection, "select line, places from aios.audit_tombstones where first_seq <= $2 and last_seq >= $1", row => (Line: row.GetString(0), Places: row.GetFieldValue<byte[]>(1)), cancellation, gone[0], gone[^1]);
        foreach (var (line, bytes) in stones)
        {
            if (Tombstone.Read(line) is not { } stone || !stone.Verifies(bytes)) continue; // TombstonesAsync speaks of it
            foreach (var (seq, leaf) in Tombstone.Places(bytes))
            {
                if (!places.TryGetValue(seq, out var place) || place.Leaf is not null) continue;
                place.Leaf = leaf;
                purged++;
            }
        }
    }

    private void Judge(int number, BlockBatch batch, BatchContent content, string where, SortedDictionary<long, Place> places)
    {
        var own = content.Seqs.Select(seq => (Seq: seq, Place: places[seq])).Where(pair => pair.Place.Batch == number).ToList();
        foreach (var (seq, place) in own)
        {
            if (place.Leaf is null) Unnamed(AuditFault.Deleted, seq, place.Tag, where);
            else if (place.Differs is { } e) Edited(e, place, where);
        }
        if (own.Any(pair => pair.Place.Leaf is null)) return;
        if (AuditTree.Root(content.Leaves(seq => places[seq].Leaf!)).AsSpan().SequenceEqual(batch.Root)) return;
        if (own.Count == 0) Say(AuditFault.Trail, where, "what it says of an append that lost to another is not what was said");
        else if (own.All(pair => pair.Place.Differs is null))
            Say(AuditFault.Edited, where, $"of the events with the numbers {content.Seqs[0]} to {content.Seqs[^1]} at least one is not what was appended, and the trail was changed to hide which");
    }

    private void Edited(AuditedEvent e, Place place, string where)
    {
        if (AuditLeaf.Tag(e.Tenant, e.Stream) == place.Tag) Say(AuditFault.Edited, $"event {e.Version} of {e.Stream}", $"is not what was appended (tenant {e.Tenant}, {where})");
        else Unnamed(AuditFault.Edited, e.Seq, place.Tag, $"{where}; in its place stands event {e.Version} of {e.Stream}");
    }

    private void Unnamed(AuditFault fault, long seq, uint tag, string what)
    {
        tagsOfLost.Add(tag);
        unnamed.Add((fault, seq, tag, what));
    }

    // ---- purges ----

    private async Task TombstonesAsync(CancellationToken cancellation)
    {
        var left = new HashSet<UInt128>(purges);
        byte[]? after = null; // none is passed over, also not one without a hash
        while (true)
        {
            var rows = await Sql.ListAsync(connection, "select hash, line, places, tenant_id, stream_id from aios.audit_tombstones where $1::bytea is null or hash > $1 order by hash limit 500",
                row => (Hash: row.GetFieldValue<byte[]>(0), Line: row.GetString(1), Places: row.GetFieldValue<byte[]>(2), Stream: row.GetString(4)), cancellation, after);
            if (rows.Count == 0) break;
            after = rows[^1].Hash;
            foreach (var (hash, line, places, stream) in rows)
            {
                var where = $"the tombstone of {stream}";
                var anchored = hash.Length == AuditLeaf.Bytes && purges.Contains(Short(hash));
                if (anchored) left.Remove(Short(hash));
                if (Tombstone.Read(line) is not { } stone || !Convert.FromHexString(Checkpoint.HashOf(line)).AsSpan().SequenceEqual(hash) || !stone.Verifies(places)) Say(AuditFault.Purge, where, "is not in the form in which it was signed");
                else if (!anchored) Say(AuditFault.Purge, where, "is in no block: no host deleted this stream");
                else if (outside.Keys.Count > 0 && !outside.Keys.Contains(stone.Key)) Say(AuditFault.Purge, where, "is signed by a key that has signed nothing outside and was not given with --public-key");
            }
        }
        foreach (var hash in left) Say(AuditFault.Purge, $"purge {hash:x32}", "its tombstone is gone");
    }

    private static UInt128 Short(byte[] hash) => System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(hash);

    // ---- 4 to 6 ----

    private async Task UncoveredAsync(long blocks, CancellationToken cancellation)
    {
        if (blocks == 0 && covered.All.Count == 0 && outside.Last is null) return; // there is no trail yet: it begins with the first checkpoint
        await foreach (var e in AuditedEvents.WithinAsync(connection, covered.Gaps(), long.MaxValue, cancellation))
            Say(AuditFault.Inserted, $"event {e.Version} of {e.Stream}", $"no host of aios appended it (tenant {e.Tenant}, number {e.Seq}, in no batch)");
    }

    private async Task StreamsAsync(CancellationToken cancellation)
    {
        await using var command = Sql.Command(connection, """
            select coalesce(e.tenant_id, s.tenant_id), coalesce(e.stream_id, s.id, ''), coalesce(e.n, 0), coalesce(e.first, 0), coalesce(e.last, 0), s.version
            from (select tenant_id, stream_id, count(*) n, min(version) first, max(version) last from aios.mt_events group by tenant_id, stream_id) e
            full join aios.mt_streams s on s.tenant_id = e.tenant_id and s.id = e.stream_id
            where s.version is distinct from e.last or e.first is distinct from 1 or e.n is distinct from e.last
            """);
        command.CommandTimeout = 0;
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            var (events, first, last) = (reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4));
            var head = await reader.IsDBNullAsync(5, cancellation) ? (long?)null : reader.GetInt64(5);
            var what = head is null ? "its head is gone"
                : events == 0 ? $"its head says {head} events, and none is there"
                : head != last ? $"its head says {head} events, its last is {last}"
                : $"{last - events} of its events 1 to {last} are gone{(first > 1 ? ", the first among them" : "")}";
            Say(AuditFault.Broken, reader.GetString(1), $"{what} (tenant {reader.GetString(0)})");
        }
    }

    private async Task PayloadsAsync(CancellationToken cancellation)
    {
        var (tenant, after) = ("", "");
        while (true)
        {
            var rows = await Sql.ListAsync(connection, "select tenant_id, sha256, size from aios.payloads where (tenant_id, sha256) > ($1, $2) order by tenant_id, sha256 limit 500",
                row => (Tenant: row.GetString(0), Sha256: row.GetString(1), Size: row.GetInt64(2)), cancellation, tenant, after);
            if (rows.Count == 0) return;
            (tenant, after, _) = rows[^1];
            foreach (var payload in rows)
            {
                using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
                var size = 0L;
                await using (var command = Sql.Command(connection, "select bytes from aios.payload_parts where tenant_id = $1 and sha256 = $2 order by part", payload.Tenant, payload.Sha256))
                await using (var parts = await command.ExecuteReaderAsync(System.Data.CommandBehavior.SequentialAccess, cancellation))
                    while (await parts.ReadAsync(cancellation))
                    {
                        var part = await parts.GetFieldValueAsync<byte[]>(0, cancellation);
                        hash.AppendData(part);
                        size += part.Length;
                    }
                if (size != payload.Size || Convert.ToHexStringLower(hash.GetHashAndReset()) != payload.Sha256)
                    Say(AuditFault.Payload, $"payload {payload.Sha256}", $"its bytes are not those of its name (tenant {payload.Tenant})");
            }
        }
    }

    private async Task ReferencesAsync(HashSet<(string Tenant, string Sha256)> references, CancellationToken cancellation)
    {
        if (references.Count == 0) return;
        foreach (var (tenant, sha256) in await Sql.ListAsync(connection, """
            select t.tenant, t.sha256 from unnest($1::varchar[], $2::varchar[]) t(tenant, sha256) where not exists (select from aios.payloads p where p.tenant_id = t.tenant and p.sha256 = t.sha256)
            """, row => (row.GetString(0), row.GetString(1)), cancellation, references.Select(r => r.Tenant).ToArray(), references.Select(r => r.Sha256).ToArray()))
            Say(AuditFault.Payload, $"payload {sha256}", $"the body of an event is gone (tenant {tenant})");
    }

    // ---- names of what is gone: the trail says where each stream began ----

    private async Task NamesAsync(CancellationToken cancellation)
    {
        if (unnamed.Count == 0) return;
        var names = new Dictionary<uint, SortedSet<string>>();
        foreach (var (id, tenant) in await Sql.ListAsync(connection, "select id, tenant_id from aios.mt_streams", row => (row.GetString(0), row.GetString(1)), cancellation)) Learn(tenant, id);
        var after = -1L;
        while (true)
        {
            var rows = await Sql.ListAsync(connection, "select number, head, body from aios.audit_blocks where number > $1 order by number limit 20", row => (row.GetInt64(0), row.GetFieldValue<byte[]>(1), row.GetFieldValue<byte[]>(2)), cancellation, after);
            if (rows.Count == 0) break;
            after = rows[^1].Item1;
            foreach (var (_, head, body) in rows)
            {
                try
                {
                    foreach (var batch in AuditBlock.Read(head, body).Batches.Where(batch => batch.Kind is not AuditKind.Purge))
                        foreach (var append in BatchContent.Read(batch.Rest).Appends)
                            if (append.Stream is not null) Learn(append.Tenant!, append.Stream);
                }
                catch (Exception e) when (e is FormatException or OverflowException or ArgumentException)
                {
                    // Said of the block already.
                }
            }
        }
        foreach (var lost in unnamed.GroupBy(lost => (lost.Fault, lost.Tag)))
        {
            var stream = names.TryGetValue(lost.Key.Tag, out var known) ? string.Join(" or ", known) : "a stream of which nothing is left";
            foreach (var (fault, seq, _, what) in lost)
                Say(fault, stream, fault is AuditFault.Deleted ? $"its event with the number {seq} is gone ({what})" : $"its event with the number {seq} is not what was appended ({what})");
        }

        void Learn(string tenant, string stream)
        {
            if (!tagsOfLost.Contains(AuditLeaf.Tag(tenant, stream))) return;
            if (!names.TryGetValue(AuditLeaf.Tag(tenant, stream), out var known)) names[AuditLeaf.Tag(tenant, stream)] = known = new SortedSet<string>(StringComparer.Ordinal);
            known.Add(stream);
        }
    }

    private void Say(AuditFault fault, string where, string what) => Say(new AuditFinding(fault, where, what));

    private void Say(AuditFinding finding)
    {
        findings++;
        found(finding);
    }
}

/// <summary>What was gone through, and how much of it is not as it should be.</summary>
/// <param name="Findings">0: all is as it was appended, up to the last checkpoint outside.</param>
/// <param name="Before">Events that were there before the trail began.</param>
/// <param name="Foreign">Events that no host appended.</param>
/// <param name="Purged">Events that were deleted by a purge.</param>
/// <param name="Young">Events that no checkpoint signs for yet: they agree with what their hosts said, which stands in the same database.</param>
/// <param name="Keys">Public keys that signed.</param>
/// <param name="Restores">What persons said of restores.</param>
public sealed record AuditReport(long Findings, long Blocks, long Events, long Before, long Foreign, long Purged, long Young, long Checkpoints, long LastCheckpoint, DateTimeOffset? Signed,
    IReadOnlyList<string> Keys, IReadOnlyList<string> Restores);
