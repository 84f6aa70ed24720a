using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Testing.CrashPoints;

/// <summary>How the n-th I/O goes wrong.</summary>
public enum CrashMode
{
    /// <summary>It is not done, and fails.</summary>
    FailsBefore,

    /// <summary>It is done, and its reply is lost.</summary>
    ReplyLost,

    /// <summary>The host is killed before it is done.</summary>
    KilledBefore,

    /// <summary>It is done, and the host is killed before it hears of that.</summary>
    KilledAfter,
}

/// <summary>
/// Crash points, enumerated: a scenario is run over and over, and its 1st, 2nd, … nth I/O goes wrong, in each mode, until a pass in
/// which the fault was not reached any more. So every I/O there is was struck, once in every way (after Netherite's FaultInjector).
///
/// One object is one pass. It hands out decorators for the store, for HTTP and for any other call; they share one counter. They
/// belong to the host incarnation they were made for: once that is killed, its I/O is not done any more and never answers, as in a
/// process that is gone. So each incarnation needs decorators of its own.
/// </summary>
public sealed class CrashPoints
{
    private readonly int strikeAt;
    private readonly CrashMode mode;
    private readonly Lock sync = new();
    private int done;
    private volatile int incarnation;

    private CrashPoints(int strikeAt, CrashMode mode) => (this.strikeAt, this.mode) = (strikeAt, mode);

    /// <summary>What to do when the host is killed: halt it, and have a new one started. Called from within its I/O; must be quick.</summary>
    public Action OnKill { get; set; } = () => throw new InvalidOperationException("Set OnKill before the scenario does its first I/O.");

    /// <summary>The I/O that went wrong in this pass; null before.</summary>
    public string? Struck { get; private set; }

    /// <summary>I/O done so far in this pass.</summary>
    public int Done => done;

    /// <summary>Runs the scenario until nothing is left that could go wrong. The scenario throws if anything was lost or doubled.</summary>
    public static async Task<CrashReport> RunAsync(Func<CrashPoints, Task> scenario, int pointsMax = 10_000, int failuresMax = 10)
    {
        var report = new CrashReport();
        foreach (var mode in Enum.GetValues<CrashMode>())
            for (var n = 1; n <= pointsMax && report.Failures.Count < failuresMax; n++)
            {
                var points = new CrashPoints(n, mode);
                try
                {
                    await scenario(points);
                    report.Add(mode, points.Struck);
                }
                catch (Exception e)
                {
                    report.Add(mode, points.Struck);
                    report.Add(new CrashFailure(mode, n, points.Struck, e));
                }
                if (points.Struck is null) break;
            }
        return report;
    }

    /// <summary>The store, as the present incarnation sees it.</summary>
    public IRunStore Over(IRunStore store) => new CrashStore(this, store);

    /// <summary>The way to HTTP receivers, as the present incarnation sees it.</summary>
    public DelegatingHandler Over(HttpMessageHandler handler) => new CrashHandler(this, handler);

    /// <summary>Any other call, as the present incarnation makes it.</summary>
    public Func<TIn, Task<TOut>> Over<TIn, TOut>(string name, Func<TIn, Task<TOut>> call)
    {
        var maker = Incarnation;
        return input => DoAsync(maker, name, () => call(input), lost: null);
    }

    internal int Incarnation => incarnation;

    /// <param name="maker">The incarnation whose I/O this is.</param>
    /// <param name="what">What it is, for the report.</param>
    /// <param name="work">Does it.</param>
    /// <param name="lost">The answer that says that there was none; null to throw.</param>
    internal async Task<T> DoAsync<T>(int maker, string what, Func<Task<T>> work, Func<T>? lost)
    {
        bool strikes;
        lock (sync)
        {
            strikes = maker == incarnation && ++done == strikeAt;
            if (strikes) Struck = what;
        }
        if (maker != incarnation) return await NeverAsync<T>();
        if (!strikes)
        {
            var result = await work();
            return maker == incarnation ? result : await NeverAsync<T>();
        }

        if (mode is CrashMode.ReplyLost or CrashMode.KilledAfter) await DoUnheardAsync(work);
        if (mode is CrashMode.KilledBefore or CrashMode.KilledAfter)
        {
            incarnation++;
            OnKill();
            return await NeverAsync<T>();
        }
        return lost is not null ? lost() : throw new IOException(mode is CrashMode.FailsBefore ? $"{what} failed." : $"The reply to {what} was lost.");
    }

    private static async Task DoUnheardAsync<T>(Func<Task<T>> work)
    {
        try
        {
            await work();
        }
        catch (Exception)
        {
            // A refusal is lost like any other reply.
        }
    }

    private static Task<T> NeverAsync<T>() => new TaskCompletionSource<T>().Task;
}

/// <summary>A pass in which something was lost or doubled.</summary>
public sealed record CrashFailure(CrashMode Mode, int Point, string? Struck, Exception Why)
{
    public override string ToString() => $"I/O {Point} ({Struck}), {Mode}: {Why.Message}";
}

/// <summary>What was struck, and what did not survive it.</summary>
public sealed class CrashReport
{
    private readonly Dictionary<CrashMode, List<string>> struck = [];
    private readonly List<CrashFailure> failures = [];

    /// <summary>The I/O that went wrong, pass after pass.</summary>
    public IReadOnlyDictionary<CrashMode, List<string>> Struck => struck;

    public IReadOnlyList<CrashFailure> Failures => failures;

    public int Passes => struck.Values.Sum(list => list.Count);

    internal void Add(CrashMode mode, string? what)
    {
        if (!struck.TryGetValue(mode, out var list)) struck.Add(mode, list = []);
        if (what is not null) list.Add(what);
    }

    internal void Add(CrashFailure failure) => failures.Add(failure);
}
