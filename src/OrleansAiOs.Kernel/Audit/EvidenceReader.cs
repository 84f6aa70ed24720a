using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using OrleansAiOs.Workflows.Audit;

namespace OrleansAiOs.Kernel.Audit;

/// <summary>
/// Checks a bundle of evidence with nothing but itself, and what its reader was told: public keys, and checkpoints that were kept. Every
/// byte is under a signature; each event leads to the root of a signed checkpoint.
/// </summary>
public sealed class EvidenceReader
{
    private const long BytesMax = 2L * 1024 * 1024 * 1024;

    private readonly List<string> findings = [];
    private readonly Dictionary<long, byte[]> leaves = [];
    private readonly HashSet<long> proved = [];
    private readonly HashSet<long> before = [];
    private readonly HashSet<string> payloads = new(StringComparer.Ordinal);
    private readonly List<string> bodies = [];
    private readonly HashSet<string> keys = new(StringComparer.Ordinal);
    private Checkpoint? checkpoint;
    private JsonElement what;
    private (string Tenant, string Stream) whose;

    private EvidenceReader()
    {
    }

    /// <param name="file">The bundle.</param>
    /// <param name="pinned">Public keys to accept; none: those it names.</param>
    /// <param name="outside">Checkpoints that were kept; null: only those in it.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static EvidenceReport Check(string file, IReadOnlyList<string> pinned, CheckpointLines? outside = null)
    {
        if (new FileInfo(file).Length > BytesMax) throw new IOException($"{file} is larger than {BytesMax:N0} bytes; this is no bundle of ours.");
        return Check(File.ReadAllBytes(file), pinned, outside);
    }

    internal static EvidenceReport Check(byte[] bundle, IReadOnlyList<string> pinned, CheckpointLines? outside)
    {
        var reader = new EvidenceReader();
        try
        {
            reader.Read(bundle, pinned, outside);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException or OverflowException or DecoderFallbackException)
        {
            reader.findings.Add($"It is not in the form of a bundle: {e.Message}");
        }
        return new EvidenceReport(reader.findings, reader.whose.Stream ?? "", reader.whose.Tenant ?? "", reader.leaves.Count, reader.before.Count, reader.checkpoint?.Number ?? 0, reader.checkpoint?.At, [.. reader.keys.Order(StringComparer.Ordinal)]);
    }

    private void Read(byte[] bundle, IReadOnlyList<string> pinned, CheckpointLines? outside)
    {
        var strict = new UTF8Encoding(false, throwOnInvalidBytes: true);
        if (bundle.Length < 2 || bundle[^1] != '\n') throw new FormatException("it breaks off; its last line is missing");
        var tail = bundle.AsSpan(0, bundle.Length - 1).LastIndexOf((byte)'\n') + 1;
        if (EvidenceEnd.Read(strict.GetString(bundle.AsSpan(tail, bundle.Length - 1 - tail))) is not { } end) throw new FormatException("its last line is not in the form in which it was signed");
        if (!end.Verifies()) findings.Add("The signature under it is not that of the key it names.");
        if (Convert.ToHexStringLower(SHA256.HashData(bundle.AsSpan(0, tail))) != end.Sha256) findings.Add("Its bytes are not those that were signed: it was changed after it was made.");
        keys.Add(end.Key);

        var lines = 0L;
        for (var at = 0; at < bundle.Length; lines++)
        {
            var length = bundle.AsSpan(at).IndexOf((byte)'\n');
            if (at < tail) Line(bundle.AsMemory(at, length), first: at == 0);
            at += length + 1;
        }
        if (lines != end.Lines) findings.Add($"It has {lines} lines; {end.Lines} were signed for.");
        Judge();
        foreach (var key in keys.Where(key => pinned.Count > 0 && !pinned.Contains(key))) findings.Add($"The key {key} was not given with --public-key.");
        if (outside is null || checkpoint is null) return;
        foreach (var finding in outside.Findings) findings.Add(finding.ToString());
        if (outside.LineOf(checkpoint.Number) is not { } kept) findings.Add($"Checkpoint {checkpoint.Number} is not among those that were kept.");
        else if (kept != checkpoint.Line()) findings.Add($"Checkpoint {checkpoint.Number} is another than the one that was kept.");
    }

    private void Line(ReadOnlyMemory<byte> line, bool first)
    {
        using var json = JsonDocument.Parse(line);
        var of = json.RootElement;
        var kind = of.GetProperty("line").GetString();
        if (first != (kind == "evidence")) throw new FormatException("its first line says what it is, and only that");
        switch (kind)
        {
            case "evidence":
                what = of.Clone();
                if (of.GetProperty("format").GetString() != EvidenceWriter.Format || of.GetProperty("version").GetInt32() != EvidenceWriter.Version) throw new FormatException("it is of another format or a later version");
                whose = (Text(of, "tenant"), Text(of, "stream"));
                break;
            case "event": Event(of); break;
            case "payload":
                var content = of.GetProperty("content").GetBytesFromBase64();
                if (Convert.ToHexStringLower(SHA256.HashData(content)) != of.GetProperty("sha256").GetString()) findings.Add("A payload is not what its name, the hash, says.");
                payloads.Add(of.GetProperty("sha256").GetString()!);
                break;
            case "checkpoint":
                checkpoint = Checkpoint.Read(Encoding.UTF8.GetString(line.Span)) ?? throw new FormatException("its checkpoint is not in the form in which it was signed");
                if (!checkpoint.Verifies()) findings.Add($"Checkpoint {checkpoint.Number} is not signed by the key it names.");
                if (checkpoint.Log != what.GetProperty("log").GetGuid()) findings.Add("Its checkpoint is about another log.");
                keys.Add(checkpoint.Key);
                break;
            case "batch": Batch(of); break;
            default: throw new FormatException($"it has a line of an unknown kind, '{kind}'");
        }
    }

