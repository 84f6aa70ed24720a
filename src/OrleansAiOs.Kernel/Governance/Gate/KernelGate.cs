using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text.Json;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Governance.RunLimits;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Governance.Gate;

/// <summary>
/// The gate of a host: joins who acts, what the policies say, what may be spent, and who has to sign.
///
/// In the turn (<see cref="Judge"/>), from what is in memory, in this order; the first that objects answers:
///   1 kill switches: the attempt waits;
///   2 the rights of everybody in the chain;
///   3 the tool itself: pinned, approved, not quarantined;
///   4 the policies in force, for everybody in the chain: denied, permitted, or permitted under demands;
///   5 what the run may move at most;
///   6 the signatures that were demanded, each against the statement made anew from what would be sent.
/// Before the send (<see cref="RecheckAsync"/>) the same is asked again, of what is at most half a second old, and the budgets cover the charge.
/// By then the call has its place among those that may be under way at once (<see cref="Enter"/>).
///
/// What a tool reads before and after its call, to compare, passes the same way, without limits and budgets: its calls are in the call's own charge.
///
/// Nothing is believed of the history but what was asked for: demands are those of the policies in force, and a signature is worth what the
/// registered key says. A history to which somebody has added a line by hand therefore moves nothing.
/// </summary>
public sealed class KernelGate : IEffectGate
{
    private static readonly TimeSpan SwitchPause = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Longest = TimeSpan.FromDays(366);
    private static readonly HoldDemand Anybody = new(["approver"]);
    private static readonly HoldDemand ForTheAbsent = new([BuiltInRole.Owner, BuiltInRole.Operator]);
    private static readonly PolicyEntity Call = new(new EntityUid("Action", "call"));

    private readonly KernelGateParts parts;
    private readonly ConditionalWeakTable<Principal, PolicyEntity> entities = [];

    public KernelGate(KernelGateParts parts) => this.parts = parts;

    public GateRecord Judge(EffectIntent intent)
    {
        var charge = Charged(intent);
        return Refusing(Decide(intent, charge, limits: !intent.IsReading, out _, out _), charge);
    }

    // What may not be sent sets nothing aside; what it would have cost and reached is kept for who asks later.
    private static GateRecord Refusing(GateRecord answer, Charge charge) => answer is { Answer: not GateAnswer.Allow, Charge: null } ? answer with { Charge = charge } : answer;

    public async ValueTask<GateRecord?> RecheckAsync(EffectIntent intent, GateRecord recorded, CancellationToken cancellation)
    {
        await parts.Fresh(cancellation);
        if (intent.IsInquiry) return Stopped(intent);
        // What the run may move was counted in the turn; here it would be counted twice.
        var charge = recorded.Charge ?? Charged(intent);
        return await CheckAsync(intent, charge, cancellation) is { } refused ? Refusing(refused, charge) : null;
    }

    private async ValueTask<GateRecord?> CheckAsync(EffectIntent intent, Charge charge, CancellationToken cancellation)
    {
        var now = Decide(intent, charge, limits: false, out var demands, out var asked);
        if (now.Answer is not GateAnswer.Allow || now.Charge is null || intent.IsReading) return now.Answer is GateAnswer.Allow ? null : now;
        if (await parts.Covers(intent, charge, null, cancellation) is not { } refusal) return null;
        if (refusal.Then is WhenSpent.Approve)
        {
            // To go beyond a budget is asked by that name: who has signed for the call has not signed for that.
            var signed = Signed(intent, charge, now.Policy ?? "", now.Rules ?? [], Autonomy.Approve, [.. demands, .. refusal.Overdrafts!.Select(overdraft => overdraft.Demand)], refusal.Why, asked,
                beyond: [.. refusal.Overdrafts!.Select(overdraft => $"budget '{overdraft.Budget}'")]);
            if (signed.Answer is not GateAnswer.Allow) return signed;
            if (await parts.Covers(intent, charge, new Overdraft([.. refusal.Overdrafts!.Select(overdraft => overdraft.Budget)], signed.SignedBy!), cancellation) is not { } other) return null;
            // A further one has run short in between: it is asked again, and says who has to sign.
            refusal = other.Then is WhenSpent.Approve ? other with { Then = WhenSpent.Wait, RetryAt = intent.At } : other;
        }
        return refusal.Then is WhenSpent.Wait ? new GateRecord(GateAnswer.Wait, intent.Chain, now.Policy, now.Rules, now.Autonomy, Why: refusal.Why, RetryAt: refusal.RetryAt)
            : now with { Answer = GateAnswer.Deny, Charge = null, Why = refusal.Why };
    }

