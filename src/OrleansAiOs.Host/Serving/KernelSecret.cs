using System.Security.Cryptography;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Postgres;

namespace OrleansAiOs.Host.Serving;

/// <summary>
/// The secret that the kernel's events are sealed with: 32 random bytes in the host's folder (kernel.secret, base64, 0600), or in the file that
/// AIOS_KERNEL_SECRET names. Hosts that share a database share it. Without it nothing the kernel knows could be told from what somebody wrote by hand.
/// </summary>
internal static class KernelSecret
{
    /// <exception cref="StartRefusedException">There are sealed events and no secret, or the file holds none.</exception>
    public static async Task<StreamSeal> LoadAsync(HostFolder folder, string? file, Func<Task<bool>> isInUse)
    {
        var text = file is null ? folder.KernelSecret : File.Exists(file) ? (await File.ReadAllTextAsync(file)).Trim() : throw new StartRefusedException($"The file {file}, which AIOS_KERNEL_SECRET names, is not there.");
        if (text is null)
        {
            if (await isInUse())
                throw new StartRefusedException($"The database holds what a host of this installation has sealed, and {folder.KernelSecretPath} is not there. Copy kernel.secret from the folder of the host that made it, "
                    + "or name it with AIOS_KERNEL_SECRET. Without it nothing of who may do what can be believed.");
            text = Convert.ToBase64String(RandomNumberGenerator.GetBytes(StreamSeal.SecretBytes));
            folder.WriteKernelSecret(text);
        }
        var secret = new byte[StreamSeal.SecretBytes];
        if (!Convert.TryFromBase64String(text, secret, out var written) || written != secret.Length)
            throw new StartRefusedException($"{file ?? folder.KernelSecretPath} holds no kernel secret: {StreamSeal.SecretBytes} bytes in base64 are expected.");
        return new StreamSeal(secret);
    }
}
