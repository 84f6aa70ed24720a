using System.Buffers;
using System.Data;
using System.Data.Common;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using OrleansAiOs.Workflows.Audit;

namespace OrleansAiOs.Kernel.Audit;

/// <summary>
/// The evidence of one run, for somebody who has neither the database nor the host: its events as they are stored, the way from each to
/// a signed checkpoint, and the checkpoints. Lines of JSON:
/// <code>
/// evidence    what this is, of which run, the chain over its events, and how to check it
/// event       one, as it is stored
/// payload     a body that is too large for the event table, in base64
/// batch       the events of the run that were appended in one transaction: the way from their leaves to the batch, to the block, to the root
/// checkpoint  as it was handed out, in front of the batches that lead to it
/// end         SHA-256 of all lines before, signed by the host
/// </code>
/// Of other runs it holds hashes only.
/// </summary>
internal sealed class EvidenceWriter(DbConnection connection, AuditKey key)
{
    public const string Format = "aios-evidence";
    public const int Version = 1;

    public const string How = "Check it with `aios audit verify-bundle FILE`, which needs no database and no host; docs/audit.md says how to write such a check oneself. "
        + "Hold the checkpoints in it against those that were kept outside (--checkpoints), and the keys against those you were told (--public-key).";

    private static readonly JsonWriterOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    private readonly ArrayBufferWriter<byte> buffer = new(64 * 1024);
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long lines;

    /// <summary>Writes the evidence of a stream. All of its events must be under a checkpoint.</summary>
    /// <returns>False if there is no such stream, and then nothing was written.</returns>
    public async Task<bool> WriteAsync(string tenant, string stream, string engine, DateTimeOffset now, Stream output, CancellationToken cancellation)
    {
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellation);
        var checkpoint = (await Sql.ListAsync(connection, "select line from aios.audit_checkpoints order by number desc limit 1", row => row.GetString(0), cancellation)) is [var line] ? Checkpoint.Read(line) : null;
        var events = await AuditedEvents.OfStreamAsync(connection, tenant, stream, cancellation);
        if (events.Count == 0) return false;
        // In a chain of evidence nothing may stand for what has no hash.
        List<byte[]> leaves;
        List<Way> ways;
        try
        {
            leaves = events.ConvertAll(e => e.Leaf());
            ways = checkpoint is null ? [] : await WaysAsync(events, checkpoint, cancellation);
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            throw new AuditStoppedException($"There is no evidence of {stream}: an event of it was appended by no host, or the trail has been changed ({e.Message}). Run `aios audit verify`.");
        }
        if (ways.Sum(way => way.Events.Count) is var signed && signed < events.Count) throw new AuditStoppedException($"{events.Count - signed} of the {events.Count} events of {stream} are under no checkpoint, though one was made just now. What has been appended since is under the next: ask again. If it stays so, somebody else wrote them: run `aios audit verify`.");

