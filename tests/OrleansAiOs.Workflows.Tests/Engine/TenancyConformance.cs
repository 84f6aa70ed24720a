using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.Dispatch;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Retention;
using OrleansAiOs.Workflows.Schedules;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;
using OrleansAiOs.Workflows.Versions;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>
/// A run is its tenant's. Everything that can reach a run is enumerated from the code and sent to a neighbour's run of the same id: what
/// is new and has no line here fails. Rows 1 and 6 of the abuse cases.
/// </summary>
public abstract class TenancyConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private const string Neighbour = "neighbour";

    private static readonly Signal<string> Go = new("go");

    [Workflow("tenants-wait")]
    private sealed class Waits : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string input)
        {
            await Call(Tools.Keyed, input);
            _ = Approval("Pay", 1, by: "controller", within: TimeSpan.FromDays(100));
            return await Receive(Go);
        }
    }

    protected override IRunStore Front(IRunStore store) => StoreAtTestTime.Over(store, Time);

    protected override WorkflowHostOptions Configure(WorkflowHostOptions options) => options with { Retention = RetentionRule.Parse("*=1d") };

    internal static Dictionary<Type, Func<List<(WorkflowEvent, DateTimeOffset)>, Input>> Sent()
    {
        var (decider, json) = (new Decider("carl", ["controller"], "key"), JsonText.From("x"));
        return new()
        {
            [typeof(SignalInput)] = _ => new SignalInput("go", json, "b", "k"),
            [typeof(CancelInput)] = _ => new CancelInput("why", "b", "k"),
            [typeof(TerminateInput)] = _ => new TerminateInput("why", "b", "k"),
            [typeof(PauseInput)] = _ => new PauseInput("why", "b", "k"),
            [typeof(ResumeInput)] = _ => new ResumeInput("b", "k"),
            [typeof(UnparkInput)] = _ => new UnparkInput("b", "k"),
            [typeof(QueryInput)] = _ => new QueryInput("q", json),
            [typeof(UpdateInput)] = _ => new UpdateInput("u", json, "b", "k"),
            [typeof(UpdateOutcomeInput)] = _ => new UpdateOutcomeInput(1),
            [typeof(DecideInput)] = _ => new DecideInput(2, true, decider, null, null, "k"),
            [typeof(SignInput)] = _ => new SignInput(1, true, decider, new DecisionSignature("d", "k", "v", default), null, "k"),
            [typeof(ResolveInput)] = _ => new ResolveInput(1, true, json, "why", "b", "k"),
            [typeof(RetryNowInput)] = _ => new RetryNowInput(1, "b", "k"),
            [typeof(SkipInput)] = _ => new SkipInput(1, json, "why", "b", "k"),
            [typeof(MigrateInput)] = history => new MigrateInput(history, new RunMigrated(null, "2", new MigrationCertificate(1, 1, "d"))),
            [typeof(ResetInput)] = history => new ResetInput(history, new RunReset(1, "why", []), "body"),
            [typeof(ChildReachedInput)] = _ => new ChildReachedInput(1, false, 0),
            [typeof(ChildEndedInput)] = _ => new ChildEndedInput(1, "child", new ChildFailed(1, new Failure("t", "m"))),
            [typeof(ChildEndInput)] = _ => new ChildEndInput(1),
            [typeof(SettledInput)] = _ => new SettledInput(1),
            [typeof(OutcomeInput)] = _ => new OutcomeInput(1, 1, 0, AttemptOutcome.Of(new IOException("x"))),
            [typeof(InquiryInput)] = _ => new InquiryInput(1, 1, 0, Reconciled<JsonText>.StillUnknown("x")),
            [typeof(DueInput)] = _ => new DueInput(),
            [typeof(OwnerLostInput)] = _ => new OwnerLostInput(),
            [typeof(ForeignWorkInput)] = _ => new ForeignWorkInput("x"),
            [typeof(HeartbeatInput)] = _ => new HeartbeatInput(1, 1, json),
            [typeof(PreparedInput)] = _ => new PreparedInput(1, 1, 0, json),
            [typeof(RenewedInput)] = _ => new RenewedInput(1, 1, 0),
        };
    }

    // These make a run where there is none: of their own tenant.
    private static readonly Type[] Begin = [typeof(StartInput), typeof(ForkInput), typeof(ChildLeftInput)];

    private async Task<(RunKey Run, RunKey Twin)> Neighbours(string id)
    {
        var run = await Start("tenants-wait", "mine", id);
        await UntilWaits(run, "approval");
        return (run, run with { Tenant = Neighbour });
    }

    [Fact]
    public async Task Whatever_can_be_sent_to_a_run_finds_none_under_a_neighbours_id()
    {
        var inputs = typeof(Input).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(Input)) && !type.IsAbstract).ToList();
        var sent = Sent();
        inputs.Except(Begin).Should().BeEquivalentTo(sent.Keys, "every input is tried here: a new one needs a line in Sent()");
        var (run, twin) = await Neighbours("inputs");
        var before = await Store.ReadAsync(run, 1, default);
        var history = before.Select(e => (e.Read(), e.At)).ToList();
        foreach (var (type, make) in sent)
        {
            var input = make(history);
            Host.Post(twin, input);
            if (input.GetType().GetProperty("Reply")?.GetValue(input) is not Task reply) continue;
            var answered = () => reply.WaitAsync(TimeSpan.FromSeconds(60));
            (await answered.Should().ThrowAsync<CommandRefusedException>(type.Name)).Which.Refusal.Should().Be(Refusal.NotFound, type.Name);
        }
        (await Store.ReadAsync(twin, 1, default)).Should().BeEmpty();
        (await Store.FindAsync(twin, default)).Should().BeNull();
        (await Store.ReadAsync(run, 1, default)).Should().BeEquivalentTo(before);
        await Signal(run, "go", "on");
        (await Result<string>(run)).Should().Be("on");
    }

    [Fact]
    public async Task The_same_id_and_the_same_keys_are_two_runs_in_two_tenants()
    {
        var (run, twin) = await Neighbours("twins");
        (await Host.StartRunAsync(new StartRun("tenants-wait", JsonText.From("theirs"), run.Id, Tenant: Neighbour), "bert")).IsNew.Should().BeTrue();
        await UntilWaits(twin, "approval");
        Outside.Calls.Where(call => call.Name is "mine" or "theirs").Select(call => call.Key).Distinct().Should().HaveCount(2, "the key of an effect holds its tenant");
        await Host.SignalAsync(twin, "go", JsonText.From("theirs"), "bert", "same-key");
        (await Result<string>(twin)).Should().Be("theirs");
        (await Store.FindAsync(run, default))!.ClosedAt.Should().BeNull();
        await Host.SignalAsync(run, "go", JsonText.From("mine"), "paula", "same-key");
        (await Result<string>(run)).Should().Be("mine");
        (await Host.ForkAsync(new ForkRun(run, 2, "fork", null, null, new Dictionary<int, JsonText>(), new Dictionary<int, EffectAction> { [1] = EffectAction.Redo }, null), "paula")).Run.Tenant.Should().Be(run.Tenant);
    }

    [Fact]
    public async Task Looking_commanding_and_deleting_find_nothing_of_a_neighbour()
    {
        var (run, twin) = await Neighbours("looks");
        (await Store.ReadAsync(twin, 1, default)).Should().BeEmpty();
        (await Store.LoadAsync(twin, default)).Should().BeEmpty();
        foreach (var query in new[] { new RunQuery(Neighbour), new RunQuery(Neighbour, Workflow: "tenants-wait"), new RunQuery(Neighbour, RunStatus.Running), new RunQuery(Neighbour, AwaitsApproval: true), new RunQuery(Neighbour, Limit: 500, Sort: RunSort.OldestFirst) })
            (await Store.ListAsync(query, default)).Should().BeEmpty();
        await Refused(() => Host.WaitAsync(twin, default), Refusal.NotFound);
        await Refused(() => Host.ResetAsync(new ResetRun(twin, 1, "why", new Dictionary<int, EffectAction>()), "b"), Refusal.NotFound);
        await Refused(() => Host.ForkAsync(new ForkRun(twin, 1, "stolen", null, null, new Dictionary<int, JsonText>(), new Dictionary<int, EffectAction>(), null), "b"), Refusal.NotFound);
        (await Host.ExplainAsync(twin)).Main.Code.Should().Be("no-such-run");
        (await Host.MigrateAsync(new MigrateRuns("tenants-wait", "1", Tenant: Neighbour, DryRun: true), "b").ContinueWith(task => task.IsFaulted ? 0 : task.Result.Runs.Count)).Should().Be(0);
        (await Store.PurgeAsync([twin], "by a test", default)).Should().BeEmpty();
        await Host.TerminateAsync(run, "to be purged", "paula");
        await End(run);
        await Until(run, row => !row.Busy);
        (await Store.PurgeAsync([twin], "by a test", default)).Should().BeEmpty();
        (await Store.FindAsync(run, default)).Should().NotBeNull("a purge of a neighbour leaves it");
    }

    [Fact]
    public async Task Each_tenants_runs_are_swept_by_its_own_sweeper_and_a_neighbour_stays_byte_equal()
    {
        await Host.StartRunAsync(new StartRun("tenants-wait", JsonText.From("over"), "swept", Tenant: Neighbour), "bert");
        var (twin, kept) = (new RunKey(Neighbour, "swept"), await Start("tenants-wait", "open", "kept"));
        await UntilWaits(twin, "approval");
        await UntilWaits(kept, "approval");
        await Host.TerminateAsync(twin, "over", "bert");
        await End(twin);
        var before = await Store.ReadAsync(kept, 1, default);
        Time.Advance(TimeSpan.FromDays(2));
        await Eventually(async () => (await Store.FindAsync(new RunKey(RunKey.DefaultTenant, "aios:retention"), default))?.Waits.Count > 0, () => "the first tenant's sweeper never looked");
        (await Store.FindAsync(twin, default)).Should().NotBeNull("the first tenant's sweeper is not its");
        await Host.KeepRetentionAsync(Neighbour);
        await PassTimeUntil(() => Store.FindAsync(twin, default).AsTask().GetAwaiter().GetResult() is null, 60);
        (await Store.ReadAsync(kept, 1, default)).Should().BeEquivalentTo(before);
    }

    [Fact]
    public async Task A_schedule_starts_its_runs_in_its_own_tenant_and_for_whom_it_was_made()
    {
        var spec = new ScheduleSpec("@every 1h", new ScheduledStart("tenants-wait", JsonText.From("x")));
        await Host.Schedules.CreateAsync("hourly", spec, "ana", tenant: Neighbour, chain: ["user/ana", "service/crm"]);
        await Refused(() => Host.Schedules.FindAsync("hourly", default), Refusal.NotFound);
        await Refused(() => Host.Schedules.PauseAsync("hourly", "why", "b"), Refusal.NotFound);
        await Refused(() => Host.Schedules.TriggerAsync("hourly", null, "b"), Refusal.NotFound);
        await Refused(() => Host.Schedules.RemoveAsync("hourly", "b"), Refusal.NotFound);
        await Host.Schedules.TriggerAsync("hourly", null, "ana", tenant: Neighbour);
        RunRow? started = null;
        await Eventually(async () => (started = (await Store.ListAsync(new RunQuery(Neighbour, Workflow: "tenants-wait"), default)).SingleOrDefault()) is not null, () => "nothing was started");
        (await Store.ListAsync(new RunQuery(RunKey.DefaultTenant, Workflow: "tenants-wait"), default)).Should().BeEmpty();
    }

    [Fact]
    public async Task Runs_of_a_tenant_come_in_only_where_it_is_there_and_stay_its()
    {
        var (run, _) = await Neighbours("exported");
        using var file = new MemoryStream();
        using (var writer = new HistoryWriter(file, new ExportOptions { ExportedAt = DateTimeOffset.UnixEpoch }))
        {
            await writer.WriteAsync(run with { Tenant = Neighbour }, await Store.ReadAsync(run, 1, default));
            await writer.FinishAsync();
        }
        file.Position = 0;
        await Refused(() => HistoryImport.ImportAsync(Store, null, file, "paula", TimeProvider.System), Refusal.Invalid, $"*'{Neighbour}'*not there*");
        file.Position = 0;
        (await HistoryImport.ImportAsync(Store, null, file, "paula", TimeProvider.System, isTenant: tenant => tenant == Neighbour)).Runs.Should().Be(1);
        (await Store.FindAsync(run with { Tenant = Neighbour }, default))!.Host.Should().Be("imported");
        (await Store.FindAsync(run, default))!.Host.Should().NotBe("imported");
    }
}

public sealed class TenancyInMemory(InMemory store) : TenancyConformance(store), IClassFixture<InMemory>;

public sealed class TenancyOnPostgres(OnPostgres store) : TenancyConformance(store), IClassFixture<OnPostgres>;