    public void Ended(RunKey run, RunSpending spent)
    {
        parts.Ended(run, spent);
        parts.Quotas?.Runs.Ended(run);
    }

    public EffectPlace? Enter(EffectIntent intent, int priority, Action again, out string? awaits)
    {
        awaits = null;
        return parts.Quotas is { } quotas ? quotas.Calls.Enter(intent, priority, again, out awaits) : EffectPlace.Unlimited;
    }

    public bool Holds(EffectIntent intent, EffectPlace place) => parts.Quotas?.Calls.Holds(intent, place) ?? true;

    public async ValueTask AdmitAsync(RunKey run, IReadOnlyList<string> chain, bool wasOver)
    {
        if (parts.Quotas is not { } quotas || chain is [PrincipalId.Engine]) return;
        await quotas.Bytes.AdmitAsync(run.Tenant);
        await quotas.Runs.AdmitAsync(run, chain, wasOver);
    }

    /// <summary>Lets in what comes from outside and would be stored: a signal, an update, a document.</summary>
    /// <exception cref="QuotaExceededException">The tenant stores as much as it may.</exception>
    public ValueTask TakeInAsync(string tenant) => parts.Quotas?.Bytes.AdmitAsync(tenant) ?? default;

    public void CameToNothing(RunKey run) => parts.Quotas?.Runs.CameToNothing(run);

    /// <param name="demands">Whose signatures the policies ask for.</param>
    /// <param name="asked">The same as the policies say it, with how long it may take; in the same order.</param>
    private GateRecord Decide(EffectIntent intent, Charge charge, bool limits, out IReadOnlyList<HoldDemand> demands, out IReadOnlyList<ApprovalDemand> asked)
    {
        (demands, asked) = ([], []);
        var tenant = intent.Run.Tenant;
        if (Stopped(intent) is { } stopped) return stopped;
        if (intent.Activity.StartsWith(Activity.EnginesOwn, StringComparison.Ordinal)) return OfTheEngine(intent, charge);
        var objection = parts.Rights.Objection(tenant, intent.Chain, Rights.CallTool, $"tool/{intent.Activity}");
        if (objection is not null && !intent.IsUndo) return Deny(intent, objection);
        var tool = parts.Tool(tenant, intent.Activity);
        if (tool?.Trouble is { } trouble) return Deny(intent, trouble);

        var policies = parts.Policies(tenant);
        if (objection is not null)
            // No signature makes up for a forbid.
            return Forbids(policies, intent, tool, charge) is { } forbids ? Deny(intent, forbids.Reason, forbids.Version.ToString(), forbids.Policies)
                : UndoneForTheAbsent(intent, charge, objection);
        var verdict = policies.EvaluateChain([.. intent.Chain.Select(link => EntityOf(tenant, link))], RequestOf(intent, tool, charge));
        var version = verdict.Version.ToString();
        if (verdict.Decision is PolicyDecision.Deny) return Deny(intent, verdict.Reason, version, verdict.Policies);
        if (verdict.Autonomy is Autonomy.Suggest) return Deny(intent, "Only to be suggested: what was asked for stands in the history, and nothing was done.", version, verdict.Policies, Autonomy.Suggest);
        asked = [.. verdict.Approvals];
        demands = [.. asked.Select(demand => DemandOf(intent, demand))];
        if (verdict.Autonomy is Autonomy.Approve && demands.Count == 0) demands = [Anybody];
        LimitHit? beyond = null;
        // What moved too much is undone all the same.
        if (limits && !intent.IsUndo && parts.Limits(intent, charge) is { } hit)
        {
            if (hit.Demand is null) return Deny(intent, hit.Why, version, verdict.Policies);
            beyond = hit;
        }
        if (demands.Count == 0 && beyond is null)
            return new GateRecord(GateAnswer.Allow, intent.Chain, version, verdict.Policies, Word(verdict.Autonomy), charge);
        return beyond is null ? Signed(intent, charge, version, verdict.Policies, Autonomy.Approve, demands, verdict.Reason, asked)
            : Signed(intent, charge, version, verdict.Policies, Autonomy.Approve, [.. demands, beyond.Demand!], $"{verdict.Reason} {beyond.Why}", asked, [$"what a run may, {beyond.Unit}"]);
    }

