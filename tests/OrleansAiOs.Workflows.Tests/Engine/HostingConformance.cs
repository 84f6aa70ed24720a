using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>Starts that come twice, a host that has too much to do, and runs that leave memory and come back.</summary>
public abstract class HostingConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<string> Go = new("go");

    [Workflow("wait")]
    private sealed class Waits : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string input) => $"{input} {await Receive(Go)}";
    }

    [Workflow("other")]
    private sealed class Other : Workflow<string, string>
    {
        protected override Task<string> RunAsync(string input) => Call(Tools.Pure, input);
    }

    protected override WorkflowHostOptions Configure(WorkflowHostOptions options) => options with { ActiveRunsMax = 20, MailboxMax = 30, PassivateAfter = TimeSpan.FromSeconds(2) };

    private Task<Started> Begin(string id, string input = "x", string workflow = "wait") => Host.StartRunAsync(new StartRun(workflow, JsonText.From(input), Key(id).Id), "paula");

    [Fact]
    public async Task The_same_start_again_finds_the_first_run_and_another_under_its_id_is_refused()
    {
        (await Begin("r")).IsNew.Should().BeTrue();
        (await Begin("r")).IsNew.Should().BeFalse();
        await KillAndRestart();
        (await Begin("r")).IsNew.Should().BeFalse();
        await Refused(() => Begin("r", "y"), Refusal.Conflict, "*another input*");
        await Refused(() => Begin("r", "x", "other"), Refusal.Conflict, "*'wait'*");
        await Signal(Key("r"), "go", "on");
        (await Result<string>(Key("r"))).Should().Be("x on");
        (await Begin("r")).IsNew.Should().BeFalse("also when it has ended");
    }

    [Fact]
    public async Task A_start_again_that_says_otherwise_what_the_run_is_about_is_refused_and_one_that_says_less_is_not()
    {
        var first = new StartRun("wait", JsonText.From("x"), Key("r").Id, "INV-7", new Dictionary<string, string> { ["supplier"] = "acme" });
        (await Host.StartRunAsync(first, "paula")).IsNew.Should().BeTrue();
        (await Host.StartRunAsync(first with { BusinessKey = null, Attributes = null }, "paula")).IsNew.Should().BeFalse();
        await Refused(() => Host.StartRunAsync(first with { BusinessKey = "INV-8" }, "paula"), Refusal.Conflict, "*business key 'INV-7'*");
        await Refused(() => Host.StartRunAsync(first with { Attributes = new Dictionary<string, string> { ["supplier"] = "other" } }, "paula"), Refusal.Conflict, "*attribute 'supplier'*");
    }

    [Fact]
    public async Task Fifty_clients_that_start_one_run_at_once_start_it_once()
    {
        var started = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => i % 2 == 0 ? Begin("r") : Task.Run(() => Begin("r"))).Select(async s =>
        {
            try
            {
                return (await s).IsNew;
            }
            catch (CommandRefusedException e) when (e.Refusal is Refusal.Busy)
            {
                return false;
            }
        }));
        started.Count(isNew => isNew).Should().Be(1);
        (await Events<RunStarted>(Key("r"))).Should().HaveCount(1);
    }

    [Fact]
    public async Task A_host_with_as_many_runs_as_it_takes_refuses_a_start_with_the_time_to_come_back()
    {
        for (var i = 0; i < 20; i++) await Begin($"r{i}");
        (await FluentActions.Awaiting(() => Begin("one-more")).Should().ThrowAsync<CommandRefusedException>()).Which.Should()
            .Match<CommandRefusedException>(e => e.Refusal == Refusal.Busy && e.RetryAfter > TimeSpan.Zero);
        (await Store.FindAsync(Key("one-more"), default)).Should().BeNull();
        await Signal(Key("r3"), "go", "on");
        (await Result<string>(Key("r3"))).Should().Be("x on", "those it has taken go on");
        await PassTimeUntil(() => Host.ActiveRuns < 20, 3);
        (await Begin("one-more")).IsNew.Should().BeTrue();
    }

    [Fact]
    public async Task Runs_that_wait_leave_memory_and_their_next_input_brings_them_back()
    {
        for (var i = 0; i < 10; i++) await Begin($"r{i}");
        await Until(Key("r9"), r => r.Waits.Count > 0);
        await PassTimeUntil(() => Host.ActiveRuns == 0, 3);
        for (var i = 0; i < 10; i++) await Signal(Key($"r{i}"), "go", $"{i}");
        for (var i = 0; i < 10; i++) (await Result<string>(Key($"r{i}"))).Should().Be($"x {i}");
    }

    [Fact]
    public async Task A_run_flooded_with_signals_refuses_past_its_mailbox_and_loses_none_it_took()
    {
        await Begin("r");
        var results = await Task.WhenAll(Enumerable.Range(0, 2000).Select(i => Task.Run(async () =>
        {
            try
            {
                await Signal(Key("r"), "noise", i);
                return true;
            }
            catch (CommandRefusedException e) when (e is { Refusal: Refusal.Busy, RetryAfter: not null })
            {
                return false;
            }
        })));
        (await Events<SignalReceived>(Key("r"))).Should().HaveCount(results.Count(taken => taken));
        await Signal(Key("r"), "go", "on");
        (await Result<string>(Key("r"))).Should().Be("x on");
    }

    [Fact]
    public async Task A_host_that_was_stopped_refuses_and_the_next_one_goes_on()
    {
        await Begin("r");
        await Host.StopAsync();
        await Refused(() => Begin("late"), Refusal.Busy);
        await Refused(() => Signal(Key("r"), "go", "late"), Refusal.Busy);
        await KillAndRestart();
        await Signal(Key("r"), "go", "on");
        (await Result<string>(Key("r"))).Should().Be("x on");
    }

    [Fact]
    public async Task Input_that_the_workflow_cannot_read_starts_nothing()
    {
        await Refused(() => Host.StartRunAsync(new StartRun("wait", JsonText.From(7), Key("r").Id), "paula"), Refusal.Invalid);
        await Refused(() => Host.StartRunAsync(new StartRun("wait", JsonText.From("x"), "a/b"), "paula"), Refusal.Invalid);
        await Refused(() => Host.StartRunAsync(new StartRun("wait", JsonText.From("x"), Key("r").Id, new string('k', 201)), "paula"), Refusal.Invalid);
        (await Store.FindAsync(Key("r"), default)).Should().BeNull();
    }
}

public sealed class HostingInMemory(InMemory store) : HostingConformance(store), IClassFixture<InMemory>;

public sealed class HostingOnPostgres(OnPostgres store) : HostingConformance(store), IClassFixture<OnPostgres>;
