using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>
/// How long the code of a replay may go on without coming to rest, and what ends a replay whose code does not. A thread of .NET cannot be
/// stopped from outside, so there are three ways, in this order:
/// <code>
/// it asks something of the engine, or yields to it   it is stopped there: the engine throws
/// it blocks                                          it is interrupted
/// it does neither                                    it keeps its thread, which nobody else needs (<see cref="ApartThread"/>), until the process ends
/// </code>
/// The code can also be held by who watches the process (<see cref="Replayer.Hold"/>): then it keeps its thread at once.
/// </summary>
internal sealed class Patience
{
    private static readonly AsyncLocal<Patience?> Running = new();

    private readonly TimeSpan limit;
    private long rested = Stopwatch.GetTimestamp();
    private readonly Lock sync = new();
    private volatile bool over;
    private Action? wake;

    /// <param name="limit">How long; without end if infinite, or while a debugger is attached: a person looks at the code.</param>
    public Patience(TimeSpan limit) => this.limit = Debugger.IsAttached ? Timeout.InfiniteTimeSpan : limit;

    /// <summary>Of the code that the caller is part of, also on threads that it began; null outside of a replay.</summary>
    public static Patience? Current
    {
        get => Running.Value;
        set => Running.Value = value;
    }

    public bool IsOver => over;

    /// <summary>Where the code was stopped, if it was.</summary>
    public CodePlace? Place { get; private set; }

    /// <summary>Why the code was held, if it was.</summary>
    public string? Held { get; private set; }

    /// <summary>Until the code has to be at rest; negative when it is late, infinite if it never has to be.</summary>
    public TimeSpan Left => limit == Timeout.InfiniteTimeSpan ? limit : limit - Stopwatch.GetElapsedTime(Volatile.Read(ref rested)) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero;

    /// <summary>The code has come to rest, or is about to begin.</summary>
    public void Rest() => Volatile.Write(ref rested, Stopwatch.GetTimestamp());

    public void End() => over = true;

    /// <summary>The work has ended, or was given up: what goes on behind it is nobody's replay.</summary>
    public void Close()
    {
        lock (sync) wake = null;
    }

    /// <param name="onHeld">Told when the code is held, until <see cref="Close"/>.</param>
    public void Begin(Action onHeld)
    {
        lock (sync) wake = onHeld;
        Rest();
    }

    /// <returns>False if no work is under way.</returns>
    public bool Hold(string why, CodePlace? at)
    {
        lock (sync)
        {
            if (wake is null) return false;
            (Held, Place) = (why, at);
            over = true;
            wake();
            return true;
        }
    }

    /// <summary>Never returns, whoever interrupts it.</summary>
    [DoesNotReturn]
    public static void KeepThread()
    {
        using var never = new ManualResetEvent(false);
        while (true)
        {
            try
            {
                never.WaitOne();
            }
            catch (ThreadInterruptedException)
            {
                // The code was told to end; what it was about to do is still not to happen.
            }
        }
    }

    /// <summary>The code asks something of the engine.</summary>
    /// <exception cref="OverdueException">Its time is over.</exception>
    public void Demand()
    {
        if (!over) return;
        Place ??= CodePlace.OfCaller();
        throw new OverdueException();
    }
}

/// <summary>The code of a replay went on for too long.</summary>
internal sealed class OverdueException() : Exception("The replay is over: the code did not come to rest in time.");
