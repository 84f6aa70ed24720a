using System.Collections.Concurrent;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Testing;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows.Explaining;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Tests.Engine;

namespace OrleansAiOs.Workflows.Tests.Explaining;

/// <summary>
/// Every cause is brought about with the engine, and must be named; every repair that is offered must be taken by the engine, and must
/// repair. What is offered to type is carried out here as the command line carries it out.
/// </summary>
public abstract class ExplainConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Signal<int> Delivery = new("delivery");
    private static readonly Child<string, string> Itself = new("explained");
    private static readonly Update<string, string> Slowly = new("slowly");
    private static readonly Activity<string, string> OneAtATime = Activity.Pure<Outside, string, string>("test.narrow", (o, name, c) => o.Call(name, c), new ActivityOptions { Concurrency = 1 });
    private static readonly Activity<string, string> Shared1 = Activity.Pure<Outside, string, string>("test.shared", (o, name, c) => o.Call(name, c), new ActivityOptions { ConcurrencyPerTenant = 1 });
    private static readonly Activity<string, string> Seldom = Activity.Pure<Outside, string, string>("test.seldom", (o, name, c) => o.Call(name, c), new ActivityOptions { PerSecond = 0.01 });
    private static readonly Activity<string, string> ByNobody = Activity.Keyed<AbsentDesk, string, string>("test.absent", (_, name, _, _) => Task.FromResult(name));
    private static readonly ConcurrentDictionary<string, bool> MayRest = new();
    private static readonly ConcurrentDictionary<(string Run, int Thread), bool> Spinning = new();

    // Activities name it; no host of these tests registers it.
    private sealed class AbsentDesk;

    [Workflow("mute")]
    private sealed class Mute : Entity<string>
    {
        protected override string New() => "";

        protected override void Serve() => Handles(Slowly, async text => $"{text} {await Receive(Delivery)}");
    }

    [Workflow("explained", Version = "v1")]
    private sealed class Explained : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string what)
        {
            switch (what)
            {
                case "sleep-a-month": await Sleep(TimeSpan.FromDays(30)); break;
                case "sleep-an-hour": await Sleep(TimeSpan.FromHours(1)); break;
                case "ask": return (await Approval("Pay ACME", new { Amount = 100 }, by: "controller", notBy: [StartedBy], within: TimeSpan.FromHours(3))).Granted ? "granted" : "refused";
                case "receive": return $"got {await Receive(Delivery)}";
                case "receive-two": return $"got {await Receive(Delivery)} and {await Receive(Delivery)}";
                case "receive-late":
                    await Sleep(TimeSpan.FromMinutes(1));
                    return $"got {await Receive(Delivery)}";
                case "throw":
                    await Receive(Delivery);
                    throw new InvalidOperationException("a fault of the code");
#pragma warning disable AIOS004, AIOS006, AIOS008, AIOS009 // on purpose: what becomes of it is explained
                case "leave": await Task.Delay(500); break; // longer than it takes to come to the await
                case "stuck": await new TaskCompletionSource().Task; break;
                case "spin-at-once":
                    for (var id = RunId; !MayRest.ContainsKey(id); Thread.Yield()) Spinning[(id, Environment.CurrentManagedThreadId)] = true;
                    return $"got {await Receive(Delivery)}";
                case "spin":
                    await Receive(Delivery);
                    while (!MayRest.ContainsKey(RunId)) Thread.Yield();
                    break;
#pragma warning restore AIOS004, AIOS006, AIOS008, AIOS009
                case "saga":
                    var saga = Saga();
                    await using (saga)
                    {
                        await saga.Call(Tools.Keyed, "book", undo: Tools.Undo);
                        await Receive(Delivery);
                    }
                    break;
                case "entity": return await Call(EntityKey.Of<Mute>($"{RunId}.e"), Slowly, "anybody?");
                case "child": return await Call(Itself, "sleep-a-month");
                case "takes-updates":
                    var told = new TaskCompletionSource<string>();
                    Handles(Slowly, text => told.TrySetResult(text) ? text : "");
                    return await told.Task;
                case "update":
                    Handles(Slowly, async text => $"{text} {await Receive(Delivery)}");
                    return await Call(Tools.Keyed, what);
                case "fail": throw new WorkflowFailedException("Out of stock.");
                default:
                    return await Call(what switch { "once" => Tools.Once, "once-no-hook" => Tools.OnceWithoutHook, "narrow" => OneAtATime, "shared" => Shared1, "seldom" => Seldom, "absent" => ByNobody, _ => Tools.Keyed }, what);
            }
            return "done";
        }
    }

    /// <summary>The same workflow one release later: nothing of what it did is done any more.</summary>
    private static class OtherVersion
    {
        [Workflow("explained", Version = "v2")]
        private sealed class Explained : Workflow<string, string>
        {
            protected override Task<string> RunAsync(string what) => Call(Tools.Pure, what);
        }
    }

    private static class SameVersionOtherCode
    {
        [Workflow("explained", Version = "v1")]
        private sealed class Explained : Workflow<string, string>
        {
            protected override Task<string> RunAsync(string what) => Call(Tools.Pure, what);
        }
    }

    private static class Mended
    {
        [Workflow("explained", Version = "v1")]
        private sealed class Explained : Workflow<string, string>
        {
            protected override async Task<string> RunAsync(string what) => $"got {await Receive(Delivery)}";
        }
    }

    private static class Nothing
    {
        [Workflow("something-else")]
        private sealed class SomethingElse : Workflow<string, string>
        {
            protected override Task<string> RunAsync(string what) => Task.FromResult(what);
        }
    }

    private readonly List<WorkflowHost> hosts = [];
    private static readonly Keyholder[] Carl = [new("owner", ["owner"]), new("carl", ["controller"])];

    // ---- the seeds: how each cause comes about ----

    private static readonly Dictionary<string, Func<ExplainConformance, Task<Explanation>>> Seeds = new()
    {
        [CauseCodes.Timer] = t => t.AtRest("sleep-an-hour"),
        [CauseCodes.TimerFar] = t => t.AtRest("sleep-a-month"),
        [CauseCodes.Approval] = t => t.AtRest("ask", Carl),
        [CauseCodes.ApproverAbsent] = t => t.AtRest("ask", [new("owner", ["owner"]), new("mia", ["clerk"])]),
        [$"{CauseCodes.ApproverAbsent} (all took part)"] = t => t.AtRest("ask", [new("paula", ["controller"])]),
        [CauseCodes.ApprovalDeadlineNear] = async t =>
        {
            var run = await t.Start("explained", "ask");
            t.Time.Advance(TimeSpan.FromMinutes(150));
            return await t.Host.ExplainAsync(run, Carl);
        },
        [CauseCodes.SignalNeverSent] = t => t.AtRest("receive"),
        [CauseCodes.SignalAwaited] = t => t.AtRest("receive-two", signals: ("delivery", 1)),
        [CauseCodes.SignalMisnamed] = t => t.AtRest("receive", signals: ("Delivry", 17)),
        [CauseCodes.SignalNotAwaited] = t => t.AtRest("sleep-a-month", signals: ("greeting", "hello")),
        [CauseCodes.SignalUnreadable] = async t =>
        {
            var run = await t.Start("explained", "receive-late");
            await t.Signal(run, "delivery", "tomorrow");
            t.Time.Advance(TimeSpan.FromMinutes(2));
            await t.UntilWaits(run, "signal");
            Explanation? said = null;
            await t.Eventually(async () => (said = await t.Host.ExplainAsync(run)).Causes[0].Code != CauseCodes.Waiting, () => "its turn does not end"); // the row is there a moment before
            return said!;
        },
        [CauseCodes.GateHolds] = t => t.Gated("keyed", intent => new GateRecord(GateAnswer.Hold, intent.Chain, Hold: new HoldTerms("Pay 5 EUR", "d", "n", intent.At + TimeSpan.FromDays(1), [new HoldDemand(["controller"], NotBy: ["paula"])]))),
        [$"{CauseCodes.ApproverAbsent} (to sign)"] = t => t.Gated("keyed", intent => new GateRecord(GateAnswer.Hold, intent.Chain, Hold: new HoldTerms("Pay 5 EUR", "d", "n", intent.At + TimeSpan.FromDays(1), [new HoldDemand(["controller"], Quorum: 2)]))),
        [CauseCodes.GateWaits] = t => t.Gated("keyed", intent => new GateRecord(GateAnswer.Wait, intent.Chain, Why: "A switch is thrown.", RetryAt: intent.At + TimeSpan.FromHours(1))),
        [CauseCodes.RetryPause] = t => t.AfterAFailure("keyed"),
        [CauseCodes.BreakerOpen] = async t =>
        {
            for (var i = 0; i < 3; i++) await t.AfterAFailure("keyed", $"other-{i}");
            return await t.AfterAFailure("keyed");
        },
        [CauseCodes.ToolUnknown] = t => t.AfterAFailure("absent"),
        [CauseCodes.AttemptUnderWay] = t => t.WhileItHangs("keyed"),
        [CauseCodes.AttemptSlow] = t => t.WhileItHangs("keyed", meanwhile: () => t.Time.Advance(TimeSpan.FromSeconds(20))),
        [CauseCodes.QuotaFull] = async t =>
        {
            t.gate.Awaits = _ => "as many calls are under way as quota 'q' allows";
            var run = await t.Start("explained", "keyed");
            var said = await t.Host.ExplainAsync(run);
            t.gate.LetEnter();
            await t.Until(run, row => row.ClosedAt is not null); // it was only its turn that it waited for
            return said;
        },
        [CauseCodes.GateFull] = t => t.OneTooMany("narrow"),
        [CauseCodes.TenantShareFull] = t => t.OneTooMany("shared"),
        [CauseCodes.Paused] = async t =>
        {
            var run = await t.Start("explained", "receive");
            await t.Host.PauseAsync(run, "month's end", "paula");
            await t.Signal(run, "delivery", 5);
            return await t.Host.ExplainAsync(run);
        },
        [CauseCodes.ChildUnderWay] = async t =>
        {
            var run = await t.Start("explained", "child");
            await t.Until(run, row => !row.Busy);
            return await t.Host.ExplainAsync(run);
        },
        [CauseCodes.UpdateUnanswered] = async t =>
        {
            var run = await t.Hanging("update");
            _ = t.Host.UpdateAsync(run, Slowly.Name, JsonText.From("soon"), "paula", null, CancellationToken.None).ContinueWith(update => update.Exception);
            await t.Eventually(async () => (await t.Events<UpdateAccepted>(run)).Count > 0, () => "the update was not accepted");
            return await t.Host.ExplainAsync(run);
        },
        [CauseCodes.RateLimited] = async t =>
        {
            var said = await t.OneTooMany("seldom");
            t.Outside.LetGo();
            t.Time.Advance(TimeSpan.FromMinutes(5));
            return said;
        },
        [CauseCodes.InquiryUnderWay] = async t =>
        {
            t.Outside.Inquiry = async _ => { await t.Outside.Hang(); return Reconciled<string>.StillUnknown("late"); };
            t.Outside.Answer = (_, _) => throw new IOException("the answer was lost");
            var run = await t.Start("explained", "once");
            await t.Eventually(() => Task.FromResult(t.Outside.Names.Contains("once?")), () => "nobody asked");
            return await t.Host.ExplainAsync(run);
        },
        [CauseCodes.InquiryPause] = t => t.AfterAFailure("once"),
        [CauseCodes.OutcomeUnknown] = t => t.AfterAFailure("once-no-hook"),
        [CauseCodes.CodeThrew] = async t =>
        {
            var run = await t.Start("explained", "throw");
            await t.Signal(run, "delivery", 1);
            await t.UntilParked(run);
            return await t.Host.ExplainAsync(run);
        },
        [CauseCodes.CodeMended] = async t =>
        {
            var run = await t.Start("explained", "throw");
            await t.Signal(run, "delivery", 1);
            await t.UntilParked(run);
            await t.KillAndRestart(CodeOf(typeof(Mended)));
            return await t.Host.ExplainAsync(run);
        },
        [CauseCodes.CodeLeftEngine] = async t =>
        {
            var run = await t.Start("explained", "leave");
            await t.UntilParked(run);
            return await t.Host.ExplainAsync(run);
        },
        [CauseCodes.CodeStuck] = t => t.AtRest("stuck"),
        [CauseCodes.EntityAwaited] = async t =>
        {
            var run = await t.Start("explained", "entity");
            await t.UntilWaits(run with { Id = $"{run.Id}.e" }, "signal");
            return await t.Host.ExplainAsync(run);
        },
        [CauseCodes.UpdateAwaited] = t => t.AtRest("takes-updates"),
        [CauseCodes.CodeRuns] = async t =>
        {
            var run = await t.Start("explained", "spin");
            var signal = t.Signal(run, "delivery", 1);
            await t.Eventually(() => Task.FromResult(t.ViewOf(run) is { Doing: MailboxActivity.RunningCode }), () => "the code does not run");
            t.Time.Advance(TimeSpan.FromMinutes(1));
            var said = await t.Host.ExplainAsync(run);
            MayRest[run.Id] = true;
            await signal;
            return said;
        },
        [CauseCodes.WorkflowUnknown] = t => t.OnOtherCode(typeof(Nothing)),
        [CauseCodes.VersionMissing] = t => t.OnOtherCode(typeof(OtherVersion)),
        [CauseCodes.HistoryDiffers] = t => t.OnOtherCode(typeof(SameVersionOtherCode)),
        [CauseCodes.HistoryUnreadable] = async t =>
        {
            var run = await t.Start("explained", "sleep-an-hour");
            var version = (await t.History(run)).Count;
            // As a newer build would, which knows one event more.
            await t.Store.AppendAsync(new RunAppend(run, version, [new NewEvent(Guid.NewGuid(), "from-the-future", "{}"u8.ToArray(), t.Host.Now)], null, null));
            return await t.Host.ExplainAsync(run);
        },
        [CauseCodes.Cancelling] = async t =>
        {
            t.Outside.Answer = (name, _) => name.StartsWith("undo", StringComparison.Ordinal) ? t.Outside.Hang() : Task.FromResult(name);
            var run = await t.Start("explained", "saga");
            await t.UntilWaits(run, "signal");
            await t.Host.CancelAsync(run, "no longer wanted", "paula");
            return await t.Host.ExplainAsync(run);
        },
        [CauseCodes.HostLost] = async t =>
        {
            var run = await t.Hanging("keyed");
            t.Kill();
            return await t.NewHost().ExplainAsync(run);
        },
        [CauseCodes.AttemptElsewhere] = async t =>
        {
            var (one, two) = (t.NewHost(configure: Shared), t.NewHost(configure: Shared));
            await one.StartAsync(default);
            await two.StartAsync(default);
            return await two.ExplainAsync(await t.Hanging("keyed", on: one));
        },
        [CauseCodes.HostStopped] = async t =>
        {
            var run = await t.Start("explained", "sleep-an-hour");
            t.Host.Halt();
            return await t.Host.ExplainAsync(run);
        },
        [CauseCodes.HostFenced] = async t =>
        {
            var host = t.NewHost(configure: Shared);
            await host.StartAsync(default);
            var run = await t.Hanging("keyed", on: host);
            await t.Store.BeatAsync("another", alone: true, TimeSpan.FromSeconds(10), default);
            await t.PassTimeUntil(() => host.Presence.IsFenced);
            return await host.ExplainAsync(run);
        },
        [CauseCodes.Overdue] = async t =>
        {
            var run = await t.Start("explained", "sleep-an-hour");
            t.Kill();
            t.Time.Advance(TimeSpan.FromHours(2));
            return await t.NewHost(clockOf: t.Host).ExplainAsync(run);
        },
        [CauseCodes.ClockSkew] = async t =>
        {
            // First, since a host that is alone on the database ends all others.
            var run = await t.Start("explained", "sleep-a-month");
            var fast = new ManualTime();
            fast.Advance(TimeSpan.FromHours(5));
            var host = t.NewHost(configure: options => options with { Time = fast });
            await host.StartAsync(default);
            return await host.ExplainAsync(run);
        },
        [CauseCodes.DatabaseUnreachable] = async t =>
        {
            var run = await t.Start("explained", "sleep-an-hour");
            var store = Troubled.Over(t.Store);
            var host = t.NewHost(store);
            Troubled.Of(store).FailReads = true;
            return await host.ExplainAsync(run);
        },
        [CauseCodes.DatabaseSlow] = t => t.WhileTheStoreHangs(signals: 1),
        [CauseCodes.QueueFull] = t => t.WhileTheStoreHangs(signals: 5),
        [CauseCodes.HostFull] = async t =>
        {
            var host = t.NewHost(configure: options => options with { ActiveRunsMax = 1 });
            await host.StartAsync(default);
            await t.Hanging("keyed", on: host);
            return await host.ExplainAsync(t.Key("nobody"));
        },
        [CauseCodes.NoSuchRun] = t => t.Host.ExplainAsync(t.Key("nobody")),
        [CauseCodes.Completed] = t => t.AtTheEnd("keyed"),
        [CauseCodes.Failed] = t => t.AtTheEnd("fail"),
        [CauseCodes.Imported] = async t =>
        {
            var elsewhere = new InMemoryStore(t.Time);
            var host = t.NewHost(elsewhere);
            await host.StartAsync(default);
            var run = (await host.StartRunAsync(new StartRun("explained", JsonText.From("sleep-a-month"), t.Key("abroad").Id), "paula")).Run;
            using var file = new MemoryStream();
            using (var writer = new HistoryWriter(file, new ExportOptions { ExportedAt = host.Now }))
            {
                await writer.WriteAsync(run, await elsewhere.ReadAsync(run, 1, default));
                await writer.FinishAsync();
            }
            await HistoryImport.ImportAsync(t.Store, null, new MemoryStream(file.ToArray()), "paula", t.Time, default);
            return await t.Host.ExplainAsync(run);
        },
        [CauseCodes.Terminated] = async t =>
        {
            var run = await t.Start("explained", "receive");
            await t.Host.TerminateAsync(run, "a mistake", "paula");
            return await t.Host.ExplainAsync(run);
        },
        [CauseCodes.Cancelled] = async t =>
        {
            var run = await t.Start("explained", "receive");
            await t.Host.CancelAsync(run, "no longer wanted", "paula");
            await t.End(run);
            return await t.Host.ExplainAsync(run);
        },
    };

    // These are said besides what the run waits for.
    private static readonly string[] Remarks = [CauseCodes.SignalNotAwaited, CauseCodes.ClockSkew, CauseCodes.QueueFull, CauseCodes.HostFull, CauseCodes.UpdateUnanswered];

    private readonly ScriptedGate gate = new();

    protected override WorkflowHostOptions Configure(WorkflowHostOptions options) => options with { Gate = gate };

    private async Task<Explanation> Gated(string how, Func<EffectIntent, GateRecord> answer)
    {
        gate.Judges = answer;
        return await AtRest(how, Carl);
    }

    // PostgreSQL's clock is the real one, so the skew of these tests' clock is remarked always; and a machine that is busy makes it slow.
    private static bool IsOfTheMachine(Cause cause) => cause.Code is CauseCodes.ClockSkew or CauseCodes.DatabaseSlow;

    public static TheoryData<string> Causes => [.. Seeds.Keys];

    [Theory, MemberData(nameof(Causes))]
    public async Task Each_cause_is_named(string seed)
    {
        var code = seed.Split(' ')[0];
        var said = await Seeds[seed](this);
        var first = said.Causes.First(cause => cause.Code == code || !IsOfTheMachine(cause)).Code;
        if (Remarks.Contains(code)) said.Causes.Select(cause => cause.Code).Should().Contain(code);
        else first.Should().Be(code);
        said.Causes.Should().OnlyContain(cause => cause.Says.Length > 20 && cause.Says.Length < 1000);
        if (first is not (CauseCodes.Completed or CauseCodes.Failed or CauseCodes.Cancelled or CauseCodes.Terminated))
            said.Causes.Should().OnlyContain(cause => cause.Unblockers.Count > 0, "a person wants to know who or what can move it on");
    }

    [Fact]
    public void Every_cause_that_has_a_name_is_brought_about_here()
    {
        var names = typeof(CauseCodes).GetFields().Select(field => (string)field.GetRawConstantValue()!).ToList();
        names.Should().OnlyHaveUniqueItems().And.HaveCountGreaterThan(20);
        names.Except(Seeds.Keys).Should().Equal([CauseCodes.Waiting], "that is what is left when nothing else is to be said");
    }

    // ---- the repairs ----

    [Theory]
    [InlineData(CauseCodes.RetryPause, "retry-now", "keyed #2")]
    [InlineData(CauseCodes.RetryPause, "skip", "by hand")]
    [InlineData(CauseCodes.ToolUnknown, "skip", "by hand")]
    [InlineData(CauseCodes.InquiryPause, "retry-now", "found")]
    [InlineData(CauseCodes.InquiryPause, "resolve --happened", "by hand")]
    [InlineData(CauseCodes.InquiryPause, "resolve --never", "once #2")]
    [InlineData(CauseCodes.InquiryPause, "skip", "by hand")]
    [InlineData(CauseCodes.OutcomeUnknown, "resolve --happened", "by hand")]
    [InlineData(CauseCodes.OutcomeUnknown, "resolve --never", "once-no-hook #2")]
    [InlineData(CauseCodes.OutcomeUnknown, "skip", "by hand")]
    [InlineData(CauseCodes.CodeMended, "unpark", "got 1")]
    [InlineData(CauseCodes.Paused, "resume", "got 5")]
    [InlineData(CauseCodes.SignalMisnamed, "signal", "got 17")]
    [InlineData(CauseCodes.SignalUnreadable, "signal", "got 5")]
    [InlineData(CauseCodes.SignalNeverSent, "signal", "got 5")]
    [InlineData(CauseCodes.Approval, "approve", "granted")]
    [InlineData(CauseCodes.Approval, "reject", "refused")]
    public async Task Each_repair_that_is_offered_repairs(string cause, string repair, string result)
    {
        var said = await Seeds[cause](this);
        Outside.Answer = (name, c) => Task.FromResult($"{name} #{c.Attempt}");
        Outside.Inquiry = _ => Task.FromResult(Reconciled<string>.Happened("found"));
        var words = repair.Split(' ');
        var offered = said.Causes.SelectMany(c => c.Repairs).First(r => words.All(word => r.Command.Split(' ').Contains(word)));
        var run = new RunKey(RunKey.DefaultTenant, said.Run);
        var before = (await History(run)).Count;
        await Type(offered.Command, cause is CauseCodes.SignalUnreadable or CauseCodes.SignalNeverSent ? "5" : "\"by hand\"");
        (await Result<string>(run)).Should().Be(result);
        (await History(run)).Count.Should().BeGreaterThan(before, "a repair is an event of the run");
        (await Host.ExplainAsync(run)).Causes[0].Code.Should().Be(CauseCodes.Completed);
    }

    [Fact]
    public async Task Code_that_never_rests_keeps_one_thread_however_often_it_is_asked_about()
    {
        MayRest[Key("s").Id] = true;
        var run = await Start("explained", "spin-at-once", "s");
        await UntilWaits(run, "signal");
        Kill();
        MayRest.TryRemove(run.Id, out _);
        var host = NewHost(clockOf: Host);
        for (var i = 0; i < 3; i++) (await host.ExplainAsync(run)).Causes.Should().Contain(cause => cause.Code == CauseCodes.CodeRuns);
        Spinning.Keys.Count(spinning => spinning.Run == run.Id).Should().Be(1);
        await Refused(() => host.HeldAsync(run, 1), Refusal.Conflict, "*does not come to rest*");
        MayRest[run.Id] = true;
        await Eventually(async () => (await host.ExplainAsync(run)).Causes.Any(cause => cause.Code.StartsWith("signal-", StringComparison.Ordinal)), () => "it is still said to spin");
    }

    [Fact]
    public async Task Explaining_changes_nothing_and_sends_nothing()
    {
        foreach (var seed in new[] { CauseCodes.RetryPause, CauseCodes.CodeMended, CauseCodes.SignalMisnamed })
        {
            var said = await Seeds[seed](this);
            var run = new RunKey(RunKey.DefaultTenant, said.Run);
            var (history, row, sent) = ((await Store.ReadAsync(run, 1, default)).Count, await Store.FindAsync(run, default), Outside.Calls.Count);
            for (var i = 0; i < 3; i++) await Host.ExplainAsync(run);
            ((await Store.ReadAsync(run, 1, default)).Count, Outside.Calls.Count).Should().Be((history, sent));
            (await Store.FindAsync(run, default)).Should().BeEquivalentTo(row);
            suffixes++;
        }
    }

    /// <summary>Carries out what a person would type, with the words in capitals replaced.</summary>
    private async Task Type(string command, string json)
    {
        var words = command.Replace("JSON", json, StringComparison.Ordinal).Split(' ');
        words[0].Should().Be("aios");
        var (run, value) = (new RunKey(RunKey.DefaultTenant, words[2]), command.Contains("JSON", StringComparison.Ordinal) ? JsonText.Parse(json) : default);
        var carl = new Decider("carl", ["controller"], "key");
        await (words[1] switch
        {
            "retry-now" => Host.RetryNowAsync(run, int.Parse(words[3]), "olga"),
            "skip" => Host.SkipAsync(run, int.Parse(words[3]), value, "by hand", "olga"),
            "resolve" => Host.ResolveAsync(run, int.Parse(words[3]), words[4] == "--happened", value, "seen", "olga"),
            "resume" => Host.ResumeAsync(run, "olga"),
            "unpark" => Host.UnparkAsync(run, "olga"),
            "signal" => Host.SignalAsync(run, words[3], JsonText.Parse(words[4]), "olga"),
            "approve" => Host.DecideAsync(run, int.Parse(words[3]), true, carl),
            "reject" => Host.DecideAsync(run, int.Parse(words[3]), false, carl),
            var verb => throw new InvalidOperationException($"aios has no verb {verb}"),
        });
    }

    // ---- how situations are made ----

    private int suffixes;

    private async Task<Explanation> AtRest(string what, Keyholder[]? keyholders = null, params (string Name, object Value)[] signals)
    {
        var run = await Start("explained", what, $"r{suffixes}");
        foreach (var (name, value) in signals) await Signal(run, name, value);
        return await Host.ExplainAsync(run, keyholders);
    }

    private async Task<Explanation> AtTheEnd(string what)
    {
        var run = await Start("explained", what);
        await End(run);
        return await Host.ExplainAsync(run);
    }

    private async Task<Explanation> AfterAFailure(string tool, string id = "r")
    {
        Outside.Answer = (_, _) => throw new IOException("the desk is closed");
        var run = await Start("explained", tool, $"{id}{suffixes}");
        await Until(run, row => !row.Busy && row.Waits.Any(wait => wait.Kind is "activity" or "outcome-unknown"));
        return await Host.ExplainAsync(run);
    }

    private async Task<RunKey> Hanging(string tool, string id = "r", WorkflowHost? on = null)
    {
        Outside.Answer = (_, _) => Outside.Hang();
        var before = Outside.Calls.Count;
        var run = (await (on ?? Host).StartRunAsync(new StartRun("explained", JsonText.From(tool), Key(id).Id), "paula")).Run;
        await Eventually(() => Task.FromResult(Outside.Calls.Count > before), () => "nothing was sent");
        return run;
    }

    private async Task<Explanation> WhileItHangs(string tool, string id = "r", Action? meanwhile = null)
    {
        var run = await Hanging(tool, id);
        meanwhile?.Invoke();
        return await Host.ExplainAsync(run);
    }

    /// <summary>Each host lets one through: of one more than there are hosts, one waits its turn.</summary>
    private async Task<Explanation> OneTooMany(string tool)
    {
        Outside.Answer = (_, _) => Outside.Hang();
        var runs = new List<RunKey>();
        for (var i = 0; i <= HostCount; i++) runs.Add(await Start("explained", tool, $"r{i}"));
        var said = await Task.WhenAll(runs.Select(run => Host.ExplainAsync(run)));
        return said.First(explanation => explanation.Causes.First(cause => !IsOfTheMachine(cause)).Code is not CauseCodes.AttemptUnderWay);
    }

    private async Task<Explanation> OnOtherCode(Type code)
    {
        var run = await Start("explained", "receive-late");
        await KillAndRestart(CodeOf(code));
        var said = await Host.ExplainAsync(run);
        // It is said before the run is parked, and after.
        await Signal(run, "delivery", 1);
        await UntilParked(run);
        (await Host.ExplainAsync(run)).Causes.First(cause => !IsOfTheMachine(cause)).Code.Should().Be(said.Causes.First(cause => !IsOfTheMachine(cause)).Code);
        return said;
    }

    private async Task<Explanation> WhileTheStoreHangs(int signals)
    {
        var store = Troubled.Over(Store);
        Kill();
        var host = NewHost(store, options => options with { MailboxMax = 3 });
        await host.StartAsync(default);
        var run = (await host.StartRunAsync(new StartRun("explained", JsonText.From("receive-two"), Key("r").Id), "paula")).Run;
        Troubled.Of(store).HoldAppends = true;
        var sent = host.SignalAsync(run, "delivery", JsonText.From(1), "tester");
        await Eventually(() => Task.FromResult(host.ViewOf(run) is { Doing: MailboxActivity.Appending }), () => "nothing is appended");
        for (var i = 1; i < signals; i++) _ = host.SignalAsync(run, "delivery", JsonText.From(i), "tester").ContinueWith(t => t.Exception);
        Time.Advance(TimeSpan.FromSeconds(10));
        var said = await host.ExplainAsync(run);
        Troubled.Of(store).LetGo();
        await sent;
        return said;
    }

    private static WorkflowHostOptions Shared(WorkflowHostOptions options) => options with { Shared = true };

    /// <summary>Another host over the same store, not started.</summary>
    private WorkflowHost NewHost(IRunStore? store = null, Func<WorkflowHostOptions, WorkflowHostOptions>? configure = null, WorkflowHost? clockOf = null)
    {
        var options = new WorkflowHostOptions
        {
            Time = Time,
            HostId = $"{Key("host").Id}-{hosts.Count + 10}",
            Seed = (ulong)hosts.Count,
            DispatchWindow = TimeSpan.FromDays(3650),
            DrainFor = TimeSpan.FromMilliseconds(1),
        };
        var host = new WorkflowHost(store ?? Store, Code, new ServiceCollection().AddSingleton(Outside).BuildServiceProvider(), new Engine.HostLog(), configure?.Invoke(options) ?? options);
        if (clockOf is not null) host.Context.Clock.Correct(Time.GetUtcNow() + clockOf.Context.Clock.Skew, Time.GetUtcNow(), Time.GetUtcNow(), TimeSpan.Zero);
        hosts.Add(host);
        return host;
    }

    public override async Task DisposeAsync()
    {
        Outside.LetGo();
        foreach (var host in hosts) await host.DisposeAsync();
        await base.DisposeAsync();
    }

    /// <summary>A store in front of another that can be made to hang, or to refuse to be read.</summary>
    internal class Troubled : DispatchProxy
    {
        private readonly TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private IRunStore inner = null!;

        public bool FailReads { get; set; }

        public bool HoldAppends { get; set; }

        public static IRunStore Over(IRunStore inner)
        {
            var store = Create<IRunStore, Troubled>();
            ((Troubled)(object)store).inner = inner;
            return store;
        }

        public static Troubled Of(IRunStore store) => (Troubled)(object)store;

        public void LetGo()
        {
            HoldAppends = false;
            go.TrySetResult();
        }

        protected override object? Invoke(MethodInfo? method, object?[]? arguments)
        {
            if (FailReads && method!.Name is nameof(IRunStore.ReadAsync) or nameof(IRunStore.LoadAsync)) throw new IOException("connection refused");
            if (HoldAppends && method!.Name is nameof(IRunStore.AppendAsync)) return new ValueTask<AppendResult>(Held((RunAppend)arguments![0]!));
            return method!.Invoke(inner, arguments);
        }

        private async Task<AppendResult> Held(RunAppend append)
        {
            await go.Task;
            return await inner.AppendAsync(append);
        }
    }
}

public sealed class ExplainedInMemory(InMemory store) : ExplainConformance(store), IClassFixture<InMemory>;

public sealed class ExplainedOnPostgres(OnPostgres store) : ExplainConformance(store), IClassFixture<OnPostgres>;
