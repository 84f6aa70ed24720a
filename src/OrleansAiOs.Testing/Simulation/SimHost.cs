using Microsoft.Extensions.Logging;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>One place where a host runs: a process after the other, each a new incarnation of the real <see cref="WorkflowHost"/>.</summary>
internal sealed class SimHost(SimWorld world, SimDisk disk, WorkflowRegistry registry, SimSeams seams, SimLog log, int slot, bool shared)
{
    private int incarnation;
    private SimScheduler? lane;

    /// <summary>The host that serves at present; null while none does.</summary>
    public WorkflowHost? Serving { get; private set; }

    public bool IsPaused => lane is { IsDead: false, IsPaused: true };

    public bool IsUp => lane is { IsDead: false };

    public void Start()
    {
        var process = lane = new SimScheduler(world.Loop, 1 + slot * 1000 + ++incarnation);
        var time = seams.Time(new SimTime(world.Loop, process, shared ? world.Random.Between(-300, 300) : TimeSpan.Zero));
        var id = $"host-{slot}-{incarnation}";
        world.Note($"{id} starts");
        var host = new WorkflowHost(seams.Store(new SimStore(world, disk, process)), registry, new SimOutside(world, seams), log, new WorkflowHostOptions
        {
            Time = time,
            HostId = id,
            Seed = world.Random.Next(),
            Scheduler = process,
            Shared = shared,
            DispatchWindow = seams.DispatchWindow,
            DrainFor = TimeSpan.FromSeconds(2),
            Retention = world.Forgets ? SimHousekeeper.Rules : [],
        });
        host.Fenced += () =>
        {
            world.Note($"{id} is fenced");
            if (lane == process) StartAgain(TimeSpan.FromSeconds(1));
        };
        _ = process.Begin(async () =>
        {
            try
            {
                await host.StartAsync(CancellationToken.None);
                Serving = host;
            }
            catch (Exception e) when (e is IOException or HostFencedException)
            {
                StartAgain(TimeSpan.FromMilliseconds(500));
            }
        });
    }

    public void Kill(TimeSpan downFor)
    {
        world.Note($"host {slot}-{incarnation} is killed");
        world.Count.Kills++;
        StartAgain(downFor);
    }

    public bool Runs(SimScheduler process) => lane == process;

    /// <summary>Asks it to stop, as a deployment does.</summary>
    public void Stop(TimeSpan downFor)
    {
        if (Serving is not { } host) return;
        world.Note($"host {slot}-{incarnation} is stopped");
        Serving = null;
        var process = lane!;
        _ = process.Begin(async () =>
        {
            await host.StopAsync();
            if (lane == process) StartAgain(downFor);
        });
    }

    public void Pause(TimeSpan span)
    {
        if (lane is not { IsDead: false, IsPaused: false } process) return;
        world.Note($"host {slot}-{incarnation} is paused for {span}");
        world.Count.Pauses++;
        process.Pause();
        world.Loop.After(span, () =>
        {
            if (process.IsDead) return;
            world.Note($"host {slot} goes on");
            process.Resume();
        });
    }

    private void StartAgain(TimeSpan after)
    {
        lane!.Kill();
        Serving = null;
        world.Loop.After(after, () =>
        {
            if (!IsUp) Start();
        });
    }
}

/// <summary>Keeps what the engine itself calls an error.</summary>
internal sealed class SimLog : ILogger<WorkflowHost>
{
    private const int TurnBroke = 1;

    public List<string> BrokenTurns { get; } = [];

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (eventId.Id == TurnBroke && exception is not CommandRefusedException) BrokenTurns.Add($"{formatter(state, exception)}: {exception}");
    }
}
