using System.Security.Cryptography;
using System.Text;

namespace OrleansAiOs.Workflows.Timers;

/// <summary>
/// How due work is divided among the hosts of a cluster: each run falls into one of these buckets, and one host at a time serves a bucket.
/// A store computes the same from what it keeps of a run, so that no row names its bucket.
/// </summary>
public static class WakeUpBuckets
{
    /// <summary>How many there are. Fixed: hosts of two versions that divided differently would each leave rows to the other.</summary>
    public const int Count = 32;

    /// <summary>The first byte of SHA-256 over the UTF-8 of "tenant/id", modulo <see cref="Count"/>.</summary>
    public static int Of(RunKey run)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes($"{run.Tenant}/{run.Id}"), hash);
        return hash[0] % Count;
    }
}
