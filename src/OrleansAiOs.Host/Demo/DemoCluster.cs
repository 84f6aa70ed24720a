using System.Globalization;
using OrleansAiOs.Host.Cli;
using OrleansAiOs.Host.Serving;
using OrleansAiOs.Postgres.Embedded;

namespace OrleansAiOs.Host.Demo;

/// <summary>
/// Hosts of a cluster, as a person would start them: each `aios serve --cluster` in a process of its own, all on one private database. They go
/// by the system's clock.
/// </summary>
internal sealed class DemoCluster : IDemoHosts
{
    public const int Least = 2;
    public const int Most = 5;

    private readonly EmbeddedServer database;
    private readonly List<HostProcess> hosts = [];
    private readonly string folder;
    private int asked;

    private DemoCluster(EmbeddedServer database, string folder) => (this.database, this.folder) = (database, folder);

    public static async Task<DemoCluster> StartAsync(int count, string folder, IReadOnlyDictionary<string, string> settings, Action<string> say, CancellationToken cancellation)
    {
        var database = await EmbeddedPostgres.StartAsync(new EmbeddedPostgresOptions { DataFolder = new HostFolder(folder).Postgres, Progress = say }, cancellation);
        var cluster = new DemoCluster(database, folder);
        try
        {
            say($"one database in {folder}");
            var first = new HostFolder(folder);
            var environment = settings.ToDictionary(setting => $"AIOS_{setting.Key}", setting => setting.Value);
            environment.Add("AIOS_CONNECTION", database.ConnectionString);
            // The first makes the tables, the owner's key and the kernel's secret; the others are given both.
            cluster.hosts.Add(await HostProcess.StartAsync(1, folder, environment, cancellation));
            var others = new List<Task<HostProcess>>();
            for (var number = 2; number <= count; number++)
            {
                var other = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"host-{number}"));
                new HostFolder(other).WriteOwnerKey(first.OwnerKey!);
                if (first.KernelSecret is { } secret) new HostFolder(other).WriteKernelSecret(secret);
                others.Add(HostProcess.StartAsync(number, other, environment, cancellation));
            }
            try
            {
                cluster.hosts.AddRange(await Task.WhenAll(others));
            }
            catch
            {
                foreach (var started in others.Where(other => other.IsCompletedSuccessfully)) cluster.hosts.Add(await started);
                throw;
            }
            foreach (var host in cluster.hosts) say($"{host.Name} serves on {host.Address} (process {host.ProcessId})");
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    public HostAddress Next()
    {
        var living = hosts.Where(host => !host.IsKilled).ToList();
        return HostAddress.Find(living[asked++ % living.Count].Address, new HostFolder(folder).OwnerKey, folder);
    }

    public string NameOf(string? incarnation) => Of(incarnation)?.Name ?? "an earlier host";

    public DemoClock? Clock => null;

    /// <summary>The living host on which most of these runs were last.</summary>
    public HostProcess? Busiest(IEnumerable<string?> incarnations) =>
        incarnations.Select(Of).OfType<HostProcess>().Where(host => !host.IsKilled).CountBy(host => host).OrderByDescending(runs => runs.Value).ThenBy(runs => runs.Key.Number).FirstOrDefault().Key;

    // All at once, while there is a database to sign off in; then that, and not half a minute later.
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(hosts.Select(host => host.DisposeAsync().AsTask()));
        await database.StopAsync();
    }

    private HostProcess? Of(string? incarnation) => hosts.Find(host => host.Is(incarnation));
}
