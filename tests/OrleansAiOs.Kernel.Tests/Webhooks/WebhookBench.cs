using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Kernel.Tests.Tools.Egress;
using OrleansAiOs.Kernel.Tools;
using OrleansAiOs.Kernel.Tools.Code;
using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Kernel.Webhooks;
using OrleansAiOs.Kernel.Webhooks.Inbound;
using OrleansAiOs.Kernel.Webhooks.Outbound;
using OrleansAiOs.Postgres;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Kernel.Tests.Webhooks;

/// <summary>A host with webhooks: real streams, a real store of runs, real sockets. A tenant of its own, in which ana is the owner, and service/crm an operator.</summary>
internal sealed class WebhookBench : IAsyncDisposable
{
    public const string SecretText = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    private readonly bool shared;
    private readonly ECDsa carlsKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    private WebhookBench(KernelDatabase database, PostgresStore store, TimeProvider time, string tenant, bool shared)
    {
        (Store, Time, Tenant, this.shared) = (store, time, tenant, shared);
        var view = new PolicyView();
        Services = new ServiceCollection().AddSingleton(time).AddSingleton(typeof(ILogger<>), typeof(NullLogger<>)).AddSingleton(new EventStreams(database.Source)).AddSingleton(provider => new Catalogue(provider.GetRequiredService<EventStreams>(), provider.GetServices<IKernelView>(), TimeProvider.System))
            .AddSingleton<IKernelView>(provider => provider.GetRequiredService<IdentityView>()).AddSingleton<IdentityView>()
            .AddSingleton<IKernelView>(provider => provider.GetRequiredService<KillSwitchView>()).AddSingleton<KillSwitchView>()
            .AddSingleton<IKernelView>(provider => provider.GetRequiredService<SigningKeyView>()).AddSingleton<SigningKeyView>()
            .AddSingleton<IKernelView>(provider => provider.GetRequiredService<DelegationView>()).AddSingleton<DelegationView>()
            .AddSingleton(provider => new Rights(provider.GetRequiredService<IdentityView>(), time)).AddSingleton<SignatureCheck>().AddSingleton<Principals>().AddSingleton<KillSwitches>()
            .AddSingleton(view).AddSingleton<IKernelView>(view).AddSingleton<IRunStore>(store).AddSingleton<HookBooks>()
            .AddSingleton(provider => new KernelGate(new KernelGateParts
            {
                Fresh = provider.GetRequiredService<Catalogue>().FreshAsync, Identity = provider.GetRequiredService<IdentityView>(), Rights = provider.GetRequiredService<Rights>(),
                Switches = provider.GetRequiredService<KillSwitchView>(), Signatures = provider.GetRequiredService<SignatureCheck>(), Policies = _ => Policies, Log = NullLogger.Instance,
            }))
            .AddTools(database.Source, new SecretKey(new byte[32]), new CodeTools(), new EgressOptions { MayName = _ => true }).AddWebhooks(database.Source).BuildServiceProvider();
        Host = NewHost();
    }

    public TimeProvider Time { get; }

    public string Tenant { get; }

    public ServiceProvider Services { get; }

    public PostgresStore Store { get; }

    public WorkflowHost Host { get; private set; }

    public WebhookSender? Sender { get; private set; }

    public ActivePolicies Policies { get; set; } = ActivePolicies.Of(1, [("main", 1, PolicyText.Parse("@id(\"all\") permit (principal, action, resource);"))]);

    public T Get<T>() where T : notnull => Services.GetRequiredService<T>();

    public Outbox Outbox => Get<Outbox>();

