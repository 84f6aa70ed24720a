using System.Collections.Concurrent;
using System.Data.Common;
using System.Security.Cryptography;
using System.Text.Json;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Tools.Secrets;

/// <summary>A secret as it can be listed: never its value.</summary>
public sealed record SecretView(string Name, IReadOnlyList<string> Hosts, DateTimeOffset SetAt, string SetBy);

/// <summary>
/// The values behind secret://NAME. Each is sealed for its tenant, name and hosts (SecretKey.cs), and opened only for a call to one of those
/// hosts, by the egress client, or for the environment of an MCP server's process. Opened anew for each use: what was replaced or removed
/// is gone at once.
/// </summary>
public sealed class SecretStore(DbDataSource source, EventStreams streams, SecretKey key, TimeProvider time)
{
    /// <summary>Shorter ones could not be taken out of an answer without taking out words.</summary>
    public const int CharsMin = 8;

    public const int CharsMax = 8 * 1024;

    private const int HostsMax = 16;

    private readonly ConcurrentDictionary<(string Tenant, string Name, string Host, string For), DateTimeOffset> told = new();

    /// <summary>Sets a secret, or gives it another value and other hosts.</summary>
    /// <param name="hosts">Host names or addresses; mcp:NAME for an MCP server's environment; hook:NAME for checking what a source of webhooks sends.</param>
    /// <exception cref="ArgumentException">A name, a host or the value is not one.</exception>
    public async Task SetAsync(string tenant, string name, string value, IReadOnlyCollection<string> hosts, string by, CancellationToken cancellation = default)
    {
        if (!SecretHandle.IsName(name)) throw new ArgumentException($"A secret is named as {SecretHandle.Form}.", nameof(name));
        if (value.Length is < CharsMin or > CharsMax) throw new ArgumentException($"A secret has {CharsMin} to {CharsMax:N0} characters; this one has {value.Length:N0}.", nameof(value));
        if (value.Any(c => c is < ' ' or > '~')) throw new ArgumentException("A secret holds printable ASCII alone: anything else breaks the header it is put into.", nameof(value));
        if (hosts.Count is 0 or > HostsMax) throw new ArgumentException($"A secret is bound to 1 to {HostsMax} hosts. Name those that it is for.", nameof(hosts));
        var canonical = hosts.Select(Canonical).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToArray();
        await ChangeAsync(tenant, name, new SecretSet(name, canonical), by, cancellation);
        await using var command = source.Command("""
            insert into aios.secrets (tenant_id, name, hosts, sealed, set_by) values ($1, $2, $3, $4, $5)
            on conflict (tenant_id, name) do update set hosts = excluded.hosts, sealed = excluded.sealed, set_at = now(), set_by = excluded.set_by
            """, tenant, name, canonical, key.Seal(Place(tenant, name, canonical), value), by);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <returns>False if there is none of this name.</returns>
    public async Task<bool> RemoveAsync(string tenant, string name, string by, CancellationToken cancellation = default)
    {
        await using var command = source.Command("delete from aios.secrets where tenant_id = $1 and name = $2", tenant, name);
        if (await command.ExecuteNonQueryAsync(cancellation) == 0) return false;
        await ChangeAsync(tenant, name, new SecretRemoved(name), by, cancellation);
        return true;
    }

    public async Task<IReadOnlyList<SecretView>> ListAsync(string tenant, CancellationToken cancellation = default)
    {
        await using var command = source.Command("select name, hosts, set_at, set_by from aios.secrets where tenant_id = $1 order by name", tenant);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var list = new List<SecretView>();
        while (await reader.ReadAsync(cancellation))
            list.Add(new SecretView(reader.GetString(0), await reader.GetFieldValueAsync<string[]>(1, cancellation), await reader.GetFieldValueAsync<DateTimeOffset>(2, cancellation), reader.GetString(3)));
        return list;
    }

    /// <summary>Opens a secret for a host.</summary>
    /// <exception cref="SecretDeniedException">It is not there, is not for this host, or cannot be opened. That somebody asked is an event.</exception>
    internal async Task<string> RevealAsync(string tenant, string name, string host, string @for, CancellationToken cancellation)
    {
        string[]? hosts = null;
        byte[] box = [];
        await using (var command = source.Command("select hosts, sealed from aios.secrets where tenant_id = $1 and name = $2", tenant, name))
        await using (var reader = await command.ExecuteReaderAsync(cancellation))
            if (await reader.ReadAsync(cancellation)) (hosts, box) = (await reader.GetFieldValueAsync<string[]>(0, cancellation), await reader.GetFieldValueAsync<byte[]>(1, cancellation));

        if (hosts is null) throw await DenyAsync("there is no secret of this name");
        if (!hosts.Contains(host, StringComparer.Ordinal)) throw await DenyAsync($"it is for {string.Join(", ", hosts)}");
        try
        {
            return key.Open(Place(tenant, name, hosts), box);
        }
        catch (CryptographicException)
        {
            throw await DenyAsync("it was sealed under another key, or its row was changed in the database; set it anew");
        }

        async Task<SecretDeniedException> DenyAsync(string why)
        {
            await TellAsync(tenant, new SecretDenied(name, host, @for, why), cancellation);
            return new SecretDeniedException(name, host, @for, why);
        }
    }

    /// <summary>Those of the secrets that are there, are for this place, and can be opened. One question, whatever is found; nothing is told of what is not: a stranger asks.</summary>
    internal async Task<IReadOnlyList<string>> RevealThoseForAsync(string tenant, IReadOnlyCollection<string> names, string place, CancellationToken cancellation)
    {
        var values = new List<string>();
        await using var command = source.Command("select name, hosts, sealed from aios.secrets where tenant_id = $1 and name = any($2) order by name", tenant, names.ToArray());
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            var hosts = await reader.GetFieldValueAsync<string[]>(1, cancellation);
            if (!hosts.Contains(place, StringComparer.Ordinal)) continue;
            try
            {
                values.Add(key.Open(Place(tenant, reader.GetString(0), hosts), await reader.GetFieldValueAsync<byte[]>(2, cancellation)));
            }
            catch (CryptographicException)
            {
                // Sealed under another key, or changed by hand: as if it were not there.
            }
        }
        return values;
    }

