using Npgsql;

namespace OrleansAiOs.Postgres;

/// <summary>The connections of one host: appends, reads and everything else have pools of their own, so that none can starve another.</summary>
internal sealed class DataSources : IAsyncDisposable
{
    // The plan must not depend on what the statistics happen to say: arrays are small beside the tables, so every table is reached
    // by its key. A generic plan is made once per connection; the arrays would otherwise be planned anew each time.
    private const string ByKey = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off";
    // An append that the server has not finished by then never commits; hosts look again for orphans after WorkflowHostOptions.LateAppendsFor, which is longer.
    private const string Guards = "-c idle_in_transaction_session_timeout=30s -c lock_timeout=15s";
    private const string Prompt = "-c statement_timeout=20s";

    public DataSources(string connectionString, int appendPumps, int readPumps)
    {
        var given = new NpgsqlConnectionStringBuilder(connectionString);
        Appends = ForAppends(given, appendPumps + 1);
        Reads = Make(given, $"{ByKey} {Guards}", readPumps + 1);
        Liveness = Make(given, $"-c jit=off {Guards}", 3);
        Transactions = Make(given, $"-c jit=off {Guards}", Math.Min(given.MaxPoolSize, 12));
        Payloads = Make(given, $"-c jit=off {Guards}", Math.Min(given.MaxPoolSize, 8));
        Queries = Make(given, $"-c jit=off {Guards}", Math.Min(given.MaxPoolSize, 10));
    }

    public NpgsqlDataSource Appends { get; }

    public NpgsqlDataSource Reads { get; }

    /// <summary>For what says that this host lives, and what is due: late, it would be declared dead.</summary>
    public NpgsqlDataSource Liveness { get; }

    /// <summary>For transactional activities, which keep a connection for as long as they take.</summary>
    public NpgsqlDataSource Transactions { get; }

    /// <summary>For documents and large bodies: an append waits for its own, whoever reads lists.</summary>
    public NpgsqlDataSource Payloads { get; }

    public NpgsqlDataSource Queries { get; }

    public async ValueTask DisposeAsync()
    {
        await Appends.DisposeAsync();
        await Reads.DisposeAsync();
        await Liveness.DisposeAsync();
        await Transactions.DisposeAsync();
        await Payloads.DisposeAsync();
        await Queries.DisposeAsync();
    }

    public static NpgsqlDataSource ForAppends(NpgsqlConnectionStringBuilder given, int connectionsMax) => Make(given, $"{ByKey} {Guards} {Prompt}", connectionsMax);

    private static NpgsqlDataSource Make(NpgsqlConnectionStringBuilder given, string options, int connectionsMax)
    {
        var mine = new NpgsqlConnectionStringBuilder(given.ConnectionString)
        {
            Options = string.IsNullOrEmpty(given.Options) ? options : $"{given.Options} {options}",
            MaxPoolSize = connectionsMax,
            MinPoolSize = 0,
            // A cancelled wait for a synchronous standby answers "COMMIT": never cancel, rather lose the connection and read back.
            CancellationTimeout = -1,
            CommandTimeout = 60,
            NoResetOnClose = false,
            Multiplexing = false,
            IncludeErrorDetail = false,
            KeepAlive = 0,
            TcpKeepAlive = true,
            ApplicationName = "aios",
        };
        return NpgsqlDataSource.Create(mine);
    }
}
