using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using OrleansAiOs.Workflows.Audit;

namespace OrleansAiOs.Kernel.Audit;

/// <summary>
/// A signed line about the whole log as it stood: written into the database and, what counts, to a place outside it. Each names the one
/// before by its hash and lists the blocks that were added since, so the file of lines is a log of its own: its roots can be computed
/// again without the database.
/// </summary>
/// <param name="Number">From 1, each one more.</param>
/// <param name="Log">Which log: made with the database.</param>
/// <param name="Blocks">How many blocks there are; the size of the tree.</param>
/// <param name="Events">How many events they are about.</param>
/// <param name="Began">The last event (by its number in the sequence) that was there before the trail began.</param>
/// <param name="Added">The hashes of the blocks since the checkpoint before, in hexadecimal.</param>
/// <param name="Root">The root over all blocks.</param>
/// <param name="Before">SHA-256 of the line before; empty for the first.</param>
/// <param name="Restored">Set where the database had been put back to an earlier state, and a person said so.</param>
internal sealed record Checkpoint(long Number, Guid Log, DateTimeOffset At, long Blocks, long Events, long Began, IReadOnlyList<string> Added, string Root, string Before,
    RestoredFrom? Restored, string Key, byte[] Signature)
{
    public string Sign(AuditKey key) => SignedLine.Write(Members, key);

    public string Line() => SignedLine.Rewrite(Members, Key, Signature);

    public bool Verifies() => SignedLine.Verifies(Members, Key, Signature);

    public static string HashOf(string line) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(line)));

    /// <summary>Reads a line; null if it is none, or not in the form it was signed in.</summary>
    public static Checkpoint? Read(string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            var of = json.RootElement;
            var restored = of.TryGetProperty("restored", out var back) ? new RestoredFrom(back.GetProperty("blocks").GetInt64(), back.GetProperty("why").GetString()!) : null;
            var read = new Checkpoint(of.GetProperty("number").GetInt64(), of.GetProperty("log").GetGuid(), of.GetProperty("at").GetDateTimeOffset(), of.GetProperty("blocks").GetInt64(),
                of.GetProperty("events").GetInt64(), of.GetProperty("began").GetInt64(), [.. of.GetProperty("added").EnumerateArray().Select(hash => hash.GetString() ?? throw new FormatException("A block has no hash."))], of.GetProperty("root").GetString()!,
                of.GetProperty("before").GetString()!, restored, of.GetProperty("key").GetString()!, of.GetProperty("signature").GetBytesFromBase64());
            return read.Line() == line ? read : null;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            return null;
        }
    }

    private void Members(Utf8JsonWriter line)
    {
        line.WriteString("line", "checkpoint");
        line.WriteNumber("number", Number);
        line.WriteString("log", Log);
        line.WriteString("at", At);
        line.WriteNumber("blocks", Blocks);
        line.WriteNumber("events", Events);
        line.WriteNumber("began", Began);
        line.WriteStartArray("added");
        foreach (var hash in Added) line.WriteStringValue(hash);
        line.WriteEndArray();
        line.WriteString("root", Root);
        line.WriteString("before", Before);
        if (Restored is null) return;
        line.WriteStartObject("restored");
        line.WriteNumber("blocks", Restored.Blocks);
        line.WriteString("why", Restored.Why);
        line.WriteEndObject();
    }
}

/// <summary>The database was put back: of the blocks that had been signed, only so many were left.</summary>
internal sealed record RestoredFrom(long Blocks, string Why);