    // ---- signatures ----

    /// <summary>What is to be signed, in full, made anew from what would be sent.</summary>
    public JsonText StatementOf(EffectIntent held) => ApprovalStatement.Of(held, VersionOf(held), Decide(held, Charged(held), limits: false, out _, out _).Policy ?? "", held.Hold!);

    /// <summary>Why a signature would count for nothing; null if it would count.</summary>
    public string? ObjectionTo(EffectIntent held, EffectSigned signed)
    {
        var (charge, terms) = (Charged(held), held.Hold!);
        var now = Decide(held, charge, limits: true, out _, out _);
        var demands = parts.Overdrafts(held, charge);
        if (now.Hold is { } hold && hold.Digest == terms.Digest) demands = [.. hold.Demands, .. demands];
        // The policies let it go: it is held for a budget.
        else if (now.Answer is not GateAnswer.Allow || ApprovalStatement.Digest(ApprovalStatement.Of(held, VersionOf(held), now.Policy ?? "", terms)) != terms.Digest) demands = [];
        return demands.Count == 0 ? "what is held is no longer what it was: look at it again" : parts.Signatures.Objection(held, signed, demands, terms.Expires, terms.Digest);
    }

    private string VersionOf(EffectIntent intent) => parts.Tool(intent.Run.Tenant, intent.Activity)?.Version ?? "code";

