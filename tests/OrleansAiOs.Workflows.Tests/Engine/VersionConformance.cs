using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Versions;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>Versions of one workflow side by side, and runs that are moved from one to another.</summary>
public abstract class VersionConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<int> Go = new("go");

    // The order of the two versions is the same up to the signal; behind it they differ.
    private static class One
    {
        [Workflow("versioned", Version = "1")]
        private sealed class Versioned : Workflow<string, string>
        {
            protected override async Task<string> RunAsync(string input)
            {
                await Call(Tools.Pure, "first");
                await Receive(Go);
                await Call(Tools.Keyed, "one");
                await Receive(Go);
                return "1";
            }
        }
    }

    private sealed class Two
    {
        [Workflow("versioned", Version = "1.10")]
        private sealed class Versioned : Workflow<string, string>
        {
            protected override async Task<string> RunAsync(string input)
            {
                await Call(Tools.Pure, "first");
                await Receive(Go);
                await Call(Tools.Once, "two");
                await Receive(Go);
                return "1.10";
            }
        }
    }

    private static class Unversioned
    {
        [Workflow("versioned")]
        private sealed class Versioned : Workflow<string, string>
        {
            protected override async Task<string> RunAsync(string input)
            {
                await Call(Tools.Pure, "first");
                await Receive(Go);
                return "none";
            }
        }
    }

    protected override WorkflowRegistry Code => CodeOf(typeof(One), typeof(Two));

    private static WorkflowRegistry CodeOf(params Type[] holders)
    {
        var registry = new WorkflowRegistry();
        var add = typeof(WorkflowRegistry).GetMethod(nameof(WorkflowRegistry.Add), 1, [])!;
        foreach (var type in holders.SelectMany(holder => holder.GetNestedTypes(System.Reflection.BindingFlags.NonPublic))) add.MakeGenericMethod(type).Invoke(registry, null);
        return registry;
    }

    private async Task<RunKey> StartOn(string? version, string id) =>
        (await Host.StartRunAsync(new StartRun("versioned", JsonText.From("x"), Key(id).Id, Version: version), "paula")).Run;

    private async Task<List<MigratedRun>> Migrate(string to, string? from = null, bool dryRun = false, bool undo = false, int limit = 2)
    {
        var all = new List<MigratedRun>();
        RunCursor? after = null;
        do
        {
            var page = await Host.MigrateAsync(new MigrateRuns("versioned", to, from, dryRun, undo, After: after, Limit: limit), "olga");
            all.AddRange(page.Runs);
            after = page.Next;
        }
        while (after is not null);
        return all;
    }

    private IEnumerable<(string Id, MigrationResult Result)> Told(IEnumerable<MigratedRun> runs) => runs.Select(run => (run.Run.Id.Split('-')[0], run.Result));

    [Fact]
    public async Task A_start_takes_the_newest_version_or_the_one_it_names_and_a_run_stays_on_it()
    {
        var newest = await Start("versioned", "x", "newest");
        var named = await StartOn("1", "named");
        foreach (var run in new[] { newest, named }) await UntilWaits(run, "signal");
        (await Store.FindAsync(newest, default))!.CodeVersion.Should().Be("1.10", "1.10 comes behind 1.9 and 1");
        await KillAndRestart();
        foreach (var run in new[] { newest, named })
        {
            await Signal(run, "go", 1);
            await Until(run, row => Outside.Names.Contains(run == newest ? "two" : "one") && row.Waits.Any(w => w.Kind == "signal"));
            await Signal(run, "go", 1);
        }
        (await Result<string>(newest)).Should().Be("1.10");
        (await Result<string>(named)).Should().Be("1");
        await Refused(() => StartOn("3", "third"), Refusal.NotFound, "*'3'*1.10, 1*");
        await Refused(() => StartOn("1", "newest"), Refusal.Conflict, "*version '1.10'*");
    }

    [Fact]
    public async Task A_run_whose_version_is_missing_is_parked_when_it_must_act_and_not_before()
    {
        var (acts, rests) = (await StartOn("1", "acts"), await StartOn("1", "rests"));
        foreach (var run in new[] { acts, rests }) await UntilWaits(run, "signal");
        await KillAndRestart(CodeOf(typeof(Two)));
        await Signal(acts, "go", 1);
        var wait = (await UntilParked(acts)).Waits.Single(w => w.Kind == "unpark");
        wait.Name.Should().Be("Version '1' of 'versioned' is missing");
        wait.Why.Should().Contain("1.10").And.Contain("Deploy a build").And.Contain("aios migrate --type versioned --to 1.10");
        await Refused(() => Host.UnparkAsync(acts, "olga"), Refusal.Conflict, "*missing*");
        (await Store.FindAsync(rests, default))!.Status.Should().Be(RunStatus.Running);

        // The one cure: a build that holds it.
        await KillAndRestart();
        await UnparkedWithItsCode(acts);
        await Until(acts, row => Outside.Names.Contains("one") && row.Waits.Any(w => w.Kind == "signal"));
        await Signal(acts, "go", 1);
        (await Result<string>(acts)).Should().Be("1");

        // The other: move it.
        await KillAndRestart(CodeOf(typeof(Two)));
        Told(await Migrate("1.10")).Should().Equal(("rests", MigrationResult.Moved));
        await Signal(rests, "go", 1);
        await Until(rests, row => Outside.Names.Contains("two") && row.Waits.Any(w => w.Kind == "signal"));
        await Signal(rests, "go", 1);
        (await Result<string>(rests)).Should().Be("1.10");
    }

    [Fact]
    public async Task A_wake_up_that_comes_too_early_parks_nothing()
    {
        var run = await StartOn("1", "early");
        await UntilWaits(run, "signal");
        await KillAndRestart(CodeOf(typeof(Two)));
        Host.Post(run, new Turns.DueInput());
        Host.Post(run, new Turns.OwnerLostInput());
        Told(await Migrate("1.10", dryRun: true)).Should().Equal([("early", MigrationResult.WouldMove)], "its mailbox has taken what was before");
        await Refused(() => Host.UnparkAsync(run, "olga"), Refusal.Conflict, "*"); // a command that does ask something of its code
        (await Events<RunParked>(run)).Should().HaveCount(1);
    }

    [Fact]
    public async Task Migration_moves_what_replays_and_pins_the_rest_with_the_difference()
    {
        var (fresh, far, young) = (await StartOn("1", "fresh"), await StartOn("1", "far"), await StartOn("1.10", "young"));
        foreach (var run in new[] { fresh, far, young }) await UntilWaits(run, "signal");
        await Signal(far, "go", 1);
        await Until(far, row => Outside.Names.Contains("one") && row.Waits.Any(w => w.Kind == "signal"));

        var dry = await Migrate("1.10", dryRun: true);
        Told(dry).Should().BeEquivalentTo([("fresh", MigrationResult.WouldMove), ("far", MigrationResult.Pinned)]);
        (await Events<RunMigrated>(fresh)).Should().BeEmpty();

        var done = await Migrate("1.10");
        Told(done).Should().BeEquivalentTo([("fresh", MigrationResult.Moved), ("far", MigrationResult.Pinned)]);
        done.Single(run => run.Run == far).Why.Should().Contain("test.keyed").And.Contain("test.once");
        var moved = (await Events<RunMigrated>(fresh)).Single();
        (moved.From, moved.To, moved.By).Should().Be(("1", "1.10", "olga"));
        moved.Certificate.Should().Be(dry.Single(run => run.Run == fresh).Certificate).And.Match<MigrationCertificate>(c => c.Commands == 1 && c.Digest.Length == 64);
        (await Store.FindAsync(fresh, default))!.CodeVersion.Should().Be("1.10");

        await Signal(fresh, "go", 1);
        await Until(fresh, row => Outside.Names.Contains("two") && row.Waits.Any(w => w.Kind == "signal"));
        await KillAndRestart(CodeOf(typeof(Two)));
        await Signal(fresh, "go", 1);
        (await Result<string>(fresh)).Should().Be("1.10");
        (await Migrate("1.10")).Should().OnlyContain(run => run.Run == far);
        await Check(fresh);
    }

    [Fact]
    public async Task A_migration_is_undone_where_the_history_since_then_also_replays_on_the_old_version()
    {
        var (idle, gone) = (await StartOn("1", "idle"), await StartOn("1", "gone"));
        foreach (var run in new[] { idle, gone }) await UntilWaits(run, "signal");
        await Migrate("1.10");
        await Signal(gone, "go", 1);
        await Until(gone, row => Outside.Names.Contains("two") && row.Waits.Any(w => w.Kind == "signal"));
        var undone = await Migrate("1.10", undo: true);
        Told(undone).Should().BeEquivalentTo([("idle", MigrationResult.Moved), ("gone", MigrationResult.Pinned)]);
        (await Events<RunMigrated>(idle)).Select(move => (move.From, move.To, move.Undo)).Should().Equal(("1", "1.10", false), ("1.10", "1", true));
        (await Migrate("1.10", undo: true)).Should().OnlyContain(run => run.Run == gone, "what was moved back is not moved back again");
        await Signal(idle, "go", 1);
        await Until(idle, row => Outside.Names.Contains("one") && row.Waits.Any(w => w.Kind == "signal"));
        await Signal(idle, "go", 1);
        (await Result<string>(idle)).Should().Be("1");
        await Check(idle, gone);
    }

    [Fact]
    public async Task Killed_in_the_middle_and_run_again_a_migration_ends_the_same()
    {
        var runs = new List<RunKey>();
        for (var i = 0; i < 5; i++) runs.Add(await StartOn("1", $"m{i}"));
        foreach (var run in runs) await UntilWaits(run, "signal");
        var first = await Host.MigrateAsync(new MigrateRuns("versioned", "1.10", Limit: 2), "olga");
        first.Next.Should().NotBeNull();
        await KillAndRestart();
        await Migrate("1.10");
        foreach (var run in runs) (await Events<RunMigrated>(run)).Should().ContainSingle();
    }

    [Fact]
    public async Task An_attempt_under_way_is_under_way_on_the_new_version_and_is_not_made_again()
    {
        var answer = new TaskCompletionSource<string>();
        Outside.Answer = (_, _) => answer.Task;
        var run = await StartOn("1", "busy");
        await Eventually(() => Task.FromResult(Outside.Names.Any()), () => "nothing was called");
        Told(await Migrate("1.10")).Should().Equal(("busy", MigrationResult.Moved));
        answer.SetResult("done");
        await UntilWaits(run, "signal");
        Outside.Names.Should().Equal("first");
        Outside.Answer = (name, _) => Task.FromResult(name);
        await Signal(run, "go", 1);
        await Until(run, row => Outside.Names.Contains("two") && row.Waits.Any(w => w.Kind == "signal"));
    }

    [Fact]
    public async Task A_run_that_went_on_since_it_was_replayed_is_not_moved_by_what_was_found_before()
    {
        var run = await StartOn("1", "fence");
        await UntilWaits(run, "signal");
        var stale = (await Store.ReadAsync(run, 1, default)).Select(e => (e.Read(), e.At)).ToList();
        var (certificate, fault) = Migration.Certify(run, stale, "1", "1.10", Code);
        fault.Should().BeNull();
        await Signal(run, "go", 1);
        var late = () => Host.SendAsync(run, new MigrateInput(stale, new RunMigrated("1", "1.10", certificate)));
        await late.Should().ThrowAsync<HistoryWentOnException>();
        (await Events<RunMigrated>(run)).Should().BeEmpty();
    }

    [Fact]
    public async Task Runs_from_before_there_were_versions_go_on_without_one_or_on_the_only_one_there_is()
    {
        await KillAndRestart(CodeOf(typeof(Unversioned)));
        var (a, b) = (await Start("versioned", "x", "a"), await Start("versioned", "x", "b"));
        foreach (var run in new[] { a, b }) await UntilWaits(run, "signal");
        await KillAndRestart(CodeOf(typeof(Unversioned), typeof(One)));
        await Signal(a, "go", 1);
        (await Result<string>(a)).Should().Be("none");
        await KillAndRestart(CodeOf(typeof(One)));
        await Signal(b, "go", 1);
        await Until(b, row => Outside.Names.Contains("one") && row.Waits.Any(w => w.Kind == "signal"));
        var c = await StartOn("1", "c");
        await UntilWaits(c, "signal");
        await KillAndRestart();
        await Signal(b, "go", 1);
        (await UntilParked(b)).Waits[0].Name.Should().Contain("without a name", "with several versions it is not guessed which one is meant");
        Told(await Migrate("1")).Should().Equal(("b", MigrationResult.Moved));
        await Host.UnparkAsync(b, "olga");
        (await Result<string>(b)).Should().Be("1");
    }

    [Fact]
    public async Task A_version_this_host_does_not_hold_cannot_be_moved_to() =>
        await Refused(() => Migrate("7"), Refusal.NotFound, "*'7'*1.10, 1*");
}

public sealed class VersionsInMemory(InMemory store) : VersionConformance(store), IClassFixture<InMemory>;

public sealed class VersionsOnPostgres(OnPostgres store) : VersionConformance(store), IClassFixture<OnPostgres>;
