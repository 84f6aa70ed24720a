using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;

namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>
/// The policies in force for one tenant, ready to be asked. Immutable, and shared by all who ask.
///
/// The meaning: a policy matches if its scope admits principal, action and resource, each <c>when</c> is true and each <c>unless</c> false.
/// Every policy whose scope admits the request is judged, in the order of names and texts. Then
///   1. a fault in any of them denies (Cedar passes over such a policy, so a broken forbid forbids nothing: docs/adr/0015);
///   2. else a forbid that matches denies;
///   3. else, if no permit matches, it is denied;
///   4. else it is permitted, with the least autonomy that a matching permit grants, and under every demand that one of them makes.
///
/// How it is fast: each policy is kept under the entities its scope names for the resource, or else the principal, or else the action, and
/// a request looks up what it is about and all that these are in. What is left are the few that can match, and those that name nothing.
/// </summary>
public sealed class ActivePolicies
{
    private readonly Entry[] policies;
    private readonly FrozenDictionary<EntityUid, int[]> byPrincipal;
    private readonly FrozenDictionary<EntityUid, int[]> byAction;
    private readonly FrozenDictionary<EntityUid, int[]> byResource;

    // One bit for each policy that names no entity.
    private readonly ulong[] always;
    private readonly string? unavailable;

    private readonly record struct Entry(string Id, Policy Policy, string Text);

    private ActivePolicies(PolicyVersion version, Entry[] policies, string? unavailable)
    {
        (Version, this.policies, this.unavailable) = (version, policies, unavailable);
        always = new ulong[(policies.Length + 63) / 64];
        var (principals, actions, resources) = (new Dictionary<EntityUid, List<int>>(), new Dictionary<EntityUid, List<int>>(), new Dictionary<EntityUid, List<int>>());
        for (var i = 0; i < policies.Length; i++)
        {
            var policy = policies[i].Policy;
            if (!TryFile(resources, policy.Resource, i) && !TryFile(principals, policy.Principal, i) && !TryFile(actions, policy.Action, i)) always[i / 64] |= 1UL << (i % 64);
        }
        byPrincipal = principals.ToFrozenDictionary(pair => pair.Key, pair => pair.Value.ToArray());
        byAction = actions.ToFrozenDictionary(pair => pair.Key, pair => pair.Value.ToArray());
        byResource = resources.ToFrozenDictionary(pair => pair.Key, pair => pair.Value.ToArray());
    }

    public PolicyVersion Version { get; }

    /// <summary>The policies' names, <c>name/id</c>, in the order in which they are judged.</summary>
    public IReadOnlyList<string> Policies => [.. policies.Select(policy => policy.Id)];

    /// <summary>Why nothing can be judged by them, so that all is denied; null if it can.</summary>
    public string? Trouble => unavailable;

    /// <param name="number">Counts the changes of the tenant's policies.</param>
    /// <param name="texts">Each text with its name and its own number. Names differ.</param>
    public static ActivePolicies Of(long number, IEnumerable<(string Name, long Number, PolicyText Text)> texts)
    {
        var ordered = texts.OrderBy(text => text.Name, StringComparer.Ordinal).ToList();
        var version = new PolicyVersion(number, HashOf(ordered.Select(text => (text.Name, text.Number, text.Text.Hash))));
        var entries = ordered.SelectMany(text => text.Text.Policies.Select(policy => new Entry($"{text.Name}/{policy.Id}", policy, text.Text.Text))).ToArray();
        return entries.Length <= PolicyLimits.PoliciesPerTenantMax
            ? new ActivePolicies(version, entries, null)
            : Unavailable(version, $"{entries.Length} policies are in force, and at most {PolicyLimits.PoliciesPerTenantMax} may be. Retire some.");
    }

    /// <summary>Denies everything, and says why.</summary>
    internal static ActivePolicies Unavailable(PolicyVersion version, string why) => new(version, [], why);

