using System.Globalization;
using System.Text;

namespace OrleansAiOs.Kernel.Audit;

/// <summary>A place outside the database to which checkpoints go.</summary>
public interface ICheckpointOutlet
{
    /// <summary>What a person knows it by.</summary>
    string Name { get; }

    /// <summary>The number and the hash of the last line that it has; 0 and "" if none.</summary>
    Task<(long Number, string Sha256)> LastAsync(CancellationToken cancellation);

    /// <summary>Adds a line behind the last.</summary>
    Task AddAsync(long number, string line, CancellationToken cancellation);
}

public static class CheckpointOutlets
{
    /// <summary>Reads the setting AIOS_AUDIT_CHECKPOINTS: one or several of <c>file:/path</c> and <c>https://…</c>, with '|' between.</summary>
    /// <param name="setting">The setting; null or empty: the file checkpoints.ndjson in the folder.</param>
    /// <param name="folder">The host's folder for the trail, where it notes how far each URL has come.</param>
    /// <param name="connect">Makes the way to an address; it is that way's to keep.</param>
    /// <exception cref="FormatException">It names the part and the cure.</exception>
    public static IReadOnlyList<ICheckpointOutlet> Parse(string? setting, string folder, Func<Uri, HttpClient> connect)
    {
        if (string.IsNullOrWhiteSpace(setting)) return [new CheckpointFile(Path.Combine(folder, "checkpoints.ndjson"))];
        return [.. setting.Split('|', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(ICheckpointOutlet (part) =>
        {
            if (part.StartsWith("file:", StringComparison.Ordinal) && Path.IsPathFullyQualified(part["file:".Length..])) return new CheckpointFile(part["file:".Length..]);
            if (!Uri.TryCreate(part, UriKind.Absolute, out var url) || url.Scheme == "file") throw new FormatException($"AUDIT_CHECKPOINTS: '{part}' is neither file: with a whole path nor an address. Write, say, file:/mnt/worm/aios.ndjson|https://witness.example/aios.");
            try
            {
                return new CheckpointUrl(url, Path.Combine(folder, $"sent-{Checkpoint.HashOf(url.ToString())[..16]}"), connect);
            }
            catch (ArgumentException e)
            {
                throw new FormatException($"AUDIT_CHECKPOINTS: {e.Message}");
            }
        })];
    }
}

/// <summary>
/// Lines behind each other in a file, each on the disk before it counts. On a medium that only ever grows it is worth most. Several hosts
/// may have one file: who adds has it alone, and looks first whether another has added the same line.
/// </summary>
public sealed class CheckpointFile(string path) : ICheckpointOutlet
{
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(100);
    private const int AskMax = 50;

    private (long Length, long Number, string Sha256) known = (0, 0, "");

    public string Name => $"file:{path}";

    public async Task<(long Number, string Sha256)> LastAsync(CancellationToken cancellation)
    {
        if (!File.Exists(path)) return (0, "");
        await using var file = await OpenAsync(path, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, Share = FileShare.ReadWrite }, cancellation);
        return await LastAsync(file, cancellation);
    }

    public async Task AddAsync(long number, string line, CancellationToken cancellation)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        await using var file = await OpenAsync(path, new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0 }, cancellation);
        if ((await LastAsync(file, cancellation)).Number >= number) return;
        var torn = !EndsALine(file);
        file.Seek(0, SeekOrigin.End);
        await file.WriteAsync(Encoding.UTF8.GetBytes($"{(torn ? "\n" : "")}{line}\n"), cancellation);
        file.Flush(flushToDisk: true);
    }

    // Reads on from where it has read to before: the file grows by a line a minute, for years.
    private async Task<(long Number, string Sha256)> LastAsync(FileStream file, CancellationToken cancellation)
    {
        var length = file.Length;
        if (length < known.Length) known = (0, 0, ""); // another file
        var whole = EndsALine(file);
        file.Position = known.Length;
        string? last = null;
        using var reader = new StreamReader(file, leaveOpen: true);
        // What a crash left of a line is no checkpoint: the whole of it comes again.
        while (await reader.ReadLineAsync(cancellation) is { } line)
            if (line.StartsWith("{\"line\":\"checkpoint\"", StringComparison.Ordinal) && line.EndsWith('}')) last = line;
        if (last is not null)
        {
            var checkpoint = Checkpoint.Read(last)
                ?? throw new InvalidDataException($"{path}: its last line is no checkpoint. Somebody has changed the file: keep it, find out who, and point AIOS_AUDIT_CHECKPOINTS to a new one.");
            known = (known.Length, checkpoint.Number, Checkpoint.HashOf(last));
        }
        if (whole) known.Length = length;
        return (known.Number, known.Sha256);
    }

    private static bool EndsALine(FileStream file)
    {
        if (file.Length == 0) return true;
        file.Seek(-1, SeekOrigin.End);
        return file.ReadByte() == '\n';
    }

    /// <summary>Opens a file of lines, as soon as whoever adds to it lets it go.</summary>
    internal static async Task<FileStream> OpenAsync(string path, FileStreamOptions how, CancellationToken cancellation)
    {
        for (var asked = 1; ; asked++)
        {
            try
            {
                return new FileStream(path, how);
            }
            catch (IOException e) when (e is not (FileNotFoundException or DirectoryNotFoundException) && asked < AskMax)
            {
                await Task.Delay(AskAgain, cancellation); // another host, or a verifier, has it
            }
        }
    }
}

/// <summary>Each line posted as JSON. How far it came stands in a file of the host's, so that after a crash none is left out.</summary>
public sealed class CheckpointUrl : ICheckpointOutlet, IDisposable
{
    private readonly Uri url;
    private readonly string position;
    private readonly HttpClient http;

    /// <param name="url">https, or http on this machine.</param>
    /// <param name="position">The file that says how far it came.</param>
    /// <param name="connect">Makes the way to it.</param>
    /// <exception cref="ArgumentException">The address is of another kind.</exception>
    public CheckpointUrl(Uri url, string position, Func<Uri, HttpClient> connect)
    {
        if (url.Scheme != "https" && !(url.Scheme == "http" && url.IsLoopback)) throw new ArgumentException($"Checkpoints go to https, or to http on this machine; '{url}' is neither.", nameof(url));
        (this.url, this.position) = (url, position);
        http = connect(url);
        http.Timeout = TimeSpan.FromSeconds(15);
    }

    public string Name => url.GetLeftPart(UriPartial.Path);

    public async Task<(long Number, string Sha256)> LastAsync(CancellationToken cancellation) =>
        File.Exists(position) && (await File.ReadAllTextAsync(position, cancellation)).Split(' ', StringSplitOptions.TrimEntries) is [var number, var sha256]
            && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var read) ? (read, sha256) : (0, "");

    public async Task AddAsync(long number, string line, CancellationToken cancellation)
    {
        using var content = new StringContent(line, Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync(url, content, cancellation);
        answer.EnsureSuccessStatusCode();
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(position))!);
        await File.WriteAllTextAsync(position + ".new", string.Create(CultureInfo.InvariantCulture, $"{number} {Checkpoint.HashOf(line)}"), cancellation);
        File.Move(position + ".new", position, overwrite: true);
    }

    public void Dispose() => http.Dispose();
}
