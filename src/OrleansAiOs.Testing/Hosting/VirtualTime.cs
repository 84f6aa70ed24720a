namespace OrleansAiOs.Testing.Hosting;

/// <summary>A clock that stands, and skips to the next timer when it is told to. What a tool waits on is known to be the tool's.</summary>
internal sealed class VirtualTime(DateTimeOffset beginning, Stillness stillness) : TimeProvider
{
    private readonly Stillness stillness = stillness;
    private readonly Lock sync = new();
    private readonly PriorityQueue<(VirtualTimer Timer, int Setting), (DateTimeOffset Due, long Order)> armed = new();
    private DateTimeOffset now = beginning;
    private long order;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow()
    {
        lock (sync) return now;
    }

    public override long GetTimestamp() => GetUtcNow().Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new VirtualTimer(this, callback, state, ToolCall.Current);
        timer.Change(dueTime, period);
        return timer;
    }

    public bool IsAnythingDue(DateTimeOffset until)
    {
        lock (sync) return Next(until) is not null;
    }

    /// <summary>Skips to the next timer that is due until then, and fires it.</summary>
    public void SkipToNext(DateTimeOffset until)
    {
        VirtualTimer? next;
        lock (sync)
        {
            next = Next(until);
            if (next is null) return;
            armed.TryDequeue(out _, out var at);
            if (at.Due > now) now = at.Due;
            next.Taken();
        }
        next.Fire();
    }

    private VirtualTimer? Next(DateTimeOffset until)
    {
        while (armed.TryPeek(out var first, out var at) && at.Due <= until)
        {
            if (first.Setting == first.Timer.Setting) return first.Timer;
            armed.Dequeue(); // it was set anew, or disposed
        }
        return null;
    }

    public void SkipTo(DateTimeOffset moment)
    {
        lock (sync)
            if (moment > now) now = moment;
    }

    private sealed class VirtualTimer(VirtualTime time, TimerCallback callback, object? state, ToolCall? owner) : ITimer
    {
        private TimeSpan period;
        private bool isSet;

        public int Setting { get; private set; }

        public void Fire() => callback(state);

        /// <summary>Under the lock: it is taken out to be fired.</summary>
        public void Taken()
        {
            Unset();
            if (period > TimeSpan.Zero) Set(period);
        }

        public bool Change(TimeSpan dueTime, TimeSpan newPeriod)
        {
            lock (time.sync)
            {
                Unset();
                period = newPeriod;
                if (dueTime > TimeSpan.Zero) Set(dueTime);
            }
            if (dueTime == TimeSpan.Zero)
            {
                time.stillness.Enter();
                ThreadPool.UnsafeQueueUserWorkItem(static timer => timer.FireNow(), this, preferLocal: false);
            }
            else time.stillness.Touch();
            return true;
        }

        public void Dispose()
        {
            lock (time.sync) Unset();
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private void FireNow()
        {
            try
            {
                lock (time.sync)
                    if (period > TimeSpan.Zero) Set(period);
                Fire();
            }
            finally
            {
                time.stillness.Leave();
            }
        }

        private void Set(TimeSpan due)
        {
            var last = DateTimeOffset.MaxValue - time.now;
            time.armed.Enqueue((this, ++Setting), (time.now + (due < last ? due : last), time.order++));
            isSet = true;
            owner?.Waits(1);
        }

        private void Unset()
        {
            Setting++;
            if (isSet) owner?.Waits(-1);
            isSet = false;
        }
    }
}

/// <summary>A tool at work. While it waits for a timer of the host's time it is the clock's turn; while it waits for anything else, time stands.</summary>
internal sealed class ToolCall(string tool, string run)
{
    private static readonly AsyncLocal<ToolCall?> Ambient = new();
    private int timers;

    /// <summary>The call whose code this is.</summary>
    public static ToolCall? Current
    {
        get => Ambient.Value;
        set => Ambient.Value = value;
    }

    public bool WaitsForTime => Volatile.Read(ref timers) > 0;

    public void Waits(int change) => Interlocked.Add(ref timers, change);

    public override string ToString() => $"{tool} (run {run})";
}