        Line("evidence", json =>
        {
            json.WriteString("format", Format);
            json.WriteNumber("version", Version);
            json.WriteString("engine", engine);
            json.WriteString("log", checkpoint!.Log);
            json.WriteString("tenant", tenant);
            json.WriteString("stream", stream);
            json.WriteNumber("events", events.Count);
            json.WriteString("chain", Tombstone.ChainOf(leaves));
            json.WriteString("made", now);
            json.WriteString("how", How);
        });
        var payloads = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var e in events)
        {
            Line("event", json =>
            {
                json.WriteNumber("version", e.Version);
                json.WriteString("id", e.Id);
                json.WriteString("type", e.Type);
                json.WriteNumber("micros", AuditLeaf.Micros(e.At!.Value));
                json.WriteString("at", e.At!.Value);
                if (e.Binary.Length > 0) json.WriteBase64String("binary", e.Binary);
                json.WritePropertyName("body");
                json.WriteRawValue(e.Body, skipInputValidation: true);
            });
            if (e.PayloadOf() is { } sha256) payloads.Add(sha256);
            if (buffer.WrittenCount > 1024 * 1024) await FlushAsync(output, cancellation);
        }
        foreach (var sha256 in payloads) await PayloadAsync(tenant, sha256, output, cancellation);
        Raw(checkpoint!.Line());
        foreach (var way in ways) Batch(way);
        await FlushAsync(output, cancellation);
        Raw(new EvidenceEnd(lines + 1, Convert.ToHexStringLower(hash.GetHashAndReset()), key.Public, []).Sign(key));
        await FlushAsync(output, cancellation);
        await output.FlushAsync(cancellation);
        return true;
    }

    private sealed record Way(AuditBlock Block, int Index, byte[] Leaves, List<(long Version, int Place)> Events, List<byte[]> InBlock, List<byte[]> InLog);

    /// <summary>The batches that the events are in, each with its way up.</summary>
    private async Task<List<Way>> WaysAsync(List<AuditedEvent> events, Checkpoint checkpoint, CancellationToken cancellation)
    {
        var wanted = events.ToDictionary(e => e.Seq, e => e.Version);
        var log = MerkleLog.Levels(await Sql.ListAsync(connection, "select head from aios.audit_blocks where number >= 0 and number < $1 order by number", row => AuditBlock.HashOf(row.GetFieldValue<byte[]>(0)), cancellation, checkpoint.Blocks));
        var (low, high) = (events.Min(e => e.Seq), events.Max(e => e.Seq));
        var numbers = await Sql.ListAsync(connection, "select number from aios.audit_blocks where first_seq <= $2 and last_seq >= $1 and number >= 0 and number < $3 order by number", row => row.GetInt64(0), cancellation, low, high, checkpoint.Blocks);
        var ways = new List<Way>();
        foreach (var number in numbers)
        {
            var (head, body) = (await Sql.ListAsync(connection, "select head, body from aios.audit_blocks where number = $1", row => (row.GetFieldValue<byte[]>(0), row.GetFieldValue<byte[]>(1)), cancellation, number))[0];
            var block = AuditBlock.Read(head, body);
            var (hashes, inLog) = (block.BatchHashes(), MerkleLog.Prove(log, (int)number));
            for (var i = 0; i < block.Batches.Count; i++)
            {
                if (block.Batches[i].Kind is AuditKind.Purge) continue;
                var content = BatchContent.Read(block.Batches[i].Rest);
                var own = content.Events().Where(e => wanted.ContainsKey(e.Seq)).Select(e => (wanted[e.Seq], e.Place)).ToList();
                if (own.Count == 0) continue;
                var leaves = new Dictionary<long, byte[]>();
                await foreach (var e in AuditedEvents.WithinAsync(connection, AuditedEvents.Around(content.Seqs), long.MaxValue, cancellation)) leaves[e.Seq] = e.LeafOrZeros();
                if (content.Seqs.Any(seq => !leaves.ContainsKey(seq)))
                    foreach (var bytes in await Sql.ListAsync(connection, "select places from aios.audit_tombstones where first_seq <= $2 and last_seq >= $1", row => row.GetFieldValue<byte[]>(0), cancellation, content.Seqs[0], content.Seqs[^1]))
                        foreach (var (seq, leaf) in Tombstone.Places(bytes)) leaves.TryAdd(seq, leaf);
                if (content.Seqs.Where(seq => !leaves.ContainsKey(seq)).Take(1).ToArray() is [var gone])
                    throw new AuditStoppedException($"An event that was appended together with this run's is gone from the database (number {gone}). Run `aios audit verify`.");
                ways.Add(new Way(block, i, content.Leaves(seq => leaves[seq]), own, AuditTree.Prove(hashes, i), inLog));
            }
        }
        return ways;
    }

    private void Batch(Way way) => Line("batch", json =>
    {
        var batch = way.Block.Batches[way.Index];
        json.WriteString("kind", batch.Kind.ToString().ToLowerInvariant());
        json.WriteNumber("leaves", way.Leaves.Length / AuditLeaf.Bytes);
        json.WriteString("root", Convert.ToHexStringLower(batch.Root));
        json.WriteString("rest", Convert.ToHexStringLower(SHA256.HashData(batch.Rest)));
        json.WriteNumber("place", way.Index);
        json.WriteString("head", Convert.ToHexStringLower(way.Block.Head()));
        Proof("inBlock", way.InBlock);
        Proof("inLog", way.InLog);
        json.WriteStartArray("events");
        foreach (var (version, place) in way.Events)
        {
            json.WriteStartObject();
            json.WriteNumber("version", version);
            json.WriteNumber("place", place);
            Proof("inBatch", AuditTree.Prove(way.Leaves, place));
            json.WriteEndObject();
        }
        json.WriteEndArray();

        void Proof(string name, List<byte[]> hashes)
        {
            json.WriteStartArray(name);
            foreach (var level in hashes) json.WriteStringValue(Convert.ToHexStringLower(level));
            json.WriteEndArray();
        }
    });

    private async Task PayloadAsync(string tenant, string sha256, Stream output, CancellationToken cancellation)
    {
        var parts = await Sql.ListAsync(connection, "select bytes from aios.payload_parts where tenant_id = $1 and sha256 = $2 order by part", row => row.GetFieldValue<byte[]>(0), cancellation, tenant, sha256);
        Line("payload", json =>
        {
            json.WriteString("sha256", sha256);
            json.WriteBase64String("content", parts.SelectMany(part => part).ToArray());
        });
        await FlushAsync(output, cancellation);
    }

    private void Line(string kind, Action<Utf8JsonWriter> members)
    {
        using var json = new Utf8JsonWriter(buffer, Json);
        json.WriteStartObject();
        json.WriteString("line", kind);
        members(json);
        json.WriteEndObject();
        json.Flush();
        buffer.Write("\n"u8);
        lines++;
    }

    private void Raw(string line)
    {
        buffer.Write(System.Text.Encoding.UTF8.GetBytes(line));
        buffer.Write("\n"u8);
        lines++;
    }

    private async Task FlushAsync(Stream output, CancellationToken cancellation)
    {
        if (buffer.WrittenCount == 0) return;
        hash.AppendData(buffer.WrittenSpan);
        await output.WriteAsync(buffer.WrittenMemory, cancellation);
        buffer.ResetWrittenCount();
    }
}

/// <summary>The last line: it signs for every byte before it.</summary>
internal sealed record EvidenceEnd(long Lines, string Sha256, string Key, byte[] Signature)
{
    public string Sign(AuditKey key) => SignedLine.Write(Members, key);

    public bool Verifies() => SignedLine.Verifies(Members, Key, Signature);

    /// <summary>Reads the line; null if it is none, or not in the form in which it was signed.</summary>
    public static EvidenceEnd? Read(string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            var of = json.RootElement;
            var end = new EvidenceEnd(of.GetProperty("lines").GetInt64(), of.GetProperty("sha256").GetString()!, of.GetProperty("key").GetString()!, of.GetProperty("signature").GetBytesFromBase64());
            return SignedLine.Rewrite(end.Members, end.Key, end.Signature) == line ? end : null;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            return null;
        }
    }

    private void Members(Utf8JsonWriter line)
    {
        line.WriteString("line", "end");
        line.WriteNumber("lines", Lines);
        line.WriteString("sha256", Sha256);
    }
}
