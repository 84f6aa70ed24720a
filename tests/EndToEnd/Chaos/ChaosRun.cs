using System.Diagnostics;
using System.Text.Json;
using Npgsql;

namespace OrleansAiOs.EndToEnd;

/// <param name="Runs">Invoices in all; a part of them is sent in before each kill.</param>
/// <param name="Kills">kill -9 of the host.</param>
/// <param name="EndWithin">How long the whole may take.</param>
/// <param name="Hosts">How many serve at once; more than one are a cluster, and each kill is of one of them.</param>
internal sealed record ChaosPlan(int Runs, int Kills, int Seed, TimeSpan EndWithin, int Hosts = 1);

internal sealed record ChaosReport
{
    public required int Runs { get; init; }
    public required int Kills { get; init; }
    public required double Seconds { get; init; }
    public required long FaultsDealt { get; init; }
    public required int CommandsSentAgain { get; init; }
    public required long LedgerReached { get; init; }
    public required long LedgerEffects { get; init; }
    public required long BankReached { get; init; }
    public required long BankPayments { get; init; }
    public required long BankInquiries { get; init; }
    public required long BankVoids { get; init; }
    public required IReadOnlyList<string> Lost { get; init; }
    public required IReadOnlyList<string> Doubled { get; init; }
    public required IReadOnlyList<double> KillToNextStepMs { get; init; }

    /// <summary>Of each run with something under way on a killed host: how long until it went on.</summary>
    public required IReadOnlyList<double> KillToTakeOverMs { get; init; }
    public required double LongestRunSeconds { get; init; }

    public override string ToString() => JsonSerializer.Serialize(Figures);

    /// <summary>The report as one flat line.</summary>
    public IReadOnlyDictionary<string, object> Figures => new Dictionary<string, object>
    {
        ["runs"] = Runs,
        ["kills"] = Kills,
        ["seconds"] = Math.Round(Seconds, 1),
        ["faults_dealt"] = FaultsDealt,
        ["commands_sent_again"] = CommandsSentAgain,
        ["ledger_reached"] = LedgerReached,
        ["ledger_effects"] = LedgerEffects,
        ["bank_reached"] = BankReached,
        ["bank_payments"] = BankPayments,
        ["bank_inquiries"] = BankInquiries,
        ["bank_voids"] = BankVoids,
        ["lost"] = Lost.Count,
        ["doubled"] = Doubled.Count,
        ["kill_to_next_step_p50_ms"] = Share(KillToNextStepMs, .5),
        ["kill_to_next_step_p95_ms"] = Share(KillToNextStepMs, .95),
        ["kill_to_next_step_max_ms"] = Share(KillToNextStepMs, 1),
        ["taken_over"] = KillToTakeOverMs.Count,
        ["kill_to_take_over_p50_ms"] = Share(KillToTakeOverMs, .5),
        ["kill_to_take_over_p95_ms"] = Share(KillToTakeOverMs, .95),
        ["kill_to_take_over_max_ms"] = Share(KillToTakeOverMs, 1),
        ["longest_run_s"] = Math.Round(LongestRunSeconds, 1),
    };

    private static double Share(IReadOnlyList<double> sorted, double share) => sorted.Count == 0 ? 0 : Math.Round(sorted[(int)Math.Ceiling(sorted.Count * share) - 1]);
}

/// <summary>
/// Invoices against hostile receivers, and a host that is killed again and again. A kill comes after a random number of further requests
/// have reached the receivers, so most of them fall into the gap that matters: an effect has happened and the host has not recorded it.
/// </summary>
internal sealed class ChaosRun
{
    private static readonly TimeSpan KillAtLatestAfter = TimeSpan.FromSeconds(2);

    private readonly ChaosPlan plan;
    private readonly Receivers receivers;
    private readonly NpgsqlDataSource database;
    private readonly HostSetup setup;
    private readonly Random random;
    private readonly Dictionary<string, BatchInvoice> byRun = [];
    private readonly HostProcess[] hosts;
    private readonly Random asked = new(1);

