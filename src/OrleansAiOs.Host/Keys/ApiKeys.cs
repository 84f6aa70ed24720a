using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Npgsql;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Host.Keys;

/// <summary>
/// Who may use the API. A key is 256 random bits, shown once; the database holds its SHA-256, which for so many bits is as good as a
/// slow hash. What was looked up is kept for a second, so a revoked key is refused everywhere within one.
/// </summary>
internal sealed class ApiKeys(NpgsqlDataSource source, TimeProvider time)
{
    public const string OwnerRole = "owner";

    private static readonly TimeSpan KeptFor = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, (Decider? Holder, DateTimeOffset At)> known = new(StringComparer.Ordinal);

    /// <summary>Whose key this is; null if nobody's, or revoked.</summary>
    public async ValueTask<Decider?> HolderOfAsync(string key, CancellationToken cancellation)
    {
        if (!key.StartsWith("aios_", StringComparison.Ordinal) || key.Length > 100) return null;
        var hash = Hash(key);
        var name = Convert.ToHexString(hash);
        var now = time.GetUtcNow();
        if (known.TryGetValue(name, out var kept) && now - kept.At < KeptFor) return kept.Holder;
        var holder = await FindAsync(hash, cancellation);
        // Only real keys are kept: a stranger cannot fill the memory.
        if (holder is not null) known[name] = (holder, now);
        else known.TryRemove(name, out _);
        return holder;
    }

    /// <returns>The key, which cannot be read again; null if the name is taken.</returns>
    public async Task<string?> AddAsync(string name, IReadOnlyList<string> roles, CancellationToken cancellation)
    {
        var key = "aios_" + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)).Replace('+', '-').Replace('/', '_').TrimEnd('=');
        await using var command = source.CreateCommand("""
            insert into aios.api_keys (tenant_id, name, hash, roles) values ($1, $2, $3, $4)
            on conflict (tenant_id, name) do update set hash = excluded.hash, roles = excluded.roles, created_at = now(), revoked_at = null
            where api_keys.revoked_at is not null
            """);
        command.Parameters.AddWithValue(RunKey.DefaultTenant);
        command.Parameters.AddWithValue(name);
        command.Parameters.AddWithValue(Hash(key));
        command.Parameters.AddWithValue(roles.ToArray());
        return await command.ExecuteNonQueryAsync(cancellation) == 1 ? key : null;
    }

    public async Task<bool> RevokeAsync(string name, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand("update aios.api_keys set revoked_at = now() where tenant_id = $1 and name = $2 and revoked_at is null");
        command.Parameters.AddWithValue(RunKey.DefaultTenant);
        command.Parameters.AddWithValue(name);
        var revoked = await command.ExecuteNonQueryAsync(cancellation) == 1;
        known.Clear();
        return revoked;
    }

    public async Task<List<ListedKey>> ListAsync(CancellationToken cancellation)
    {
        await using var command = source.CreateCommand("select name, roles, created_at, revoked_at from aios.api_keys where tenant_id = $1 order by name");
        command.Parameters.AddWithValue(RunKey.DefaultTenant);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var keys = new List<ListedKey>();
        while (await reader.ReadAsync(cancellation))
            keys.Add(new ListedKey(reader.GetString(0), reader.GetFieldValue<string[]>(1), reader.GetFieldValue<DateTimeOffset>(2), reader.IsDBNull(3) ? null : reader.GetFieldValue<DateTimeOffset>(3)));
        return keys;
    }

    /// <summary>Makes the owner's key on the first start, and again when its file was lost.</summary>
    /// <param name="read">The key in this host's folder.</param>
    /// <param name="write">Keeps the new one there.</param>
    /// <param name="folder">This host's folder.</param>
    /// <param name="shared">Other hosts, with folders of their own, may hold owner's keys too: theirs stay valid.</param>
    /// <param name="cancellation">Gives up.</param>
    public async Task EnsureOwnerAsync(Func<string?> read, Action<string> write, string folder, bool shared, CancellationToken cancellation)
    {
        if (read() is { } present && await HolderOfAsync(present, cancellation) is not null) return;
        var name = "owner";
        if (!shared) await RevokeAsync(name, cancellation);
        var key = await AddAsync(name, [OwnerRole], cancellation);
        if (key is null && shared)
        {
            name = $"owner-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{Environment.MachineName}\n{Path.GetFullPath(folder)}"))[..6])}";
            await RevokeAsync(name, cancellation);
            key = await AddAsync(name, [OwnerRole], cancellation);
        }
        write(key ?? throw new InvalidOperationException("Another host is making the owner's key at this moment. Start again."));
    }

    private async Task<Decider?> FindAsync(byte[] hash, CancellationToken cancellation)
    {
        await using var command = source.CreateCommand("select name, roles from aios.api_keys where hash = $1 and revoked_at is null");
        command.Parameters.AddWithValue(hash);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation) ? new Decider(reader.GetString(0), reader.GetFieldValue<string[]>(1), "api-key") : null;
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}

internal sealed record ListedKey(string Name, IReadOnlyList<string> Roles, DateTimeOffset CreatedAt, DateTimeOffset? RevokedAt);
