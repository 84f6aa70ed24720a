using System.Text;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Testing;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>A run of another installation is evidence here: it is shown and replayed, and nothing of it ever goes on.</summary>
public abstract class ImportConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<int> Number = new("number");

    [Workflow("busy-elsewhere")]
    private sealed class Busy : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string name)
        {
            var first = await Call(Tools.Pure, name);
            var timer = Sleep(TimeSpan.FromMinutes(1));
            var approval = Approval("Pay", 1, by: "controller", within: TimeSpan.FromHours(1));
            await Task.WhenAny(timer, approval, Receive(Number), Call(Tools.Keyed, "hangs"));
            return first;
        }
    }

    private async Task<(byte[] File, RunKey Open, RunKey Ended)> Elsewhere()
    {
        var outside = new Outside { Answer = (name, _) => name == "hangs" ? new TaskCompletionSource<string>().Task : Task.FromResult(name) };
        await using var other = await new WorkflowTestHost(Code, services => services.AddSingleton(outside)).StartAsync();
        var open = await other.StartRunAsync("busy-elsewhere", "open", Key("open").Id);
        var ended = await other.StartRunAsync("busy-elsewhere", "ended", Key("ended").Id);
        await other.UntilApproval(open);
        await other.UntilApproval(ended);
        await other.SignalAsync(ended, Number, 1);
        await other.EndOf(ended);
        return (await Export(other.Store, open, ended), open, ended);
    }

    private static async Task<byte[]> Export(IRunStore store, params RunKey[] runs)
    {
        using var file = new MemoryStream();
        using var writer = new HistoryWriter(file, new ExportOptions { ExportedAt = DateTimeOffset.UnixEpoch });
        foreach (var run in runs) await writer.WriteAsync(run, await store.ReadAsync(run, 1, default));
        await writer.FinishAsync();
        return file.ToArray();
    }

    private async Task<ImportReport> Import(byte[] file) => await HistoryImport.ImportAsync(Store, null, new MemoryStream(file), "paula", TimeProvider.System);

    [Fact]
    public async Task An_imported_run_is_listed_replays_and_never_goes_on()
    {
        var (file, open, ended) = await Elsewhere();
        (await Import(file)).Should().Match<ImportReport>(r => r.Runs == 2 && r.AlreadyThere == 0 && r.Events > 10);
        await KillAndRestart();
        Time.Advance(TimeSpan.FromDays(1));
        var neighbour = await Start("busy-elsewhere", "neighbour");
        await End(neighbour);

        var rows = (await Store.ListAsync(new RunQuery("default"), default)).ToDictionary(row => row.Run);
        rows[open].Should().Match<RunRow>(row => row.Host == "imported" && !row.Busy && row.Status == RunStatus.Running && row.ClosedAt == null && row.Waits.Single().Kind == "imported");
        rows[ended].Should().Match<RunRow>(row => row.Host == "imported" && row.Status == RunStatus.Completed && row.ClosedAt != null && row.Waits.Count == 0);
        (await Store.ListAsync(new RunQuery("default", IsOpen: true), default)).Should().BeEmpty();
        (await Store.ListAsync(new RunQuery("default", IsOpen: false), default)).Select(row => row.Run).Should().BeEquivalentTo([open, ended, neighbour]);
        (await Store.WakeUpsAsync(DateTimeOffset.MaxValue, 100, default)).Select(wakeUp => wakeUp.Run).Should().NotContain([open, ended]);
        (await Store.OrphansAsync([], default)).Should().NotContain([open, ended]);
        Outside.Names.Should().NotContain("open").And.NotContain("ended");

        foreach (var run in new[] { open, ended })
        {
            var before = (await Store.ReadAsync(run, 1, default)).Count;
            await Refused(() => Signal(run, "number", 1), Refusal.Conflict, "*imported*");
            await Refused(() => Host.CancelAsync(run, "why", "paula"), Refusal.Conflict, "*imported*");
            await Refused(() => Host.UnparkAsync(run, "paula"), Refusal.Conflict, "*imported*");
            await Refused(() => Host.DecideAsync(run, 3, true, new Decider("carl", ["controller"], "key")), Refusal.Conflict, "*imported*");
            await Refused(() => Host.StartRunAsync(new StartRun("busy-elsewhere", JsonText.From(run == open ? "open" : "ended"), run.Id), "paula"), Refusal.Conflict, "*imported*");
            var history = await Store.ReadAsync(run, 1, default);
            history.Should().HaveCount(before);
            history[^1].Read().Should().BeOfType<RunImported>().Which.By.Should().Be("paula");
            new Replayer(Code).Replay(run, history).Should().Match<ReplayVerdict>(v => v.Result == ReplayResult.Same && v.ByteEqual);
        }
    }

    [Fact]
    public async Task A_file_comes_in_once_and_goes_out_as_it_came()
    {
        var (file, open, ended) = await Elsewhere();
        await Import(file);
        (await Import(file)).Should().Match<ImportReport>(r => r.Runs == 0 && r.AlreadyThere == 2);
        var again = await Export(Store, open, ended);
        (await Import(again)).AlreadyThere.Should().Be(2);
        var (before, after) = (await Read(file), await Read(again));
        for (var i = 0; i < 2; i++)
        {
            after[i].History.SkipLast(1).Select(Told).Should().Equal(before[i].History.Select(Told));
            after[i].Workflow.Should().Be("busy-elsewhere");
        }

        static string Told(StoredEvent e) => $"{e.Version} {e.Id} {e.Type} {e.At.UtcTicks / 10} {Encoding.UTF8.GetString(CanonicalJson.Write(new JsonText(e.Body)))}";
    }

    [Fact]
    public async Task A_run_that_lives_here_is_not_overwritten_and_its_neighbours_in_the_file_stay_out()
    {
        var (file, open, ended) = await Elsewhere();
        var mine = (await Host.StartRunAsync(new StartRun("busy-elsewhere", JsonText.From("mine"), ended.Id), "paula")).Run;
        await Refused(() => Import(file), Refusal.Conflict, $"*{ended.Id}*Nothing was imported*");
        (await Store.FindAsync(open, default)).Should().BeNull();
        (await History(mine)).OfType<RunImported>().Should().BeEmpty();
    }

    private static async Task<List<ExportedRun>> Read(byte[] file)
    {
        var runs = new List<ExportedRun>();
        await foreach (var lines in new HistoryReader(new MemoryStream(file)).ReadAsync()) runs.Add(lines.Parse());
        return runs;
    }
}

public sealed class ImportInMemory(InMemory store) : ImportConformance(store), IClassFixture<InMemory>;

public sealed class ImportOnPostgres(OnPostgres store) : ImportConformance(store), IClassFixture<OnPostgres>;
