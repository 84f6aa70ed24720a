using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Host.Api;

/// <summary>
/// Who calls, as the door has found by the key: of which tenant, and along which chain. Handlers take it as a parameter; ids from a request
/// become keys of runs here only, so that none is of another tenant.
/// </summary>
/// <param name="Tenant">The key's; nothing else of a request says which.</param>
/// <param name="Chain">The first is the one on whose behalf, the last the holder of the key.</param>
/// <param name="Roles">The roles of the holder of the key.</param>
/// <param name="Key">The key's name.</param>
internal sealed record Caller(string Tenant, IReadOnlyList<string> Chain, IReadOnlyList<string> Roles, string Key, Rights Rights)
{
    /// <summary>On whose behalf, as histories call it.</summary>
    public string For => PrincipalId.ForPeople(Chain[0]);

    /// <summary>Who does it, as histories call it: "ana", "service/crm", or "ana (service/crm)".</summary>
    public string By => Chain.Count == 1 ? For : $"{For} ({string.Join(", ", Chain.Skip(1))})";

    /// <summary>The chain as a run keeps it; null where the run's "started by" says it all.</summary>
    public IReadOnlyList<string>? ChainIfMore => Chain.Count == 1 ? null : Chain;

    /// <summary>Who lets a run that others may have started go on differently: in one's own name, since one's own rights count in it from there on.</summary>
    public string InOwnName => Chain.Count == 1 ? For : throw new ProblemException(403, "Not allowed", $"Whoever resets or forks a run does so in their own name: {Chain[^1]} cannot do it for {Chain[0]}.");

    /// <summary>Who decides an approval: the holder of the key, never in another's name.</summary>
    public Decider Decider => Chain.Count == 1 ? new Decider(For, Roles, "api-key")
        : throw new ProblemException(403, "Not allowed", $"A decision is a person's own: {Chain[^1]} cannot decide for {Chain[0]}.");

    /// <exception cref="ProblemException">The text cannot be a run's id.</exception>
    public RunKey Run(string id) => RunKey.TryParse(Tenant, id, out var run, out var error) ? run : throw new ProblemException(400, "Bad run id", error!);

    /// <exception cref="ProblemException">The chain may not.</exception>
    public void Demand(string action, string resource)
    {
        if (Rights.Objection(Tenant, Chain, action, resource) is { } objection) throw NotAllowed(objection);
    }

    /// <summary>Nobody gives what they do not hold.</summary>
    /// <exception cref="ProblemException">The chain holds less.</exception>
    public void DemandGiving(IReadOnlyList<string> roles, IReadOnlyList<Grant> grants)
    {
        if (Rights.ObjectionToGiving(Tenant, Chain, roles, grants) is { } objection) throw NotAllowed(objection);
    }

    /// <summary>What answers at a private address, and what does not, would tell a tenant of a network that is not theirs. Egress holds to it too.</summary>
    /// <exception cref="ProblemException">Endpoints are named in another tenant than the first.</exception>
    public void MayName(IReadOnlyList<string>? reach)
    {
        if (reach is { Count: > 0 } && Tenant != Tenants.Platform)
            throw NotAllowed($"reach: named endpoints ({string.Join(", ", reach.Take(3))}) are only for those who own the platform. Leave reach out, and give a url by https on port 443 at a public address.");
    }

    public static Caller Of(HttpContext context) => context.Features.Get<Caller>()!;

    public static ValueTask<Caller> BindAsync(HttpContext context) => ValueTask.FromResult(Of(context));

    public static ProblemException NotAllowed(string objection) => new(403, "Not allowed", objection);
}
