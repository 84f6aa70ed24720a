using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Kernel.Governance.RunLimits;

/// <summary>
/// How much harm one run can do at the most: what it may spend, how often it may call, whom it may reach. Judged in the turn on what the run
/// has spent by its own history, so it holds for any number of calls at once and after any crash, and costs no write.
/// </summary>
public sealed class RunLimits(EventStreams streams, RunLimitView view)
{
    /// <summary>For a tenant that has set none for all tools: a run that loops comes to an end.</summary>
    public static readonly RunLimitSet Default = new(All, new Dictionary<string, decimal> { [Charge.Calls] = 100_000 }, 10_000);

    public const string All = "*";

    private const int TargetsMax = 1_000_000;

    /// <summary>Whether a call would take its run over a limit. For the turn that judges it: what the run has spent does not hold its charge yet.</summary>
    /// <returns>Null if it would not. Of several limits, one that denies goes before one that can be signed for.</returns>
    public LimitHit? Objection(EffectIntent intent, Charge charge)
    {
        if (ChargeRules.Objection(charge) is { } malformed) return Deny(intent.Activity, "charge", $"The call's charge cannot be counted. {malformed} Mend the tool that says what its calls cost.");
        foreach (var unit in charge.Units.Keys)
            if (ChargeRules.TotalObjection(unit, After(intent, charge, unit, tool: null)) is { } beyond) return Deny(All, unit, beyond);
        // What undoes an effect is limited by what there was to undo.
        if (intent.IsUndo || intent.IsInquiry) return null;
        LimitHit? hit = null;
        foreach (var limit in (ReadOnlySpan<RunLimitSet?>)[view.Find(intent.Run.Tenant, intent.Activity), view.Find(intent.Run.Tenant, All) ?? Default])
        {
            if (limit is null || Over(limit, intent, charge) is not { } over) continue;
            if (over.Demand is null) return over;
            hit ??= over;
        }
        return hit;
    }

    /// <summary>Sets the limit of a tool, or of all. It holds for the next call of every run, also of those under way.</summary>
    /// <returns>False if it stood so already.</returns>
    /// <exception cref="CommandRefusedException">It is not a limit; the message says what to write.</exception>
    public Task<bool> SetAsync(string tenant, RunLimitSet limit, string by, CancellationToken cancellation = default)
    {
        if (Objection(limit) is { } objection) throw new CommandRefusedException(Refusal.Invalid, objection);
        return streams.DecideAsync(tenant, StreamOf(limit.Tool), history => history is [.., { Event: RunLimitSet last }] && Same(last, limit) ? [] : [limit], by, cancellation: cancellation);
    }

    /// <returns>False if there is none.</returns>
    public Task<bool> RemoveAsync(string tenant, string tool, string by, CancellationToken cancellation = default) =>
        streams.DecideAsync(tenant, StreamOf(tool), history => history is [.., { Event: RunLimitSet }] ? [new RunLimitRemoved(tool)] : [], by, cancellation: cancellation);

    /// <summary>Why something is no limit; null if it is one.</summary>
    public static string? Objection(RunLimitSet limit)
    {
        if (ChargeRules.ToolObjection(limit.Tool) is { } unnamed) return unnamed;
        if (limit.Units.Count > ChargeRules.UnitsMax || limit.Units.Count == 0 && limit.Targets is null) return $"units: a limit names 1 to {ChargeRules.UnitsMax} units, or a number of targets.";
        if (ChargeRules.Objection("units", limit.Units) is { } objection) return objection;
        if (limit.Targets is < 0 or > TargetsMax) return $"targets: 0 to {TargetsMax}.";
        return !Enum.IsDefined(limit.OnHit) ? "onHit: deny or approve." : ChargeRules.RolesObjection(limit.Roles, limit.OnHit is OnHit.Approve, "onHit");
    }

    private static LimitHit? Over(RunLimitSet limit, EffectIntent intent, Charge charge)
    {
        var (tool, of) = limit.Tool == All ? (null, "") : (limit.Tool, $" on {limit.Tool}");
        foreach (var (unit, most) in limit.Units)
        {
            if (charge.Units.GetValueOrDefault(unit) <= 0 || After(intent, charge, unit, tool) is var after && after <= most) continue;
            return Hit(unit, $"A run may spend {ChargeRules.Write(most)} {unit}{of}; with this call it would be {ChargeRules.Write(after)}.");
        }
        if (limit.Targets is { } targets && charge.Target is { } target && !IsKnown(intent.Spent, tool, target) && Count(intent.Spent, tool) is var before && before >= targets)
            return Hit("targets", $"A run may reach {targets} different targets{of}; it has reached {before}, and '{target}' would be one more.");
        return null;

        LimitHit Hit(string unit, string why) => limit.OnHit is OnHit.Approve
            ? new(limit.Tool, unit, $"{why} Somebody has to sign it: {string.Join(" or ", limit.Roles ?? [])}.", Signers.Others(intent, limit.Roles ?? []))
            : new(limit.Tool, unit, $"{why} Ask whoever may raise it: aios budget limit '{limit.Tool}' …", null);
    }

    private static decimal After(EffectIntent intent, Charge charge, string unit, string? tool)
    {
        var before = tool is null ? intent.Spent.Total(unit) : intent.Spent.Tools.TryGetValue(tool, out var of) ? of.Units.GetValueOrDefault(unit) : 0;
        // What an effect moves counts once, however many attempts it takes.
        var again = SpendingLedger.Moves(unit) ? intent.Earlier?.Units.GetValueOrDefault(unit) ?? 0 : 0;
        return before - again + charge.Units[unit];
    }

    private static bool IsKnown(RunSpending spent, string? tool, string target) =>
        tool is null ? spent.Tools.Values.Any(of => of.Targets.Contains(target)) : spent.Tools.TryGetValue(tool, out var known) && known.Targets.Contains(target);

    private static int Count(RunSpending spent, string? tool) =>
        tool is null ? spent.Tools.Values.SelectMany(of => of.Targets).Distinct(StringComparer.Ordinal).Count() : spent.Tools.TryGetValue(tool, out var known) ? known.Targets.Count : 0;

    private static LimitHit Deny(string tool, string unit, string why) => new(tool, unit, why, null);

    private static bool Same(RunLimitSet a, RunLimitSet b) => a.Targets == b.Targets && a.OnHit == b.OnHit && (a.Roles ?? []).SequenceEqual(b.Roles ?? []) &&
        a.Units.Count == b.Units.Count && a.Units.All(unit => b.Units.TryGetValue(unit.Key, out var other) && other == unit.Value);

    private static string StreamOf(string tool) => $"limit/{tool}";
}
