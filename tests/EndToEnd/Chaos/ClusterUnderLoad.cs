using System.Collections.Concurrent;
using Npgsql;

namespace OrleansAiOs.EndToEnd;

/// <summary>How long the runs of a member that went took until they got on elsewhere, in ms.</summary>
/// <param name="Commands">Of each run that was on it: until a command, sent to another member at that moment, was acknowledged.</param>
/// <param name="Effects">Of each of them with an effect under way: until its effect went on.</param>
internal sealed record TakeOver(IReadOnlyList<double> Commands, IReadOnlyList<double> Effects)
{
    public static TakeOver Of(IEnumerable<TakeOver> several) =>
        new([.. several.SelectMany(one => one.Commands).Order()], [.. several.SelectMany(one => one.Effects).Order()]);

    public override string ToString() => $"commands {Shares(Commands)}; effects under way {Shares(Effects)}";

    public static double Share(IReadOnlyList<double> sorted, double share) => sorted.Count == 0 ? 0 : sorted[(int)Math.Ceiling(sorted.Count * share) - 1];

    private static string Shares(IReadOnlyList<double> sorted) =>
        sorted.Count == 0 ? "none" : $"{sorted.Count}: p50 {Share(sorted, .5) / 1000:0.00} s, p95 {Share(sorted, .95) / 1000:0.00} s, p99 {Share(sorted, .99) / 1000:0.00} s, longest {sorted[^1] / 1000:0.00} s";
}

/// <summary>What came of it, over all.</summary>
internal sealed record LoadVerdict(int Runs, int Acknowledged, int SentAgain, long FaultsDealt, IReadOnlyList<string> Lost, IReadOnlyList<string> Doubled)
{
    public override string ToString() => $"{Runs} runs, {Acknowledged} commands acknowledged, {SentAgain} of them sent more than once, {FaultsDealt} faults dealt; {Lost.Count} lost, {Doubled.Count} doubled";
}

/// <summary>
/// Members of a cluster, and callers that do not let up: invoices are started, remarked on and approved all the time, each command sent again
/// until it is acknowledged, against hostile receivers. Whatever is done to the members meanwhile, in the end every acknowledged command
/// must be there once, every invoice paid once, and every run over.
/// </summary>
internal sealed class ClusterUnderLoad : IAsyncDisposable
{
    private const int Callers = 4;
    private const int Remarks = 4;
    private const int OpenMost = 24;
    private const int OpenLeast = 12; // so many wait on the members at any time
    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(100);

    private readonly string folder = Directory.CreateTempSubdirectory("aios-load-").FullName;
    private readonly CancellationTokenSource giveUp;
    private readonly NpgsqlDataSource database;
    private readonly Machines? machines;
    private readonly Func<int, HostSetup, HostSetup> own;
    private readonly ConcurrentDictionary<string, BatchInvoice> byRun = new();
    private readonly ConcurrentDictionary<string, bool> remarked = new(); // and whether it was decided
    private readonly ConcurrentDictionary<string, bool> acknowledged = new();
    private readonly Random asked = new(1);
    private Receivers receivers = null!;
    private HostSetup setup = null!;
    private HostProcess[] hosts = [];
    private HostClient owner = null!;
    private HostClient buyer = null!;
    private HostClient others = null!; // calls none that is going
    private int going = -1;
    private Task load = Task.CompletedTask;
    private volatile bool ending;
    private int started;

    private ClusterUnderLoad(string connection, Machines? machines, Func<int, HostSetup, HostSetup>? own, TimeSpan atMost)
    {
        (this.machines, giveUp) = (machines, new CancellationTokenSource(atMost));
        this.own = own ?? ((which, common) => machines?.At(which, common) ?? common);
        database = NpgsqlDataSource.Create(connection);
    }

    public IReadOnlyList<HostProcess> Hosts => hosts;

    public NpgsqlDataSource Database => database;

    public int Acknowledged => acknowledged.Count;

    public CancellationToken GiveUp => giveUp.Token;

