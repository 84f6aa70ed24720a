using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Postgres;

/// <summary>The engine inside a program of the user's own: <c>services.AddAios(connectionString, workflows => workflows.Add&lt;MyWorkflow&gt;())</c>.</summary>
public static class AiosServices
{
    /// <param name="services">The program's services; activities take theirs from here.</param>
    /// <param name="connectionString">PostgreSQL 15 or later; see <see cref="Embedded.EmbeddedPostgres"/> for a private one.</param>
    /// <param name="workflows">Which workflows this program runs.</param>
    /// <param name="shared">Other hosts may serve the same database at the same time.</param>
    public static IServiceCollection AddAios(this IServiceCollection services, string connectionString, Action<WorkflowRegistry> workflows, bool shared = false)
    {
        var registry = new WorkflowRegistry();
        workflows(registry);
        services.AddSingleton(provider => new AiosEngine(provider, connectionString, registry, shared));
        return services.AddHostedService(provider => provider.GetRequiredService<AiosEngine>());
    }
}

/// <summary>The engine as a hosted service: it starts and stops with the program.</summary>
public sealed class AiosEngine : IHostedService, IAsyncDisposable
{
    private readonly IServiceProvider services;
    private readonly string connectionString;
    private readonly WorkflowRegistry registry;
    private readonly bool shared;
    private bool disposed;
    private HostClaim? claim;
    private PostgresStore? store;
    private WorkflowHost? host;

    internal AiosEngine(IServiceProvider services, string connectionString, WorkflowRegistry registry, bool shared) =>
        (this.services, this.connectionString, this.registry, this.shared) = (services, connectionString, registry, shared);

    /// <summary>Starts runs, signals them, waits for them.</summary>
    /// <exception cref="InvalidOperationException">The program has not started its hosted services yet.</exception>
    public WorkflowHost Host => host ?? throw new InvalidOperationException("The engine is not started yet: it starts with the program's hosted services.");

    /// <exception cref="StartRefusedException">Another host serves the database, and one of the two does not share.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var logs = services.GetRequiredService<ILoggerFactory>();
        // Before anything is changed: who may not serve must not have migrated the database under another.
        await using (var probe = NpgsqlDataSource.Create(connectionString)) await Embedded.PostgresSettings.CheckAsync(probe, cancellationToken);
        claim = await HostClaim.TakeAsync(connectionString, shared, cancellationToken);
        store = await PostgresStore.OpenAsync(connectionString, logs.CreateLogger<PostgresStore>(), cancellation: cancellationToken);
        host = new WorkflowHost(store, registry, services, logs.CreateLogger<WorkflowHost>(), new WorkflowHostOptions
        {
            Time = services.GetService<TimeProvider>() ?? TimeProvider.System,
            HostId = $"{Environment.MachineName.ToLowerInvariant()}-{Environment.ProcessId}-{Guid.CreateVersion7():N}",
            Seed = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)),
            Shared = shared,
            Activities = services.GetService<IActivityDirectory>(),
        });
        host.Fenced += Abandon;
        claim.Lost += Abandon;
        await host.StartAsync(cancellationToken);
    }

    // Another host serves the database, or has declared this one dead: the program goes down rather than look alive.
    private void Abandon()
    {
        host!.Halt();
        services.GetService<IHostApplicationLifetime>()?.StopApplication();
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (host is not null) await host.StopAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (disposed) return; // the container disposes it twice: as itself, and as the hosted service
        disposed = true;
        if (host is not null) await host.DisposeAsync();
        if (claim is not null) await claim.DisposeAsync();
        if (store is not null) await store.DisposeAsync();
    }
}
