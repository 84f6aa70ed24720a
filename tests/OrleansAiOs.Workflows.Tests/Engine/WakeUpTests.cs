using System.Reflection;
using OrleansAiOs.Testing;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Timers;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>Nothing sleeps forgotten, also when a row is committed while the store is being asked for the next ones.</summary>
public sealed class WakeUpTests
{
    [Fact]
    public async Task A_far_wake_up_noted_while_the_store_is_asked_is_not_lost()
    {
        var time = new ManualTime();
        var (asked, answer, woken) = (new TaskCompletionSource(), new TaskCompletionSource(), new TaskCompletionSource<RunKey>());
        var store = SlowStore.Over(new InMemoryStore(time), asked, answer.Task);
        using var wakeUps = new WakeUps(store, new StoreClock(time), time, TaskScheduler.Default, run => woken.TrySetResult(run), e => woken.TrySetException(e));
        wakeUps.Look();
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(30)); // the store has looked, and seen nothing

        var run = new RunKey("default", "r");
        var due = new WakeUpChange(time.GetUtcNow().AddMinutes(20));
        await store.AppendAsync(new RunAppend(run, 0, [], null, due));
        wakeUps.Note(run, due.Due!.Value);
        answer.SetResult();

        var deadline = DateTime.UtcNow.AddSeconds(10);
        while (!woken.Task.IsCompleted && DateTime.UtcNow < deadline)
        {
            time.Advance(TimeSpan.FromMinutes(5));
            await Task.Delay(2);
        }
        woken.Task.IsCompleted.Should().BeTrue("its time has come");
        (await woken.Task).Should().Be(run);
    }

    [Fact]
    public async Task A_clock_that_was_set_forward_is_noticed_within_minutes()
    {
        var elapsed = new ManualTime();
        var clock = new Ahead(elapsed);
        var woken = new TaskCompletionSource<RunKey>();
        var store = new InMemoryStore(clock);
        using var wakeUps = new WakeUps(store, new StoreClock(clock), clock, TaskScheduler.Default, run => woken.TrySetResult(run), e => woken.TrySetException(e));
        var run = new RunKey("default", "r");
        var due = clock.GetUtcNow().AddDays(3);
        await store.AppendAsync(new RunAppend(run, 0, [], null, new WakeUpChange(due)));
        wakeUps.Note(run, due);

        clock.By = TimeSpan.FromDays(3); // as when the machine slept: timers have not gone on
        elapsed.Advance(TimeSpan.FromMinutes(6));
        (await woken.Task.WaitAsync(TimeSpan.FromSeconds(30))).Should().Be(run);
    }

    [Fact]
    public async Task What_is_due_behind_a_thousand_rows_that_stay_is_woken_and_then_nobody_asks_any_more()
    {
        var time = new ManualTime();
        var store = new InMemoryStore(time);
        var past = time.GetUtcNow().AddHours(-1);
        for (var i = 0; i < 1000; i++) await store.AppendAsync(new RunAppend(new RunKey("default", $"busy-{i}"), 0, [], null, new WakeUpChange(past))); // of runs that are at something else
        var idle = new RunKey("default", "idle");
        await store.AppendAsync(new RunAppend(idle, 0, [], null, new WakeUpChange(past.AddMinutes(1))));

        var (woken, times) = (new TaskCompletionSource(), 0);
        using var wakeUps = new WakeUps(store, new StoreClock(time), time, TaskScheduler.Default, run =>
        {
            Interlocked.Increment(ref times);
            if (run == idle) woken.TrySetResult();
        }, e => woken.TrySetException(e));
        wakeUps.Look();
        for (var deadline = DateTime.UtcNow.AddSeconds(30); !woken.Task.IsCompleted && DateTime.UtcNow < deadline; await Task.Delay(2)) time.Advance(TimeSpan.FromMilliseconds(100));
        woken.Task.IsCompletedSuccessfully.Should().BeTrue("those before it do not hide it");
        var soFar = Volatile.Read(ref times);
        for (var i = 0; i < 100; i++) time.Advance(TimeSpan.FromMilliseconds(100));
        Volatile.Read(ref times).Should().Be(soFar, "the page was not full, so nothing more is due");
    }

    private sealed class Ahead(TimeProvider inner) : TimeProvider
    {
        public TimeSpan By { get; set; }

        public override DateTimeOffset GetUtcNow() => inner.GetUtcNow() + By;

        public override long GetTimestamp() => inner.GetTimestamp();

        public override long TimestampFrequency => inner.TimestampFrequency;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => inner.CreateTimer(callback, state, dueTime, period);
    }

    /// <summary>A store whose first answer about the next wake-up takes its time on the way back.</summary>
    internal class SlowStore : DispatchProxy
    {
        private IRunStore inner = null!;
        private TaskCompletionSource asked = null!;
        private Task answer = null!;

        public static IRunStore Over(IRunStore inner, TaskCompletionSource asked, Task answer)
        {
            var proxy = Create<IRunStore, SlowStore>();
            var slow = (SlowStore)(object)proxy;
            (slow.inner, slow.asked, slow.answer) = (inner, asked, answer);
            return proxy;
        }

        protected override object? Invoke(MethodInfo? method, object?[]? arguments)
        {
            var result = method!.Invoke(inner, arguments);
            return method.Name == nameof(IRunStore.NextWakeUpAsync) ? Late((ValueTask<DateTimeOffset?>)result!) : result;
        }

        private async ValueTask<DateTimeOffset?> Late(ValueTask<DateTimeOffset?> found)
        {
            var next = await found;
            asked.TrySetResult();
            await answer;
            return next;
        }
    }
}
