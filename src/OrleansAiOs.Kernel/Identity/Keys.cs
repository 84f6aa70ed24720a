using System.Collections.Concurrent;
using System.Data.Common;
using System.Security.Cryptography;
using System.Text;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Identity;

/// <summary>Whose key it is.</summary>
/// <param name="Hash">The beginning of the key's hash, by which its principal's stream knows it.</param>
public sealed record Credential(string Tenant, string Principal, string Name, string Hash);

public sealed record ListedKey(string Name, string Principal, DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt, DateTimeOffset? RevokedAt);

/// <summary>
/// How principals prove who they are. A key is 256 random bits, shown once; the database holds its SHA-256, which for so many bits is as
/// good as a slow hash. Each change of a key is an event of its principal, committed with the change of its row; the event holds the
/// beginning of the hash, never more. What was looked up is kept for a second, so a revoked key is refused everywhere within one. A row that
/// no event stands behind is nobody's key: who asks here asks <see cref="Principal.Holds"/> too.
/// </summary>
public sealed class Keys(EventStreams streams, DbDataSource source, TimeProvider time)
{
    private const string Prefix = "aios_";

    private static readonly TimeSpan KeptFor = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, (Credential Holder, DateTimeOffset? Expires, long At)> known = new(StringComparer.Ordinal);

    /// <summary>Whose key this is; null if nobody's, expired or revoked.</summary>
    public async ValueTask<Credential?> FindAsync(string key, CancellationToken cancellation = default)
    {
        if (!key.StartsWith(Prefix, StringComparison.Ordinal) || key.Length > 100) return null;
        var hash = Hash(key);
        var name = Convert.ToHexString(hash);
        if (known.TryGetValue(name, out var kept) && time.GetElapsedTime(kept.At) < KeptFor) return kept.Expires <= time.GetUtcNow() ? null : kept.Holder;
        var asked = time.GetTimestamp();
        // Only real keys are kept: a stranger cannot fill the memory.
        if (await LookUpAsync(hash, cancellation) is not { } found)
        {
            known.TryRemove(name, out _);
            return null;
        }
        known[name] = (found.Holder, found.Expires, asked);
        return found.Expires <= time.GetUtcNow() ? null : found.Holder;
    }

