using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Export;

/// <summary>
/// Reads an export, which is hostile until it is read to its end: every line is held to the format, every count and the hash to the end
/// line. Runs are handed out while the file is read, as lines still to be parsed, so that many can be parsed at once; whoever acts on
/// them before <see cref="ReadAsync"/> has ended must be able to take it back.
/// </summary>
public sealed class HistoryReader(Stream input)
{
    private static readonly JsonReaderOptions Json = new() { MaxDepth = 80 };

    private byte[] buffer = new byte[256 * 1024];
    private int start;
    private int end;
    private long line;

    /// <summary>The first line; known when the first run is.</summary>
    public ExportHeader? Header { get; private set; }

    /// <exception cref="MalformedExportException">A line is not what the format says, or the end is missing or does not fit.</exception>
    public async IAsyncEnumerable<RunLines> ReadAsync([EnumeratorCancellation] CancellationToken cancellation = default)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        RunLines? run = null;
        long runs = 0, events = 0, before = 0;
        var payloads = new HashSet<string>(StringComparer.Ordinal);
        while (await NextAsync(cancellation) is { } bytes)
        {
            var kind = Kind(bytes.Span);
            if (line == 1 != (kind == "file"))
                throw new MalformedExportException(line, line == 1 ? $"An export begins with a line {{\"line\":\"file\",\"format\":\"{ExportFormat.Name}\",…}}; this begins with something else. Is it an export of aios?" : "A second file begins here. Import each file by itself.");
            if (kind == "end")
            {
                if (run is not null) yield return run;
                CheckEnd(bytes, Convert.ToHexStringLower(hash.GetHashAndReset()), runs, events, payloads.Count, before);
                if (await NextAsync(cancellation) is not null) throw new MalformedExportException(line, "Something stands behind the end line. Export again.");
                yield break;
            }
            hash.AppendData(bytes.Span);
            hash.AppendData("\n"u8);
            before++;
            switch (kind)
            {
                case "file":
                    Header = Read(bytes, line, ReadHeader);
                    break;
                case "run":
                    if (run is not null) yield return run;
                    run = new RunLines(line);
                    run.Add(bytes.Span);
                    runs++;
                    break;
                case "event" or "payload":
                    if (run is null) throw new MalformedExportException(line, $"This {kind} line stands in front of the first run line. Export again.");
                    run.Add(bytes.Span);
                    if (kind == "event") events++;
                    else payloads.Add(Read(bytes, line, e => Text(e, "sha256", 64)));
                    if (run.Count > ExportFormat.EventsMax) throw new MalformedExportException(line, $"A run has at most {ExportFormat.EventsMax:N0} lines.");
                    break;
                default:
                    throw new MalformedExportException(line, $"'{kind}' is no kind of line that version {ExportFormat.Version} of the format knows. Was it written by a newer aios? Use that one.");
            }
        }
        throw new MalformedExportException(line + 1, line == 0 ? "The file is empty." : "The file ends without its end line: it was cut off. Export again.");
    }

    private static void CheckEnd(ReadOnlyMemory<byte> bytes, string sha256, long runs, long events, long payloads, long lines)
    {
        _ = Read(bytes, lines + 1, end =>
        {
            foreach (var (name, counted) in new[] { ("runs", runs), ("events", events), ("payloads", payloads), ("lines", lines) })
                if (Number(end, name) is var said && said != counted) throw new FormatException($"{name}: the end line says {said}, and the file has {counted}. It was changed or cut; export again");
            if (Text(end, "sha256", 64) is not { Length: 64 } hash) throw new FormatException("sha256: 64 hexadecimal digits are expected here");
            if (hash != sha256) throw new FormatException($"sha256: the end line says {hash[..12]}…, and the bytes in front of it have {sha256[..12]}…. The file was changed; export again");
            return true;
        });
    }

    private static ExportHeader ReadHeader(JsonElement header)
    {
        if (Text(header, "format", 100) is not ExportFormat.Name and var format) throw new FormatException($"format: '{format}' is not '{ExportFormat.Name}'. Is it an export of aios?");
        if (Number(header, "version") is not ExportFormat.Version and var version) throw new FormatException($"version: this build reads version {ExportFormat.Version}, the file has {version}. Use the aios that wrote it, or a later one");
        return new ExportHeader(Text(header, "engine", 100), Time(header, "exportedAt"), Text(header, "payloads", 10) switch
        {
            "include" => true,
            "hash" => false,
            var other => throw new FormatException($"payloads: 'include' or 'hash', not '{other}'"),
        }, [.. Member(header, "redact", JsonValueKind.Array).EnumerateArray().Select(name => name.GetString() ?? "")]);
    }

    // ---- lines ----

    /// <summary>The next line without its end; null at the end of the file. Good until the next call.</summary>
    private async ValueTask<ReadOnlyMemory<byte>?> NextAsync(CancellationToken cancellation)
    {
        for (var searched = start; ;)
        {
            var at = buffer.AsSpan(searched, end - searched).IndexOf((byte)'\n');
            if (at >= 0)
            {
                var found = buffer.AsMemory(start, searched + at - start);
                start = searched + at + 1;
                line++;
                return found;
            }
            if (end - start > ExportFormat.LineBytesMax) throw new MalformedExportException(line + 1, $"The line is longer than {ExportFormat.LineBytesMax:N0} bytes.");
            var length = end - start;
            if (start > 0) buffer.AsSpan(start, length).CopyTo(buffer);
            (start, end, searched) = (0, length, length);
            if (end == buffer.Length) Array.Resize(ref buffer, buffer.Length * 2);
            var read = await input.ReadAsync(buffer.AsMemory(end), cancellation);
            if (read == 0)
            {
                if (length == 0) return null;
                throw new MalformedExportException(line + 1, "The file ends in the middle of a line: it was cut off. Export again.");
            }
            end += read;
        }
    }

    // By the first member alone: the rest is for whoever parses the line.
    private string Kind(ReadOnlySpan<byte> bytes)
    {
        try
        {
            var reader = new Utf8JsonReader(bytes, Json);
            if (reader.Read() && reader.TokenType is JsonTokenType.StartObject && reader.Read() && reader.TokenType is JsonTokenType.PropertyName && reader.ValueTextEquals("line"u8)
                && reader.Read() && reader.TokenType is JsonTokenType.String && reader.ValueSpan.Length <= 20)
                return reader.ValueTextEquals("event"u8) ? "event" : reader.GetString()!;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
        }
        throw new MalformedExportException(line, "A line is a JSON object whose first member is \"line\", with one of file, run, event, payload, end. Export again, or mend the line.");
    }

    internal static T Read<T>(ReadOnlyMemory<byte> bytes, long line, Func<JsonElement, T> read)
    {
        try
        {
            using var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = Json.MaxDepth, AllowDuplicateProperties = false });
            return read(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or UnreadableHistoryException)
        {
            throw new MalformedExportException(line, $"{e.Message.TrimEnd('.')}.");
        }
    }

    // ---- members ----

    internal static JsonElement Member(JsonElement of, string name, JsonValueKind kind) =>
        of.TryGetProperty(name, out var member) && member.ValueKind == kind ? member : throw new FormatException($"{name}: a {kind.ToString().ToLowerInvariant()} is expected here");

    internal static string Text(JsonElement of, string name, int charsMax) =>
        Member(of, name, JsonValueKind.String).GetString() is { } text && text.Length <= charsMax && !text.Contains('\0') ? text : throw new FormatException($"{name}: at most {charsMax} characters, none of them U+0000");

    internal static long Number(JsonElement of, string name) =>
        Member(of, name, JsonValueKind.Number).TryGetInt64(out var number) && number >= 0 ? number : throw new FormatException($"{name}: a whole number from 0 on is expected here");

    internal static DateTimeOffset Time(JsonElement of, string name) =>
        Member(of, name, JsonValueKind.String).TryGetDateTimeOffset(out var time) ? time : throw new FormatException($"{name}: a time as in 2026-01-02T03:04:05Z is expected here");
}

