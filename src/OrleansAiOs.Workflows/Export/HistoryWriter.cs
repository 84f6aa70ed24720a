using System.Buffers;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Workflows.Export;

/// <summary>Writes histories as <see cref="ExportFormat"/> says, one run after the other. Without <see cref="FinishAsync"/> the file is not whole, and says so by lacking its end.</summary>
public sealed class HistoryWriter : IDisposable
{
    private static readonly JsonWriterOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    private readonly Stream output;
    private readonly ExportOptions options;
    private readonly IPayloadStore? payloads;
    private readonly HashSet<string> redact;
    private readonly HashSet<string> written = new(StringComparer.Ordinal);
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly ArrayBufferWriter<byte> buffer = new(64 * 1024);
    private readonly Utf8JsonWriter writer;
    private bool begun;
    private long runs, events, lines;

    /// <param name="output">Where the lines go.</param>
    /// <param name="options">What is left out.</param>
    /// <param name="payloads">Where documents are; needed if they are to be included.</param>
    public HistoryWriter(Stream output, ExportOptions options, IPayloadStore? payloads = null)
    {
        (this.output, this.options, this.payloads) = (output, options, payloads);
        redact = new HashSet<string>(options.Redact, StringComparer.Ordinal);
        writer = new Utf8JsonWriter(buffer, Json);
    }

    public async Task WriteAsync(RunKey run, IReadOnlyList<StoredEvent> history, CancellationToken cancellation = default)
    {
        Begin();
        using var started = JsonDocument.Parse(history[0].Body);
        Line("run", line =>
        {
            line.WriteString("tenant", run.Tenant);
            line.WriteString("run", run.Id);
            if (started.RootElement.TryGetProperty("workflow", out var workflow)) line.WriteString("workflow", workflow.GetString());
            if (started.RootElement.TryGetProperty("version", out var version)) line.WriteString("codeVersion", version.GetString());
            line.WriteNumber("events", history.Count);
        });
        runs++;
        var documents = new List<PayloadRef>();
        foreach (var e in history)
        {
            Write(e, documents);
            if (buffer.WrittenCount > 1024 * 1024) await FlushAsync(cancellation);
        }
        foreach (var document in documents.Where(document => written.Add(document.Sha256))) await WriteAsync(run.Tenant, document, cancellation);
        if (buffer.WrittenCount > 64 * 1024) await FlushAsync(cancellation);
    }

    public async Task FinishAsync(CancellationToken cancellation = default)
    {
        Begin();
        await FlushAsync(cancellation);
        var sha256 = Convert.ToHexStringLower(hash.GetHashAndReset());
        Line("end", line =>
        {
            line.WriteNumber("runs", runs);
            line.WriteNumber("events", events);
            line.WriteNumber("payloads", written.Count);
            line.WriteNumber("lines", lines);
            line.WriteString("sha256", sha256);
        });
        await FlushAsync(cancellation);
        await output.FlushAsync(cancellation);
    }

    public void Dispose()
    {
        writer.Dispose();
        hash.Dispose();
    }

    private void Begin()
    {
        if (begun) return;
        begun = true;
        Line("file", line =>
        {
            line.WriteString("format", ExportFormat.Name);
            line.WriteNumber("version", ExportFormat.Version);
            line.WriteString("engine", ExportFormat.Engine);
            line.WriteString("exportedAt", options.ExportedAt);
            line.WriteString("payloads", options.IncludePayloads ? "include" : "hash");
            line.WriteStartArray("redact");
            foreach (var name in options.Redact) line.WriteStringValue(name);
            line.WriteEndArray();
        });
    }

    private void Write(StoredEvent e, List<PayloadRef> documents)
    {
        events++;
        using var body = JsonDocument.Parse(e.Body);
        var redacted = new List<string>();
        var clean = redact.Count == 0 ? null : Redact(body.RootElement, redacted);
        // What was blanked refers to nothing any more.
        using var left = redacted.Count == 0 ? null : JsonDocument.Parse(clean!);
        FindDocuments((left ?? body).RootElement, documents);
        Line("event", line =>
        {
            line.WriteNumber("version", e.Version);
            line.WriteString("id", e.Id);
            line.WriteString("type", e.Type);
            line.WriteString("at", e.At);
            if (redacted.Count > 0)
            {
                line.WriteStartArray("redacted");
                foreach (var pointer in redacted) line.WriteStringValue(pointer);
                line.WriteEndArray();
            }
            line.WritePropertyName("body");
            // As it was stored, byte for byte; only a line break, which ends a line here, cannot stay.
            if (redacted.Count > 0) line.WriteRawValue(clean!, skipInputValidation: true);
            else if (e.Body.AsSpan().ContainsAny((byte)'\n', (byte)'\r')) body.RootElement.WriteTo(line);
            else line.WriteRawValue(e.Body, skipInputValidation: true);
        });
    }