    public static async Task<WebhookBench> StartAsync(KernelDatabase database, TimeProvider? time = null, bool sending = true, bool shared = false)
    {
        var bench = new WebhookBench(database, await PostgresStore.OpenAsync(database.ConnectionString, NullLogger.Instance), time ?? TimeProvider.System, $"t-{Guid.NewGuid():N}", shared);
        await bench.Get<EventStreams>().AppendAsync(bench.Tenant, $"tenant/{bench.Tenant}", 0, [new TenantAdded(bench.Tenant)], null);
        foreach (var (id, role) in new[] { ("user/ana", "owner"), ("user/carl", "controller"), ("service/crm", "operator") }) await bench.Get<Principals>().AddAsync(bench.Tenant, id, [role], "user/ana");
        await bench.Get<SecretStore>().SetAsync(bench.Tenant, "out", SecretText, ["127.0.0.1", "localhost"], "user/ana");
        var key = bench.carlsKey.ExportSubjectPublicKeyInfo();
        await bench.Get<EventStreams>().AppendAsync(bench.Tenant, "signing-key/carl", 0, [new SigningKeyRegistered(SigningKey.IdOf(key), "user/carl", Convert.ToBase64String(key))], null);
        await bench.Host.StartAsync(default);
        if (sending) bench.Send();
        return bench;
    }

    /// <summary>Begins to send, as a host does that starts.</summary>
    public void Send()
    {
        Sender = new WebhookSender(Outbox, Get<Deliverer>(), Get<WebhookView>(), Get<Catalogue>(), Get<Rights>(), Get<KillSwitchView>(), NullLogger<WebhookSender>.Instance);
        Sender.Start(Host);
    }

    public async Task AddAsync(string name, RawServer receiver, string[]? kinds = null, string? workflow = null, bool full = false, int? attempts = null, string[]? secrets = null, string[]? chain = null)
    {
        await Get<WebhookRegistry>().AddAsync(Tenant, new Webhook(name, $"{receiver.Url}/in", kinds ?? ["run.*"], secrets ?? ["out"], chain ?? ["user/ana"], workflow, full, [receiver.Endpoint], attempts), "user/ana");
        await Get<Catalogue>().FreshAsync();
    }

    public async Task<RunKey> StartRunAsync(string workflow, object input, string? id = null) =>
        (await Host.StartRunAsync(new StartRun(workflow, JsonText.From(input), id ?? $"r-{Guid.NewGuid():N}", Tenant: Tenant), "user/ana")).Run;

    public Task EndAsync(RunKey run) => Host.WaitAsync(run, default);

    public DecisionSignature SignAsCarl(string digest, bool granted = true)
    {
        var bare = new DecisionSignature(digest, SigningKey.IdOf(carlsKey.ExportSubjectPublicKeyInfo()), "", DateTimeOffset.UtcNow);
        return bare with { Value = SigningKey.Sign(carlsKey, ApprovalStatement.SignedBytes(granted, "user/carl", bare, null)) };
    }

    public async Task<IReadOnlyList<Delivery>> DeliveriesAsync(string name) => [.. (await Outbox.ListAsync(Tenant, name, null, null, 1000)).OrderBy(delivery => delivery.Run, StringComparer.Ordinal).ThenBy(delivery => delivery.Version)];

