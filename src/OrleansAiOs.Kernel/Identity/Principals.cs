using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Identity;

/// <summary>Adds principals, changes their roles, disables and enables them.</summary>
public sealed class Principals(EventStreams streams)
{
    private const int RolesMax = 20;

    /// <exception cref="CommandRefusedException">It cannot be a principal's name, or there is one of it.</exception>
    public Task AddAsync(string tenant, string id, IReadOnlyList<string> roles, string? by, CancellationToken cancellation = default)
    {
        CheckId(id);
        CheckRoles(roles);
        return streams.DecideAsync(tenant, Principal.StreamOf(id), history => history.Count > 0
            ? throw new CommandRefusedException(Refusal.Conflict, $"There is a principal '{id}' already.")
            : [new PrincipalAdded(id, roles)], by, cancellation: cancellation);
    }

    public Task SetRolesAsync(string tenant, string id, IReadOnlyList<string> roles, string? by, CancellationToken cancellation = default)
    {
        CheckRoles(roles);
        return ChangeAsync(tenant, id, now => now.Roles.SequenceEqual(roles) ? [] : [new PrincipalRolesChanged(roles)], by, cancellation);
    }

    /// <summary>From now on it may do nothing, and nobody may do anything for it, on any host; also what was begun for it long ago. Its keys stay, and are refused.</summary>
    public Task DisableAsync(string tenant, string id, string why, string? by, CancellationToken cancellation = default) =>
        ChangeAsync(tenant, id, now => now.Disabled is not null ? [] : [new PrincipalDisabled(Reason.Of(why))], by, cancellation);

    public Task EnableAsync(string tenant, string id, string why, string? by, CancellationToken cancellation = default) =>
        ChangeAsync(tenant, id, now => now.Disabled is null ? [] : [new PrincipalEnabled(Reason.Of(why))], by, cancellation);

    /// <summary>What is committed of it at this moment; null if there is none.</summary>
    public async Task<Principal?> FindAsync(string tenant, string id, CancellationToken cancellation = default) =>
        PrincipalId.TryParse(id, out _) ? Principal.Of(await streams.ReadAsync(tenant, Principal.StreamOf(id), cancellation)) : null;

    private Task ChangeAsync(string tenant, string id, Func<Principal, IReadOnlyList<KernelEvent>> change, string? by, CancellationToken cancellation)
    {
        CheckId(id);
        return streams.DecideAsync(tenant, Principal.StreamOf(id), history => change(Principal.Of(history) ?? throw NotThere(id)), by, cancellation: cancellation);
    }

    internal static CommandRefusedException NotThere(string id) => new(Refusal.NotFound, $"There is no principal '{id}'.");

    internal static void CheckId(string id)
    {
        if (!PrincipalId.TryParse(id, out _)) throw new CommandRefusedException(Refusal.Invalid, $"'{id}' is no principal: write user/NAME, service/NAME or agent/NAME, the name of {PrincipalId.NameRule}.");
    }

    /// <exception cref="CommandRefusedException">They are too many, or not all are names.</exception>
    public static void CheckRoles(IReadOnlyList<string> roles)
    {
        if (roles.Count > RolesMax) throw new CommandRefusedException(Refusal.Invalid, $"roles: a principal has at most {RolesMax} roles.");
        foreach (var role in roles)
            if (!PrincipalId.IsName(role)) throw new CommandRefusedException(Refusal.Invalid, $"roles: {PrincipalId.NameRule}.");
    }
}
