using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Hosting;

/// <summary>
/// A turn that breaks before its append loses nothing that is told only once. The store refuses U+0000, as the database does.
/// </summary>
public sealed class BrokenTurnTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly Signal<Amount> Paid = new("paid");
    private static readonly Signal<int> Go = new("go");

    private static readonly Activity<int, int> AddOne = Activity.Pure<int, int>("math.add-one", (x, _) => Task.FromResult(x + 1));

    private readonly StoreInFront store = new();
    private readonly WorkflowHost host;

    public BrokenTurnTests()
    {
        store.OnAppend = (append, commit) => Holds(append, "\\u0000") ? throw new ArgumentException("unsupported Unicode escape sequence") : commit();
        host = Make("host-1");
    }

    private sealed record Amount
    {
        public Amount(int cents) => Cents = cents >= 0 ? cents : throw new ArgumentException("An amount is not negative.");

        public int Cents { get; }
    }

    [Workflow("names-with-nul")]
    private sealed class NamesWithNul : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int input)
        {
            var sum = await Call(AddOne, input);
            SetAttributes(("a\0b", "x"));
            return sum;
        }
    }

    [Workflow("amounts")]
    private sealed class Amounts : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int input) => (await Receive(Paid)).Cents;
    }

    [Workflow("early-amounts")]
    private sealed class EarlyAmounts : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int input)
        {
            await Receive(Go);
            return (await Receive(Paid)).Cents;
        }
    }

    [Workflow("listener")]
    private sealed class Listener : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int input)
        {
            await Receive(Go);
            return await Receive(Go);
        }
    }

    public Task InitializeAsync() => host.StartAsync(CancellationToken.None);

    public async Task DisposeAsync() => await host.DisposeAsync();

    [Fact]
    public async Task An_outcome_whose_answer_of_the_code_cannot_be_recorded_is_kept_and_the_run_parked()
    {
        var run = await Start("names-with-nul");
        var row = await Until(run, r => r.Status is RunStatus.Parked);
        row.Waits.Should().Contain(wait => wait.Kind == "unpark");
        var history = await History(run);
        history.OfType<StepCompleted>().Should().ContainSingle();
        history.OfType<RunParked>().Single().Holds.Should().Be(1);
        row.Busy.Should().BeFalse();
    }

    [Fact]
    public async Task What_cannot_be_recorded_of_one_input_fails_no_other_of_the_same_turn()
    {
        var run = await Start("listener");
        var (asked, mayGo) = (new TaskCompletionSource(), new TaskCompletionSource());
        var refuse = store.OnAppend;
        store.OnAppend = async (append, commit) =>
        {
            asked.TrySetResult();
            await mayGo.Task;
            return await refuse(append, commit);
        };
        var first = host.SignalAsync(run, "go", JsonText.From(1), "test");
        await asked.Task.WaitAsync(Patience);
        var bad = host.SignalAsync(run, "hint", new JsonText("\"\\u0000\""u8.ToArray()), "test");
        var good = host.SignalAsync(run, "go", JsonText.From(2), "test");
        mayGo.SetResult();

        await first.WaitAsync(Patience);
        await good.WaitAsync(Patience);
        await FluentActions.Awaiting(() => bad.WaitAsync(Patience)).Should().ThrowAsync<InvalidOperationException>();
        (await host.WaitAsync(run, default).WaitAsync(Patience)).Should().BeOfType<RunCompleted>().Which.Result.To<int>().Should().Be(2);
    }

    [Fact]
    public async Task A_signal_that_its_type_will_not_take_is_refused_and_the_run_goes_on()
    {
        var run = await Start("amounts");
        var negative = () => host.SignalAsync(run, "paid", JsonText.Parse("""{"cents":-1}"""), "test");
        (await negative.Should().ThrowAsync<CommandRefusedException>()).Which.Refusal.Should().Be(Refusal.Invalid);
        await host.SignalAsync(run, "paid", JsonText.Parse("""{"cents":5}"""), "test");
        (await host.WaitAsync(run, default).WaitAsync(Patience)).Should().BeOfType<RunCompleted>().Which.Result.To<int>().Should().Be(5);
    }

    [Fact]
    public async Task A_signal_that_came_early_and_that_its_type_will_not_take_is_passed_over()
    {
        var run = await Start("early-amounts");
        await host.SignalAsync(run, "paid", JsonText.Parse("""{"cents":-1}"""), "test");
        await host.SignalAsync(run, "paid", JsonText.Parse("""{"cents":5}"""), "test");
        await host.SignalAsync(run, "go", JsonText.From(1), "test");
        (await host.WaitAsync(run, default).WaitAsync(Patience)).Should().BeOfType<RunCompleted>().Which.Result.To<int>().Should().Be(5);
    }

    [Fact]
    public async Task Who_listens_to_appends_and_throws_breaks_nothing()
    {
        host.Appended += _ => throw new InvalidOperationException("a listener");
        var run = await Start("listener");
        await host.SignalAsync(run, "go", JsonText.From(1), "test");
        await host.SignalAsync(run, "go", JsonText.From(2), "test");
        (await host.WaitAsync(run, default).WaitAsync(Patience)).Should().BeOfType<RunCompleted>();
        (await History(run)).OfType<SignalReceived>().Should().HaveCount(2);
    }

    private WorkflowHost Make(string id) => new(store,
        new WorkflowRegistry().Add<NamesWithNul>().Add<Amounts>().Add<EarlyAmounts>().Add<Listener>(),
        new ServiceCollection().BuildServiceProvider(), NullLogger<WorkflowHost>.Instance, new WorkflowHostOptions { Time = TimeProvider.System, HostId = id, Seed = 1 });

    private async Task<RunKey> Start(string workflow) => (await host.StartRunAsync(new StartRun(workflow, JsonText.From(1)), "test")).Run;

    private async Task<List<WorkflowEvent>> History(RunKey run) => [.. (await store.ReadAsync(run, 1, default)).Select(e => e.Read())];

    private async Task<RunRow> Until(RunKey run, Func<RunRow, bool> condition)
    {
        for (var deadline = DateTime.UtcNow + Patience; DateTime.UtcNow < deadline; await Task.Delay(2))
            if (await store.FindAsync(run, default) is { } row && condition(row)) return row;
        throw new TimeoutException($"{run} did not come to the state awaited");
    }

    private static bool Holds(RunAppend append, string text) => append.Events.Any(e => Encoding.UTF8.GetString(e.Body).Contains(text, StringComparison.Ordinal));
}