    /// <summary>Makes a key of a principal that is there.</summary>
    /// <param name="name">What the key is called, once in the tenant.</param>
    /// <param name="expires">When it ends by itself; null for never.</param>
    /// <param name="receipt">The command's idempotency key. A key is shown once: the command sent again is refused, and says so.</param>
    /// <returns>The key, which cannot be read again.</returns>
    /// <exception cref="CommandRefusedException">No such principal, a name that is taken, or a command that was carried out before.</exception>
    public async Task<string> IssueAsync(string tenant, string principal, string name, DateTimeOffset? expires, string? by, string? receipt = null, CancellationToken cancellation = default)
    {
        Principals.CheckId(principal);
        if (!PrincipalId.IsName(name)) throw new CommandRefusedException(Refusal.Invalid, $"name: {PrincipalId.NameRule}.");
        if (expires <= time.GetUtcNow()) throw new CommandRefusedException(Refusal.Invalid, $"expires: {expires:u} is in the past.");
        var key = Prefix + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)).Replace('+', '-').Replace('/', '_').TrimEnd('=');
        var (hash, mark) = (Hash(key), Receipt(by, receipt));
        await streams.DecideAsync(tenant, Principal.StreamOf(principal), history =>
        {
            var holder = Principal.Of(history) ?? throw Principals.NotThere(principal);
            if (mark is not null && history.Any(e => e.Event is KeyIssued issued && issued.Receipt == mark))
                throw new CommandRefusedException(Refusal.Conflict, $"This command was carried out before: the key '{name}' was made and shown then, and cannot be shown again. If nobody has it, revoke it and make another.");
            if (holder.Disabled is { } why) throw new CommandRefusedException(Refusal.Conflict, $"{principal} is disabled ({why}). Enable it first.");
            return [new KeyIssued(name, Beginning(hash), expires, mark)];
        }, by, async transaction =>
        {
            var made = await transaction.ExecuteAsync("""
                insert into aios.api_keys (tenant_id, name, principal, hash, roles, expires_at) values ($1, $2, $3, $4, '{}', $5)
                on conflict (tenant_id, name) do update set principal = excluded.principal, hash = excluded.hash, roles = excluded.roles, created_at = now(), expires_at = excluded.expires_at, revoked_at = null
                where api_keys.revoked_at is not null or api_keys.expires_at <= now() or api_keys.principal is null
                """, tenant, name, principal, hash, expires);
            if (made != 1)
                throw new CommandRefusedException(Refusal.Conflict, $"There is a key named '{name}' already. Revoke it first, or choose another name.");
        }, cancellation);
        return key;
    }

    /// <returns>False if there is no such key that is in force.</returns>
    public async Task<bool> RevokeAsync(string tenant, string name, string? by, string? receipt = null, CancellationToken cancellation = default)
    {
        if (await RowAsync(tenant, name, cancellation) is not var (principal, hash)) return false;
        var (did, mark) = (true, Receipt(by, receipt));
        await streams.DecideAsync(tenant, Principal.StreamOf(principal), history =>
        {
            did = mark is not null && history.Any(e => e.Event is KeyRevoked before && before.Receipt == mark);
            if (did || Principal.Of(history)?.Holds(Beginning(hash)) is not true) return [];
            did = true;
            return [new KeyRevoked(name, Beginning(hash), mark)];
        }, by, transaction => transaction.ExecuteAsync("update aios.api_keys set revoked_at = now() where tenant_id = $1 and name = $2 and hash = $3 and revoked_at is null", tenant, name, hash), cancellation);
        known.Clear();
        return did;
    }

    /// <summary>
    /// Gives each key from before there were principals one of its name, as if it had been added and the key issued now. Until then every
    /// key could start and steer runs, whatever its roles: so each but an owner's holds the role "operator" from here on, beside those it
    /// had. Once for a database, and before anybody is let in: a row without a principal that turns up later is nobody's key.
    /// </summary>
    public async Task AdoptAsync(CancellationToken cancellation = default)
    {
        const string adoption = "identity/adoption";
        if ((await streams.ReadAsync(Tenants.Platform, adoption, cancellation)).Count > 0) return;
        var old = new List<(string Tenant, string Name, byte[] Hash, string[] Roles)>();
        await using (var command = source.Command("select tenant_id, name, hash, roles from aios.api_keys where principal is null order by tenant_id, name"))
        await using (var reader = await command.ExecuteReaderAsync(cancellation))
            while (await reader.ReadAsync(cancellation)) old.Add((reader.GetString(0), reader.GetString(1), reader.GetFieldValue<byte[]>(2), reader.GetFieldValue<string[]>(3)));
        foreach (var (tenant, name, hash, roles) in old)
        {
            var principal = PrincipalId.Of(PrincipalKind.User, name);
            string[] held = roles.Contains(BuiltInRole.Owner) || roles.Contains(BuiltInRole.Operator) ? roles : [.. roles, BuiltInRole.Operator];
            await streams.DecideAsync(tenant, Principal.StreamOf(principal), history => history.Count > 0 ? [] : [new PrincipalAdded(principal, held), new KeyIssued(name, Beginning(hash))], null,
                transaction => transaction.ExecuteAsync("update aios.api_keys set principal = $4 where tenant_id = $1 and name = $2 and hash = $3", tenant, name, hash, principal), cancellation);
        }
        await streams.DecideAsync(Tenants.Platform, adoption, history => history.Count > 0 ? [] : [new KeysAdopted(old.Count)], null, cancellation: cancellation);
    }

    public async Task<IReadOnlyList<ListedKey>> ListAsync(string tenant, CancellationToken cancellation = default)
    {
        await using var command = source.Command("select name, principal, created_at, expires_at, revoked_at from aios.api_keys where tenant_id = $1 and principal is not null order by name", tenant);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var keys = new List<ListedKey>();
        while (await reader.ReadAsync(cancellation))
            keys.Add(new ListedKey(reader.GetString(0), reader.GetString(1), reader.GetFieldValue<DateTimeOffset>(2), When(3), When(4)));
        return keys;

        DateTimeOffset? When(int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<DateTimeOffset>(column);
    }

    internal static string? Receipt(string? by, string? key) => key is null ? null : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{by}\n{key}"))[..16]);

    private async Task<(Credential Holder, DateTimeOffset? Expires)?> LookUpAsync(byte[] hash, CancellationToken cancellation)
    {
        // The one question that knows no tenant yet: it is what the answer tells.
        await using var command = source.Command("select tenant_id, principal, name, expires_at from aios.api_keys where hash = $1 and principal is not null and revoked_at is null and (expires_at is null or expires_at > now())", hash);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation)
            ? (new Credential(reader.GetString(0), reader.GetString(1), reader.GetString(2), Beginning(hash)), reader.IsDBNull(3) ? null : reader.GetFieldValue<DateTimeOffset>(3))
            : null;
    }

    private async Task<(string Principal, byte[] Hash)?> RowAsync(string tenant, string name, CancellationToken cancellation)
    {
        await using var command = source.Command("select principal, hash from aios.api_keys where tenant_id = $1 and name = $2 and principal is not null", tenant, name);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation) ? (reader.GetString(0), await reader.GetFieldValueAsync<byte[]>(1, cancellation)) : null;
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    private static string Beginning(byte[] hash) => Convert.ToHexStringLower(hash.AsSpan(0, 8));
}