    private ChaosRun(ChaosPlan plan, Receivers receivers, NpgsqlDataSource database, HostSetup setup, HostProcess[] hosts) =>
        (this.plan, this.receivers, this.database, this.setup, this.hosts, random) = (plan, receivers, database, setup, hosts, new Random(plan.Seed));

    public static async Task<ChaosReport> RunAsync(ChaosPlan plan, string connectionString)
    {
        var folder = Directory.CreateTempSubdirectory("aios-chaos-").FullName;
        try
        {
            await using var receivers = await Receivers.StartAsync(folder, Receivers.Hostile(plan.Seed));
            await using var database = NpgsqlDataSource.Create(connectionString);
            var orders = InvoiceBatch.WriteOrders(folder);
            var setup = new HostSetup(folder, connectionString)
            {
                Clustered = plan.Hosts > 1,
                Environment = new Dictionary<string, string>(receivers.Environment) { [orders.Name] = orders.Value, ["AIOS_INVOICE_PAY_TIMEOUT"] = "3" },
            };
            var hosts = new List<HostProcess>();
            try
            {
                while (hosts.Count < plan.Hosts) hosts.Add(await HostProcess.StartAsync(setup));
                var chaos = new ChaosRun(plan, receivers, database, setup, [.. hosts]);
                (hosts, var begun) = ([], chaos.hosts);
                try
                {
                    return await chaos.RunAsync();
                }
                finally
                {
                    foreach (var host in begun) await host.DisposeAsync();
                }
            }
            finally
            {
                foreach (var host in hosts) await host.DisposeAsync();
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private async Task<ChaosReport> RunAsync()
    {
        var watch = Stopwatch.StartNew();
        using var giveUp = new CancellationTokenSource(plan.EndWithin);
        using var owner = new HostClient(Any, HostClient.OwnerKey(setup), giveUp.Token);
        using var buyer = new HostClient(Any, await owner.MakeKeyAsync("berta", "buyer"), giveUp.Token);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(giveUp.Token);
        var approving = ApproveAsync(buyer, ended.Token);

        var kills = new List<(DateTimeOffset At, string[] UnderWay)>();
        var starts = new List<Task>();
        for (var leg = 0; leg <= plan.Kills; leg++)
        {
            for (var i = plan.Runs * leg / (plan.Kills + 1); i < plan.Runs * (leg + 1) / (plan.Kills + 1); i++) starts.Add(StartAsync(owner, InvoiceBatch.Mixed(i)));
            if (leg == plan.Kills) break;
            await MoreRequestsAsync(random.Next(1, 25), giveUp.Token);
            var which = random.Next(hosts.Length);
            var dead = hosts[which];
            await dead.KillAsync();
            kills.Add((DateTimeOffset.UtcNow, await UnderWayOnAsync(dead)));
            hosts[which] = await HostProcess.StartAsync(setup);
            await dead.DisposeAsync();
        }
        await Task.WhenAll(starts);
        var ending = AllEndedAsync(giveUp.Token);
        await await Task.WhenAny(ending, approving); // without an approver they would never end
        await ending;
        await ended.CancelAsync();
        await approving;
        while (receivers.Books.Held > 0) await Task.Delay(50, giveUp.Token); // what was held back arrives, and must change nothing
        return await ReportAsync(watch.Elapsed, kills, owner.SentAgain + buyer.SentAgain);
    }

    private Uri Any()
    {
        lock (asked) return Volatile.Read(ref hosts[asked.Next(hosts.Length)]).Address;
    }

    private async Task<string[]> UnderWayOnAsync(HostProcess dead)
    {
        await using var command = database.CreateCommand($"select array(select id from aios.runs where busy and host like '%-{dead.ProcessId}-%')");
        return (string[])(await command.ExecuteScalarAsync())!;
    }

    private async Task StartAsync(HostClient owner, BatchInvoice invoice)
    {
        var run = await owner.StartInvoiceAsync(invoice.Document);
        lock (byRun) byRun.Add(run, invoice);
    }

    private async Task MoreRequestsAsync(int count, CancellationToken giveUp)
    {
        var (target, watch) = (receivers.Reached + count, Stopwatch.StartNew());
        while (receivers.Reached < target && watch.Elapsed < KillAtLatestAfter) await Task.Delay(5, giveUp);
    }

    private static async Task ApproveAsync(HostClient buyer, CancellationToken until)
    {
        var decided = new HashSet<string>();
        try
        {
            while (true)
            {
                foreach (var (run, step) in await buyer.ApprovalsAsync().WaitAsync(until))
                    if (decided.Add(run)) await buyer.DecideAsync(run, step, granted: true, $"approve-{run}").WaitAsync(until);
                await Task.Delay(200, until);
            }
        }
        catch (OperationCanceledException) when (until.IsCancellationRequested)
        {
        }
    }

    private async Task AllEndedAsync(CancellationToken giveUp)
    {
        try
        {
            while (await NumberAsync("select count(*) filter (where closed_at is not null) from aios.runs") < plan.Runs) await Task.Delay(100, giveUp);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"{await NumberAsync("select count(*) from aios.runs where closed_at is null")} of {plan.Runs} runs have not ended within {plan.EndWithin}, for instance: "
                + await TextAsync("select string_agg(id || ' ' || coalesce(waits::text, ''), E'\n') from (select id, waits from aios.runs where closed_at is null limit 5) r"));
        }
    }

    private async Task<ChaosReport> ReportAsync(TimeSpan took, List<(DateTimeOffset At, string[] UnderWay)> kills, int sentAgain)
    {
        var audit = await InvoiceAudit.TakeAsync(database, byRun, receivers);
        var books = receivers.Books;
        return new ChaosReport
        {
            Runs = byRun.Count,
            Kills = kills.Count,
            Seconds = took.TotalSeconds,
            FaultsDealt = receivers.FaultsDealt,
            CommandsSentAgain = sentAgain,
            LedgerReached = books.Ledger.Keys.Sum(key => key.Reached),
            LedgerEffects = books.Ledger.Keys.Sum(key => key.Postings + key.Reversals),
            BankReached = books.Bank.References.Sum(row => row.Reached),
            BankPayments = books.Bank.References.Sum(row => row.Payments),
            BankInquiries = books.Bank.References.Sum(row => row.Inquiries),
            BankVoids = books.Bank.References.Sum(row => row.Voids),
            Lost = audit.Lost,
            Doubled = audit.Doubled,
            KillToNextStepMs = await RecoveriesAsync(kills.Select(kill => (kill.At, "%", "and type in ('step-completed', 'outcome-happened')"))),
            KillToTakeOverMs = await RecoveriesAsync(kills.SelectMany(kill => kill.UnderWay.Select(run => (kill.At, $"run/{run}", "")))),
            LongestRunSeconds = await NumberAsync("select extract(epoch from max(closed_at - started_at)) from aios.runs"),
        };
    }

    // Kill and event are times of one machine's clock.
    private async Task<IReadOnlyList<double>> RecoveriesAsync(IEnumerable<(DateTimeOffset Kill, string Streams, string Which)> kills)
    {
        var recoveries = new List<double>();
        foreach (var (kill, streams, which) in kills)
        {
            await using var command = database.CreateCommand($"select min(timestamp) from aios.mt_events where timestamp > $1 and stream_id like $2 {which}");
            command.Parameters.AddWithValue(kill.UtcDateTime);
            command.Parameters.AddWithValue(streams);
            if (await command.ExecuteScalarAsync() is DateTime next) recoveries.Add((next - kill.UtcDateTime).TotalMilliseconds);
        }
        recoveries.Sort();
        return recoveries;
    }

    private async Task<double> NumberAsync(string sql)
    {
        await using var command = database.CreateCommand(sql);
        return Convert.ToDouble(await command.ExecuteScalarAsync(), null);
    }

    private async Task<string> TextAsync(string sql)
    {
        await using var command = database.CreateCommand(sql);
        return await command.ExecuteScalarAsync() as string ?? "";
    }
}
