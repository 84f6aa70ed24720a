using System.Collections.Concurrent;

namespace OrleansAiOs.Kernel.Streams;

/// <summary>What many ask for at once, handled in batches: one at a time, in the order it came.</summary>
internal sealed class Batches<T>(int max)
{
    private readonly ConcurrentQueue<T> waiting = new();
    private int pumping;

    /// <param name="item">One more.</param>
    /// <param name="handle">Handles a batch; it does not throw. The same each time.</param>
    public void Add(T item, Func<List<T>, Task> handle)
    {
        waiting.Enqueue(item);
        if (Interlocked.CompareExchange(ref pumping, 1, 0) != 0) return;
        using (ExecutionContext.SuppressFlow()) _ = Task.Run(() => PumpAsync(handle));
    }

    private async Task PumpAsync(Func<List<T>, Task> handle)
    {
        while (true)
        {
            var batch = new List<T>();
            while (batch.Count < max && waiting.TryDequeue(out var item)) batch.Add(item);
            if (batch.Count > 0)
            {
                await handle(batch);
                continue;
            }
            Volatile.Write(ref pumping, 0);
            // Whoever came between the look and the mark saw us pumping.
            if (waiting.IsEmpty || Interlocked.CompareExchange(ref pumping, 1, 0) != 0) return;
        }
    }
}
