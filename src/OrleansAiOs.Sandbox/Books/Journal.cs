using System.Text.Json;

namespace OrleansAiOs.Sandbox;

/// <summary>The books on disk: one JSON line per entry, appended by one write each.</summary>
/// <remarks>
/// A line is handed to the operating system before the books in memory change, so it survives kill -9 (not a power cut: nothing
/// is fsynced, this is a test double). Killed between or within writes, the file ends in at most one line without its line break:
/// nobody was told of that entry, so it is cut off on opening. Damage anywhere else is refused, never skipped.
/// </remarks>
internal sealed class Journal : IDisposable
{
    private const string FileName = "sandbox.ndjson";

    private readonly Stream file;
    private readonly IDisposable? folderLock;
    private bool torn;

    internal Journal(Stream file, IDisposable? folderLock = null) => (this.file, this.folderLock) = (file, folderLock);

    /// <summary>Opens or creates the journal of a folder and hands every entry in it to <paramref name="apply"/>.</summary>
    public static Journal Open(string folder, Action<BookEntry> apply)
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, FileName);

        // A file of its own is the lock: locked against a second sandbox, the journal would be locked against readers too.
        var folderLock = new FileStream(Path.Combine(folder, "sandbox.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        FileStream? file = null;
        try
        {
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            file.SetLength(Replay(file, apply));
            file.Seek(0, SeekOrigin.End);
            return new Journal(file, folderLock);
        }
        catch
        {
            file?.Dispose();
            folderLock.Dispose();
            throw;
        }
    }

    public void Append(BookEntry entry)
    {
        var end = file.Position;
        try
        {
            if (torn)
            {
                throw new IOException("An earlier line could be neither finished nor taken back.");
            }

            file.Write([.. StrictJson.Bytes(entry), (byte)'\n']);
        }
        catch (IOException e)
        {
            TakeBack(end);
            throw new Refusal(503, "books-closed", "The books could not be written, so nothing was booked: " + e.Message)
            {
                Cure = "Free space in the data folder.",
            };
        }
    }

    public void Dispose()
    {
        file.Dispose();
        folderLock?.Dispose();
    }

    private void TakeBack(long end)
    {
        try
        {
            file.SetLength(end);
            file.Seek(end, SeekOrigin.Begin);
        }
        catch (IOException)
        {
            torn = true;
        }
    }

    /// <returns>Where the last whole line ends.</returns>
    private static long Replay(FileStream file, Action<BookEntry> apply)
    {
        var reader = new BufferedStream(file, 1 << 16);
        var line = new MemoryStream();
        long end = 0;
        for (var number = 1; ReadLine(reader, line); number++)
        {
            try
            {
                apply(JsonSerializer.Deserialize<BookEntry>(line.GetBuffer().AsSpan(0, (int)line.Length), StrictJson.Options)
                    ?? throw new JsonException("The line is null."));
            }
            catch (Exception e) when (e is JsonException or ArgumentException or NotSupportedException)
            {
                throw new InvalidDataException($"{file.Name} is damaged in line {number}. Restore the file, or move it away to start with empty books.", e);
            }

            end += line.Length + 1;
        }

        return end;
    }

    private static bool ReadLine(BufferedStream reader, MemoryStream line)
    {
        line.SetLength(0);
        for (var b = reader.ReadByte(); b >= 0; b = reader.ReadByte())
        {
            if (b == '\n')
            {
                return true;
            }

            line.WriteByte((byte)b);
        }

        return false;
    }
}
