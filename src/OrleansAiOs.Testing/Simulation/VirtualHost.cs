using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>
/// The real host over the in-memory store, in virtual time and on the calling thread: a pause of an hour takes no time, and a kill
/// is one between two continuations. Whatever activities await must be completed on that thread too.
/// </summary>
/// <param name="registry">The workflows.</param>
/// <param name="services">Makes the services of one host incarnation.</param>
/// <param name="store">Wraps the store for one host incarnation.</param>
/// <param name="seed">Another seed is another order of continuations.</param>
public sealed class VirtualHost(WorkflowRegistry registry, Func<IServiceProvider> services, Func<IRunStore, IRunStore>? store = null, ulong seed = 0)
{
    private readonly SimLoop loop = new(new SimRandom(seed));
    private SimScheduler? process;
    private SimScheduler? outside;
    private InMemoryStore? truth;
    private int incarnation;

    /// <summary>What survives the host.</summary>
    public InMemoryStore Store => truth ??= new InMemoryStore(Time);

    public TimeProvider Time => new SimTime(loop, Outside, TimeSpan.Zero);

    /// <summary>The host that serves; null while none does.</summary>
    public WorkflowHost? Serving { get; private set; }

    private SimScheduler Outside => outside ??= new SimScheduler(loop, 0);

    /// <summary>Kills the host: nothing of it runs any more. A new incarnation starts a second later.</summary>
    public void Kill()
    {
        process?.Kill();
        Serving = null;
        loop.After(TimeSpan.FromSeconds(1), Start);
    }

    /// <summary>Starts the host and runs <paramref name="client"/> to its end.</summary>
    /// <exception cref="TimeoutException">The client was not done within this virtual time, or nothing was left to wait for.</exception>
    public void Run(Func<VirtualHost, Task> client, TimeSpan within)
    {
        Start();
        var work = Outside.Begin(() => client(this));
        if (!loop.Run(() => work.IsCompleted, loop.Now + within)) throw new TimeoutException($"Not done after {loop.Now} of virtual time.");
        if (loop.WasLeft) throw new InvalidOperationException("Something went on from another thread: in virtual time, whatever is awaited must be completed on the thread that runs it.");
        work.GetAwaiter().GetResult();
    }

    /// <summary>Sends a command until a host answers it; a refusal other than "busy" is thrown. Give it a key, or it may be done twice.</summary>
    public async Task<T> SendAsync<T>(Func<WorkflowHost, Task<T>> command)
    {
        while (true)
        {
            if (Serving is { } host)
            {
                try
                {
                    var reply = command(host);
                    await Task.WhenAny(reply, Task.Delay(TimeSpan.FromSeconds(5), Time));
                    if (reply.IsCompleted) return await reply;
                }
                catch (Exception e) when (e is CommandRefusedException { Refusal: Refusal.Busy } or InvalidOperationException or IOException)
                {
                }
            }
            await Task.Delay(TimeSpan.FromSeconds(1), Time);
        }
    }

    /// <summary>Waits for a run to come into a state.</summary>
    public async Task<RunRow> UntilAsync(RunKey run, Func<RunRow, bool> condition)
    {
        while (true)
        {
            if (await Store.FindAsync(run, CancellationToken.None) is { } row && condition(row)) return row;
            await Task.Delay(TimeSpan.FromSeconds(1), Time);
        }
    }

    /// <summary>All that is stored, for a <see cref="HistoryChecker"/>.</summary>
    public IEnumerable<RunFacts> Facts() => Store.Snapshot().Select(s => new RunFacts(s.Run, s.History, s.Row, s.WakeUp));

    private void Start()
    {
        var mine = process = new SimScheduler(loop, ++incarnation);
        var host = new WorkflowHost(store?.Invoke(Store) ?? Store, registry, services(), NullLogger<WorkflowHost>.Instance, new WorkflowHostOptions
        {
            Time = new SimTime(loop, mine, TimeSpan.Zero),
            HostId = $"host-{incarnation}",
            Seed = (ulong)incarnation,
            Scheduler = mine,
        });
        _ = mine.Begin(async () =>
        {
            try
            {
                await host.StartAsync(CancellationToken.None);
                Serving = host;
            }
            catch (IOException)
            {
                Kill(); // as a process does whose start failed
            }
        });
    }
}
