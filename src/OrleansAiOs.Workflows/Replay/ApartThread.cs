using System.Runtime.ExceptionServices;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>
/// A thread for code that may never come back. Whoever asks waits for it, and uses it again; if the code keeps it, the next work gets
/// another. One that nobody needs for a while ends.
/// </summary>
internal sealed class ApartThread
{
    private const int Idle = 0, Busy = 1, Gone = 2;

    private static readonly TimeSpan EndsAfter = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan OneTry = TimeSpan.FromMilliseconds(50);
    private const int Tries = 20;

    [ThreadStatic]
    private static ApartThread? mine;

    private readonly AutoResetEvent go = new(false);
    private readonly AutoResetEvent done = new(false);
    private readonly Thread thread;
    private Action? work;
    private Patience? patience;
    private ExecutionContext? context;
    private ExceptionDispatchInfo? thrown;
    private volatile bool finished;
    private int state = Busy;

    private ApartThread()
    {
        thread = new Thread(Live) { IsBackground = true, Name = "replay" };
        thread.UnsafeStart();
    }

    /// <summary>Runs the work, and waits until it is done or its time is over. What it throws is thrown.</summary>
    /// <returns>False if it keeps its thread: it may go on for ever, and what it works on is no longer the caller's.</returns>
    public static bool Run(Patience patience, Action work)
    {
        var apart = mine is { } idle && Interlocked.CompareExchange(ref idle.state, Busy, Idle) == Idle ? idle : new ApartThread();
        mine = null; // the work may want one too
        if (!apart.Do(patience, work))
        {
            Volatile.Write(ref apart.state, Gone);
            return false;
        }
        if (apart.thrown is null && !patience.IsOver)
        {
            mine = apart;
            Volatile.Write(ref apart.state, Idle);
        }
        else
        {
            // An interruption may still be on its way to it.
            apart.work = null;
            apart.go.Set();
        }
        apart.thrown?.Throw();
        return true;
    }

    private bool Do(Patience of, Action what)
    {
        (work, patience, context, thrown, finished) = (what, of, ExecutionContext.Capture(), null, false);
        of.Begin(() => done.Set());
        go.Set();
        try
        {
            return Await(of);
        }
        finally
        {
            of.Close();
        }
    }

    private bool Await(Patience of)
    {
        while (true)
        {
            if (done.WaitOne(of.Left)) return finished;
            if (of.Left != TimeSpan.Zero) continue; // it has rested since
            of.End();
            for (var i = 0; i < Tries; i++)
            {
                if ((thread.ThreadState & ThreadState.WaitSleepJoin) != 0) thread.Interrupt();
                if (done.WaitOne(OneTry)) return finished;
            }
            return false;
        }
    }

    private void Live()
    {
        while (true)
        {
            try
            {
                if (!go.WaitOne(EndsAfter))
                {
                    if (Interlocked.CompareExchange(ref state, Gone, Idle) == Idle) return;
                    continue;
                }
                if (work is null) return;
            }
            catch (ThreadInterruptedException)
            {
                return; // it was over just before
            }
            if (context is null) Work();
            else ExecutionContext.Run(context, static self => ((ApartThread)self!).Work(), this);
            finished = true;
            done.Set();
            if (Volatile.Read(ref state) == Gone) return;
        }
    }

    private void Work()
    {
        try
        {
            Patience.Current = patience;
            work!();
        }
        catch (Exception e)
        {
            thrown = ExceptionDispatchInfo.Capture(e);
        }
        finally
        {
            Patience.Current = null;
        }
    }
}
