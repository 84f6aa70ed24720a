using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Npgsql;

namespace OrleansAiOs.LoadTests;

/// <summary>What all cases share: the database, the JSON line, CPU, memory and WAL readings.</summary>
internal static class Bench
{
    public const string Database = "peer_aios";

    public static string Env(string name, string otherwise) => Environment.GetEnvironmentVariable(name) ?? otherwise;

    public static int Num(string name, int otherwise) => int.Parse(Env(name, otherwise.ToString(CultureInfo.InvariantCulture)), CultureInfo.InvariantCulture);

    public static string Connection(string database) =>
        $"Host={Env("PGHOST", "127.0.0.1")};Port={Env("PGPORT", "5544")};Username={Env("PGUSER", "postgres")};Password={Env("PGPASSWORD", "none")};Database={database}";

    public static async Task CreateDatabaseAsync()
    {
        await using var admin = NpgsqlDataSource.Create(Connection("postgres"));
        foreach (var sql in new[] { $"drop database if exists {Database} with (force)", $"create database {Database}" })
        {
            await using var command = admin.CreateCommand(sql);
            await command.ExecuteNonQueryAsync();
        }
    }

    public static async Task<int> CompletedAsync()
    {
        // No pool: each case drops and makes the database anew.
        await using var source = NpgsqlDataSource.Create(Connection(Database) + ";Pooling=false");
        await using var command = source.CreateCommand("select count(*)::int from aios.runs where closed_at is not null");
        try
        {
            return (int)(await command.ExecuteScalarAsync())!;
        }
        catch (PostgresException e) when (e.SqlState is "42P01" or "3F000")
        {
            return -1; // a worker has not made its schema yet
        }
    }

    public static async Task UntilAsync(Func<Task<bool>> condition)
    {
        var watch = Stopwatch.StartNew();
        while (!await condition())
        {
            if (watch.Elapsed > TimeSpan.FromMinutes(5)) throw new TimeoutException("What the benchmark waits for did not happen within 5 minutes.");
            await Task.Delay(10);
        }
    }

    public static double Resident(int pid)
    {
        var line = File.ReadLines($"/proc/{pid}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }

    /// <summary>Calls <paramref name="work"/> for 0 … <paramref name="total"/>-1, so many at a time.</summary>
    public static Task PoolAsync(int total, int inFlight, Func<int, Task> work)
    {
        var next = -1;
        return Task.WhenAll(Enumerable.Range(0, Math.Min(inFlight, total)).Select(_ => Task.Run(async () =>
        {
            for (int i; (i = Interlocked.Increment(ref next)) < total;) await work(i);
        })));
    }

    public static void Emit(string name, object metrics) =>
        Emit(name, metrics.GetType().GetProperties().ToDictionary(property => property.Name, property => property.GetValue(metrics)!));

    public static void Emit(string name, IReadOnlyDictionary<string, object> metrics)
    {
        var load = double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture);
        var line = new Dictionary<string, object> { ["peer"] = Env("PEER", "aios"), ["rep"] = Num("REP", 1), ["load1"] = load, ["case"] = name };
        foreach (var (metric, value) in metrics) line[metric] = value is double d ? double.IsFinite(d) ? Math.Round(d, 3) : null! : value;
        var text = JsonSerializer.Serialize(line);
        Console.WriteLine(text);
        if (Environment.GetEnvironmentVariable("RESULTS") is { } results) File.AppendAllText(results, text + "\n");
    }

    /// <summary>CPU seconds so far: this process with the given ones, and the PostgreSQL of PG_POSTMASTER_PID (living backends and reaped ones).</summary>
    public static (double Own, double Postgres) Cpu(params int[] others)
    {
        var own = Process.GetCurrentProcess().TotalProcessorTime.TotalSeconds + others.Sum(pid => Stat(pid) is { } s ? s.Own : 0);
        double postgres = 0;
        var postmaster = Num("PG_POSTMASTER_PID", 0);
        if (postmaster != 0)
            foreach (var folder in Directory.GetDirectories("/proc"))
                if (int.TryParse(Path.GetFileName(folder), out var pid) && Stat(pid) is { } stat)
                    postgres += pid == postmaster ? stat.Own + stat.Reaped : stat.Parent == postmaster ? stat.Own : 0;
        return (own, postgres);

        static (int Parent, double Own, double Reaped)? Stat(int pid)
        {
            try
            {
                var text = File.ReadAllText($"/proc/{pid}/stat");
                var f = text[(text.LastIndexOf(')') + 2)..].Split(' ');
                return (int.Parse(f[1], null), (long.Parse(f[11], null) + long.Parse(f[12], null)) / 100.0, (long.Parse(f[13], null) + long.Parse(f[14], null)) / 100.0);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return null; // it ended meanwhile
            }
        }
    }

    /// <summary>WAL bytes and committed transactions of the server so far, and rows inserted or updated in our database.</summary>
    public static async Task<(double WalBytes, double Transactions, double Rows)> ServerAsync()
    {
        await using var source = NpgsqlDataSource.Create(Connection(Database));
        await using (var flush = source.CreateCommand("select pg_stat_force_next_flush()")) await flush.ExecuteNonQueryAsync();
        await using var command = source.CreateCommand("""
            select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8, xact_commit::float8, (tup_inserted + tup_updated + tup_deleted)::float8
            from pg_stat_database where datname = current_database()
            """);
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return (reader.GetDouble(0), reader.GetDouble(1), reader.GetDouble(2));
    }

    public static (double P50, double P99, double Max) Latency(List<double> ms)
    {
        ms.Sort();
        return (ms[ms.Count / 2], ms[Math.Max(0, (int)(ms.Count * .99) - 1)], ms[^1]);
    }
}
