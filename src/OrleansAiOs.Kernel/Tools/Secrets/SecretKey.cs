using System.Security.Cryptography;
using System.Text;

namespace OrleansAiOs.Kernel.Tools.Secrets;

/// <summary>
/// The key that secrets are sealed under: 32 bytes in a file of the host's data folder that its user alone can read. Hosts that share a
/// database share the file. Without it the stored secrets are noise: keep it apart from the database's backups.
/// </summary>
public sealed class SecretKey : IDisposable
{
    private const int KeyBytes = 32;
    private const byte Form = 1;

    private readonly byte[] key;

    private SecretKey(byte[] key) => this.key = key;

    /// <exception cref="InvalidDataException">The file holds no key, or others can read it.</exception>
    public static SecretKey Open(string file)
    {
        if (!File.Exists(file)) Make(file);
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite)) != 0)
            throw new InvalidDataException($"{file}, the key of all secrets, can be read by other users of this machine. Change the secrets it has sealed where they are used, then `chmod 600` it.");
        var text = File.ReadAllText(file).Trim();
        var key = new byte[KeyBytes];
        return Convert.TryFromBase64String(text, key, out var bytes) && bytes == KeyBytes ? new SecretKey(key)
            : throw new InvalidDataException($"{file} holds no key of {KeyBytes} bytes. Bring it back from a backup; without it the stored secrets cannot be opened, and are to be set anew.");
    }

    // What is stored: one byte for the form, then nonce, tag, and the sealed text.
    private const int NonceAt = 1, TagAt = NonceAt + 12, TextAt = TagAt + 16;

    /// <param name="place">What the value is bound to: it opens for the same place only.</param>
    internal byte[] Seal(string place, string value)
    {
        var plain = Encoding.UTF8.GetBytes(value);
        var box = new byte[TextAt + plain.Length];
        box[0] = Form;
        RandomNumberGenerator.Fill(box.AsSpan(NonceAt..TagAt));
        using var aes = Cipher();
        aes.Encrypt(box.AsSpan(NonceAt..TagAt), plain, box.AsSpan(TextAt..), box.AsSpan(TagAt..TextAt), Encoding.UTF8.GetBytes(place));
        CryptographicOperations.ZeroMemory(plain);
        return box;
    }

    /// <exception cref="CryptographicException">It was sealed under another key or for another place, or was changed since.</exception>
    internal string Open(string place, byte[] box)
    {
        if (box.Length < TextAt || box[0] != Form) throw new CryptographicException("This is nothing that was sealed here.");
        var plain = new byte[box.Length - TextAt];
        using var aes = Cipher();
        aes.Decrypt(box.AsSpan(NonceAt..TagAt), box.AsSpan(TextAt..), box.AsSpan(TagAt..TextAt), plain, Encoding.UTF8.GetBytes(place));
        return Encoding.UTF8.GetString(plain);
    }

    public void Dispose() => CryptographicOperations.ZeroMemory(key);

    // One for each use: two that use one at the same moment spoil each other's.
    private AesGcm Cipher() => new(key, AesGcm.TagByteSizes.MaxSize);

    // Two hosts that start at once on one folder make one key: the second finds the name taken.
    private static void Make(string file)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
        var beside = $"{file}.{Environment.ProcessId}.new";
        File.Delete(beside);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var writer = new StreamWriter(beside, options)) writer.WriteLine(Convert.ToBase64String(RandomNumberGenerator.GetBytes(KeyBytes)));
        try
        {
            File.Move(beside, file, overwrite: false);
        }
        catch (IOException) when (File.Exists(file))
        {
            File.Delete(beside);
        }
    }
}
