using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Testing.CrashPoints;
using OrleansAiOs.Testing.Simulation;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using Xunit.Abstractions;
using Points = OrleansAiOs.Testing.CrashPoints.CrashPoints;

namespace OrleansAiOs.Testing.Tests.CrashPoints;

/// <summary>Every I/O of every step kind and effect class goes wrong in every way, and nothing is lost or doubled.</summary>
public sealed class CrashPointTests(ITestOutputHelper output)
{
    /// <summary>The receivers, and the present host incarnation's way to them.</summary>
    private sealed class Outside
    {
        public Dictionary<string, int> Ledger { get; } = [];

        public Dictionary<string, int> Bank { get; } = [];

        public HashSet<string> Voided { get; } = [];

        public Tools Through(Points points) => new(
            points.Over<int, int>("read", value => Task.FromResult(value + 1)),
            points.Over<string, int>("post", key => Task.FromResult(Ledger[key] = 1)),
            points.Over<string, int>("pay", key => Voided.Contains(key)
                ? Task.FromException<int>(new RefusedException("void"))
                : Task.FromResult(Bank[key] = Bank.GetValueOrDefault(key) + 1)),
            points.Over<string, bool>("inquire", key =>
            {
                if (!Bank.ContainsKey(key)) Voided.Add(key);
                return Task.FromResult(Bank.ContainsKey(key));
            }));
    }

    private sealed record Tools(Func<int, Task<int>> Read, Func<string, Task<int>> Post, Func<string, Task<int>> Pay, Func<string, Task<bool>> Inquire);

    private static readonly Activity<int, int> Read = Activity.Pure<Tools, int, int>("read", (tools, value, _) => tools.Read(value));
    private static readonly Activity<int, int> Put = Activity.Idempotent<Tools, int, int>("put", (tools, _, call) => tools.Post(call.Key.Value));
    private static readonly Activity<int, int> Post = Activity.Keyed<Tools, int, int>("post", (tools, _, key, _) => tools.Post(key.Value));
    private static readonly Activity<int, int> Reverse = Activity.Keyed<Tools, int, int>("reverse", (tools, _, key, _) => tools.Post(key.Value));

    private static readonly Activity<int, int> Pay = Activity.AtMostOnce<Tools, int, int>("pay", (tools, _, key, _) => tools.Pay(key.Value),
        async (tools, _, key, _) => await tools.Inquire(key.Value) ? Reconciled<int>.Happened(1) : Reconciled<int>.NeverWill("void from now on"));

    private static readonly Activity<int, int> Wire = Activity.AtMostOnce<Tools, int, int>("wire", (tools, _, key, _) => tools.Pay(key.Value));
    private static readonly Dictionary<string, int> Booked = [];

    private static readonly Activity<int, int> Book = Activity.Transactional<int, int>("book", (_, _, call) => Task.FromResult(Booked[call.Key.Value] = Booked.GetValueOrDefault(call.Key.Value) + 1));

    private static readonly Signal<int> Go = new("go");

