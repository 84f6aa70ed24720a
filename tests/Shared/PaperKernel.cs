using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Tests.Shared;

/// <summary>The real gate over what the kernel's streams would hold, which is shown to its views by hand.</summary>
internal sealed class PaperKernel
{
    public const string Tenant = "default";
    private static readonly Dictionary<string, (ECDsa Key, string Id)> Keys = [];

    private readonly SigningKeyView signingKeys = new();
    private readonly IKernelView[] views;
    private readonly Func<DateTimeOffset> now;
    private long seq;

    /// <param name="time">What the gate goes by.</param>
    /// <param name="inForce">The policies of this moment.</param>
    /// <param name="more">Parts that are otherwise than usual.</param>
    public PaperKernel(TimeProvider time, Func<ActivePolicies> inForce, Func<KernelGateParts, KernelGateParts>? more = null)
    {
        now = time.GetUtcNow;
        var (switches, delegations) = (new KillSwitchView(), new DelegationView());
        views = [Identity, signingKeys, switches, delegations];
        var parts = new KernelGateParts
        {
            Fresh = _ => default,
            Identity = Identity,
            Rights = new Rights(Identity, time),
            Switches = switches,
            Signatures = new SignatureCheck(signingKeys, Identity, delegations),
            Policies = _ => inForce(),
            Log = NullLogger.Instance,
        };
        Gate = new KernelGate(more is null ? parts : more(parts));
    }

    public IdentityView Identity { get; } = new();

    public KernelGate Gate { get; }

    /// <summary>As if the event had been read from its stream.</summary>
    public void Show(string stream, KernelEvent e)
    {
        var recorded = new RecordedEvent(++seq, Tenant, stream, seq, now(), "user/olga", e);
        foreach (var view in views) view.Apply(recorded);
    }

    /// <summary>Adds a principal with a signing key.</summary>
    /// <param name="roles">With a space between.</param>
    public void Add(string name, string roles, string? person = null)
    {
        Show($"principal/{name}", new PrincipalAdded(name, roles.Split(' ')));
        var (key, id) = KeyOf(name);
        Show($"signing-key/{id}", new SigningKeyRegistered(id, name, Convert.ToBase64String(key.ExportSubjectPublicKeyInfo()), person));
    }

    public Decider DeciderOf(string who) => new(who, Identity.Find(Tenant, who)?.Roles ?? [], "key");

    /// <summary>Signs a digest, as the approver's side does.</summary>
    /// <param name="with">Whose key makes the signature, if it is not the signer's own.</param>
    public DecisionSignature Sign(string who, string digest, bool granted = true, DateTimeOffset? at = null, string? with = null)
    {
        var bare = new DecisionSignature(digest, KeyOf(who).Id, "", at ?? now());
        return bare with { Value = SigningKey.Sign(KeyOf(with ?? who).Key, ApprovalStatement.SignedBytes(granted, who, bare, null)) };
    }

    // One for all kernels of a test run: what is tested is who may sign with it.
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
