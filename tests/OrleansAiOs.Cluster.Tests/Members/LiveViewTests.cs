using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans;
using OrleansAiOs.Cluster.LiveViews;
using OrleansAiOs.Cluster.Wire;
using OrleansAiOs.Postgres;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Tests.Engine;

namespace OrleansAiOs.Cluster.Tests.Members;

/// <summary>Who looks at runs on one member is told what others append; only then is anything told.</summary>
public sealed class LiveViewTests(OnPostgres postgres) : IClassFixture<OnPostgres>, IAsyncLifetime
{
    private readonly List<(ClusterMember Member, WorkflowHost Engine)> members = [];
    private PostgresStore store = null!;

    [Workflow("at-once")]
    private sealed class AtOnce : Workflow<int, int>
    {
        protected override Task<int> RunAsync(int input) => Task.FromResult(input);
    }

    public async Task InitializeAsync()
    {
        store = await PostgresStore.OpenAsync(postgres.ConnectionString, NullLogger.Instance);
        for (var i = 0; i < 3; i++) await JoinAsync();
    }

    public async Task DisposeAsync()
    {
        foreach (var (member, engine) in members)
        {
            await member.DisposeAsync();
            await engine.DisposeAsync();
        }
        await store.DisposeAsync();
    }

    [Fact]
    public async Task What_any_member_appends_is_told_where_somebody_looks_also_after_one_has_gone()
    {
        var (told, elsewhere) = (new ConcurrentBag<RunChange>(), new ConcurrentBag<RunChange>());
        using var watching = members[2].Engine.Live.Watch(RunKey.DefaultTenant, told.Add);
        using var another = members[2].Engine.Live.Watch("another", elsewhere.Add);
        await SeesAsync(0, told);
        await SeesAsync(1, told);
        elsewhere.Should().BeEmpty("those were not its runs");

        var (gone, engine) = members[0];
        members.RemoveAt(0);
        await gone.DisposeAsync();
        await engine.DisposeAsync();
        await SeesAsync(0, told);
        await JoinAsync();
        await SeesAsync(2, told);
    }

    [Fact]
    public async Task What_no_member_has_sealed_is_told_to_nobody()
    {
        var told = new ConcurrentBag<RunChange>();
        using var watching = members[0].Engine.Live.Watch(RunKey.DefaultTenant, told.Add);
        await SeesAsync(1, told);
        var stream = members[1].Member.Services.GetRequiredService<IClusterClient>().GetStreamProvider(LiveStreams.Provider).GetStream<SealedMessage>(members[0].Member.Live.Runs(RunKey.DefaultTenant));
        var strangers = new MessageSeal([.. Enumerable.Repeat((byte)1, 32)], members[0].Member.Services.GetRequiredService<Orleans.Serialization.Serializer>());
        await stream.OnNextAsync(strangers.Close($"stream/{stream.StreamId}", new ChangesMessage("x", RunKey.DefaultTenant, ["forged"], [true])));
        await SeesAsync(1, told); // what came behind it has arrived
        told.Should().NotContain(change => change.Run.Id == "forged");
    }

    // Who looks makes itself known first, and that takes its time.
    private async Task SeesAsync(int member, ConcurrentBag<RunChange> told)
    {
        using var giveUp = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (true)
        {
            var run = (await members[member].Engine.StartRunAsync(new StartRun("at-once", JsonText.From(1)), "paula")).Run;
            for (var i = 0; i < 20; i++)
            {
                if (told.Contains(new RunChange(run, true))) return;
                await Task.Delay(20, giveUp.Token);
            }
        }
    }

    private async Task JoinAsync()
    {
        var engine = new WorkflowHost(store, new WorkflowRegistry().Add<AtOnce>(), new ServiceCollection().BuildServiceProvider(), NullLogger<WorkflowHost>.Instance,
            new WorkflowHostOptions { Time = TimeProvider.System, HostId = $"live-{Guid.NewGuid():N}", Seed = (ulong)members.Count + 1, Shared = true });
        members.Add((await ClusterMember.JoinAsync(engine, new ClusterOptions { Database = store.Queries, Secret = new byte[32], Log = NullLoggerFactory.Instance, Name = "live" }), engine));
        await engine.StartAsync(default);
    }
}