/// <summary>The lines of one run, not yet parsed.</summary>
public sealed class RunLines
{
    private readonly List<int> ends = [];
    private readonly long first;
    private byte[] bytes = new byte[8 * 1024];
    private int length;

    internal RunLines(long first) => this.first = first;

    internal int Count => ends.Count;

    internal void Add(ReadOnlySpan<byte> line)
    {
        if (length + line.Length > bytes.Length) Array.Resize(ref bytes, (int)Math.Min(Array.MaxLength, Math.Max(2L * bytes.Length, length + (long)line.Length)));
        line.CopyTo(bytes.AsSpan(length));
        ends.Add(length += line.Length);
    }

    /// <exception cref="MalformedExportException">A line is not what the format says.</exception>
    public ExportedRun Parse()
    {
        var (run, workflow, events) = HistoryReader.Read(Line(0), first, header =>
        {
            var (tenant, id) = (HistoryReader.Text(header, "tenant", 100), HistoryReader.Text(header, "run", 200));
            if (!RunKey.TryParse(tenant, id, out var key, out var error)) throw new FormatException($"run: {error}");
            var count = HistoryReader.Number(header, "events");
            return (key, HistoryReader.Text(header, "workflow", 1000), count is > 0 and <= ExportFormat.EventsMax ? (int)count : throw new FormatException($"events: 1 to {ExportFormat.EventsMax:N0}, not {count}"));
        });
        if (events > ends.Count - 1) throw new MalformedExportException(first, $"events: {events} are announced for run {run}, and at most {ends.Count - 1} follow. Lines are missing; export again.");

        var history = new List<StoredEvent>(events);
        var (redacted, at) = (0, DateTimeOffset.MinValue);
        for (var i = 1; i <= events; i++)
        {
            var (stored, blanked) = HistoryReader.Read(Line(i), first + i, ReadEvent);
            if (stored.Version != i) throw new MalformedExportException(first + i, $"version: {i} is expected here, in run {run}, not {stored.Version}. Events stand in order, from 1 on.");
            if (i == 1 != (stored.Type == "run-started")) throw new MalformedExportException(first + i, $"type: a history has one run-started, as its first event; this is event {i}, a {stored.Type}.");
            if (stored.At < at) throw new MalformedExportException(first + i, $"at: {stored.At:O} lies before the event in front of it. Time does not go back within a run.");
            at = stored.At;
            redacted += blanked;
            history.Add(stored);
        }

        var payloads = new List<ExportedPayload>();
        for (var i = events + 1; i < ends.Count; i++) i += ReadPayload(i, payloads) - 1;
        return new ExportedRun(run, workflow, history, redacted, payloads);
    }

