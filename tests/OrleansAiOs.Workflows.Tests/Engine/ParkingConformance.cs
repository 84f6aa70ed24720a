using System.Collections.Concurrent;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>A run whose code cannot go on waits for it to be mended, keeps what reaches it, and blocks nobody.</summary>
public abstract class ParkingConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<int> Number = new("number");

    // Work that is done before it is awaited goes unnoticed: this ends only after the turn has.
    private static readonly ConcurrentDictionary<string, ManualResetEventSlim> Gates = new();

    [Workflow("poison")]
    private sealed class Poison : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string how)
        {
#pragma warning disable AIOS004, AIOS005, AIOS006, AIOS007 // what the analyzers refuse, to see what becomes of it when it runs all the same
            switch (how)
            {
                case "at-start": throw new InvalidOperationException("a fault of the code");
                case "task-run": await Task.Run(Gates.GetOrAdd(RunId, _ => new ManualResetEventSlim()).Wait); break;
                case "configure-await": await Task.Delay(500).ConfigureAwait(false); break;
                case "http": await new HttpClient().GetAsync("http://127.0.0.1:9/").ContinueWith(_ => { }); break;
                case "real-delay": await Task.Delay(500); break;
            }
#pragma warning restore AIOS004, AIOS005, AIOS006, AIOS007
            var sum = 0;
            while (sum < 100)
            {
                var n = await Receive(Number);
                if (n == 13) throw new InvalidOperationException("thirteen");
                sum += n;
                await Call(Tools.Pure, $"{n}");
            }
            return $"{sum}";
        }
    }

    private static class Mended
    {
        [Workflow("poison")]
        private sealed class Poison : Workflow<string, string>
        {
            protected override async Task<string> RunAsync(string how)
            {
                var sum = 0;
                while (sum < 100)
                {
                    var n = await Receive(Number);
                    sum += n;
                    await Call(Tools.Pure, $"{n}");
                }
                return $"{sum}";
            }
        }
    }

    private static class Changed
    {
        [Workflow("poison")]
        private sealed class Poison : Workflow<string, string>
        {
            protected override async Task<string> RunAsync(string how)
            {
                while (true)
                {
                    await Receive(Number);
                    await Call(Tools.Keyed, "something else");
                }
            }
        }
    }

    private static class Patched1
    {
        [Workflow("patched")]
        private sealed class Patched : Workflow<int, string>
        {
            protected override async Task<string> RunAsync(int input)
            {
                await Call(Tools.Pure, "a");
                await Receive(Number);
                return "old";
            }
        }
    }

    private static class Patched2
    {
        [Workflow("patched")]
        private sealed class Patched : Workflow<int, string>
        {
            protected override async Task<string> RunAsync(int input)
            {
                var first = Patched("first");
                if (first) await Call(Tools.Pure, "new");
                await Call(Tools.Pure, "a");
                await Receive(Number);
                return $"{first} {Patched("second")} {Patched("first")}";
            }
        }
    }

    [Fact]
    public async Task Code_that_throws_parks_its_run_with_the_reason_and_its_neighbours_go_on()
    {
        var run = await Start("poison", "at-start");
        var neighbour = await Start("poison", "", "neighbour");
        var wait = (await UntilParked(run)).Waits.Single();
        (wait.Kind, wait.Name).Should().Be(("unpark", "The code threw InvalidOperationException: a fault of the code"));
        wait.Why.Should().Contain("RunAsync", "the detail leads to the line");
        await Signal(neighbour, "number", 100);
        (await Result<string>(neighbour)).Should().Be("100");
    }

    [Fact]
    public async Task A_mended_build_goes_on_where_the_broken_one_stopped_and_sees_what_came_meanwhile()
    {
        var run = await Start("poison", "");
        await Signal(run, "number", 1);
        await Signal(run, "number", 13);
        await UntilParked(run);
        await Signal(run, "number", 50);
        await Signal(run, "number", 60);
        await KillAndRestart(CodeOf(typeof(Mended)));
        await Host.UnparkAsync(run, "paula");
        (await Result<string>(run)).Should().Be("124");
        Outside.Names.Should().Equal("1", "13", "50", "60");
    }

    [Fact]
    public async Task Unparking_with_a_build_that_is_still_broken_parks_again_and_harms_nothing()
    {
        var run = await Start("poison", "");
        await Signal(run, "number", 1);
        await Signal(run, "number", 13);
        await UntilParked(run);
        for (var i = 0; i < 3; i++)
        {
            await Host.UnparkAsync(run, "paula");
            await UntilParked(run);
            if (i == 1) await KillAndRestart();
        }
        await Signal(run, "number", 50);
        await KillAndRestart(CodeOf(typeof(Mended)));
        await Host.UnparkAsync(run, "paula");
        await Signal(run, "number", 60);
        (await Result<string>(run)).Should().Be("124");
        Outside.Names.Should().Equal("1", "13", "50", "60");
    }

    [Fact]
    public async Task A_type_this_host_does_not_know_parks_its_run_until_one_does()
    {
        var run = await Start("poison", "");
        await KillAndRestart(CodeOf(typeof(Patched1)));
        await Signal(run, "number", 40);
        var wait = (await UntilParked(run)).Waits.Single(w => w.Kind == "unpark");
        wait.Name.Should().Contain("poison");
        wait.Why.Should().Contain("patched", "it says what this host knows");
        await Refused(() => Host.UnparkAsync(run, "paula"), Refusal.Conflict, "*poison*");
        await KillAndRestart();
        await UnparkedWithItsCode(run);
        await Signal(run, "number", 60);
        (await Result<string>(run)).Should().Be("100");
        await Refused(() => Start("no-such"), Refusal.NotFound, "*no-such*poison*");
    }

    [Fact]
    public async Task A_history_the_code_no_longer_follows_parks_the_run_and_names_the_difference()
    {
        var run = await Start("poison", "");
        await Signal(run, "number", 1);
        await Until(run, r => r.Waits.Any(w => w.Kind == "signal") && Outside.Names.Any());
        await KillAndRestart(CodeOf(typeof(Changed)));
        await Signal(run, "number", 2);
        var wait = (await UntilParked(run)).Waits.Single(w => w.Kind == "unpark");
        wait.Why.Should().Contain("test.pure").And.Contain("test.keyed").And.Contain("event 3");
        await Refused(() => Host.UnparkAsync(run, "paula"), Refusal.Conflict);
        Outside.Names.Should().Equal(["1"], "nothing is done by code that does not fit");
        await KillAndRestart();
        await Host.UnparkAsync(run, "paula");
        await Signal(run, "number", 97);
        (await Result<string>(run)).Should().Be("100");
    }

    [Theory]
    [InlineData("task-run")]
    [InlineData("configure-await")]
    [InlineData("http")]
    [InlineData("real-delay")]
    public async Task Code_that_leaves_the_engines_scheduler_is_parked_and_told_how_to_stay(string how)
    {
        var run = await Start("poison", how);
        if (Gates.TryGetValue(run.Id, out var gate)) gate.Set();
        if (how is "configure-await") await Signal(run, "number", 1);
        var wait = (await UntilParked(run)).Waits.Single(w => w.Kind == "unpark");
        (wait.Name + wait.Why).Should().ContainAny("outside the engine", "only inside");
    }

    [Fact]
    public async Task A_patch_runs_in_new_runs_and_in_old_ones_only_where_they_have_not_been_yet()
    {
        await KillAndRestart(CodeOf(typeof(Patched1)));
        var old = await Start("patched", 1, "old");
        await UntilWaits(old, "signal");
        await KillAndRestart(CodeOf(typeof(Patched2)));
        var young = await Start("patched", 1, "young");
        await UntilWaits(young, "signal");
        await KillAndRestart(CodeOf(typeof(Patched2)));
        foreach (var run in new[] { old, young }) await Signal(run, "number", 1);
        (await Result<string>(old)).Should().Be("False True False");
        (await Result<string>(young)).Should().Be("True True True");
    }

    [Fact]
    public async Task A_run_that_is_not_parked_cannot_be_unparked() => await Refused(async () => await Host.UnparkAsync(await Start("poison", ""), "paula"), Refusal.Conflict);
}

public sealed class ParkingInMemory(InMemory store) : ParkingConformance(store), IClassFixture<InMemory>;

public sealed class ParkingOnPostgres(OnPostgres store) : ParkingConformance(store), IClassFixture<OnPostgres>;
