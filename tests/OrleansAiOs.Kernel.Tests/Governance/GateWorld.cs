using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Governance.RunLimits;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Testing;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Kernel.Tests.Governance;

/// <summary>
/// A kernel in memory: what its streams would hold is shown to the views by hand. The gate in it is the real one, and so is the engine that
/// asks it. Ana and Ben are clerks, Carl and Dora controllers, Erik a director; agent/refunds acts for Ana.
/// </summary>
internal sealed class GateWorld : IAsyncDisposable
{
    public const string Tenant = "default";

    private readonly Dictionary<string, (ECDsa Key, string Id)> keys = [];
    private readonly PaperKernel kernel;
    private ActivePolicies policies = ActivePolicies.Of(0, []);
    private int number;
    private bool started;

    public GateWorld(string policy, WorkflowRegistry? registry = null, Func<EffectIntent, Charge, LimitHit?>? limits = null, Func<EffectIntent, Charge, Overdraft?, BudgetRefusal?>? covers = null)
    {
        Host = new WorkflowTestHost(registry ?? new WorkflowRegistry().Add<PayOne>().Add<PayAndUndo>(), services => services.AddSingleton(Books), options => options with { Gate = Gate });
        kernel = new PaperKernel(Host.Time, () => policies, parts => parts with
        {
            Fresh = _ => Fresh(),
            Limits = limits ?? ((_, _) => null),
            Covers = (intent, charge, overdraft, _) => new(covers?.Invoke(intent, charge, overdraft)),
            Overdrafts = (_, _) => Overdrafts,
            Tool = (tenant, activity) => Tools(tenant, activity),
        });
        foreach (var (name, roles) in new[] { ("ana", "clerk"), ("ben", "clerk"), ("carl", "controller"), ("dora", "controller"), ("erik", "director"), ("olga", "owner") })
        {
            Show($"principal/user/{name}", new PrincipalAdded($"user/{name}", [roles, "operator"]));
            RegisterKey($"user/{name}");
        }
        Show("principal/agent/refunds", new PrincipalAdded("agent/refunds", ["operator"]));
        Show("principal/agent/refunds", new GrantGiven("g1", "agent/refunds", ["act-for"], "user/ana"));
        RegisterKey("agent/refunds");
        Activate(policy);
    }

    public IdentityView Identity => kernel.Identity;

    public KernelGate Gate => kernel.Gate;

    public Books Books { get; } = new();

    /// <summary>What is known of a tool.</summary>
    public Func<string, string, ToolFacts?> Tools { get; init; } = static (_, _) => null;

    /// <summary>Who may sign for what a budget does not cover.</summary>
    public IReadOnlyList<HoldDemand> Overdrafts { get; init; } = [];

    /// <summary>What happens when the gate makes sure that it knows all.</summary>
    public Func<ValueTask> Fresh { get; set; } = () => default;

    public WorkflowTestHost Host { get; }

    public DateTimeOffset Now => Host.Now;

    /// <inheritdoc cref="PaperKernel.Show"/>
    public void Show(string stream, KernelEvent e) => kernel.Show(stream, e);

    /// <param name="text">Policies without names: they are called p1, p2, … here.</param>
    public void Activate(string text)
    {
        number++;
        var named = 0;
        text = Regex.Replace(text, @"\b(permit|forbid) \(", match => $"@id(\"p{++named}\") {match.Value}");
        policies = ActivePolicies.Of(number, [("main", number, PolicyText.Parse(text))]);
    }

    public void Activate(PolicyText text) => policies = ActivePolicies.Of(++number, [("base", number, text)]);