    [Workflow("crash-sequence")]
    private sealed class Sequence : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int value)
        {
            value = await Call(Read, value);
            value = await Call(Put, value);
            value = await Call(Post, value);
            value = await Call(Pay, value);
            value = await Call(Book, value);
            await Sleep(TimeSpan.FromHours(1));
            return await Call(Pay, value + Record(() => 1));
        }
    }

    [Workflow("crash-fan-out")]
    private sealed class FanOut : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int value) =>
            (await Task.WhenAll(Call(Post, value), Call(Pay, value), Call(Put, value), Call(Pay, value))).Sum();
    }

    [Workflow("crash-people")]
    private sealed class People : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int value)
        {
            var go = Receive(Go);
            await Task.WhenAny(go, Task.Delay(TimeSpan.FromDays(1), Time));
            value += await go;
            var decision = await Approval("Post it", value, by: "controller", notBy: [StartedBy], within: TimeSpan.FromDays(1));
            return decision.Granted ? await Call(Post, value) : 0;
        }
    }

    [Workflow("crash-saga")]
    private sealed class Undone : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int value)
        {
            await using var saga = Saga();
            await saga.Call(Post, value, Reverse);
            await saga.Call(Pay, value, Reverse);
            await Sleep(TimeSpan.FromDays(30));
            return saga.Complete(value);
        }
    }

    [Workflow("crash-loop")]
    private sealed class Repeats : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int value)
        {
            value += await Call(Read, value);
            var left = await Loop(3, async left =>
            {
                await Call(left == 2 ? Pay : Post, left);
                await Sleep(TimeSpan.FromMinutes(1));
                return left == 0 ? Iteration.Done(left) : Iteration.Next(left - 1);
            }, checkpointAfter: 1);
            return await Call(Post, value + left);
        }
    }

    [Workflow("crash-family")]
    private sealed class Family : Workflow<int, int>
    {
        private static readonly Child<int, int> Young = Child<int, int>.Of<Youngster>();

        protected override async Task<int> RunAsync(int value)
        {
            _ = Call(Young, value, new ChildOptions { OnParentClose = ParentClose.Abandon });
            value += await Call(Young, value);
            _ = Call(Young, -1); // is to end with its parent
            return value + await Call(Post, value);
        }
    }

    [Workflow("crash-child")]
    private sealed class Youngster : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int value)
        {
            if (value > 0) await Call(Post, value);
            await Sleep(value > 0 ? TimeSpan.FromMinutes(value) : TimeSpan.FromDays(1000));
            return value;
        }
    }

    [Workflow("crash-wire")]
    private sealed class Desk : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int value) => await Call(Wire, await Call(Post, value));
    }

    private static readonly WorkflowRegistry Registry = new WorkflowRegistry().Add<Sequence>().Add<FanOut>().Add<People>().Add<Undone>().Add<Desk>().Add<Repeats>().Add<Family>().Add<Youngster>();

    [Theory]
    [InlineData("crash-sequence", RunStatus.Completed, 5)]
    [InlineData("crash-fan-out", RunStatus.Completed, 4)]
    [InlineData("crash-people", RunStatus.Completed, 1)]
    [InlineData("crash-saga", RunStatus.Cancelled, 4)]
    [InlineData("crash-loop", RunStatus.Completed, 5)]
    [InlineData("crash-family", RunStatus.Completed, 3)]
    [InlineData("crash-wire", RunStatus.Completed, 2)]
    public async Task Nothing_is_lost_or_doubled_whichever_IO_goes_wrong(string workflow, RunStatus end, int effects)
    {
        var report = await Points.RunAsync(points =>
        {
            Pass(points, workflow, end, effects);
            return Task.CompletedTask;
        });
        output.WriteLine($"{report.Passes} I/Os struck: {string.Join(", ", report.Struck.Select(mode => $"{mode.Key} {mode.Value.Count}"))}");
        report.Failures.Should().BeEmpty();
        report.Struck.Should().HaveCount(4).And.OnlyContain(mode => mode.Value.Count > 5 && mode.Value.Any(io => io.StartsWith("append")) && mode.Value.Contains("post"));
    }

    [Fact]
    public async Task A_receiver_that_books_twice_is_found()
    {
        var report = await Points.RunAsync(points =>
        {
            var outside = new Outside();
            var pay = points.Over<string, int>("pay", key => Task.FromResult(outside.Bank[key] = outside.Bank.GetValueOrDefault(key) + 1));
            return PayAsync();

            async Task PayAsync()
            {
                try
                {
                    await pay("k");
                }
                catch (IOException)
                {
                    await pay("k"); // as code does that takes a lost reply for a no
                }
                outside.Bank["k"].Should().Be(1);
            }
        }, pointsMax: 3, failuresMax: 1);
        report.Failures.Should().ContainSingle().Which.Should().Match<CrashFailure>(f => f.Mode == CrashMode.ReplyLost && f.Point == 1);
    }

    private static void Pass(Points points, string workflow, RunStatus end, int effects)
    {
        Booked.Clear();
        var outside = new Outside();
        var world = new VirtualHost(Registry, () => new ServiceCollection().AddSingleton(outside.Through(points)).BuildServiceProvider(), points.Over);
        points.OnKill = world.Kill;
        var run = new RunKey(RunKey.DefaultTenant, "r");
        world.Run(async _ =>
        {
            await world.SendAsync(host => host.StartRunAsync(new StartRun(workflow, JsonText.From(1), run.Id), "alice"));
            if (workflow == "crash-people")
            {
                await world.SendAsync(host => host.SignalAsync(run, "go", JsonText.From(1), "alice", "go"));
                await world.UntilAsync(run, row => row.AwaitsApproval);
                await world.SendAsync(host => host.DecideAsync(run, 2, true, new Decider("carl", ["controller"], "key"), key: "decide"));
            }
            if (workflow == "crash-saga")
            {
                await world.UntilAsync(run, row => row.Waits.Any(wait => wait.Kind == "timer"));
                await world.SendAsync(host => host.CancelAsync(run, "no longer wanted", "alice", "cancel"));
            }
            while ((await world.UntilAsync(run, row => row.ClosedAt is not null || row.Waits.Any(wait => wait is { Kind: "outcome-unknown", Until: null }))).ClosedAt is null)
                await ResolveAsync(world, outside, run);
            if (workflow == "crash-family")
                foreach (var id in new[] { "r", "r.1", "r.2", "r.3" }) await world.UntilAsync(new RunKey(run.Tenant, id), row => row is { ClosedAt: not null, Busy: false });
        }, within: TimeSpan.FromDays(2));

        var checker = new HistoryChecker(new CheckerOptions
        {
            Registry = Registry,
            AllHaveEnded = true,
            Ledgers = [new ReceiverLedger(outside.Ledger), new ReceiverLedger(outside.Bank), new ReceiverLedger(Booked)],
        });
        var violations = world.Facts().SelectMany(checker.Check).Concat(checker.CheckRest()).ToList();
        violations.Should().BeEmpty();
        world.Facts().Single(facts => facts.Run == run).Row!.Status.Should().Be(end);
        outside.Ledger.Values.Concat(outside.Bank.Values).Concat(Booked.Values).Sum().Should().Be(effects);
    }

    // A person asks the desk whether the wire left, and has it voided if not.
    private static async Task ResolveAsync(VirtualHost world, Outside outside, RunKey run)
    {
        var events = (await world.Store.ReadAsync(run, 1, default)).Select(e => e.Read()).ToList();
        var step = events.OfType<StepScheduled>().Last().Step;
        var epoch = events.OfType<OutcomeNeverWill>().Count();
        var key = IdempotencyKey.Of(run.Tenant, run.Id, step, epoch).Value;
        var happened = outside.Bank.ContainsKey(key);
        if (!happened) outside.Voided.Add(key);
        await world.SendAsync(host => host.ResolveAsync(run, step, happened, JsonText.From(1), "asked the desk", "olga", $"resolve-{epoch}"));
    }
}