    internal static string HashOf(IEnumerable<(string Name, long Number, string Hash)> texts) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(texts.Select(text => $"{text.Name} {text.Number} {text.Hash}\n")))));

    /// <summary>Judges one request, in bounded time and without an exception, whatever is in it.</summary>
    public PolicyVerdict Evaluate(in PolicyRequest request) => Evaluate(request, null);

    /// <summary>Judges a chain, in which each acts for the one before: every one of them has to be permitted.</summary>
    /// <exception cref="ArgumentException">The chain is empty.</exception>
    public PolicyVerdict EvaluateChain(IReadOnlyList<PolicyEntity> chain, in PolicyRequest request)
    {
        var verdicts = new PolicyVerdict[chain.Count];
        for (var i = 0; i < verdicts.Length; i++) verdicts[i] = Evaluate(request with { Principal = chain[i] });
        return PolicyVerdict.Together(verdicts);
    }

    /// <param name="request">What is asked.</param>
    /// <param name="watch">Told of each policy whose scope admitted the request whether it matched; null if it was at fault.</param>
    internal PolicyVerdict Evaluate(in PolicyRequest request, Action<string, bool?>? watch)
    {
        if (unavailable is not null) return PolicyVerdict.Unavailable(Version, request.Principal.Uid, unavailable);
        try
        {
            return Judge(request, watch);
        }
        catch (Exception e)
        {
            // It has no reason to throw, but what it says then must not be left to whoever catches it.
            return new PolicyVerdict(PolicyDecision.Deny, Autonomy.Suggest, Version, request.Principal.Uid, [], [],
                new PolicyFault(null, PolicyFaultCode.Internal, 0, 0, $"The evaluator failed: {e.GetType().Name}: {e.Message} Report it with the policies and the request."));
        }
    }

    private PolicyVerdict Judge(in PolicyRequest request, Action<string, bool?>? watch)
    {
        Span<ulong> candidates = stackalloc ulong[always.Length];
        always.CopyTo(candidates);
        Gather(candidates, byPrincipal, request.Principal);
        Gather(candidates, byAction, request.Action);
        Gather(candidates, byResource, request.Resource);

        var frame = new PolicyFrame(request);
        PolicyFault? fault = null;
        List<string>? permits = null, forbids = null;
        List<ApprovalDemand>? approvals = null;
        var autonomy = Autonomy.Auto;
        for (var word = 0; word < candidates.Length; word++)
        {
            for (var bits = candidates[word]; bits != 0 && !frame.IsExhausted; bits &= bits - 1)
            {
                ref readonly var entry = ref policies[word * 64 + System.Numerics.BitOperations.TrailingZeroCount(bits)];
                var policy = entry.Policy;
                if (!policy.Principal.Admits(request.Principal) || !policy.Action.Admits(request.Action) || !policy.Resource.Admits(request.Resource)) continue;
                var matches = Matches(policy, ref frame);
                watch?.Invoke(entry.Id, frame.Faulted ? null : matches);
                if (frame.Faulted)
                {
                    fault ??= FaultOf(entry, frame);
                    frame.Clear();
                    continue;
                }
                if (!matches) continue;
                (policy.IsPermit ? permits ??= [] : forbids ??= []).Add(entry.Id);
                if (!policy.IsPermit) continue;
                if (policy.Autonomy < autonomy) autonomy = policy.Autonomy;
                if (policy.Approval is { } demand && (approvals ??= []).Contains(demand) is false) approvals.Add(demand);
            }
        }
        if (fault is not null || forbids is not null || permits is null)
            return new PolicyVerdict(PolicyDecision.Deny, Autonomy.Suggest, Version, request.Principal.Uid, (IReadOnlyList<string>?)forbids ?? [], [], fault);
        return new PolicyVerdict(autonomy is Autonomy.Auto ? PolicyDecision.Allow : PolicyDecision.Hold, autonomy, Version, request.Principal.Uid, permits, (IReadOnlyList<ApprovalDemand>?)approvals ?? [], null);
    }

    private static bool Matches(Policy policy, ref PolicyFrame frame)
    {
        foreach (var condition in policy.Conditions)
            if (!condition.Test.TryTake(ref frame, PolicyValueKind.Bool, out var value) || value.AsBool != condition.IsWhen) return false;
        return true;
    }

    private static PolicyFault FaultOf(in Entry entry, in PolicyFrame frame)
    {
        var where = frame.Where!;
        var (line, column) = PolicyText.Place(entry.Text, where.At);
        var excerpt = entry.Text[where.At..where.End];
        return new PolicyFault(entry.Id, frame.Code, line, column, $"'{(excerpt.Length <= 80 ? excerpt : $"{excerpt[..80]}…")}' {frame.Why}.");
    }

    private static void Gather(Span<ulong> candidates, FrozenDictionary<EntityUid, int[]> filed, PolicyEntity entity)
    {
        if (filed.Count == 0) return;
        Add(candidates, filed, entity.Uid);
        foreach (var ancestor in entity.Ancestors) Add(candidates, filed, ancestor);
    }

    private static void Add(Span<ulong> candidates, FrozenDictionary<EntityUid, int[]> filed, EntityUid uid)
    {
        if (!filed.TryGetValue(uid, out var places)) return;
        foreach (var i in places) candidates[i / 64] |= 1UL << (i % 64);
    }

    private static bool TryFile(Dictionary<EntityUid, List<int>> filed, PolicyScope scope, int place)
    {
        if (scope.Equal is null && scope.In is null) return false;
        foreach (var uid in scope.Equal is { } one ? [one] : scope.In!)
        {
            if (!filed.TryGetValue(uid, out var places)) filed[uid] = places = [];
            places.Add(place);
        }
        return true;
    }
}
