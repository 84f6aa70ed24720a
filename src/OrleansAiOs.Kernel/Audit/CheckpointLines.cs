using System.Text;

namespace OrleansAiOs.Kernel.Audit;

/// <summary>
/// Checkpoints as they were kept outside the database, read and held against each other: their form, their signatures, that each names
/// the one before, and that every root follows from the blocks that were added. All this without the database.
/// </summary>
public sealed class CheckpointLines
{
    private const int LineCharsMax = 64 * 1024 * 1024;

    private readonly List<byte[]> blocks = [];
    private readonly Dictionary<long, string> byNumber = [];
    private MerkleLog log = new();
    private Checkpoint? last;

    private CheckpointLines()
    {
    }

    /// <summary>What is wrong with the lines themselves.</summary>
    public List<AuditFinding> Findings { get; } = [];

    /// <summary>Public keys that have signed, and pinned ones.</summary>
    public HashSet<string> Keys { get; } = new(StringComparer.Ordinal);

    public long Count => byNumber.Count;

    internal Checkpoint? Last => last;

    /// <summary>The hashes of all blocks that are signed for, in order.</summary>
    internal IReadOnlyList<byte[]> Blocks => blocks;

    /// <summary>Restores that a person stated.</summary>
    internal List<Checkpoint> Restores { get; } = [];

    internal string? LineOf(long number) => byNumber.GetValueOrDefault(number);

    /// <summary>Reads files of lines; lines that stand in several count once.</summary>
    /// <param name="files">The files, in any order.</param>
    /// <param name="pinned">Public keys to accept; none: those that the lines name.</param>
    public static async Task<CheckpointLines> ReadAsync(IReadOnlyList<string> files, IReadOnlyList<string> pinned, CancellationToken cancellation = default)
    {
        var lines = new List<(string Line, string Where)>();
        foreach (var file in files)
        {
            // A host may be adding a line: then not before that stands there as a whole.
            await using var opened = await CheckpointFile.OpenAsync(file, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, Share = FileShare.Read }, cancellation);
            using var reader = new StreamReader(opened, Encoding.UTF8);
            var number = 0;
            while (await reader.ReadLineAsync(cancellation) is { } line) lines.Add((line, $"{Path.GetFileName(file)}, line {++number}"));
        }
        return Of(lines, pinned);
    }

    internal static CheckpointLines Of(IEnumerable<(string Line, string Where)> lines, IReadOnlyList<string> pinned)
    {
        var read = new CheckpointLines();
        read.Keys.UnionWith(pinned);
        var found = new SortedDictionary<long, (Checkpoint Checkpoint, string Line, string Where)>();
        string? torn = null;
        foreach (var (line, where) in lines)
        {
            if (line.Length == 0) continue;
            if (line.Length > LineCharsMax || Checkpoint.Read(line) is not { } checkpoint)
            {
                // A crash in the middle of a line leaves its beginning, and the next start writes the whole of it again.
                if (torn is not null) read.Say(AuditFault.CheckpointBroken, where, "is no checkpoint, or not in the form in which it was signed");
                torn = line;
                continue;
            }
            if (torn is not null && !line.StartsWith(torn, StringComparison.Ordinal)) read.Say(AuditFault.CheckpointBroken, where, "comes behind a line that is no checkpoint, or not in the form in which it was signed");
            torn = null;
            if (!checkpoint.Verifies()) read.Say(AuditFault.CheckpointBroken, where, $"checkpoint {checkpoint.Number} is not signed by the key it names");
            else if (pinned.Count > 0 && !pinned.Contains(checkpoint.Key)) read.Say(AuditFault.KeyUnknown, where, $"checkpoint {checkpoint.Number} is signed by a key that was not given with --public-key");
            if (!found.TryAdd(checkpoint.Number, (checkpoint, line, where)) && found[checkpoint.Number].Line != line)
                read.Say(AuditFault.Forked, where, $"there are two different checkpoints {checkpoint.Number}: somebody was shown another history");
        }
        if (torn is not null) read.Say(AuditFault.CheckpointBroken, "the last line", "is no checkpoint, or not in the form in which it was signed");
        foreach (var (checkpoint, line, where) in found.Values) read.Follow(checkpoint, line, where);
        return read;
    }

    private void Follow(Checkpoint next, string line, string where)
    {
        Keys.Add(next.Key);
        if (next.Number != (last?.Number ?? 0) + 1) Say(AuditFault.CheckpointBroken, where, $"checkpoint {next.Number} follows {last?.Number ?? 0}: lines between are missing");
        else if (next.Before != (last is null ? "" : Checkpoint.HashOf(byNumber[last.Number]))) Say(AuditFault.CheckpointBroken, where, $"checkpoint {next.Number} does not name the one before it");
        if (last is not null && (next.Log != last.Log || next.Began != last.Began)) Say(AuditFault.Forked, where, $"checkpoint {next.Number} is about another log than the one before it");
        if (next.Restored is { } restored)
        {
            if (restored.Blocks < 0 || restored.Blocks > blocks.Count) Say(AuditFault.CheckpointBroken, where, $"checkpoint {next.Number} goes back to a block that never was");
            else blocks.RemoveRange((int)restored.Blocks, (int)(blocks.Count - restored.Blocks));
            log = new MerkleLog();
            foreach (var block in blocks) log.Add(block);
            Restores.Add(next);
        }
        foreach (var hash in next.Added)
        {
            var block = hash.Length == 64 && hash.All(char.IsAsciiHexDigitLower) ? Convert.FromHexString(hash) : new byte[32];
            blocks.Add(block);
            log.Add(block);
        }
        if (blocks.Count != next.Blocks || Convert.ToHexStringLower(log.Root()) != next.Root) Say(AuditFault.CheckpointBroken, where, $"the root of checkpoint {next.Number} does not follow from its blocks");
        byNumber[next.Number] = line;
        last = next;
    }

    private void Say(AuditFault fault, string where, string what) => Findings.Add(new AuditFinding(fault, where, what));
}