    private ReadOnlyMemory<byte> Line(int i) => bytes.AsMemory(i == 0 ? 0 : ends[i - 1], ends[i] - (i == 0 ? 0 : ends[i - 1]));

    private static (StoredEvent Event, int Redacted) ReadEvent(JsonElement e)
    {
        if (HistoryReader.Text(e, "line", 20) != "event") throw new FormatException("line: an event is expected here");
        var body = HistoryReader.Member(e, "body", JsonValueKind.Object);
        if (!HistoryReader.Member(e, "id", JsonValueKind.String).TryGetGuid(out var id)) throw new FormatException("id: a UUID is expected here");
        var redacted = e.TryGetProperty("redacted", out var pointers) && pointers.ValueKind is JsonValueKind.Array ? pointers.GetArrayLength() : 0;
        return (new StoredEvent(HistoryReader.Number(e, "version"), id, HistoryReader.Text(e, "type", 200), Encoding.UTF8.GetBytes(body.GetRawText()), HistoryReader.Time(e, "at")), redacted);
    }

    /// <returns>How many lines it took.</returns>
    private int ReadPayload(int at, List<ExportedPayload> payloads)
    {
        var (sha256, size, parts) = Part(at, 1);
        if (parts == 0)
        {
            payloads.Add(new ExportedPayload(sha256, size, null));
            return 1;
        }
        using var content = new MemoryStream();
        for (var part = 1; part <= parts; part++)
        {
            if (at + part - 1 >= ends.Count) throw new MalformedExportException(first + at + part - 2, $"part: {parts} parts of payload {sha256[..12]}… are announced, and {part - 1} are there. Export again.");
            var (same, _, _) = Part(at + part - 1, part);
            if (same != sha256) throw new MalformedExportException(first + at + part - 1, $"sha256: part {part} of payload {sha256[..12]}… is expected here. Parts stand together and in order.");
            content.Write(HistoryReader.Read(Line(at + part - 1), first + at + part - 1, e => HistoryReader.Member(e, "content", JsonValueKind.String).GetBytesFromBase64()));
        }
        var bytes = content.ToArray();
        if (bytes.Length != size || Convert.ToHexStringLower(SHA256.HashData(bytes)) != sha256)
            throw new MalformedExportException(first + at, $"content: these {bytes.Length:N0} bytes are not payload {sha256[..12]}…, whose name is the hash of its bytes. Export again.");
        payloads.Add(new ExportedPayload(sha256, size, bytes));
        return (int)parts;

        (string Sha256, long Size, long Parts) Part(int i, int expected) => HistoryReader.Read(Line(i), first + i, e =>
        {
            if (HistoryReader.Text(e, "line", 20) != "payload") throw new FormatException("line: a payload is expected here; the events of a run stand in front of its payloads, as many as its run line says");
            var name = HistoryReader.Text(e, "sha256", 64);
            if (name.Length != 64 || !name.All(c => char.IsAsciiHexDigitLower(c))) throw new FormatException("sha256: 64 lower-case hexadecimal digits");
            if (!e.TryGetProperty("content", out _)) return (name, HistoryReader.Number(e, "size"), 0L);
            if (HistoryReader.Number(e, "part") is var part && part != expected) throw new FormatException($"part: {expected} is expected here, not {part}");
            return (name, HistoryReader.Number(e, "size"), HistoryReader.Number(e, "parts") is > 0 and <= 100_000 and var parts ? parts : throw new FormatException("parts: 1 to 100000"));
        });
    }
}