    public void RegisterKey(string principal, string? person = null)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var bytes = key.ExportSubjectPublicKeyInfo();
        keys[principal] = (key, SigningKey.IdOf(bytes));
        Show($"signing-key/{SigningKey.IdOf(bytes)}", new SigningKeyRegistered(SigningKey.IdOf(bytes), principal, Convert.ToBase64String(bytes), person));
    }

    public string KeyOf(string principal) => keys[principal].Id;

    public async Task<RunKey> StartAsync(decimal amount, string workflow = "pay-one", string payee = "ACME", params string[] chain)
    {
        if (chain.Length == 0) chain = ["user/ana"];
        if (!started) await Host.StartAsync();
        started = true;
        return await Host.StartRunAsync(workflow, new Payment(payee, amount), by: chain[^1], chain: chain);
    }

    public async Task<RunWait> HeldAsync(RunKey run) => (await Host.UntilApproval(run));

    /// <summary>Signs what is held, as the approver's side does.</summary>
    public DecisionSignature Sign(string who, string digest, bool granted = true, string? comment = null, string? forWhom = null, DateTimeOffset? at = null, string? key = null)
    {
        var bare = new DecisionSignature(digest, KeyOf(key ?? who), "", at ?? Now, forWhom);
        return bare with { Value = SigningKey.Sign(keys[key ?? who].Key, ApprovalStatement.SignedBytes(granted, who, bare, comment)) };
    }

    public Task SendAsync(RunKey run, int step, string who, DecisionSignature signature, bool granted = true, string? comment = null) =>
        Host.SignAsync(run, step, granted, kernel.DeciderOf(who), signature, comment);

    public async Task SignAsync(RunKey run, string who, bool granted = true, string? forWhom = null)
    {
        var held = await HeldAsync(run);
        await SendAsync(run, held.Step!.Value, who, Sign(who, held.Digest!, granted, forWhom: forWhom), granted);
    }

    public async Task<string> ResultAsync(RunKey run) => (await Host.EndOf(run)) switch
    {
        RunCompleted completed => completed.Result.To<string>()!,
        var other => $"{other}",
    };

    public async Task<List<T>> EventsAsync<T>(RunKey run) => [.. (await Host.Store.ReadAsync(run, 1, default)).Select(e => e.Read()).OfType<T>()];

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        foreach (var (key, _) in keys.Values) key.Dispose();
    }
}

internal sealed record Payment(string Payee, decimal Amount);

internal static class Pays
{
    public static readonly Activity<Payment, string> Pay = Activity.Keyed<Books, Payment, string>("test.pay", (books, payment, key, _) => books.Pay(key.Value, payment))
        .Charging(payment => Charge.Amount("EUR", payment.Amount, payment.Payee)).Describing(payment => $"Pay {payment.Amount} EUR to {payment.Payee}");

    public static readonly Activity<string, string> Return = Activity.Keyed<Books, string, string>("test.return", (books, what, key, _) => books.Return(key.Value, what));
}

/// <summary>What was really moved, by key.</summary>
internal sealed class Books
{
    public Dictionary<string, Payment> Paid { get; } = [];

    public List<string> Returned { get; } = [];

    public Task<string> Pay(string key, Payment payment)
    {
        lock (Paid) Paid[key] = payment;
        return Task.FromResult("paid");
    }

    public Task<string> Return(string key, string what)
    {
        lock (Paid) Returned.Add(key);
        return Task.FromResult("returned");
    }
}

[Workflow("pay-one")]
internal sealed class PayOne : Workflow<Payment, string>
{
    protected override async Task<string> RunAsync(Payment payment)
    {
        try
        {
            return await Call(Pays.Pay, payment);
        }
        catch (ActivityFailedException e) when (e.Failure.Kind is FailureKind.Denied)
        {
            return $"denied: {e.Failure.Message}";
        }
    }
}

[Workflow("pay-and-undo")]
internal sealed class PayAndUndo : Workflow<Payment, string>
{
    protected override async Task<string> RunAsync(Payment payment)
    {
        await using (var saga = Saga())
        {
            await saga.Call(Pays.Pay, payment, undo: Pays.Return);
            await Sleep(TimeSpan.FromHours(1));
        }
        return "undone";
    }
}
