using System.Reflection;
using Microsoft.Extensions.Options;
using Npgsql;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using OrleansAiOs.Host.Api;
using OrleansAiOs.Kernel.Audit;
using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Kernel.Governance.Quotas;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tools;
using OrleansAiOs.Kernel.Tools.Code;
using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Kernel.Webhooks;
using OrleansAiOs.Kernel.Webhooks.Outbound;
using OrleansAiOs.Postgres;
using OrleansAiOs.Postgres.Embedded;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Audit;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Payloads;
using OrleansAiOs.Workflows.Retention;

namespace OrleansAiOs.Host.Serving;

/// <summary>The whole host: database, engine and API, started in that order and stopped in the other.</summary>
internal sealed class AiosServer : IAsyncDisposable
{
    private readonly EmbeddedServer? embedded;
    private readonly PostgresStore store;
    private readonly HostClaim claim;
    private readonly WebApplication web;
    private readonly Auditor auditor;
    private readonly AuditKey auditKey;
    private readonly TracerProvider? traces;
    private readonly MeterProvider? metrics;
    private IAsyncDisposable? cluster;
    private IAsyncDisposable? apart;

    private AiosServer(EmbeddedServer? embedded, PostgresStore store, HostClaim claim, WebApplication web, WorkflowHost engine, Auditor auditor, AuditKey auditKey, TracerProvider? traces, MeterProvider? metrics) =>
        (this.embedded, this.store, this.claim, this.web, Engine, this.auditor, this.auditKey, this.traces, this.metrics) = (embedded, store, claim, web, engine, auditor, auditKey, traces, metrics);

    public WorkflowHost Engine { get; }

    public IServiceProvider Services => web.Services;

    public Uri Address => new(web.Urls.First());

    public static async Task<AiosServer> StartAsync(ServeOptions options, CancellationToken cancellation)
    {
        var folder = new HostFolder(options.DataFolder);
        var embedded = options.ConnectionString is null
            ? await EmbeddedPostgres.StartAsync(new EmbeddedPostgresOptions { DataFolder = folder.Postgres, Progress = options.Progress }, cancellation)
            : null;
        var connection = options.ConnectionString ?? embedded!.ConnectionString;
        try
        {
            return await StartOnAsync(options, folder, embedded, connection, cancellation);
        }
        catch when (embedded is not null)
        {
            await embedded.DisposeAsync();
            throw;
        }
    }

