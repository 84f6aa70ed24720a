using Npgsql;

namespace OrleansAiOs.Postgres.Embedded;

/// <summary>
/// The private server as one host holds it. Disposing lets go of it: it runs on for the grace, so that the next host finds it warm.
/// <see cref="StopAsync"/> stops it now.
/// </summary>
public sealed class EmbeddedServer : IAsyncDisposable
{
    private readonly DataFolder folder;
    private readonly HostLock hostLock;
    private readonly Func<CancellationToken, Task<SupervisorLink>> openLink;
    private readonly Action<string> progress;
    private readonly CancellationTokenSource letGo = new();
    private readonly Task keeping;

    private SupervisorLink link;
    private bool disposed;

    internal EmbeddedServer(
        DataFolder folder,
        HostLock hostLock,
        SupervisorLink link,
        string connectionString,
        Version version,
        Func<CancellationToken, Task<SupervisorLink>> openLink,
        Action<string> progress)
    {
        this.folder = folder;
        this.hostLock = hostLock;
        this.link = link;
        this.openLink = openLink;
        this.progress = progress;
        ConnectionString = connectionString;
        Version = version;
        Adopted = link.Adopted;
        keeping = KeepLinkAsync();
    }

    /// <summary>For Npgsql; holds the password.</summary>
    public string ConnectionString { get; }

    public string DataFolder => folder.Path;

    /// <summary>The server was running already, left by a host that is gone.</summary>
    public bool Adopted { get; }

    /// <summary>PostgreSQL's version.</summary>
    public Version Version { get; }

    internal int SupervisorPid => link.SupervisorPid;

    internal int? PostmasterPid => Postmaster.Running(folder.Cluster)?.Pid;

    /// <summary>Stops the server now instead of after the grace, and lets go of it.</summary>
    public async Task StopAsync(CancellationToken cancellation = default)
    {
        await letGo.CancelAsync();
        await keeping;
        await link.AskToStopAsync();
        await link.WaitForEndAsync(cancellation);
        await EmbeddedPostgres.WaitUntilStoppedAsync(folder, cancellation);
        await DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (disposed)
        {
            return;
        }

        disposed = true;
        await letGo.CancelAsync();
        await keeping;
        NpgsqlPools.Clear(ConnectionString);
        link.Dispose();
        hostLock.Dispose();
        letGo.Dispose();
    }

    // A supervisor that is killed leaves the server running without a keeper: launch the next one, which takes it over.
    private async Task KeepLinkAsync()
    {
        try
        {
            while (!await link.WaitForEndAsync(letGo.Token))
            {
                letGo.Token.ThrowIfCancellationRequested();
                progress("the database's supervisor is gone; launching another");
                var next = await ReopenAsync();
                link.Dispose();
                link = next;
            }

            progress("the database was stopped by request");
        }
        catch (OperationCanceledException)
        {
            // Let go.
        }
    }

    private async Task<SupervisorLink> ReopenAsync()
    {
        while (true)
        {
            try
            {
                return await openLink(letGo.Token);
            }
            catch (EmbeddedPostgresException e)
            {
                progress(e.Message);
                await Task.Delay(TimeSpan.FromSeconds(1), letGo.Token);
            }
        }
    }
}

/// <summary>Npgsql keeps idle connections per connection string; closed before a stop, they spare the server's log an error each.</summary>
internal static class NpgsqlPools
{
    public static void Clear(string connectionString)
    {
        using var any = new NpgsqlConnection(connectionString);
        NpgsqlConnection.ClearPool(any);
    }
}
