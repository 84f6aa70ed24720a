using JasperFx;
using JasperFx.Events;
using JasperFx.Events.Projections;
using Marten;
using Marten.Events.Aggregation;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OrleansAiOs.Cluster.History;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Cluster.Tests.History;

/// <summary>The sample of a projection: what was spent, by supplier and month, out of the histories of runs.</summary>
public sealed class SpendTests(BothStores stores) : IClassFixture<BothStores>
{
    public sealed record Order(string Supplier, decimal Amount);

    public sealed record Paid(string Supplier, decimal Amount, string Month);

    private static readonly Activity<Order, Paid> Pay = Activity.Pure<Order, Paid>("spend.pay", (order, _) => Task.FromResult(new Paid(order.Supplier, order.Amount, order.Supplier.Length % 2 == 0 ? "2026-01" : "2026-02")));

    [Workflow("spends")]
    private sealed class Spends : Workflow<Order[], decimal>
    {
        protected override async Task<decimal> RunAsync(Order[] orders)
        {
            var total = 0m;
            foreach (var order in orders) total += (await Call(Pay, order)).Amount;
            return total;
        }
    }

    /// <summary>Of one run.</summary>
    public sealed class Spend
    {
        public string Id { get; set; } = "";

        public HashSet<int> Payments { get; set; } = [];

        public List<Paid> Paid { get; set; } = [];
    }

    private sealed class SpendProjection : SingleStreamProjection<Spend, string>
    {
        public override Spend Evolve(Spend? spend, string id, IEvent e)
        {
            spend ??= new Spend { Id = id };
            if (e.Data is StepScheduled { Activity: "spend.pay" } scheduled) spend.Payments.Add(scheduled.Step);
            else if (e.Data is StepCompleted completed && spend.Payments.Remove(completed.Step)) spend.Paid.Add(completed.Result.To<Paid>()!);
            return spend;
        }
    }

    private static Dictionary<string, decimal> BySupplierAndMonth(IEnumerable<Spend> spends) =>
        spends.SelectMany(spend => spend.Paid).GroupBy(paid => $"{paid.Supplier} {paid.Month}").ToDictionary(group => group.Key, group => group.Sum(paid => paid.Amount));

    [Fact]
    public async Task Spend_by_supplier_and_month_follows_the_runs_whichever_store_wrote_them_and_a_rebuild_says_the_same()
    {
        await using var database = NpgsqlDataSource.Create(stores.ConnectionString);
        await using var store = DocumentStore.For(options =>
        {
            options.Connection(database);
            options.DatabaseSchemaName = "spend";
            options.ReadEngineEvents();
            options.Schema.For<Spend>().MultiTenanted();
            options.Projections.Add(new SpendProjection(), ProjectionLifecycle.Async);
        });
        await store.MakeTablesAsync(database);
        await store.MakeTablesAsync(database);
        await RunsAsync(stores.Native, "native");
        await RunsAsync(stores.Marten, "marten");

        using var daemon = await store.BuildProjectionDaemonAsync();
        await daemon.StartAllAsync();
        await daemon.WaitForNonStaleData(TimeSpan.FromSeconds(60));
        await daemon.StopAllAsync();
        var followed = await AskAsync(store);
        followed.Should().BeEquivalentTo(new Dictionary<string, decimal> { ["ACME 2026-01"] = 2 * 4 * 1.10m, ["Bauer 2026-02"] = 2 * 4 * 20m });

        await daemon.RebuildProjectionAsync<Spend>(CancellationToken.None);
        (await AskAsync(store)).Should().BeEquivalentTo(followed);
    }

    [Fact]
    public async Task Marten_misses_nothing_in_the_event_tables_but_the_foreign_key_that_was_left_out()
    {
        await using var database = NpgsqlDataSource.Create(stores.ConnectionString);
        await using var store = DocumentStore.For(options =>
        {
            options.Connection(database);
            options.DatabaseSchemaName = "compared";
            options.ReadEngineEvents();
        });
        await store.MakeTablesAsync(database);
        var script = new StringWriter();
        (await store.Storage.CreateMigrationAsync()).WriteAllUpdates(script, new Weasel.Postgresql.PostgresqlMigrator(), AutoCreate.All);
        var statements = script.ToString().Split(['\n', ';'], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        statements.Where(line => line.StartsWith("alter", StringComparison.OrdinalIgnoreCase) || line.StartsWith("create", StringComparison.OrdinalIgnoreCase) || line.StartsWith("drop", StringComparison.OrdinalIgnoreCase))
            .Should().Equal("drop index if exists aios.mt_events_kernel", "drop index if exists aios.mt_events_catalogue", "drop index if exists aios.mt_events_time", "ALTER TABLE aios.mt_events");
        script.ToString().Should().Contain("ADD CONSTRAINT fkey_mt_events_stream_id_tenant_id FOREIGN KEY");
    }

    private static async Task<Dictionary<string, decimal>> AskAsync(DocumentStore store)
    {
        await using var session = store.QuerySession(RunKey.DefaultTenant);
        return BySupplierAndMonth(await session.Query<Spend>().ToListAsync());
    }

    private static async Task RunsAsync(IRunStore store, string id)
    {
        await using var host = new WorkflowHost(store, new WorkflowRegistry().Add<Spends>(), new ServiceCollection().BuildServiceProvider(), NullLogger<WorkflowHost>.Instance,
            new WorkflowHostOptions { Time = TimeProvider.System, HostId = $"{id}-{Guid.NewGuid():N}", Seed = 1 });
        await host.StartAsync(default);
        for (var i = 0; i < 4; i++)
            (await host.RunAsync(new StartRun("spends", JsonText.From(new[] { new Order("ACME", 1.10m), new Order("Bauer", 20m) }), $"{id}-{i}"), "paula")).Should().BeOfType<RunCompleted>();
    }
}
