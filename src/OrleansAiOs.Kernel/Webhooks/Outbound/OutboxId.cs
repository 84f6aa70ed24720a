using System.Security.Cryptography;
using System.Text;

namespace OrleansAiOs.Kernel.Webhooks.Outbound;

/// <summary>
/// A message's id: made of which event it tells, and whom. The event's time is in it, since a run that was deleted leaves its id, and its
/// versions, to another.
/// </summary>
internal static class OutboxId
{
    public static string Of(string tenant, string receiver, string run, long version, DateTimeOffset at) =>
        $"msg_{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{tenant}\n{receiver}\n{run}\n{version}\n{(at - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond}")))[..32]}";
}