    // Once a minute for the same denial: a run that tries for ever must not fill the stream.
    private async Task TellAsync(string tenant, SecretDenied denied, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        if (told.Count > 1000) told.Clear();
        var key = (tenant, denied.Name, denied.Host, denied.For);
        if (told.TryGetValue(key, out var at) && now - at < TimeSpan.FromMinutes(1)) return;
        told[key] = now;
        await ChangeAsync(tenant, denied.Name, denied, null, cancellation);
    }

    private async Task ChangeAsync(string tenant, string name, KernelEvent e, string? by, CancellationToken cancellation)
    {
        while (true)
        {
            var version = (await streams.ReadAsync(tenant, $"secret/{name}", cancellation)).Count;
            try
            {
                await streams.AppendAsync(tenant, $"secret/{name}", version, [e], by, cancellation);
                return;
            }
            catch (StreamConflictException)
            {
                // Somebody else was at it; what happened here happened all the same.
            }
        }
    }

    private static string Canonical(string host)
    {
        if (host.Split(':') is ["mcp" or "hook", var name] && SecretHandle.IsName(name)) return host;
        var plain = host.Trim('[', ']');
        var kind = Uri.CheckHostName(plain);
        if (kind is not UriHostNameType.Unknown && host.Length <= 253 && Uri.TryCreate(kind is UriHostNameType.IPv6 ? $"https://[{plain}]/" : $"https://{plain}/", UriKind.Absolute, out var url)) return Egress.Reach.HostOf(url);
        throw new ArgumentException($"'{host}' is no host. Write a name or an address without a port, as in api.example.com, mcp:NAME for an MCP server's process, or hook:NAME for a source of webhooks.", nameof(host));
    }

    // One text for one place, whatever the parts hold.
    private static string Place(string tenant, string name, string[] hosts) => JsonSerializer.Serialize(new[] { tenant, name }.Concat(hosts));

}

/// <summary>A secret was asked for where it may not go. Names it, never tells it.</summary>
public sealed class SecretDeniedException(string name, string host, string @for, string why)
    : Exception($"{@for}: secret '{name}' is not sent to {host}: {why}. `aios secrets set {name} --host {host}` binds it to this host, if that is meant.");
