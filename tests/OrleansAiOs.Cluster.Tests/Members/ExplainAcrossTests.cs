using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans;
using Orleans.Runtime;
using OrleansAiOs.Cluster.Wire;
using OrleansAiOs.Postgres;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Explaining;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Tests.Engine;

namespace OrleansAiOs.Cluster.Tests.Members;

/// <summary>Why a run is where it is, asked of a member on which it is not.</summary>
public sealed class ExplainAcrossTests(OnPostgres postgres) : IClassFixture<OnPostgres>, IAsyncLifetime
{
    private static readonly Activity<string, string> OneAtATime = Activity.Pure<Desk, string, string>("desk.ask", (desk, what, _) => desk.AskAsync(what), new ActivityOptions { Concurrency = 1 });

    private readonly Desk desk = new();
    private readonly List<WorkflowHost> engines = [];
    private readonly List<ClusterMember> members = [];
    private PostgresStore store = null!;

    private sealed class Desk
    {
        private readonly TaskCompletionSource closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Asked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Close() => closed.TrySetResult();

        public async Task<string> AskAsync(string what)
        {
            Asked.TrySetResult();
            await closed.Task;
            return what;
        }
    }

    [Workflow("asks")]
    private sealed class Asks : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string what)
        {
            if (what == "sleep") await Sleep(TimeSpan.FromDays(30));
            if (what == "decide") await Approval("Pay ACME", new { Amount = 100 }, by: "controller");
            return await Call(OneAtATime, what);
        }
    }

    public async Task InitializeAsync()
    {
        store = await PostgresStore.OpenAsync(postgres.ConnectionString, NullLogger.Instance);
        var name = Guid.NewGuid().ToString("N");
        for (var i = 0; i < 2; i++)
        {
            engines.Add(new WorkflowHost(store, new WorkflowRegistry().Add<Asks>(), new ServiceCollection().AddSingleton(desk).BuildServiceProvider(), NullLogger<WorkflowHost>.Instance,
                new WorkflowHostOptions { Time = TimeProvider.System, HostId = $"{name}-{i}", Seed = (ulong)i + 1, Shared = true, DrainFor = TimeSpan.FromMilliseconds(1), DeadAfter = TimeSpan.FromMinutes(5), PassivateAfter = TimeSpan.FromMilliseconds(200) }));
            members.Add(await ClusterMember.JoinAsync(engines[i], new ClusterOptions { Database = store.Queries, Secret = new byte[32], Log = NullLoggerFactory.Instance, Name = name }));
            await engines[i].StartAsync(default);
        }
    }

    public async Task DisposeAsync()
    {
        desk.Close();
        foreach (var member in members) await member.DisposeAsync();
        foreach (var engine in engines) await engine.DisposeAsync();
        await store.DisposeAsync();
    }

    private async Task<RunKey> StartAsync(string what) => (await engines[0].StartRunAsync(new StartRun("asks", JsonText.From(what), $"{what}-{Guid.NewGuid():N}"), "paula")).Run;

    private async Task<Explanation> AsOnTheOtherAsync(RunKey run, params Keyholder[] keyholders)
    {
        var (there, here) = (await AskAsync(engines[0], run, keyholders), await AskAsync(engines[1], run, keyholders));
        // But for how long ago it all was.
        here.Causes.Select(cause => cause with { Says = "" }).Should().BeEquivalentTo(there.Causes.Select(cause => cause with { Says = "" }), same => same.Excluding(cause => cause.Unblockers));
        return here;
    }

    // A busy machine's database may be slow at one moment and not at the next.
    private static async Task<Explanation> AskAsync(WorkflowHost engine, RunKey run, params Keyholder[] keyholders)
    {
        var said = await engine.ExplainAsync(run, keyholders);
        return said with { Causes = [.. said.Causes.Where(cause => cause.Code is not CauseCodes.DatabaseSlow)] };
    }

    [Fact]
    public async Task What_a_member_has_in_hand_the_others_tell_as_it_does_itself()
    {
        var running = await StartAsync("first");
        await desk.Asked.Task;
        (await AsOnTheOtherAsync(running)).Main.Code.Should().Be(CauseCodes.AttemptUnderWay);
        var waiting = await StartAsync("second");
        (await AsOnTheOtherAsync(waiting)).Main.Should().Match<Cause>(cause => cause.Code == CauseCodes.GateFull && cause.Says.Contains(engines[0].Options.HostId, StringComparison.Ordinal));
        await engines[1].PauseAsync(waiting, "month's end", "paula");
        (await AsOnTheOtherAsync(waiting)).Main.Should().Match<Cause>(cause => cause.Code == CauseCodes.Paused && cause.Repairs.Single().Command == $"aios resume {waiting.Id}");
        (await AsOnTheOtherAsync(await StartAsync("decide"), new Keyholder("carl", ["controller"]))).Main.Should().Match<Cause>(cause => cause.Code == CauseCodes.Approval && cause.Unblockers.Single() == "carl");
    }

    [Fact]
    public async Task A_run_that_is_active_nowhere_is_told_from_what_is_stored_and_does_not_become_active()
    {
        var run = await StartAsync("sleep");
        var deadline = DateTime.UtcNow + TimeSpan.FromMinutes(1);
        while (engines[0].ActiveRuns > 0 && DateTime.UtcNow < deadline) await Task.Delay(10);
        (await AsOnTheOtherAsync(run)).Main.Code.Should().Be(CauseCodes.TimerFar);
        (await AskAsync(engines[1], new RunKey(RunKey.DefaultTenant, "nobody"))).Main.Code.Should().Be(CauseCodes.NoSuchRun);
        engines.Should().OnlyContain(engine => engine.ActiveRuns == 0);
    }

    [Fact]
    public async Task Of_a_member_that_is_gone_what_is_stored_is_told()
    {
        var run = await StartAsync("first");
        await desk.Asked.Task;
        engines[0].Halt();
        await members[0].DisposeAsync();
        (await AskAsync(engines[1], run)).Main.Should().Match<Cause>(cause => cause.Code == CauseCodes.AttemptElsewhere && cause.Says.Contains(engines[0].Options.HostId, StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_no_member_has_sealed_is_told_nothing()
    {
        var run = await StartAsync("sleep");
        var there = members[1].Others.On(members[0].Services.GetRequiredService<ILocalSiloDetails>().SiloAddress);
        var asked = new RunMessage("Explain", [run.Tenant, run.Id, null]);
        var key = there.GetGrainId().Key.ToString()!;
        var strangers = new MessageSeal([.. Enumerable.Repeat((byte)1, 32)], members[0].Services.GetRequiredService<Orleans.Serialization.Serializer>());
        foreach (var forged in new[] { strangers.Close(key, asked), members[1].Seal.Close("default/other", asked), members[1].Seal.Close(key, asked) with { Mac = [] } })
        {
            var call = () => there.ExplainAsync(forged);
            await call.Should().ThrowAsync<UnauthorizedAccessException>();
        }
        (await there.ExplainAsync(members[1].Seal.Close(key, asked))).Fault.Should().BeNull();
    }
}
