using System.Data.Common;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>
/// One host's connection to the store. An append may lose its reply before the commit, after it, or while the commit is still on
/// its way and comes later; everything else may be slow or throw. What was sent is committed even if the host dies meanwhile.
/// </summary>
internal sealed class SimStore(SimWorld world, SimDisk disk, SimScheduler process) : IRunStore
{
    public ValueTask<AppendResult> AppendAsync(RunAppend append)
    {
        var random = world.Random;
        disk.NoteActivation(append.Run, process);
        if (random.Chance(0.3))
        {
            var at = disk.Commit(append);
            if (at is AppendResult.Conflict) return new(at);
            world.MayStrike(process);
            return process.IsDead || process.IsPaused ? new(NewsAsync(at)) : new(at);
        }
        var reply = new TaskCompletionSource<AppendResult>();
        if (!random.Chance(world.Faults.Store))
        {
            world.UnderWay++;
            world.Loop.After(Delay(), () =>
            {
                world.UnderWay--;
                reply.TrySetResult(disk.Commit(append));
                world.MayStrike(process);
            });
            return new(reply.Task);
        }

        world.Count.Unknown++;
        var fate = random.Below(4);
        if (fate is not 0)
        {
            world.UnderWay++;
            world.Loop.After(fate is 1 ? Delay() : random.UpTo(TimeSpan.FromSeconds(20)), () =>
            {
                world.UnderWay--;
                disk.Commit(append);
            });
        }
        world.Note(fate switch { 0 => "unknown, never committed", 1 => "unknown, committed", _ => "unknown, committed later" });
        world.Loop.After(random.Between(0.02, 12), () => reply.TrySetResult(AppendResult.Unknown));
        return new(reply.Task);
    }

    public ValueTask<IReadOnlyList<StoredEvent>> ReadAsync(RunKey run, long fromVersion, CancellationToken cancellation) =>
        Ask(() => disk.Store.ReadAsync(run, fromVersion, cancellation));

    public ValueTask<IReadOnlyList<StoredEvent>> LoadAsync(RunKey run, CancellationToken cancellation) => Ask(() => disk.Store.LoadAsync(run, cancellation));

    public ValueTask<IReadOnlyList<RunRow>> ListAsync(RunQuery query, CancellationToken cancellation) => Ask(() => disk.Store.ListAsync(query, cancellation));

    public ValueTask<RunRow?> FindAsync(RunKey run, CancellationToken cancellation) => Ask(() => disk.Store.FindAsync(run, cancellation));

    public ValueTask<IReadOnlyList<WakeUp>> WakeUpsAsync(DateTimeOffset before, int limit, IReadOnlyCollection<int>? buckets, CancellationToken cancellation) =>
        Ask(() => disk.Store.WakeUpsAsync(before, limit, buckets, cancellation));

    public ValueTask<DateTimeOffset?> NextWakeUpAsync(DateTimeOffset from, IReadOnlyCollection<int>? buckets, CancellationToken cancellation) => Ask(() => disk.Store.NextWakeUpAsync(from, buckets, cancellation));

    public ValueTask<IReadOnlyList<RunRow>> ParkedAsync(IReadOnlyCollection<string> reasons, RunKey? after, int limit, CancellationToken cancellation) => Ask(() => disk.Store.ParkedAsync(reasons, after, limit, cancellation));

    public ValueTask<IReadOnlyList<RunKey>> OrphansAsync(IReadOnlyCollection<string> livingHosts, CancellationToken cancellation) =>
        Ask(() => disk.Store.OrphansAsync(livingHosts, cancellation));

    public ValueTask<HostBeat> BeatAsync(string host, bool alone, TimeSpan deadAfter, CancellationToken cancellation) =>
        Ask(() => new ValueTask<HostBeat>(disk.Beat(host, alone, deadAfter)));

    public ValueTask RetireAsync(string host, CancellationToken cancellation)
    {
        disk.Retire(host);
        return ValueTask.CompletedTask;
    }

    public async ValueTask<IReadOnlyCollection<RunKey>> PurgeAsync(IReadOnlyList<RunKey> runs, string why, CancellationToken cancellation)
    {
        var gone = await Ask(() => new ValueTask<IReadOnlyCollection<RunKey>>(disk.Purge(runs)));
        world.MayStrike(process);
        return world.Random.Chance(world.Faults.Reads) ? throw new IOException("The reply to the deletion was lost.") : gone;
    }

    public async ValueTask<JsonText> TransactAsync(RunKey run, string key, Func<DbTransaction, Task<JsonText>> work, CancellationToken cancellation)
    {
        if (await Ask(() => new ValueTask<JsonText?>(disk.OutcomeOf(run, key))) is { } known) return known;
        var transaction = new SimTransaction();
        var outcome = await work(transaction);
        var committed = await Ask(() => new ValueTask<JsonText>(disk.Commit(run, key, outcome, transaction)));
        if (world.Random.Chance(world.Faults.Reads)) throw new IOException("The reply to the commit was lost.");
        return committed;
    }

    // Comes only when the process runs again, if it ever does.
    private static async Task<AppendResult> NewsAsync(AppendResult result)
    {
        await Task.Yield();
        return result;
    }

    // Half of the answers are there at once, so that not everything interleaves with everything.
    private ValueTask<T> Ask<T>(Func<ValueTask<T>> read)
    {
        if (world.Random.Chance(0.5)) return read();
        var throws = world.Random.Chance(world.Faults.Reads);
        var reply = new TaskCompletionSource<T>();
        world.Loop.After(Delay(), () =>
        {
            if (throws) reply.TrySetException(new IOException("The store did not answer."));
            else
            {
                try
                {
                    reply.TrySetResult(read().Result);
                }
                catch (HostFencedException e)
                {
                    reply.TrySetException(e);
                }
            }
        });
        return new(reply.Task);
    }

    private TimeSpan Delay() => world.Random.UpTo(TimeSpan.FromMilliseconds(10));
}
