using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Governance.Quotas;

/// <summary>Who keeps count of what quotas limit.</summary>
public sealed record QuotaParts(Places Calls, OpenRuns Runs, StoredBytes Bytes);

/// <summary>Makes, changes and removes quotas.</summary>
public sealed class Quotas(EventStreams streams)
{
    public const int CallsMax = 100_000;
    public const int RunsMax = 1_000_000;

    /// <summary>Every call and every start asks all of its tenant's.</summary>
    public const int PerTenantMax = 100;

    /// <summary>Sets a quota. What is under way beyond a lower one goes on; nothing begins before there is room.</summary>
    /// <returns>False if it stood so already.</returns>
    /// <exception cref="CommandRefusedException">It is not a quota, or there is one of this name for somebody else; the message says what to write.</exception>
    public Task<bool> SetAsync(string tenant, QuotaSet quota, string by, CancellationToken cancellation = default)
    {
        if (Objection(quota) is { } objection) throw new CommandRefusedException(Refusal.Invalid, objection);
        return streams.DecideAsync(tenant, StreamOf(quota.Id), history =>
        {
            // Its ledgers hold what it was made for; that is not to be taken for something else.
            if (history.Select(e => e.Event).OfType<QuotaSet>().LastOrDefault() is { } before && before.Principal != quota.Principal)
                throw new CommandRefusedException(Refusal.Conflict, $"The quota '{before.Id}' counts what {before.Principal ?? "the whole tenant"} does. Give one for somebody else a name of its own.");
            return history is [.., { Event: QuotaSet last }] && last == quota ? [] : [quota];
        }, by, cancellation: cancellation);
    }

    /// <returns>False if there is none.</returns>
    public Task<bool> RemoveAsync(string tenant, string id, string by, CancellationToken cancellation = default) =>
        streams.DecideAsync(tenant, StreamOf(id), history => history is [.., { Event: QuotaSet }] ? [new QuotaRemoved(id)] : [], by, cancellation: cancellation);

    /// <summary>Why something is no quota; null if it is one.</summary>
    public static string? Objection(QuotaSet quota)
    {
        if (!PrincipalId.IsName(quota.Id)) return $"id: a quota's name is {PrincipalId.NameRule}; '{ChargeRules.Cut(quota.Id)}' is none.";
        if (quota is { Calls: null, Runs: null, Bytes: null }) return "calls, runs, bytes: a quota limits at least one of them.";
        if (quota.Calls is < 1 or > CallsMax) return $"calls: 1 to {CallsMax} calls under way at once, not {quota.Calls}. To stop all of them, throw a kill switch.";
        if (quota.Runs is < 0 or > RunsMax) return $"runs: 0 to {RunsMax} open runs, not {quota.Runs}.";
        if (quota.Bytes is < 0) return $"bytes: 0 or more bytes stored, not {quota.Bytes}.";
        if (quota is { Bytes: not null, Principal: not null }) return "bytes: what is stored is the tenant's. Make a quota without a principal for it.";
        return quota.Principal is { } principal && !PrincipalId.TryParse(principal, out _) ? $"principal: '{ChargeRules.Cut(principal)}' is no principal; write user/NAME, service/NAME or agent/NAME." : null;
    }

    private static string StreamOf(string id) => $"quota/{id}";
}