    private async Task WriteAsync(string tenant, PayloadRef document, CancellationToken cancellation)
    {
        await using var content = options.IncludePayloads && payloads is not null ? await payloads.OpenAsync(tenant, document.Sha256, cancellation) : null;
        if (content is null)
        {
            Line("payload", line =>
            {
                line.WriteString("sha256", document.Sha256);
                line.WriteNumber("size", document.Size);
            });
            return;
        }
        // Whoever refers to it may say another size: what is stored is so long.
        var size = content.Length;
        var parts = Math.Max(1, (size + ExportFormat.PayloadPartBytes - 1) / ExportFormat.PayloadPartBytes);
        var part = new byte[ExportFormat.PayloadPartBytes];
        for (var number = 1L; number <= parts; number++)
        {
            var read = await content.ReadAtLeastAsync(part, part.Length, throwOnEndOfStream: false, cancellation);
            Line("payload", line =>
            {
                line.WriteString("sha256", document.Sha256);
                line.WriteNumber("size", size);
                line.WriteNumber("part", number);
                line.WriteNumber("parts", parts);
                line.WriteBase64String("content", part.AsSpan(0, read));
            });
            await FlushAsync(cancellation);
        }
    }

    private void Line(string kind, Action<Utf8JsonWriter> members)
    {
        writer.Reset(buffer);
        writer.WriteStartObject();
        writer.WriteString("line", kind);
        members(writer);
        writer.WriteEndObject();
        writer.Flush();
        buffer.Write("\n"u8);
        lines++;
    }

    private async Task FlushAsync(CancellationToken cancellation)
    {
        if (buffer.WrittenCount == 0) return;
        hash.AppendData(buffer.WrittenSpan);
        await output.WriteAsync(buffer.WrittenMemory, cancellation);
        buffer.ResetWrittenCount();
    }

    // ---- what is left out, and what is referred to ----

    private byte[] Redact(JsonElement body, List<string> redacted)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var clean = new Utf8JsonWriter(bytes, Json))
        {
            clean.WriteStartObject();
            foreach (var member in body.EnumerateObject())
            {
                clean.WritePropertyName(member.Name);
                if (member.Name is "comment" or "businessKey" && redact.Contains(member.Name)) Blank(member.Value, clean, $"/{member.Name}", redacted);
                else Copy(member.Value, clean, $"/{Escaped(member.Name)}", redacted);
            }
            clean.WriteEndObject();
        }
        return bytes.WrittenSpan.ToArray();
    }

    private void Copy(JsonElement value, Utf8JsonWriter to, string pointer, List<string> redacted)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                to.WriteStartObject();
                foreach (var member in value.EnumerateObject())
                {
                    to.WritePropertyName(member.Name);
                    var below = $"{pointer}/{Escaped(member.Name)}";
                    if (redact.Contains(member.Name)) Blank(member.Value, to, below, redacted);
                    else Copy(member.Value, to, below, redacted);
                }
                to.WriteEndObject();
                break;
            case JsonValueKind.Array:
                to.WriteStartArray();
                var i = 0;
                foreach (var item in value.EnumerateArray()) Copy(item, to, $"{pointer}/{i++}", redacted);
                to.WriteEndArray();
                break;
            default:
                value.WriteTo(to);
                break;
        }
    }

    private static void Blank(JsonElement value, Utf8JsonWriter to, string pointer, List<string> redacted)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                to.WriteStartObject();
                foreach (var member in value.EnumerateObject())
                {
                    to.WritePropertyName(member.Name);
                    Blank(member.Value, to, $"{pointer}/{Escaped(member.Name)}", redacted);
                }
                to.WriteEndObject();
                return;
            case JsonValueKind.Array:
                to.WriteStartArray();
                var i = 0;
                foreach (var item in value.EnumerateArray()) Blank(item, to, $"{pointer}/{i++}", redacted);
                to.WriteEndArray();
                return;
            case JsonValueKind.Null:
                to.WriteNullValue();
                return;
            case JsonValueKind.Number:
                to.WriteNumberValue(0);
                break;
            case JsonValueKind.String:
                to.WriteStringValue(ExportFormat.Redacted);
                break;
            default:
                to.WriteBooleanValue(false);
                break;
        }
        redacted.Add(pointer);
    }

    private static string Escaped(string name) => name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    // A document travels as {"sha256": 64 digits, "size": bytes}, wherever its author put it.
    private static void FindDocuments(JsonElement value, List<PayloadRef> found)
    {
        if (value.ValueKind is JsonValueKind.Object)
        {
            if (value.TryGetProperty("sha256", out var sha256) && sha256.ValueKind is JsonValueKind.String && sha256.GetString() is { Length: 64 } text && text.All(c => char.IsAsciiHexDigitLower(c))
                && value.TryGetProperty("size", out var size) && size.ValueKind is JsonValueKind.Number && size.TryGetInt64(out var bytes) && bytes >= 0)
                found.Add(new PayloadRef(text, bytes));
            foreach (var member in value.EnumerateObject()) FindDocuments(member.Value, found);
        }
        else if (value.ValueKind is JsonValueKind.Array)
        {
            foreach (var item in value.EnumerateArray()) FindDocuments(item, found);
        }
    }
}
