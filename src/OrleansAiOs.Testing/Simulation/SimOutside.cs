using System.Data;
using System.Data.Common;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>The receivers of one simulated world.</summary>
internal sealed class SimReceivers
{
    public SimLedger Ledger { get; } = new();

    public SimLedger Table { get; } = new();

    public SimBank Bank { get; } = new();

    public SimBank SlowBank { get; } = new();

    public SimBank WireDesk { get; } = new();

    public SimReceiver Database { get; } = new();

    /// <summary>Calls that were received, repeats and refusals included.</summary>
    public int Calls { get; set; }
}

/// <summary>
/// The way from one host to the receivers. A request may be refused on the way, get lost, or arrive late; so may its reply. What
/// arrived has happened, whether or not the host still lives to hear of it.
/// </summary>
internal sealed class SimOutside(SimWorld world, SimSeams seams) : IServiceProvider, IServiceScopeFactory, IServiceScope
{
    /// <summary>The longest a request to the slow bank is under way.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    public Task<int> ReadAsync(int value) => CallAsync(() => value + 1, Longest);

    public Task<int> WorkLongAsync(int seconds)
    {
        var reply = new TaskCompletionSource<int>();
        world.Loop.After(TimeSpan.FromSeconds(seconds), () => reply.TrySetResult(seconds));
        return reply.Task;
    }

    public Task<int> PostAsync(ActivityContext call, int value)
    {
        var (key, refuses) = (seams.Key(call), Refuses());
        return CallAsync(() => world.Receivers.Ledger.Post(key, value, refuses), TimeSpan.FromSeconds(40));
    }

    public Task<int> ReverseAsync(ActivityContext call, int value)
    {
        var key = seams.Key(call);
        return CallAsync(() => seams.Compensates ? world.Receivers.Ledger.Post(key, value, refuses: false) : value + 1, TimeSpan.FromSeconds(40));
    }

    public Task<int> PutAsync(ActivityContext call, int value)
    {
        var key = seams.Key(call);
        return CallAsync(() => world.Receivers.Table.Post(key, value, refuses: false), TimeSpan.FromSeconds(40));
    }

    public Task<int> PayAsync(ActivityContext call, int value)
    {
        var (key, refuses) = (seams.Key(call), Refuses());
        return CallAsync(() => world.Receivers.Bank.Pay(key, value, refuses), TimeSpan.FromSeconds(40));
    }

    public Task<Reconciled<int>> InquireAsync(ActivityContext call, int value)
    {
        var key = seams.Key(call);
        return CallAsync(() => world.Receivers.Bank.Inquire(key, value, seams.Voids), Longest);
    }

    public Task<int> PaySlowlyAsync(ActivityContext call, int value)
    {
        var (key, refuses) = (seams.Key(call), Refuses());
        return CallAsync(() => world.Receivers.SlowBank.Pay(key, value, refuses), Longest);
    }

    public Task<Reconciled<int>> InquireUntilSettledAsync(ActivityContext call, int value)
    {
        var key = seams.Key(call);
        return CallAsync(() => world.Receivers.SlowBank.InquireUntilSettled(key, value, world.Loop.Now, seams.Settle), Longest);
    }

    public Task<int> WireAsync(ActivityContext call, int value)
    {
        var key = seams.Key(call);
        return CallAsync(() => world.Receivers.WireDesk.Pay(key, value, refuses: false), TimeSpan.FromSeconds(40));
    }

    private bool Refuses() => world.Random.Chance(world.Faults.Refusals / 4);

    private Task<T> CallAsync<T>(Func<T> receive, TimeSpan latest)
    {
        if (world.Random.Chance(world.Faults.Refusals))
            return Task.FromException<T>(seams.Failure(new RefusedException("Connection refused.", retry: true)));
        var reply = new TaskCompletionSource<T>();
        var (lost, late, replyLost) = world.Random.Chance(world.Faults.Network)
            ? world.Random.Below(3) switch { 0 => (true, false, false), 1 => (false, true, false), _ => (false, false, true) }
            : (false, false, false);
        if (lost || replyLost || late) world.Note(lost ? "request lost" : late ? "request late" : "reply lost");
        // Who waits for a lost reply may learn of it from the broken connection, or never.
        if ((lost || replyLost || late) && world.Random.Chance(0.5))
            world.Loop.After(world.Random.Between(0.05, 4), () => reply.TrySetException(seams.Failure(new IOException("The connection was cut."))));
        if (lost) return reply.Task;

        world.UnderWay++;
        world.Loop.After(late ? world.Random.UpTo(latest) : world.Random.UpTo(TimeSpan.FromMilliseconds(20)), () =>
        {
            world.UnderWay--;
            world.Receivers.Calls++;
            try
            {
                var result = receive();
                if (!replyLost) reply.TrySetResult(result);
            }
            catch (RefusedException e)
            {
                if (!replyLost) reply.TrySetException(seams.Failure(e));
            }
        });
        return reply.Task;
    }

    // ---- what the engine is handed as its services ----

    public object? GetService(Type serviceType) => serviceType == typeof(SimOutside) || serviceType == typeof(IServiceScopeFactory) ? this : null;

    public IServiceScope CreateScope() => this;

    public IServiceProvider ServiceProvider => this;

    public void Dispose()
    {
    }
}

/// <summary>A transaction whose writes take effect with the outcome row, or not at all.</summary>
internal sealed class SimTransaction : DbTransaction
{
    public List<(string Key, int Value)> Writes { get; } = [];

    public override IsolationLevel IsolationLevel => IsolationLevel.ReadCommitted;

    protected override DbConnection? DbConnection => null;

    public override void Commit() => throw new NotSupportedException("The engine commits.");

    public override void Rollback() => Writes.Clear();
}
