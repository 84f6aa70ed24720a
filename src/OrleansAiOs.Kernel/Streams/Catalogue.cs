namespace OrleansAiOs.Kernel.Streams;

/// <summary>
/// What a host knows of the kernel's streams, in memory: each slice keeps a view, and every event is shown to every view, in the order of
/// the commits. Reading a view costs nothing and may be up to <see cref="OldestKept"/> behind, once <see cref="FreshAsync"/> was awaited.
/// Nothing is asked of the database while nobody asks here.
/// </summary>
public sealed class Catalogue
{
    /// <summary>How old what is known may be at a decision: what was committed before then, on any host, is seen.</summary>
    public static readonly TimeSpan OldestKept = TimeSpan.FromMilliseconds(500);

    private readonly EventStreams streams;
    private readonly IReadOnlyList<IKernelView> views;
    private readonly TimeProvider time;
    private readonly Lock sync = new();
    private Task? reading;
    private long position;
    private long? readAt;

    public Catalogue(EventStreams streams, IEnumerable<IKernelView> views, TimeProvider time)
    {
        (this.streams, this.views, this.time) = (streams, [.. views], time);
        streams.Appended += Forget;
    }

    /// <summary>Sees to it that the views know all that was committed more than <see cref="OldestKept"/> ago, and all that this process has appended.</summary>
    /// <exception cref="System.Data.Common.DbException">The database does not answer. Who decides by the views then must not.</exception>
    public ValueTask FreshAsync(CancellationToken cancellation = default)
    {
        Task now;
        lock (sync)
        {
            if (readAt is { } at && time.GetElapsedTime(at) < OldestKept) return ValueTask.CompletedTask;
            now = reading ??= ReadAsync();
        }
        return new ValueTask(now.WaitAsync(cancellation));
    }

    /// <summary>As <see cref="FreshAsync"/>, and of all that was committed before this call. It costs a question each time: for what was looked for and not found.</summary>
    public ValueTask NowAsync(CancellationToken cancellation = default)
    {
        Forget();
        return FreshAsync(cancellation);
    }

    // What comes after this must be read again, also by a reading that is under way.
    private void Forget()
    {
        lock (sync) (readAt, reading) = (null, null);
    }

    private readonly SemaphoreSlim one = new(1);

    private async Task ReadAsync()
    {
        await Task.Yield(); // out of the caller's lock
        await one.WaitAsync();
        Task? self;
        lock (sync) self = reading;
        try
        {
            var started = time.GetTimestamp();
            foreach (var e in await streams.ReadAllAsync(position))
            {
                foreach (var view in views) view.Apply(e);
                position = e.Seq;
            }
            lock (sync)
                if (reading == self && self is not null) readAt = started;
        }
        finally
        {
            lock (sync)
                if (reading == self) reading = null;
            one.Release();
        }
    }
}

/// <summary>What a slice keeps in memory of the kernel's events. Written by one at a time; read by anybody at any time.</summary>
public interface IKernelView
{
    void Apply(RecordedEvent e);
}
