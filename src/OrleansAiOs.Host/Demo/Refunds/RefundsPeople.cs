using OrleansAiOs.Host.Cli;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Packs.Refunds.Payments;
using OrleansAiOs.Packs.Refunds.Requests;
using OrleansAiOs.Packs.Refunds.Rules;

namespace OrleansAiOs.Host.Demo.Refunds;

/// <summary>Somebody who signs, with an API key and a signing key of their own.</summary>
internal sealed record Signer(string Name, string Role, HostAddress Host, ApproverKey Key)
{
    public string Principal => $"user/{Name}";
}

/// <summary>The sample people. Their signing keys lie in a temporary folder of this demo, which ends with it; the host knows the public halves.</summary>
internal sealed class RefundsPeople : IDisposable
{
    private const decimal LeadLimit = 1_000m;
    private const decimal ControllerLimit = 2_000m;

    private readonly Dictionary<string, HostAddress> clerks = new(StringComparer.Ordinal);
    private readonly List<Signer> signers = [];
    private readonly string folder = Directory.CreateTempSubdirectory("aios-demo-keys-").FullName;

    public static readonly IReadOnlyList<string> Rules =
    [
        $"lea (support-lead) signs up to {LeadLimit:N2} and refuses what is above",
        $"carl (controller) signs up to {ControllerLimit:N2} and refuses what is above",
        "fay (fraud-desk) refuses what the carrier says it delivered",
    ];

    public IReadOnlyList<Signer> Signers => signers;

    public HostAddress Clerk(string name) => clerks[name];

    public static async Task<RefundsPeople> HireAsync(HostAddress owner, CancellationToken cancellation)
    {
        var people = new RefundsPeople();
        foreach (var (name, roles) in new[] { ("ana", new[] { "support", BuiltInRole.Operator }), ("saul", ["sales", BuiltInRole.Operator]), ("lea", ["support-lead", "support", BuiltInRole.Operator]), ("carl", ["controller"]), ("fay", ["fraud-desk"]) })
        {
            var address = await KeyAsync(owner, name, roles, "user", cancellation);
            people.clerks[name] = address;
            if (name is "lea" or "carl" or "fay") people.signers.Add(await people.SignerAsync(owner, name, roles[0], address, cancellation));
        }
        people.clerks["bot"] = await KeyAsync(owner, "refund-bot", ["support-agent", BuiltInRole.Operator], "agent", cancellation) with { OnBehalfOf = "user/ana" };
        using var api = new ApiClient(owner);
        if (!(await api.GetAsync<PageDocument<GrantDocument>>(ApiPaths.Grants, cancellation)).Items.Any(grant => grant.To == "agent/refund-bot"))
            await api.CommandAsync(HttpMethod.Post, ApiPaths.Grants, new { to = "agent/refund-bot", actions = new[] { "act-for" }, resource = "user/ana", why = "the demo" }, cancellation);
        return people;
    }

    /// <summary>What the printed rules say.</summary>
    public static bool SignsYes(string role, RefundPayment payment) => role switch
    {
        "support-lead" => payment.Amount <= LeadLimit,
        "controller" => payment.Amount <= ControllerLimit,
        _ => !(payment.Reason is RefundReason.NotArrived && payment.Risk is RefundRisk.High),
    };

    public void Dispose()
    {
        foreach (var signer in signers) signer.Key.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    // The owner registers it, and says who is behind it: a key from an earlier demo is no more there to vouch for this one.
    private async Task<Signer> SignerAsync(HostAddress owner, string name, string role, HostAddress address, CancellationToken cancellation)
    {
        var signer = new Signer(name, role, address, ApproverKey.Make(Path.Combine(folder, $"{name}.pem")));
        using var own = new ApiClient(address);
        var me = await own.GetAsync<MeDocument>(ApiPaths.Me, cancellation);
        using var api = new ApiClient(owner);
        await api.CommandAsync(HttpMethod.Post, ApiPaths.SigningKeys,
            new { publicKey = signer.Key.PublicKey, proof = signer.Key.Sign(SigningKey.Proof(me.Tenant, me.Principal, signer.Key.Id)), @for = me.Principal, person = name }, cancellation);
        return signer;
    }

    // An API key is shown once, so each demo makes new ones.
    private static async Task<HostAddress> KeyAsync(HostAddress owner, string name, string[] roles, string kind, CancellationToken cancellation)
    {
        using var api = new ApiClient(owner);
        var keys = await api.GetAsync<PageDocument<KeyDocument>>(ApiPaths.Keys, cancellation);
        if (keys.Items.Any(key => key.Name == name && key.RevokedAt is null)) await api.CommandAsync(HttpMethod.Delete, ApiPaths.Key(name), null, cancellation);
        using var again = new ApiClient(owner);
        var made = again.Read<KeyDocument>(await again.CommandAsync(HttpMethod.Post, ApiPaths.Keys, new { name, roles, kind }, cancellation));
        return owner with { Key = made.Key };
    }
}
