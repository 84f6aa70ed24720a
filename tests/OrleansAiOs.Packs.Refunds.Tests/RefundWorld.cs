using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Packs.Refunds.Payments;
using OrleansAiOs.Packs.Refunds.Policy;
using OrleansAiOs.Packs.Refunds.Requests;
using OrleansAiOs.Packs.Refunds.Rules;
using OrleansAiOs.Sandbox;
using OrleansAiOs.Testing;
using OrleansAiOs.Tests.Shared;
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
    private static readonly ActivePolicies InForce = ActivePolicies.Of(1, [(BasePolicy.Name, 0, BasePolicy.Text), (RefundsPolicy.Shipped.Name, 1, PolicyText.Parse(RefundsPolicy.Shipped.Text))]);
    private readonly PaperKernel kernel;

    public RefundWorld(IReadOnlyList<ShopOrder> orders, Hostility? hostility = null)
    {
        Provider = new Sandbox.Sandbox(new SandboxOptions { Hostility = hostility ?? Hostility.None });
        KernelGate? gate = null;
        Host = new WorkflowTestHost(new WorkflowRegistry().Add<Refund>(), services => services
            .AddSingleton<IRefundRegister>(new RefundsInMemory())
            .AddSingleton(new RefundSettings { Orders = new ShopOrders(orders) })
            .AddSingleton(new PaymentsClient(new HttpClient(new SandboxHttpHandler(Provider)) { BaseAddress = new Uri("http://sandbox/"), Timeout = Timeout.InfiniteTimeSpan })), options => options with { Gate = gate });
        kernel = new PaperKernel(Host.Time, () => InForce);
        gate = kernel.Gate;
        foreach (var (name, roles) in new[]
        {
            ("user/ana", "support operator"), ("user/ben", "support operator"), ("agent/refunds", "support-agent operator"), ("user/lea", "support-lead"), ("user/leo", "support-lead"), ("user/lisa", "support support-lead operator"),
            ("user/carl", "controller"), ("user/fay", "fraud-desk"), ("user/dora", "director"), ("user/saul", "sales operator"), ("user/ana2", "support-lead"), ("user/olga", "owner"),
        })
            kernel.Add(name, roles, name.StartsWith("user/ana", StringComparison.Ordinal) ? "Ana" : null);
        Show("principal/agent/refunds", new GrantGiven("g1", "agent/refunds", ["act-for"], "user/ana"));
    }

    public WorkflowTestHost Host { get; }

    public Sandbox.Sandbox Provider { get; }

    public void Show(string stream, KernelEvent e) => kernel.Show(stream, e);

    /// <inheritdoc cref="PaperKernel.Sign"/>
    public DecisionSignature Sign(string who, string digest, bool granted = true, DateTimeOffset? at = null, string? with = null) => kernel.Sign(who, digest, granted, at, with);

    public Task SendAsync(RunKey run, RunWait held, string who, DecisionSignature signature, bool granted = true) =>
        Host.SignAsync(run, held.Step!.Value, granted, kernel.DeciderOf(who), signature);

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        Provider.Dispose();
    }
}
