using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Identity;

/// <param name="Disabled">Why it is disabled; null if it is not.</param>
/// <param name="AddedAt">Null for the first, which is there from the beginning.</param>
public sealed record Tenant(string Id, string? Disabled, DateTimeOffset? AddedAt)
{
    public const string StreamPrefix = "tenant/";

    internal static Tenant? Apply(Tenant? now, RecordedEvent e) => e.Event switch
    {
        TenantAdded added => new Tenant(added.Id, null, e.At),
        _ when now is null => null,
        TenantDisabled disabled => now with { Disabled = disabled.Why },
        TenantEnabled => now with { Disabled = null },
        _ => now,
    };
}

/// <summary>Adds and disables tenants. Who is in one knows of no other.</summary>
public sealed class Tenants(EventStreams streams)
{
    /// <summary>The tenant that is there from the beginning. Its owner is the platform's, and makes the others.</summary>
    public const string Platform = RunKey.DefaultTenant;

    private const int IdCharsMax = 63;

    /// <exception cref="CommandRefusedException">It cannot be a tenant's name, or is one already.</exception>
    public Task AddAsync(string id, string? by, CancellationToken cancellation = default)
    {
        if (id is not { Length: > 0 and <= IdCharsMax } || !id.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-') || id[0] is '-')
            throw new CommandRefusedException(Refusal.Invalid, $"A tenant's name has 1 to {IdCharsMax} lower-case letters, digits and '-', and does not begin with '-'.");
        return streams.DecideAsync(id, Tenant.StreamPrefix + id, history => id == Platform || history.Count > 0
            ? throw new CommandRefusedException(Refusal.Conflict, $"There is a tenant '{id}' already.")
            : [new TenantAdded(id)], by, cancellation: cancellation);
    }

    /// <summary>Whether it was added, and nobody was ever given a key to it: what was to follow was not done, and nobody can have come in.</summary>
    public async Task<bool> IsUnfinishedAsync(string id, CancellationToken cancellation = default) =>
        (await streams.ReadAsync(id, Tenant.StreamPrefix + id, cancellation)).Count > 0 && !await streams.AnyAsync(id, Principal.StreamPrefix, EventTable.Of<KeyIssued>(), cancellation);

    /// <summary>From now on nobody in it may do anything, and none of its runs' effects leaves. Nothing is deleted.</summary>
    public Task DisableAsync(string id, string why, string by, CancellationToken cancellation = default) => ChangeAsync(id, disabled: true, why, by, cancellation);

    public Task EnableAsync(string id, string why, string by, CancellationToken cancellation = default) => ChangeAsync(id, disabled: false, why, by, cancellation);

    private Task ChangeAsync(string id, bool disabled, string why, string by, CancellationToken cancellation)
    {
        if (id == Platform) throw new CommandRefusedException(Refusal.Invalid, $"The tenant '{Platform}' cannot be disabled: its owner is who could enable it again.");
        return streams.DecideAsync(id, Tenant.StreamPrefix + id, history =>
        {
            var now = history.Aggregate(null as Tenant, Tenant.Apply) ?? throw new CommandRefusedException(Refusal.NotFound, $"There is no tenant '{id}'.");
            return now.Disabled is not null == disabled ? [] : [disabled ? new TenantDisabled(Reason.Of(why)) : new TenantEnabled(Reason.Of(why))];
        }, by, cancellation: cancellation);
    }
}

internal static class Reason
{
    private const int CharsMax = 1000;

    public static string Of(string? why) => string.IsNullOrWhiteSpace(why) || why.Length > CharsMax
        ? throw new CommandRefusedException(Refusal.Invalid, $"why: give a reason of 1 to {CharsMax} characters; it is kept.")
        : why;
}
