using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Packs.Refunds.Payments;
using OrleansAiOs.Packs.Refunds.Policy;
using OrleansAiOs.Packs.Refunds.Requests;
using OrleansAiOs.Packs.Refunds.Rules;
using OrleansAiOs.Sandbox;
using OrleansAiOs.Testing;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Packs.Refunds.Tests;

/// <summary>
/// The pack in virtual time: the real engine, the real gate with the policy the pack ships, its HTTP client, and a payment provider with books
/// of its own. What the kernel's streams would hold is shown to its views by hand. Today is 2026-01-01.
///
/// Ana and Ben are of the support, agent/refunds acts for Ana; Lea and Leo lead it, and so does Lisa, who also brings requests in; Carl is a
/// controller, Fay of the fraud desk, Dora a director; Saul is of the sales. Ana has a second account, ana2, which leads.
/// </summary>
internal sealed class RefundWorld : IAsyncDisposable
{
    public const string Tenant = "default";
    private static readonly ActivePolicies InForce = ActivePolicies.Of(1, [(BasePolicy.Name, 0, BasePolicy.Text), (RefundsPolicy.Name, 1, PolicyText.Parse(RefundsPolicy.Text))]);
    private static readonly Dictionary<string, (ECDsa Key, string Id)> Keys = [];

    private readonly IdentityView identity = new();
    private readonly SigningKeyView signingKeys = new();
    private readonly IKernelView[] views;
    private long seq;

    public RefundWorld(IReadOnlyList<ShopOrder> orders, Hostility? hostility = null)
    {
        var (switches, delegations) = (new KillSwitchView(), new DelegationView());
        views = [identity, signingKeys, switches, delegations];
        Provider = new Sandbox.Sandbox(new SandboxOptions { Hostility = hostility ?? Hostility.None });
        KernelGate? gate = null;
        Host = new WorkflowTestHost(new WorkflowRegistry().Add<Refund>(), services => services
            .AddSingleton<IRefundRegister>(new RefundsInMemory())
            .AddSingleton(new RefundSettings { Orders = new ShopOrders(orders) })
            .AddSingleton(new PaymentsClient(new HttpClient(new SandboxHttpHandler(Provider)) { BaseAddress = new Uri("http://sandbox/"), Timeout = Timeout.InfiniteTimeSpan })), options => options with { Gate = gate });
        gate = new KernelGate(new KernelGateParts
        {
            Fresh = _ => default,
            Identity = identity,
            Rights = new Rights(identity, Host.Time),
            Switches = switches,
            Signatures = new SignatureCheck(signingKeys, identity, delegations),
            Policies = _ => InForce,
            Log = NullLogger.Instance,
        });
        foreach (var (name, roles) in new[]
        {
            ("user/ana", "support operator"), ("user/ben", "support operator"), ("agent/refunds", "support-agent operator"), ("user/lea", "support-lead"), ("user/leo", "support-lead"), ("user/lisa", "support support-lead operator"),
            ("user/carl", "controller"), ("user/fay", "fraud-desk"), ("user/dora", "director"), ("user/saul", "sales operator"), ("user/ana2", "support-lead"), ("user/olga", "owner"),
        })
        {
            Show($"principal/{name}", new PrincipalAdded(name, roles.Split(' ')));
            var (key, id) = KeyOf(name);
            Show($"signing-key/{id}", new SigningKeyRegistered(id, name, Convert.ToBase64String(key.ExportSubjectPublicKeyInfo()), name.StartsWith("user/ana", StringComparison.Ordinal) ? "Ana" : null));
        }
        Show("principal/agent/refunds", new GrantGiven("g1", "agent/refunds", ["act-for"], "user/ana"));
    }

    public WorkflowTestHost Host { get; }

    public Sandbox.Sandbox Provider { get; }

    /// <summary>As if the event had been read from its stream.</summary>
    public void Show(string stream, KernelEvent e)
    {
        var recorded = new RecordedEvent(++seq, Tenant, stream, seq, Host.Now, "user/olga", e);
        foreach (var view in views) view.Apply(recorded);
    }

    /// <summary>Signs a digest, as the approver's side does.</summary>
    /// <param name="with">Whose key makes the signature, if it is not the signer's own.</param>
    public DecisionSignature Sign(string who, string digest, bool granted = true, DateTimeOffset? at = null, string? with = null)
    {
        var bare = new DecisionSignature(digest, KeyOf(who).Id, "", at ?? Host.Now);
        return bare with { Value = SigningKey.Sign(KeyOf(with ?? who).Key, ApprovalStatement.SignedBytes(granted, who, bare, null)) };
    }

    public Task SendAsync(RunKey run, RunWait held, string who, DecisionSignature signature, bool granted = true) =>
        Host.SignAsync(run, held.Step!.Value, granted, new Decider(who, identity.Find(Tenant, who)?.Roles ?? [], "key"), signature);

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        Provider.Dispose();
    }

    // One for all worlds: what is tested is who may sign with it.
    private static (ECDsa Key, string Id) KeyOf(string who)
    {
        lock (Keys)
        {
            if (Keys.TryGetValue(who, out var known)) return known;
            var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            return Keys[who] = (key, SigningKey.IdOf(key.ExportSubjectPublicKeyInfo()));
        }
    }
}
