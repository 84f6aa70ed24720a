using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Packs.InvoiceToPay.Policy;
using OrleansAiOs.Packs.InvoiceToPay.Receivers;
using OrleansAiOs.Sandbox;
using OrleansAiOs.Testing;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Packs.InvoiceToPay.Tests.Pipeline;

/// <summary>
/// The pack behind the real gate with the policy it ships, and no question of the workflow's own about the amount: Ana is of accounts payable,
/// Carl and Dora are controllers, Saul is of the sales.
/// </summary>
public sealed class InvoiceGateTests : IAsyncLifetime
{
    private const string Large = "05-large-purchase.xml"; // 27,251.00 EUR
    private static readonly ActivePolicies InForce = ActivePolicies.Of(1, [(BasePolicy.Name, 0, BasePolicy.Text), (InvoicesPolicy.Shipped.Name, 1, PolicyText.Parse(InvoicesPolicy.Shipped.Text))]);

    private readonly InMemoryPayloads payloads = new();
    private readonly Sandbox.Sandbox books = new(new SandboxOptions { Hostility = Hostility.None });
    private readonly WorkflowTestHost host;
    private readonly PaperKernel kernel;

    public InvoiceGateTests()
    {
        IEffectGate? gate = null;
        HttpClient Connect() => new(new SandboxHttpHandler(books)) { BaseAddress = new Uri("http://sandbox/"), Timeout = Timeout.InfiniteTimeSpan };
        host = new WorkflowTestHost(Pipeline.Registry, services => services
            .AddSingleton<IPayloadStore>(payloads)
            .AddSingleton<IInvoiceRegister>(new InvoicesInMemory())
            .AddSingleton(new InvoiceSettings { PurchaseOrders = Pipeline.Orders, OneApprovalAbove = 1_000_000m })
            .AddSingleton(new LedgerClient(Connect())).AddSingleton(new BankClient(Connect())).AddSingleton(new DeskClient(Connect())), options => options with { Gate = gate });
        kernel = new PaperKernel(host.Time, () => InForce);
        gate = kernel.Gate;
        kernel.Add("user/ana", "accounts-payable operator");
        kernel.Add("user/carl", "controller");
        kernel.Add("user/dora", "controller");
        kernel.Add("user/saul", "sales operator");
    }

    public async Task InitializeAsync() => await host.StartAsync();

    public async Task DisposeAsync()
    {
        await host.DisposeAsync();
        books.Dispose();
    }

    [Fact]
    public async Task A_large_payment_leaves_once_a_controller_has_signed_for_this_payee_and_this_amount()
    {
        var run = await BringInAsync(Large, "user/ana");
        var held = await host.UntilApproval(run);
        held.Kind.Should().Be("signature");
        held.Name.Should().Contain("27,251.00 EUR").And.Contain("NL91ABNA0417164300");

        await SignAsync(run, held, "user/ana"); // no controller, and she brought it in
        await host.SignAsync(run, held.Step!.Value, true, kernel.DeciderOf("user/carl"), kernel.Sign("user/carl", held.Digest!, with: "user/dora")); // another's key
        (await host.Until(run, row => row.AwaitsApproval && !row.Busy)).Waits.Should().ContainSingle(wait => wait.Kind == "signature", "neither signature is worth anything");
        (await host.HistoryOf(run)).OfType<AttemptStarted>().Should().NotContain(attempt => attempt.Gate != null && attempt.Gate.SignedBy != null);

        await SignAsync(run, held, "user/dora");
        (await host.ResultOf<Settlement>(run)).Outcome.Should().Be(SettlementOutcome.Paid);
        var sent = (await host.HistoryOf(run)).OfType<AttemptStarted>().Last(attempt => attempt.Gate?.SignedBy is not null);
        sent.Gate!.SignedBy.Should().Equal("user/dora");
    }

    [Fact]
    public async Task A_small_one_is_paid_at_once_and_who_is_not_of_accounts_payable_pays_nobody_and_leaves_nothing_posted()
    {
        (await host.ResultOf<Settlement>(await BringInAsync("01-small-paid-at-once.xml", "user/ana"))).Outcome.Should().Be(SettlementOutcome.Paid);

        var refused = await host.ResultOf<Settlement>(await BringInAsync("02-order-known.xml", "user/saul"));
        refused.Outcome.Should().Be(SettlementOutcome.Rejected);
        refused.Why.Should().Contain("not allowed").And.Contain("only-payables");
    }

    private Task SignAsync(RunKey run, RunWait held, string who) => host.SignAsync(run, held.Step!.Value, true, kernel.DeciderOf(who), kernel.Sign(who, held.Digest!));

    private Task<RunKey> BringInAsync(string sample, string by)
    {
        var payload = payloads.Put(RunKey.DefaultTenant, Pipeline.Samples[sample]);
        return host.StartRunAsync("invoice-to-pay", payload, payload.Sha256, by, [by]);
    }
}