    private static async Task<AiosServer> StartOnAsync(ServeOptions options, HostFolder folder, EmbeddedServer? embedded, string connection, CancellationToken cancellation)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ApplicationName = typeof(AiosServer).Assembly.GetName().Name });
        builder.Logging.ClearProviders();
        if (!options.Quiet) builder.Logging.AddOneLineConsole().AddFilter("Microsoft", LogLevel.Warning);
        builder.WebHost.UseUrls(options.Urls).ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 1024 * 1024;
            kestrel.Limits.MaxRequestHeaderCount = 100;
        });
        var registry = new WorkflowRegistry();
        var services = builder.Services;
        Assembly[] packs = [.. options.Packs, .. options.PackFolders.SelectMany(PackLoader.FromFolder)];
        foreach (var assembly in packs) PackLoader.Load(assembly, registry, services, options.Setting);

        var log = LoggerFactory.Create(logging =>
        {
            if (!options.Quiet) logging.AddOneLineConsole();
        });
        // Before anything is changed: a host that may not serve must not have migrated the database under another.
        await using (var probe = NpgsqlDataSource.Create(connection)) await PostgresSettings.CheckAsync(probe, cancellation);
        var claim = await HostClaim.TakeAsync(connection, options.Shared, cancellation);
        PostgresStore? store = null;
        WebApplication? web = null;
        AuditKey? auditKey = null;
        Auditor? auditor = null;
        IAsyncDisposable? cluster = null;
        try
        {
            auditKey = AuditKey.LoadOrMake(folder.AuditKey);
            store = await PostgresStore.OpenAsync(connection, log.CreateLogger<PostgresStore>(), auditKey, cancellation);
            auditor = new Auditor(store.Queries, auditKey, CheckpointOutlets.Parse(options.Setting("AUDIT_CHECKPOINTS"), folder.Audit, url => ReceiverHttp.Connect(null, "the witness of the audit trail", url.ToString())), new AuditorOptions(AuditorOptions.DefaultEvery, options.Shared),
                TimeProvider.System, log.CreateLogger<Auditor>());
            store.Appended += auditor.Touch;
            var code = new CodeTools();
            foreach (var assembly in packs) code.AddFrom(assembly);
            var secret = await KernelSecret.LoadAsync(folder, options.Setting("KERNEL_SECRET"), () => new EventStreams(store.Queries).AnyAsync(cancellation));
            var hostId = $"{Environment.MachineName.ToLowerInvariant()}-{Environment.ProcessId}-{Guid.CreateVersion7():N}";
            services.AddKernel(store.Queries, secret, hostId, options.Shared);
            services.AddTools(store.Queries, new SecretKey(secret.KeyFor(SecretKey.Purpose), folder.SecretsKey), code);
            services.AddWebhooks(store.Queries, options.Setting("PUBLIC_URL"));
            services.AddSingleton<Identification>().AddSingleton<UnprovedHooks>().AddSingleton(auditor);
            var history = ClusterSeat.History(store, connection, options.Setting("HISTORY"), log.CreateLogger<PostgresStore>());
            services.AddSingleton<IPayloadStore>(store.Payloads).AddSingleton(store).AddSingleton(history).AddSingleton(registry).AddSingleton(options.Time);
            services.AddSingleton(new DoorOptions(options.HostNames));
            services.AddSingleton(provider => new WorkflowHost(history, registry, provider, provider.GetRequiredService<ILogger<WorkflowHost>>(), new WorkflowHostOptions
            {
                Time = options.Time,
                HostId = hostId,
                Seed = BitConverter.ToUInt64(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8)),
                Shared = options.Shared,
                Activities = provider.GetRequiredService<IActivityDirectory>(),
                Gate = provider.GetRequiredService<KernelGate>(),
                Outbox = WebhookServices.OutboxOf(provider),
                AnswerWithin = options.AnswerWithin,
                Retention = RetentionRule.Parse(options.Setting("RETENTION") ?? ""),
            }));
            services.ConfigureHttpJsonOptions(json =>
            {
                var door = WorkflowJson.Door;
                json.SerializerOptions.UnmappedMemberHandling = door.UnmappedMemberHandling;
                json.SerializerOptions.AllowDuplicateProperties = false;
                json.SerializerOptions.NumberHandling = door.NumberHandling;
                json.SerializerOptions.PropertyNameCaseInsensitive = false;
                // Values from outside are held to the door's depth by JsonBody; an answer puts them a few levels further down.
                json.SerializerOptions.MaxDepth = 2 * door.MaxDepth;
                json.SerializerOptions.RespectNullableAnnotations = true;
                json.SerializerOptions.RespectRequiredConstructorParameters = true;
                json.SerializerOptions.Converters.Add(new System.Text.Json.Serialization.JsonStringEnumConverter(System.Text.Json.JsonNamingPolicy.CamelCase));
            });
            services.AddSingleton(provider => provider.GetRequiredService<IOptions<Microsoft.AspNetCore.Http.Json.JsonOptions>>().Value.SerializerOptions);
            // Also in production: what cannot be bound is an exception, which becomes a problem document, not an empty 400.
            services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
            services.AddOpenApi("v1");

            var (traces, metrics) = StartTelemetry();
            web = builder.Build();
            await OwnerKey.EnsureAsync(web.Services.GetRequiredService<Keys>(), web.Services.GetRequiredService<Principals>(), () => folder.OwnerKey, folder.WriteOwnerKey, options.DataFolder,
                options.Shared, cancellation);
            MapRoutes(web, log.CreateLogger("OrleansAiOs.Api"));
            var engine = web.Services.GetRequiredService<WorkflowHost>();
            web.Services.GetRequiredService<EventStreams>().Appended += auditor.Touch;
            store.Stored += web.Services.GetRequiredService<StoredBytes>().Count;
            var server = new AiosServer(embedded, store, claim, web, engine, auditor, auditKey, traces, metrics);
            // What appends beside the store, over connections of its own.
            server.apart = ReferenceEquals(history, store) ? null : history as IAsyncDisposable;
            engine.Fenced += () => server.Abandon("Another host declared this one dead and took over its runs.");
            claim.Lost += () => server.Abandon("Another host serves this database now.");
            await code.DeclareAsync(web.Services.GetRequiredService<ToolRegistry>(), cancellation);
            // Before the first turn: whoever is not known yet would be refused, and a run that a crash left with an unknown outcome would stay so.
            await web.Services.GetRequiredService<Catalogue>().FreshAsync(cancellation);
            if (options.Cluster is { } place) server.cluster = cluster = await ClusterSeat.TakeAsync(place, engine, store.Liveness, secret, log, cancellation);
            await engine.StartAsync(cancellation);
            web.Services.GetRequiredService<WebhookSender>().Start(engine);
            foreach (var tenant in web.Services.GetRequiredService<IdentityView>().AllTenants.Where(tenant => tenant.Id != Tenants.Platform)) await engine.KeepRetentionAsync(tenant.Id);
            auditor.Start();
            await web.StartAsync(cancellation);
            folder.WriteEndpoint(web.Urls.First());
            return server;
        }
        catch
        {
            if (cluster is not null) await cluster.DisposeAsync();
            // Stops the engine too: what it had begun ends while its outcome can still be recorded.
            if (web is not null) await web.DisposeAsync();
            if (auditor is not null) await auditor.DisposeAsync();
            await claim.DisposeAsync();
            if (store is not null) await store.DisposeAsync();
            auditKey?.Dispose();
            throw;
        }
    }

    private static void MapRoutes(WebApplication web, ILogger log)
    {
        web.Use((HttpContext context, RequestDelegate next) => Problems.HandleAsync(context, next, log));
        web.UseMiddleware<Door>();
        web.MapGet("/live", () => Results.Ok(new { status = "live" })).ExcludeFromDescription();
        web.MapGet("/ready", async (IRunStore store, HttpContext context) =>
        {
            try
            {
                await store.NextWakeUpAsync(DateTimeOffset.MaxValue, context.RequestAborted);
                return Results.Ok(new { status = "ready" });
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                ApiLog.NotReady(log, e);
                return Results.Problem("The database does not answer.", statusCode: 503, title: "Not ready");
            }
        }).ExcludeFromDescription();
        var api = web.MapGroup("/api/v1");
        RunsApi.Map(api);
        ExportApi.Map(api);
        AuditApi.Map(api);
        BulkApi.Map(api);
        SchedulesApi.Map(api);
        ExplainApi.Map(api);
        ApprovalsApi.Map(api);
        SigningApi.Map(api);
        KillSwitchesApi.Map(api);
        BudgetsApi.Map(api);
        QuotasApi.Map(api);
        VersionsApi.Map(api);
        BranchesApi.Map(api);
        PayloadsApi.Map(api);
        KeysApi.Map(api);
        IdentityApi.Map(api);
        ToolsApi.Map(api);
        CallsApi.Map(api);
        PoliciesApi.Map(api);
        WebhooksApi.Map(api);
        HooksApi.Map(web);
        EventsApi.Map(api);
        web.MapOpenApi("/api/{documentName}/openapi.json").Needs("api.read");
    }

    // Standard variables decide; without an endpoint nothing is collected.
    private static (TracerProvider?, MeterProvider?) StartTelemetry() =>
        Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT") is not { Length: > 0 }
            ? (null, null)
            : (Sdk.CreateTracerProviderBuilder().AddSource(Telemetry.Name).AddOtlpExporter().Build(), Sdk.CreateMeterProviderBuilder().AddMeter(Telemetry.Name).AddOtlpExporter().Build());

    private readonly List<Exception> troubles = [];

    /// <summary>Why the host stopped by itself; null if it was told to.</summary>
    public string? Abandoned { get; private set; }

    private void Abandon(string why)
    {
        Abandoned = why;
        Engine.Halt();
        web.Lifetime.StopApplication();
    }

    public Task WaitForShutdownAsync(CancellationToken cancellation) => web.WaitForShutdownAsync(cancellation);

    public async ValueTask DisposeAsync()
    {
        // First, so that its runs are active elsewhere while what is under way here ends.
        await EndAsync(cluster);
        await EndAsync(Engine);
        await EndAsync(web);
        traces?.Dispose();
        metrics?.Dispose();
        // Behind the last append, before the connections go: what it left is signed for.
        await EndAsync(auditor);
        auditKey.Dispose();
        await EndAsync(claim);
        await EndAsync(apart);
        await EndAsync(store);
        await EndAsync(embedded);
        if (troubles.Count > 0) throw new AggregateException("Not everything of the host ended well.", troubles);
    }

    // What does not end well keeps nothing else from ending: a private database that is left running is worse.
    private async Task EndAsync(IAsyncDisposable? part)
    {
        try
        {
            if (part is not null) await part.DisposeAsync();
        }
        catch (Exception e)
        {
            troubles.Add(e);
        }
    }
}

/// <summary>How a host is started.</summary>
internal sealed record ServeOptions
{
    public string DataFolder { get; init; } = HostFolder.DefaultPath;

    /// <summary>An external database; the private one when null.</summary>
    public string? ConnectionString { get; init; }

    public bool Shared { get; init; }

    /// <summary>Where other members of the cluster reach this host; null if it is in none.</summary>
    public ClusterPlace? Cluster { get; init; }

    public string Urls { get; init; } = "http://127.0.0.1:8787";

    public IReadOnlyList<string> HostNames { get; init; } = [];

    public IReadOnlyList<Assembly> Packs { get; init; } = [];

    public IReadOnlyList<string> PackFolders { get; init; } = [];

    public Func<string, string?> Setting { get; init; } = name => Environment.GetEnvironmentVariable($"AIOS_{name}");

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>A caller whose command the database does not take within this time is told so.</summary>
    public TimeSpan AnswerWithin { get; init; } = TimeSpan.FromSeconds(30);

    public bool Quiet { get; init; }

    public Action<string>? Progress { get; init; }
}