    /// <summary>Waits until what is asked for is so.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!await condition()) await Task.Delay(10, limit.Token);
    }

    public Task UntilAsync(string webhook, Func<IReadOnlyList<Delivery>, bool> condition) => UntilAsync(async () => condition(await DeliveriesAsync(webhook)));

    // ---- from outside ----

    public async Task<HookSource> AddSourceAsync(string name, HookScheme scheme = HookScheme.Standard, HookEffect does = HookEffect.Start, string? workflow = "hook-echo", string? signal = null, string? businessKey = null, string? value = null, string @as = "service/crm",
        params string[] secrets)
    {
        foreach (var secret in secrets.Length == 0 ? [$"{name}-secret"] : secrets) await Get<SecretStore>().SetAsync(Tenant, secret, Value(secret), [$"hook:{name}"], "user/ana");
        var source = new HookSource(name, scheme, secrets.Length == 0 ? [$"{name}-secret"] : secrets, @as, does, workflow, signal, businessKey, value);
        await Get<WebhookRegistry>().AddSourceAsync(Tenant, source, "user/ana");
        return source;
    }

    /// <summary>What is kept under the name of a secret: as Standard Webhooks writes a key, and as Stripe's secrets look.</summary>
    public static string Value(string secret) => $"whsec_{Convert.ToBase64String(Encoding.UTF8.GetBytes(secret))}";

    /// <summary>As the API does it.</summary>
    public async Task<HookTaken?> DeliverAsync(string source, Dictionary<string, string> headers, string body)
    {
        string? Header(string name) => headers.GetValueOrDefault(name.ToLowerInvariant());
        return Get<Hooks>().Claims(Tenant, source, Header) && await Get<Hooks>().ProveAsync(Tenant, source, Header, Encoding.UTF8.GetBytes(body), default) is { } proved ? await Get<Hooks>().TakeAsync(Host, proved, default) : null;
    }

    /// <summary>What a sender of the standard scheme would send; made here from the specification, not by the code under test.</summary>
    public static Dictionary<string, string> Signed(string id, string body, string secretName, DateTimeOffset? at = null)
    {
        var seconds = (at ?? DateTimeOffset.UtcNow).ToUnixTimeSeconds();
        var mac = HMACSHA256.HashData(Encoding.UTF8.GetBytes(secretName), Encoding.UTF8.GetBytes($"{id}.{seconds}.{body}"));
        return new() { ["webhook-id"] = id, ["webhook-timestamp"] = $"{seconds}", ["webhook-signature"] = $"v1,{Convert.ToBase64String(mac)}" };
    }

    /// <summary>A request that a receiver got: its headers in small letters, and its body.</summary>
    public static (Dictionary<string, string> Headers, string Body) Parse(string request)
    {
        var parts = request.Split("\r\n\r\n", 2);
        return (parts[0].Split("\r\n").Skip(1).Select(line => line.Split(": ", 2)).ToDictionary(header => header[0].ToLowerInvariant(), header => header[1]), parts[1]);
    }

    public static JsonElement BodyOf(string request) => JsonDocument.Parse(Parse(request).Body).RootElement;

    public async ValueTask DisposeAsync()
    {
        if (Sender is not null) await Sender.DisposeAsync();
        await Host.DisposeAsync();
        await Services.DisposeAsync();
        await Store.DisposeAsync();
        carlsKey.Dispose();
    }

    /// <summary>The host is gone without a word, and another takes its place.</summary>
    public async Task CrashAsync()
    {
        Host.Halt();
        if (Sender is not null) await Sender.DisposeAsync();
        Host = NewHost();
        await Host.StartAsync(default);
    }

    private WorkflowHost NewHost() => new(Store, new WorkflowRegistry().Add<HookEcho>().Add<HookWaits>().Add<HookPays>().Add<HookAsks>(), Services, NullLogger<WorkflowHost>.Instance, new WorkflowHostOptions
    {
        Time = Time, HostId = $"host-{Guid.NewGuid():N}", Seed = 1, Gate = Services.GetRequiredService<KernelGate>(), Outbox = WebhookServices.OutboxOf(Services), Shared = shared,
    });
}

[Workflow("hook-echo")]
internal sealed class HookEcho : Workflow<JsonElement, JsonElement>
{
    protected override Task<JsonElement> RunAsync(JsonElement input) => Task.FromResult(input);
}

[Workflow("hook-waits")]
internal sealed class HookWaits : Workflow<JsonElement, JsonElement>
{
    private static readonly Signal<JsonElement> Go = new("go");

    protected override async Task<JsonElement> RunAsync(JsonElement input) => await Receive(Go);
}

internal sealed record HookPayment(string Payee, decimal Amount);

/// <summary>What was really moved.</summary>
internal sealed class HookBooks
{
    public int Paid;

    public Task<string> Pay()
    {
        Interlocked.Increment(ref Paid);
        return Task.FromResult("paid");
    }
}

[Workflow("hook-pays")]
internal sealed class HookPays : Workflow<HookPayment, string>
{
    private static readonly Activity<HookPayment, string> Pay = Activity.Keyed<HookBooks, HookPayment, string>("hook.pay", (books, _, _, _) => books.Pay());

    protected override Task<string> RunAsync(HookPayment payment) => Call(Pay, payment);
}

[Workflow("hook-asks")]
internal sealed class HookAsks : Workflow<HookPayment, string>
{
    protected override async Task<string> RunAsync(HookPayment payment) => (await Approval("Pay it", payment, by: "controller", within: TimeSpan.FromDays(1))).Granted ? "granted" : "refused";
}
