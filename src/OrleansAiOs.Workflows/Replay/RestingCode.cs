using System.Collections.Concurrent;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>Runs a run's code for who only looks at it: code that does not come to rest neither keeps who asked, nor takes a thread for each who asks.</summary>
internal static class RestingCode
{
    // By the wall clock: a person waits.
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(5);

    private const int StuckMax = 16;

    private static readonly ConcurrentDictionary<RunKey, Task> Stuck = new();

    /// <summary>What was asked for keeps as many threads as it may: nothing more is run.</summary>
    public static bool IsSpent => Stuck.Values.Count(until => !until.IsCompleted) >= StuckMax;

    /// <returns>Null if it does not come to rest, or if what others asked for has kept too many threads already.</returns>
    public static async Task<T?> RunAsync<T>(RunKey run, Func<Patience, T> work, CancellationToken cancellation) where T : class
    {
        foreach (var (other, until) in Stuck)
            if (until.IsCompleted) Stuck.TryRemove(KeyValuePair.Create(other, until));
        if (Stuck.ContainsKey(run) || IsSpent) return null;
        return await Task.Factory.StartNew(() =>
        {
            var (patience, ended) = (new Patience(Within), new TaskCompletionSource());
            T? result = null;
            var cameBack = ApartThread.Run(patience, () =>
            {
                try
                {
                    result = work(patience);
                }
                finally
                {
                    ended.SetResult();
                }
            });
            if (!cameBack) Stuck[run] = ended.Task;
            return patience.IsOver ? null : result;
        }, CancellationToken.None, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default).WaitAsync(cancellation);
    }
}