    /// <param name="beyond">What is overstepped: it stands in what is signed, and a signature over anything else does not count for it.</param>
    private GateRecord Signed(EffectIntent intent, Charge charge, string policy, IReadOnlyList<string> rules, Autonomy autonomy, IReadOnlyList<HoldDemand> demands, string why, IReadOnlyList<ApprovalDemand>? asked = null,
        IReadOnlyList<string>? beyond = null)
    {
        var version = VersionOf(intent);
        if (intent.Hold is { } held && ApprovalStatement.Digest(ApprovalStatement.Of(intent, version, policy, held)) is var digest && digest == held.Digest)
        {
            if (beyond?.Except(held.Beyond ?? []).Any() is true) return New([.. beyond.Union(held.Beyond ?? [], StringComparer.Ordinal)]);
            if (intent.At >= held.Expires) return Deny(intent, $"Nobody signed '{held.Title}' before {held.Expires:u}.", policy, rules, autonomy);
            var escalated = intent.At >= held.EscalatesAt || held.Level > 0;
            var open = escalated ? Escalated(demands, asked) : demands;
            if (parts.Signatures.IsMet(intent, open, held.Expires, digest, out var signers, out var objections))
                return new GateRecord(GateAnswer.Allow, intent.Chain, policy, rules, Word(autonomy), charge, SignedBy: signers);
            foreach (var worthless in objections) parts.Log.WorthlessSignature(intent.Run, intent.Step, worthless);
            return Hold(held with { Demands = open, Level = escalated ? 1 : 0, EscalatesAt = escalated ? null : held.EscalatesAt });
        }

        return New(beyond);

        GateRecord New(IReadOnlyList<string>? oversteps)
        {
            var title = intent.Title is { Length: > 0 } given ? ArgumentText.Show(given) : ArgumentText.Title(intent.Activity, intent.Input);
            if (oversteps is not null) title = $"{title}; beyond {string.Join(" and ", oversteps)}";
            var within = asked?.Where(demand => demand.Within is not null).Select(demand => demand.EscalateTo is null ? demand.Within!.Value : 2 * demand.Within!.Value).DefaultIfEmpty(Longest).Min() ?? Longest;
            var escalates = asked?.Where(demand => demand.EscalateTo is not null).Select(demand => demand.Within).Min();
            // To the millisecond: whatever carries it must give it back the same.
            var now = new DateTimeOffset(intent.At.UtcTicks / TimeSpan.TicksPerMillisecond * TimeSpan.TicksPerMillisecond, TimeSpan.Zero);
            var terms = new HoldTerms(title, "", Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)), now + within, demands, now + escalates, Beyond: oversteps);
            return Hold(terms with { Digest = ApprovalStatement.Digest(ApprovalStatement.Of(intent, version, policy, terms)) });
        }

        GateRecord Hold(HoldTerms hold) => new(GateAnswer.Hold, intent.Chain, policy, rules, Word(autonomy), Why: why, Hold: hold);
    }

    private static IReadOnlyList<HoldDemand> Escalated(IReadOnlyList<HoldDemand> demands, IReadOnlyList<ApprovalDemand>? asked) =>
        [.. demands.Select((demand, i) => asked is not null && i < asked.Count && asked[i].EscalateTo is { } role ? demand with { Roles = [.. demand.Roles, role] } : demand)];

    private static HoldDemand DemandOf(EffectIntent intent, ApprovalDemand demand) =>
        new(demand.Roles, demand.Quorum, demand.NotInitiator ? [.. intent.Chain.Select(PrincipalId.Of)] : null, demand.MayBeDelegated);

    // ---- what policies are told ----

    private PolicyRequest RequestOf(EffectIntent intent, ToolFacts? tool, Charge charge)
    {
        var resource = new PolicyEntity(new EntityUid("Tool", intent.Activity), PolicyRecord.Of(
            ("effect", PolicyValue.From(JsonNamingPolicy.CamelCase.ConvertName(intent.Effect.ToString()))), ("kind", PolicyValue.From(tool?.Kind ?? "code")), ("server", PolicyValue.From(tool?.Server ?? "")), ("version", PolicyValue.From(tool?.Version ?? "code"))));
        var context = new List<KeyValuePair<string, PolicyValue>>
        {
            new("args", PolicyValue.Json(intent.Input)),
            new("amounts", PolicyValue.JsonAmounts(intent.Input)),
            new("workflow", PolicyValue.From(intent.Workflow)),
            new("run", PolicyValue.From(intent.Run.Id)),
            new("step", PolicyValue.From(intent.Step)),
            new("attempt", PolicyValue.From(intent.Attempt)),
            new("undo", PolicyValue.From(intent.IsUndo)),
            new("hops", PolicyValue.From(intent.Chain.Count)),
            new("spent", PolicyValue.From(new PolicyRecord([.. charge.Units.Select(unit => new KeyValuePair<string, PolicyValue>(unit.Key, PolicyValue.From(intent.Spent.Total(unit.Key))))]))),
        };
        if (charge.Target is { } target) context.Add(new("target", PolicyValue.From(target)));
        if (charge.Units.FirstOrDefault(unit => SpendingLedger.Moves(unit.Key)) is { Key: { } name } amount)
        {
            context.Add(new("amount", PolicyValue.From(amount.Value)));
            context.Add(new("currency", PolicyValue.From(name[Charge.Moved.Length..])));
        }
        return new PolicyRequest(Call, Call, resource, new PolicyRecord(context)); // the principal is filled in for each of the chain
    }

    // What forbids it to one of them, or cannot be judged; that no policy permits it is not asked here.
    private PolicyVerdict? Forbids(ActivePolicies policies, EffectIntent intent, ToolFacts? tool, Charge charge)
    {
        var request = RequestOf(intent, tool, charge);
        return intent.Chain.Select(link => policies.Evaluate(request with { Principal = EntityOf(intent.Run.Tenant, link) })).FirstOrDefault(verdict => verdict is { Decision: PolicyDecision.Deny } and ({ Fault: not null } or { Policies.Count: > 0 }));
    }

    private PolicyEntity EntityOf(string tenant, string link)
    {
        if (parts.Identity.Find(tenant, PrincipalId.Of(link)) is not { } principal)
            return new PolicyEntity(new EntityUid("Principal", PrincipalId.Of(link)), PolicyRecord.Of(("kind", PolicyValue.From("")), ("tenant", PolicyValue.From(tenant)), ("roles", PolicyValue.SetOf([]))), [new EntityUid("Tenant", tenant)]);
        return entities.GetValue(principal, static found => new PolicyEntity(new EntityUid("Principal", found.Id),
            PolicyRecord.Of(("kind", PolicyValue.From(found.Id[..found.Id.IndexOf('/')])), ("tenant", PolicyValue.From(found.Tenant)), ("roles", PolicyValue.SetOf([.. found.Roles.Select(PolicyValue.From)]))),
            [.. found.Roles.Select(role => new EntityUid("Role", role)), new EntityUid("Tenant", found.Tenant)]));
    }

    // ---- the simple answers ----

    private GateRecord? Stopped(EffectIntent intent) =>
        parts.Switches.Stops(intent.Run.Tenant, [.. intent.Chain.Select(PrincipalId.Of)], intent.Activity) is { } thrown
            ? new GateRecord(GateAnswer.Wait, intent.Chain, Why: $"The kill switch of the {thrown.Target.ToString().ToLowerInvariant()} '{thrown.Id}' is thrown since {thrown.Since:u}{(thrown.By is null ? "" : $" by {thrown.By}")}: {thrown.Why}", RetryAt: intent.At + SwitchPause)
            : null;

    // The engine's own activities start, tell and end runs: what that needs is a right, and nothing for policies.
    private GateRecord OfTheEngine(EffectIntent intent, Charge charge)
    {
        (string Action, string Resource)[] needs = intent.Activity switch
        {
            "aios.start-run" => [("run.start", "run/*")],
            "aios.update-run" => [("run.update", $"run/{Of("id")}"), ("run.start", $"workflow/{Of("workflow")}")], // it is started if it is not there
            "aios.cancel-run" => [("run.cancel", "run/*")],
            "aios.terminate-run" => [("run.terminate", "run/*")],
            _ => [],
        };
        var objection = needs.Length == 0 ? parts.Rights.Broken(intent.Run.Tenant, intent.Chain)
            : needs.Select(need => parts.Rights.Objection(intent.Run.Tenant, intent.Chain, need.Action, need.Resource)).FirstOrDefault(each => each is not null);
        return objection is null ? new GateRecord(GateAnswer.Allow, intent.Chain)
            : intent.IsUndo ? UndoneForTheAbsent(intent, charge, objection)
            : Deny(intent, objection);

        string? Of(string member) => intent.Input.ToElement().GetProperty(member).GetString();
    }

    // What was done is undone also for somebody who may do nothing any more: under a signature.
    private GateRecord UndoneForTheAbsent(EffectIntent intent, Charge charge, string objection) => Signed(intent, charge, "", [], Autonomy.Approve, [ForTheAbsent], $"It undoes an earlier step, and {objection}");

    private static GateRecord Deny(EffectIntent intent, string why, string? policy = null, IReadOnlyList<string>? rules = null, Autonomy? autonomy = null) =>
        new(GateAnswer.Deny, intent.Chain, policy, rules is { Count: > 0 } ? rules : null, autonomy is { } given ? Word(given) : null, Why: why);

    private Charge Charged(EffectIntent intent)
    {
        var declared = intent.Charge;
        foreach (var (unit, amount) in declared?.Units ?? new Dictionary<string, decimal>())
            if (amount < 0) throw new InvalidOperationException($"{intent.Activity} says that it costs {amount} {unit}: a charge is 0 or more.");
        return new Charge(new Dictionary<string, decimal>(declared?.Units ?? new Dictionary<string, decimal>(), StringComparer.Ordinal) { [Charge.Calls] = 1 + (intent.IsReading ? 0 : parts.Tool(intent.Run.Tenant, intent.Activity)?.Readings ?? 0) }, declared?.Target);
    }

    private static string Word(Autonomy autonomy) => autonomy switch
    {
        Autonomy.Auto => "auto",
        Autonomy.Approve => "approve",
        _ => "suggest",
    };
}
