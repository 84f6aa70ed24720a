using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>The run's time as a <see cref="TimeProvider"/>: it stands at the last input, and its timers are durable.</summary>
internal sealed class WorkflowTime(WorkflowExecution execution) : TimeProvider
{
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => execution.State.Now;

    public override long GetTimestamp() => execution.State.Now.Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new DurableTimer(execution, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class DurableTimer(WorkflowExecution execution, TimerCallback callback, object? state) : Waiter(CancellationToken.None), ITimer
    {
        private int? step;
        private TimeSpan period;

        public bool Change(TimeSpan dueTime, TimeSpan newPeriod)
        {
            Disarm();
            period = newPeriod;
            if (dueTime == Timeout.InfiniteTimeSpan) return true;
            step = TimerStep.Set(execution, execution.State.Now + dueTime, this);
            return true;
        }

        public override bool Deliver(WorkflowEvent e)
        {
            step = null;
            if (period > TimeSpan.Zero) step = TimerStep.Set(execution, execution.State.Now + period, this);
            callback(state);
            return true;
        }

        public override void Cancel() => Disarm();

        public override void Imagine()
        {
            step = null;
            callback(state);
        }

        public void Dispose() => Disarm();

        public ValueTask DisposeAsync()
        {
            Disarm();
            return ValueTask.CompletedTask;
        }

        private void Disarm()
        {
            // A PeriodicTimer that the code left behind is disposed by the collector, when its run has long left memory.
            if (!execution.IsOnTurn)
            {
                execution.Collected();
                return;
            }
            if (step is { } armed) TimerStep.Cancel(execution, armed);
            step = null;
        }
    }
}
