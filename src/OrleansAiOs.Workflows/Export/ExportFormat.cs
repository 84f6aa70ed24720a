using System.Reflection;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Export;

// Histories outside of a database: lines of JSON, readable without us. docs/history-format.md describes them, with a schema.
//
//   file                                   once: format, version, engine, when, what is left out
//   run  event event … payload payload …   for each run: its key and how many events follow; its events in order; the documents they refer to
//   end                                    once: how many of each, and the SHA-256 of every byte in front of this line
//
// "line" is the first member of each line and says which it is. A file without its end line is cut off, and is refused.

/// <summary>What the lines of an export have in common.</summary>
public static class ExportFormat
{
    public const string Name = "aios-histories";
    public const int Version = 1;

    /// <summary>What stands for a text that was redacted; a number is 0 and a truth value false, so that types still fit.</summary>
    public const string Redacted = "[redacted]";

    internal const int LineBytesMax = 32 * 1024 * 1024;
    internal const int EventsMax = 5_000_000;
    internal const int PayloadPartBytes = 1024 * 1024;

    /// <summary>The engine's version, as exports name it.</summary>
    public static string Engine { get; } = typeof(ExportFormat).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "unknown";
}

/// <summary>How much of a history leaves the house.</summary>
public sealed record ExportOptions
{
    public required DateTimeOffset ExportedAt { get; init; }

    /// <summary>With the bytes of the documents that histories refer to; without, only their hashes.</summary>
    public bool IncludePayloads { get; init; }

    /// <summary>Members to redact, by name, wherever they occur below the first level of an event's body; and comment and businessKey on it.</summary>
    public IReadOnlyCollection<string> Redact { get; init; } = [];
}

/// <summary>A run as an export holds it.</summary>
/// <param name="Redacted">So many of its values were redacted.</param>
/// <param name="Payloads">The documents it refers to; without content if only hashes were exported.</param>
public sealed record ExportedRun(RunKey Run, string Workflow, IReadOnlyList<StoredEvent> History, int Redacted, IReadOnlyList<ExportedPayload> Payloads);

public sealed record ExportedPayload(string Sha256, long Size, byte[]? Content);

/// <summary>The first line of an export.</summary>
public sealed record ExportHeader(string Engine, DateTimeOffset ExportedAt, bool IncludesPayloads, IReadOnlyList<string> Redacted);

/// <summary>A line of an export is not what the format says. Nothing of the file was taken.</summary>
public sealed class MalformedExportException(long line, string what) : Exception($"Line {line}: {what}")
{
    public long Line => line;
}