    private void Event(JsonElement of)
    {
        var (version, at) = (of.GetProperty("version").GetInt64(), of.GetProperty("at").GetDateTimeOffset());
        if (version != leaves.Count + 1) findings.Add($"Event {version} stands where {leaves.Count + 1} is expected.");
        if (AuditLeaf.Micros(at) != of.GetProperty("micros").GetInt64()) findings.Add($"The two times of event {version} do not agree.");
        var body = Encoding.UTF8.GetBytes(of.GetProperty("body").GetRawText());
        var binary = of.TryGetProperty("binary", out var bytes) ? bytes.GetBytesFromBase64() : [];
        var e = new AuditedEvent(0, whose.Tenant, whose.Stream, version, of.GetProperty("id").GetGuid(), Text(of, "type"), at, body, binary);
        leaves[version] = e.Leaf();
        if (e.PayloadOf() is { } sha256) bodies.Add(sha256);
    }

    private void Batch(JsonElement of)
    {
        if (checkpoint is null) throw new FormatException("its checkpoint does not stand before its batches");
        var (root, head) = (Convert.FromHexString(of.GetProperty("root").GetString()!), Convert.FromHexString(of.GetProperty("head").GetString()!));
        var kind = Text(of, "kind") switch
        {
            "appended" => AuditKind.Appended,
            "foreign" => AuditKind.Foreign,
            "before" => AuditKind.Before,
            var other => throw new FormatException($"it has a batch of an unknown kind, '{other}'"),
        };
        if (head.Length != AuditBlock.HeadBytes) throw new FormatException("the head of a block has not the right length");
        var (number, batches) = (System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(head), System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(24)));
        var hash = BlockBatch.HashOf(kind, root, Convert.FromHexString(of.GetProperty("rest").GetString()!));
        var inBlock = AuditTree.Follow(hash, of.GetProperty("place").GetInt32(), batches, Hashes(of, "inBlock"));
        var inLog = MerkleLog.Follow(AuditBlock.HashOf(head), number, checkpoint.Blocks, Hashes(of, "inLog"));
        var leads = inBlock is not null && inBlock.AsSpan().SequenceEqual(head.AsSpan(28)) && inLog is not null && Convert.ToHexStringLower(inLog) == checkpoint.Root;
        foreach (var e in of.GetProperty("events").EnumerateArray())
        {
            var version = e.GetProperty("version").GetInt64();
            var leads2 = leaves.TryGetValue(version, out var leaf)
                && AuditTree.Follow(leaf, e.GetProperty("place").GetInt32(), of.GetProperty("leaves").GetInt32(), Hashes(e, "inBatch")) is { } up && up.AsSpan().SequenceEqual(root);
            if (leads && leads2) proved.Add(version);
            if (kind is AuditKind.Foreign) findings.Add($"Event {version} was appended by no host of aios: somebody else wrote it into the database.");
            if (kind is AuditKind.Before) before.Add(version);
        }
    }

    private static string Text(JsonElement of, string name) => of.GetProperty(name).GetString() ?? throw new FormatException($"{name} is null");

    private static List<byte[]> Hashes(JsonElement of, string name) => [.. of.GetProperty(name).EnumerateArray().Select(hash => Convert.FromHexString(hash.GetString()!))];

    private void Judge()
    {
        if (what.ValueKind is JsonValueKind.Undefined) throw new FormatException("it does not say what it is");
        if (what.GetProperty("events").GetInt64() != leaves.Count || leaves.Count == 0) findings.Add($"It speaks of {what.GetProperty("events").GetInt64()} events and has {leaves.Count}.");
        if (what.GetProperty("chain").GetString() != Tombstone.ChainOf(leaves.OrderBy(pair => pair.Key).Select(pair => pair.Value))) findings.Add("The chain over its events is not the one it states.");
        foreach (var version in leaves.Keys.Where(version => !proved.Contains(version)).Order()) findings.Add($"Event {version} is not under its checkpoint: it is not what was appended.");
        foreach (var sha256 in bodies.Where(sha256 => !payloads.Contains(sha256))) findings.Add($"The body that is kept as payload {sha256} is missing.");
    }
}

/// <param name="Findings">None: every event is what was appended when the checkpoint was signed.</param>
/// <param name="Before">How many of the events are older than the trail: it says what they were when it began, and not who appended them.</param>
/// <param name="Keys">Public keys that signed.</param>
public sealed record EvidenceReport(IReadOnlyList<string> Findings, string Stream, string Tenant, int Events, int Before, long Checkpoint, DateTimeOffset? Signed, IReadOnlyList<string> Keys);