    /// <summary>Starts the members and the load, and returns when it is in full swing.</summary>
    /// <param name="connection">The database.</param>
    /// <param name="members">How many.</param>
    /// <param name="atMost">What all of it may take.</param>
    /// <param name="machines">Where each member has a network of its own; null for members beside each other.</param>
    /// <param name="own">What is of its own in each member; null where nothing is but the network.</param>
    public static async Task<ClusterUnderLoad> StartAsync(string connection, int members, TimeSpan atMost, Machines? machines = null, Func<int, HostSetup, HostSetup>? own = null)
    {
        var cluster = new ClusterUnderLoad(connection, machines, own, atMost);
        try
        {
            await cluster.StartAsync(connection, members);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    private async Task StartAsync(string connection, int members)
    {
        receivers = await Receivers.StartAsync(folder, Receivers.Hostile(7, hangs: false));
        var orders = InvoiceBatch.WriteOrders(folder);
        machines?.Connect(connection, receivers.Address);
        setup = new HostSetup(folder, connection)
        {
            Clustered = machines is null,
            Environment = new Dictionary<string, string>(receivers.Environment) { [orders.Name] = orders.Value, ["AIOS_INVOICE_PAY_TIMEOUT"] = "3" },
        };
        hosts = new HostProcess[members];
        hosts[0] = await HostProcess.StartAsync(own(0, setup)); // makes the schema and the owner's key
        await Task.WhenAll(Enumerable.Range(1, members - 1).Select(async i => hosts[i] = await HostProcess.StartAsync(own(i, setup))));
        owner = new HostClient(Any, HostClient.OwnerKey(setup), GiveUp);
        others = new HostClient(Other, HostClient.OwnerKey(setup), GiveUp);
        buyer = new HostClient(Any, await owner.MakeKeyAsync("berta", "buyer"), GiveUp);
        var callers = Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(CallAsync)));
        load = Task.WhenAll(callers, Task.Run(() => DecideAsync(callers)));
        await UntilAsync(async () => await NumberAsync("select count(*) from aios.runs where closed_at is not null") >= Callers);
    }

