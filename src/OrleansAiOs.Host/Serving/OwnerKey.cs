using System.Security.Cryptography;
using System.Text;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Host.Serving;

/// <summary>The key of the platform's owner, which a host keeps in its folder: made on the first start, and again when its file was lost.</summary>
internal static class OwnerKey
{
    private const string Why = "a host that keeps the owner's key in its folder was started";

    /// <param name="keys">Credentials.</param>
    /// <param name="principals">Their holders.</param>
    /// <param name="read">The key in this host's folder.</param>
    /// <param name="write">Keeps the new one there.</param>
    /// <param name="folder">This host's folder.</param>
    /// <param name="shared">Other hosts, with folders of their own, may hold owner's keys too: theirs stay valid.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task EnsureAsync(Keys keys, Principals principals, Func<string?> read, Action<string> write, string folder, bool shared, CancellationToken cancellation)
    {
        await keys.AdoptAsync(cancellation);
        if (read() is { } present && await keys.FindAsync(present, cancellation) is not null) return;
        if (!shared) await keys.RevokeAsync(Tenants.Platform, BuiltInRole.Owner, null, cancellation: cancellation);
        var key = await TryIssueAsync(BuiltInRole.Owner);
        if (key is null && shared)
        {
            var name = $"owner-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{Environment.MachineName}\n{Path.GetFullPath(folder)}"))[..6])}";
            await keys.RevokeAsync(Tenants.Platform, name, null, cancellation: cancellation);
            key = await TryIssueAsync(name);
        }
        write(key ?? throw new InvalidOperationException("Another host is making the owner's key at this moment. Start again."));

        async Task<string?> TryIssueAsync(string name)
        {
            try
            {
                await BeOwnerAsync(principals, PrincipalId.Of(PrincipalKind.User, name), cancellation);
                return await keys.IssueAsync(Tenants.Platform, PrincipalId.Of(PrincipalKind.User, name), name, null, null, cancellation: cancellation);
            }
            catch (CommandRefusedException e) when (e.Refusal is Refusal.Conflict)
            {
                return null;
            }
        }
    }

    // Whoever may write the host's folder and its database is the owner, whatever was made of the principal meanwhile.
    private static async Task BeOwnerAsync(Principals principals, string id, CancellationToken cancellation)
    {
        if (await principals.FindAsync(Tenants.Platform, id, cancellation) is not { } owner)
        {
            await principals.AddAsync(Tenants.Platform, id, [BuiltInRole.Owner], null, cancellation);
            return;
        }
        if (!owner.Roles.Contains(BuiltInRole.Owner)) await principals.SetRolesAsync(Tenants.Platform, id, [.. owner.Roles, BuiltInRole.Owner], null, cancellation);
        if (owner.Disabled is not null) await principals.EnableAsync(Tenants.Platform, id, Why, null, cancellation);
    }
}
