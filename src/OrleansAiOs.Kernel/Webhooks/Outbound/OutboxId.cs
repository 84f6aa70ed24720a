using System.Security.Cryptography;
using System.Text;

namespace OrleansAiOs.Kernel.Webhooks.Outbound;

/// <summary>A message's id: made of which event it tells, and whom.</summary>
internal static class OutboxId
{
    public static string Of(string tenant, string receiver, string run, long version) =>
        $"msg_{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{tenant}\n{receiver}\n{run}\n{version}")))[..32]}";
}
