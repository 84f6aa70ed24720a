using System.Security.Cryptography;
using System.Text;

namespace OrleansAiOs.Kernel.Tools.Secrets;

/// <summary>
/// What secrets are sealed under: a key made from the kernel's secret (StreamSeal.KeyFor), which all hosts of a database share, so that what is
/// set at one opens at every other. Without it the stored secrets are noise: keep it apart from the database's backups. Before, each host had
/// a key of its own in a file; what was sealed under it still opens where the file is.
/// </summary>
public sealed class SecretKey : IDisposable
{
    /// <summary>What the key is derived for.</summary>
    public const string Purpose = "aios-tool-secrets";

    private const int KeyBytes = 32;

    // The first byte of what is stored: which key.
    private const byte OfFile = 1, OfHosts = 2;

    private readonly byte[] hosts;
    private readonly byte[]? file;

    /// <param name="hosts">32 bytes, the same on every host of the database.</param>
    /// <param name="before">The file of the key from before; need not be there.</param>
    /// <exception cref="IOException">The file holds no key, or others can read it.</exception>
    public SecretKey(byte[] hosts, string? before = null)
    {
        if (hosts.Length != KeyBytes) throw new ArgumentException($"The key of all secrets has {KeyBytes} bytes; this one has {hosts.Length}.", nameof(hosts));
        (this.hosts, file) = (hosts, File.Exists(before) ? Read(before) : null);
    }

    private static byte[] Read(string file)
    {
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite)) != 0)
            throw new IOException($"{file}, the key of secrets, can be read by other users of this machine. Change the secrets it has sealed where they are used, then `chmod 600` it.");
        var text = File.ReadAllText(file).Trim();
        var key = new byte[KeyBytes];
        return Convert.TryFromBase64String(text, key, out var bytes) && bytes == KeyBytes ? key
            : throw new IOException($"{file} holds no key of {KeyBytes} bytes. Bring it back from a backup; or move it away, and set those secrets anew that cannot be opened then.");
    }

    // What is stored: one byte for the key, then nonce, tag, and the sealed text.
    private const int NonceAt = 1, TagAt = NonceAt + 12, TextAt = TagAt + 16;

    /// <param name="place">What the value is bound to: it opens for the same place only.</param>
    internal byte[] Seal(string place, string value)
    {
        var plain = Encoding.UTF8.GetBytes(value);
        var box = new byte[TextAt + plain.Length];
        box[0] = OfHosts;
        RandomNumberGenerator.Fill(box.AsSpan(NonceAt..TagAt));
        using var aes = Cipher(hosts);
        aes.Encrypt(box.AsSpan(NonceAt..TagAt), plain, box.AsSpan(TextAt..), box.AsSpan(TagAt..TextAt), Encoding.UTF8.GetBytes(place));
        CryptographicOperations.ZeroMemory(plain);
        return box;
    }

    /// <exception cref="CryptographicException">It was sealed under another key or for another place, or was changed since.</exception>
    internal string Open(string place, byte[] box)
    {
        var key = box.Length < TextAt ? null : box[0] switch { OfHosts => hosts, OfFile => file, _ => null };
        if (key is null) throw new CryptographicException("This is nothing that was sealed here.");
        var plain = new byte[box.Length - TextAt];
        using var aes = Cipher(key);
        aes.Decrypt(box.AsSpan(NonceAt..TagAt), box.AsSpan(TextAt..), box.AsSpan(TagAt..TextAt), plain, Encoding.UTF8.GetBytes(place));
        return Encoding.UTF8.GetString(plain);
    }

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(hosts);
        CryptographicOperations.ZeroMemory(file);
    }

    // One for each use: two that use one at the same moment spoil each other's.
    private static AesGcm Cipher(byte[] key) => new(key, AesGcm.TagByteSizes.MaxSize);
}
