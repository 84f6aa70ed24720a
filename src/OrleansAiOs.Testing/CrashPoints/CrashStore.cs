using System.Data.Common;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Testing.CrashPoints;

internal sealed class CrashStore(CrashPoints points, IRunStore inner) : IRunStore
{
    private readonly int maker = points.Incarnation;

    public async ValueTask<AppendResult> AppendAsync(RunAppend append) =>
        await points.DoAsync(maker, $"append {append.Run} {append.Expected}", () => inner.AppendAsync(append).AsTask(), () => AppendResult.Unknown);

    public ValueTask<IReadOnlyList<StoredEvent>> ReadAsync(RunKey run, long fromVersion, CancellationToken cancellation) =>
        Do($"read {run}", () => inner.ReadAsync(run, fromVersion, cancellation));

    public ValueTask<IReadOnlyList<StoredEvent>> LoadAsync(RunKey run, CancellationToken cancellation) => Do($"load {run}", () => inner.LoadAsync(run, cancellation));

    public ValueTask<IReadOnlyList<RunRow>> ListAsync(RunQuery query, CancellationToken cancellation) => Do("list", () => inner.ListAsync(query, cancellation));

    public ValueTask<IReadOnlyCollection<RunKey>> PurgeAsync(IReadOnlyList<RunKey> runs, string why, CancellationToken cancellation) => Do("purge", () => inner.PurgeAsync(runs, why, cancellation));

    public ValueTask<RunRow?> FindAsync(RunKey run, CancellationToken cancellation) => Do($"find {run}", () => inner.FindAsync(run, cancellation));

    public ValueTask<IReadOnlyList<WakeUp>> WakeUpsAsync(DateTimeOffset before, int limit, IReadOnlyCollection<int>? buckets, CancellationToken cancellation) =>
        Do("wake-ups", () => inner.WakeUpsAsync(before, limit, buckets, cancellation));

    public ValueTask<DateTimeOffset?> NextWakeUpAsync(DateTimeOffset from, IReadOnlyCollection<int>? buckets, CancellationToken cancellation) => Do("next wake-up", () => inner.NextWakeUpAsync(from, buckets, cancellation));

    public ValueTask<IReadOnlyList<RunRow>> ParkedAsync(IReadOnlyCollection<string> reasons, RunKey? after, int limit, CancellationToken cancellation) => Do("parked", () => inner.ParkedAsync(reasons, after, limit, cancellation));

    public ValueTask<IReadOnlyList<RunKey>> OrphansAsync(IReadOnlyCollection<string> livingHosts, CancellationToken cancellation) =>
        Do("orphans", () => inner.OrphansAsync(livingHosts, cancellation));

    public ValueTask<HostBeat> BeatAsync(string host, bool alone, TimeSpan deadAfter, CancellationToken cancellation) =>
        Do("beat", () => inner.BeatAsync(host, alone, deadAfter, cancellation));

    public async ValueTask RetireAsync(string host, CancellationToken cancellation) => await Do("retire", async () =>
    {
        await inner.RetireAsync(host, cancellation);
        return true;
    });

    // The work inside is the activity's own I/O; what is struck here is the transaction.
    public ValueTask<JsonText> TransactAsync(RunKey run, string key, Func<DbTransaction, Task<JsonText>> work, CancellationToken cancellation) =>
        Do($"transaction {run}", () => inner.TransactAsync(run, key, work, cancellation));

    private async ValueTask<T> Do<T>(string what, Func<ValueTask<T>> work) => await points.DoAsync(maker, what, () => work().AsTask(), lost: null);
}

internal sealed class CrashHandler(CrashPoints points, HttpMessageHandler inner) : DelegatingHandler(inner)
{
    private readonly int maker = points.Incarnation;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await points.DoAsync(maker, $"{request.Method} {request.RequestUri}", () => base.SendAsync(request, cancellationToken), lost: null);
        }
        catch (IOException e)
        {
            throw new HttpRequestException(HttpRequestError.ResponseEnded, e.Message, e); // as a connection that was cut
        }
    }
}