    public async ValueTask DisposeAsync()
    {
        await giveUp.CancelAsync();
        await load.ContinueWith(_ => { }, TaskScheduler.Default);
        foreach (var host in hosts)
            if (host is not null) await host.DisposeAsync();
        foreach (var client in new[] { owner, buyer, others }) client?.Dispose();
        if (receivers is not null) await receivers.DisposeAsync();
        await database.DisposeAsync();
        giveUp.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>Loses a member in some way, and sends a command to each run that was on it, through the others.</summary>
    /// <param name="which">The member.</param>
    /// <param name="end">Begins its end at once, and returns when it is over.</param>
    public async Task<TakeOver> LoseAsync(int which, Func<HostProcess, Task> end)
    {
        Volatile.Write(ref going, which);
        var at = DateTimeOffset.UtcNow;
        var over = end(hosts[which]);
        var open = new List<(string Run, bool UnderWay, long Version)>();
        await using (var command = database.CreateCommand($"""
            select id, busy, (select max(version) from aios.mt_events where stream_id = 'run/' || r.id) from aios.runs r where closed_at is null and host like '%-{hosts[which].ProcessId}-%'
            """))
        await using (var reader = await command.ExecuteReaderAsync(GiveUp))
            while (await reader.ReadAsync(GiveUp)) open.Add((reader.GetString(0), reader.GetBoolean(1), reader.GetInt64(2)));
        var commands = await Task.WhenAll(open.Select(one => UntilTakenAsync(one.Run, at)));
        var effects = await Task.WhenAll(open.Where(one => one.UnderWay).Select(one => UntilOnAsync($"stream_id = 'run/{one.Run}' and version > {one.Version}", at)));
        await over;
        return new TakeOver([.. commands.Order()], [.. effects.Order()]);
    }

    /// <summary>Starts a member in the place of one that has ended.</summary>
    public async Task ReplaceAsync(int which, Func<HostSetup, HostSetup>? otherwise = null)
    {
        if (otherwise is not null) setup = otherwise(setup);
        var (next, before) = (await HostProcess.StartAsync(own(which, setup)), hosts[which]);
        Volatile.Write(ref hosts[which], next);
        Volatile.Write(ref going, -1);
        await before.DisposeAsync();
    }

    /// <summary>kill -9, and another in its place.</summary>
    public async Task<TakeOver> KillAsync(int which)
    {
        var recovery = LoseAsync(which, host => host.KillAsync());
        await hosts[which].EndAsync();
        var (next, dead) = (await HostProcess.StartAsync(own(which, setup)), hosts[which]);
        Volatile.Write(ref hosts[which], next);
        await using (dead)
        {
            var took = await recovery;
            Volatile.Write(ref going, -1);
            return took;
        }
    }

    /// <summary>kill -9 of all, and as many others on other addresses: what took until the first effect went on.</summary>
    public async Task<TakeOver> KillAllAsync()
    {
        var dead = hosts;
        await Task.WhenAll(dead.Select(host => host.KillAsync()));
        var at = DateTimeOffset.UtcNow;
        hosts = await Task.WhenAll(Enumerable.Range(0, dead.Length).Select(which => HostProcess.StartAsync(own(which, setup))));
        foreach (var host in dead) await host.DisposeAsync();
        return new TakeOver([], [await UntilOnAsync($"timestamp > '{at.UtcDateTime:O}'", at)]);
    }

    /// <summary>Takes a member's cable to the other members away, until it has seen that it is out, and starts another in its place.</summary>
    public async Task<TakeOver> CutAsync(int which)
    {
        var recovery = await LoseAsync(which, async host =>
        {
            await machines!.CutAsync(which);
            await host.EndAsync();
        });
        await machines!.MendAsync(which);
        await ReplaceAsync(which);
        return recovery;
    }

    /// <summary>Waits for more of the load to have been acknowledged.</summary>
    public Task MoreAsync(int commands)
    {
        var target = Acknowledged + commands;
        return UntilAsync(() => Task.FromResult(Acknowledged >= target));
    }

    /// <summary>Lets the load end and every run with it, and holds what was acknowledged and what the receivers did against the histories.</summary>
    public async Task<LoadVerdict> EndAsync()
    {
        ending = true;
        await load;
        await UntilAsync(async () => await NumberAsync("select count(*) from aios.runs where closed_at is null") == 0);
        await UntilAsync(() => Task.FromResult(receivers.Books.Held == 0)); // what was held back arrives, and must change nothing
        var audit = await InvoiceAudit.TakeAsync(database, byRun, receivers);
        var (lost, doubled) = (audit.Lost.ToList(), audit.Doubled.ToList());
        var recorded = await KeysAsync();
        lost.AddRange(acknowledged.Keys.Where(key => !recorded.ContainsKey(key)).Select(key => $"acknowledged, and not there: {key}"));
        // Of what the callers sent; a host that was deployed unparks several runs under one key of its own.
        doubled.AddRange(acknowledged.Keys.Where(key => recorded.GetValueOrDefault(key) > 1).Select(key => $"{key} is there {recorded[key]} times"));
        return new LoadVerdict(byRun.Count, Acknowledged, owner.SentAgain + buyer.SentAgain + others.SentAgain, receivers.FaultsDealt, lost, doubled);
    }

    public async Task UntilAsync(Func<Task<bool>> condition)
    {
        try
        {
            while (!await condition())
            {
                if (load.IsFaulted) await load;
                await Task.Delay(20, GiveUp);
            }
        }
        catch (OperationCanceledException) when (GiveUp.IsCancellationRequested)
        {
            throw new TimeoutException($"Not within the time. Of the runs that are open, for instance: {await OpenRunsAsync()}");
        }
    }

    private async Task<string> OpenRunsAsync()
    {
        await using var command = database.CreateCommand("""
            select string_agg(concat_ws(' ', id, case when busy then 'busy on ' || host end, waits, 'due ' || due, '; last:', (select string_agg(type || ' ' || timestamp, ', ' order by version) from
                (select * from aios.mt_events where stream_id = 'run/' || r.id order by version desc limit 4) e)), E'\n')
            from (select r.*, w.due from aios.runs r left join aios.wakeups w on w.tenant_id = r.tenant_id and w.run_id = r.id where closed_at is null limit 5) r
            """);
        return await command.ExecuteScalarAsync() as string ?? "none";
    }

    /// <summary>Asks the database, until it answers: it may be what is being broken.</summary>
    public async Task<double> NumberAsync(string sql)
    {
        while (true)
        {
            try
            {
                await using var command = database.CreateCommand(sql);
                return Convert.ToDouble(await command.ExecuteScalarAsync(GiveUp), null);
            }
            catch (NpgsqlException)
            {
                await Task.Delay(20, GiveUp);
            }
        }
    }

    private Uri Any() => Address(-1);

    private Uri Other() => Address(Volatile.Read(ref going));

    private Uri Address(int not)
    {
        lock (asked)
            while (true)
                if (asked.Next(hosts.Length) is var which && which != not) return Volatile.Read(ref hosts[which]).Address;
    }

    private async Task CallAsync()
    {
        while (!ending)
        {
            var invoice = InvoiceBatch.AwaitingApproval(Interlocked.Increment(ref started) - 1);
            var run = await owner.StartInvoiceAsync(invoice.Document);
            byRun[run] = invoice;
            acknowledged[$"start of {run}"] = true;
            for (var n = 1; n <= Remarks; n++)
            {
                await owner.SignalAsync(run, "remark", n, $"{run}-{n}");
                acknowledged[$"{run}-{n}"] = true;
                await Task.Delay(Breath, GiveUp);
            }
            remarked[run] = false;
            while (!ending && remarked.Values.Count(decided => !decided) > OpenMost) await Task.Delay(Breath, GiveUp);
        }
    }

    // The oldest first; some are left waiting until the end, which is not before the callers': one may be about to start another run.
    private async Task DecideAsync(Task callers)
    {
        while (!callers.IsCompleted || (callers.IsCompletedSuccessfully && remarked.Values.Contains(false)))
        {
            var waiting = (await buyer.ApprovalsAsync()).Where(one => remarked.TryGetValue(one.Run, out var decided) && !decided).ToList();
            await Parallel.ForEachAsync(ending ? waiting : waiting.SkipLast(OpenLeast), new ParallelOptions { MaxDegreeOfParallelism = Callers }, async (one, _) =>
            {
                await buyer.DecideAsync(one.Run, one.Step, granted: true, $"approve-{one.Run}");
                acknowledged[$"approve-{one.Run}"] = true;
                remarked[one.Run] = true;
            });
            await Task.Delay(Breath, GiveUp);
        }
    }

    private async Task<double> UntilTakenAsync(string run, DateTimeOffset since)
    {
        var key = $"{run}-{Guid.NewGuid():N}";
        try
        {
            await others.SignalAsync(run, "remark", 0, key);
            acknowledged[key] = true;
        }
        catch (InvalidOperationException)
        {
            // It was over by then: it got on before this came to it.
        }
        return (DateTimeOffset.UtcNow - since).TotalMilliseconds;
    }

    // The commands that come meanwhile say nothing of the effect. Host and database have one clock; an event is appended after its time, so of one run
    // what comes is told by its version: an append that was under way at that moment may have been all that was to come of the effect.
    private async Task<double> UntilOnAsync(string events, DateTimeOffset since)
    {
        var next = 0d;
        await UntilAsync(async () => (next = await NumberAsync($"""
            select coalesce(extract(epoch from min(timestamp)), 0) from aios.mt_events where {events}
            and type in ('attempt-started', 'step-completed', 'step-failed', 'attempt-failed', 'outcome-unknown', 'outcome-still-unknown', 'inquiry-started', 'outcome-happened', 'outcome-never-will')
            """)) > 0);
        return Math.Max(0, (next - (since - DateTimeOffset.UnixEpoch).TotalSeconds) * 1000);
    }

    private async Task<Dictionary<string, long>> KeysAsync()
    {
        await using var command = database.CreateCommand("""
            select case type when 'run-started' then 'start of ' || substr(stream_id, 5) else data->>'key' end, count(*) from aios.mt_events
            where type = 'run-started' or data->>'key' is not null group by 1
            """);
        await using var reader = await command.ExecuteReaderAsync(GiveUp);
        var keys = new Dictionary<string, long>();
        while (await reader.ReadAsync(GiveUp)) keys.Add(reader.GetString(0), reader.GetInt64(1));
        return keys;
    }
}
