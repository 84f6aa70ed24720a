using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Packs.InvoiceToPay.Documents;
using OrleansAiOs.Packs.InvoiceToPay.Receivers;
using OrleansAiOs.Sandbox;
using OrleansAiOs.Testing;
using OrleansAiOs.Testing.Simulation;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Payloads;
using CrashPass = OrleansAiOs.Testing.CrashPoints.CrashPoints;

namespace OrleansAiOs.Packs.InvoiceToPay.Tests.Pipeline;

/// <summary>The whole pipeline in virtual time: the real engine, workflow and HTTP clients, and the real ledger and bank behind a handler.</summary>
internal sealed class Pipeline
{
    // Virtual time begins on 2026-01-01: what is due in 30 days is due on the next one.
    private static readonly DateOnly Today = new(2025, 12, 3);
    internal static readonly Dictionary<string, byte[]> Samples = SampleDocuments.All(Today).ToDictionary(s => s.Sample.File, s => s.Document.ToUbl());
    internal static readonly PurchaseOrders Orders = ReadOrders();

    private readonly InMemoryPayloads payloads = new();
    private readonly InvoicesInMemory twins = new();
    private readonly PurchaseOrders orders;
    private readonly HttpMessageHandler receivers;
    private readonly Func<HttpMessageHandler, HttpMessageHandler> decorate;

    public Pipeline(CrashPass? points = null, Hostility? hostility = null, Func<HttpMessageHandler, HttpMessageHandler>? between = null, PurchaseOrders? orders = null)
    {
        this.orders = orders ?? Orders;
        decorate = points is null ? handler => handler : points.Over;
        World = new VirtualHost(Registry, Services, points is null ? null : points.Over);
        Books = new Sandbox.Sandbox(new SandboxOptions { Time = World.Time, Hostility = hostility ?? Hostility.None });
        receivers = new SandboxHttpHandler(Books);
        if (between is not null) receivers = between(receivers);
        if (points is not null) points.OnKill = World.Kill;
    }

    public static WorkflowRegistry Registry { get; } = new WorkflowRegistry().Add<InvoiceToPay>();

    public VirtualHost World { get; }

    public Sandbox.Sandbox Books { get; }

    /// <summary>Brings a sample in, as anna does; the same bytes are the same run. With some of its texts exchanged, its number perhaps, it is another document, another run.</summary>
    public Task<RunKey> BringInAsync(string sample, params ReadOnlySpan<(string Text, string By)> exchanged)
    {
        var document = System.Text.Encoding.UTF8.GetString(Samples[Samples.Keys.Single(name => name.StartsWith(sample, StringComparison.Ordinal))]);
        foreach (var (text, by) in exchanged) document = document.Replace(text, by, StringComparison.Ordinal);
        return BringInAsync(System.Text.Encoding.UTF8.GetBytes(document));
    }

    public async Task<RunKey> BringInAsync(byte[] document)
    {
        var payload = payloads.Put(RunKey.DefaultTenant, document);
        return (await World.SendAsync(host => host.StartRunAsync(new StartRun("invoice-to-pay", JsonText.From(payload), payload.Sha256), "anna"))).Run;
    }

    public async Task DecideAsync(RunKey run, string role, bool granted)
    {
        var row = await World.UntilAsync(run, row => row.Waits.Any(wait => wait.Kind == "approval" && wait.Role == role));
        var wait = row.Waits.Single(wait => wait.Kind == "approval");
        await World.SendAsync(host => host.DecideAsync(run, wait.Step!.Value, granted, new Decider($"the {role}", [role], "test"), digest: wait.Digest, key: $"decide-{role}"));
    }

    public async Task<Settlement?> EndOfAsync(RunKey run)
    {
        await World.UntilAsync(run, row => row.ClosedAt is not null);
        return (await World.Store.ReadAsync(run, 1, default)).Select(e => e.Read()).OfType<RunCompleted>().SingleOrDefault()?.Result.To<Settlement>();
    }

    private ServiceProvider Services() => new ServiceCollection()
        .AddSingleton<IPayloadStore>(payloads)
        .AddSingleton<IInvoiceRegister>(twins)
        .AddSingleton(new InvoiceSettings { PurchaseOrders = orders })
        .AddSingleton(new LedgerClient(Connect()))
        .AddSingleton(new BankClient(Connect()))
        .AddSingleton(new DeskClient(Connect()))
        .BuildServiceProvider();

    private HttpClient Connect() => new(decorate(receivers)) { BaseAddress = new Uri("http://sandbox/"), Timeout = Timeout.InfiniteTimeSpan };

    private static PurchaseOrders ReadOrders()
    {
        var folder = Directory.CreateTempSubdirectory("aios-orders-");
        try
        {
            SampleInvoices.Write(folder.FullName, Today);
            using var json = File.OpenRead(Path.Combine(folder.FullName, SampleInvoices.PurchaseOrdersFile));
            return PurchaseOrders.Read(json);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
