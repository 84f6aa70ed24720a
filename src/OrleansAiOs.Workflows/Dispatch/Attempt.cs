using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Dispatch;

/// <summary>One call of a tool, or one inquiry about an earlier call, that a committed append allows.</summary>
internal sealed class Attempt(RunKey run, ActivityStep step, ActivityStep.Declared declared, DateTimeOffset sentAt, long sentStamp, int priority = 0, EffectIntent? intent = null, string? startedBy = null)
{
    private int claimed;
    private Action? comeBack;

    public RunKey Run => run;

    public int Step { get; } = step.Number;

    /// <summary>The run's: of those that wait at a gate, the highest is next.</summary>
    public int Priority => priority;

    /// <summary>Who started the run.</summary>
    public string? StartedBy => startedBy;

    public int Number { get; } = step.Attempt;

    public int Epoch { get; } = step.Epoch;

    /// <summary>The number of the inquiry; 0 if this is a call.</summary>
    public int Inquiry { get; } = step.Now is ActivityStep.Phase.Inquiring ? step.Inquiry : 0;

    public Activity Activity => declared.Activity;

    public CallOptions Options => declared.Options;

    /// <summary>What the gate is asked again before it is sent; null on a host without one.</summary>
    public EffectIntent? Intent { get; private set; } = intent;

    /// <summary>What the gate answered before its append.</summary>
    public GateRecord? Gate { get; private set; } = step.Gate;

    /// <summary>What an earlier attempt had come to.</summary>
    public JsonText? Details { get; } = step.Details;

    public JsonText Input { get; } = step.Scheduled.Input;

    /// <summary>What it, or an earlier attempt that may have had its effect, found before it left.</summary>
    public JsonText? Found { get; private set; } = step.MayHaveHappened ? step.Found : null;

    /// <summary>An earlier attempt under the same key may have had its effect.</summary>
    public bool MayHaveHappened { get; } = step.MayHaveHappened;

    public DateTimeOffset ScheduledAt { get; } = step.ScheduledAt;

    /// <summary>What it found is recorded: it counts from that append.</summary>
    public void Prepared(JsonText found, Turn turn) => (Found, sentAt, sentStamp) = (found, turn.SentAt, turn.SentStamp);

    /// <summary>It was appended once more: it counts from there.</summary>
    public void Renewed(Turn turn, GateRecord? gate, EffectIntent? intent) => (Gate, Intent, sentAt, sentStamp) = (gate, intent, turn.SentAt, turn.SentStamp);

    /// <summary>Whether its append was sent so long ago that somebody else may have taken the run over since.</summary>
    public bool IsLate(DateTimeOffset now, TimeProvider time, TimeSpan window) => now - sentAt > window || time.GetElapsedTime(sentStamp) > window;

    /// <summary>How long ago its append was sent.</summary>
    public TimeSpan Age(TimeProvider time) => time.GetElapsedTime(sentStamp);

    /// <summary>What the tool said it really came to.</summary>
    public IReadOnlyDictionary<string, decimal>? Spent { get; private set; }

    public void Spend(string unit, decimal amount) => Spent = new Dictionary<string, decimal>(Spent ?? new Dictionary<string, decimal>(), StringComparer.Ordinal) { [unit] = amount };

    public CancellationTokenSource Stop { get; } = new();

    public bool StopAsked { get; set; }

    /// <summary>Fires the token the tool was given. What the tool has hung on it may throw; that is the tool's affair.</summary>
    public void FireStop()
    {
        try
        {
            Stop.Cancel();
        }
        catch (AggregateException)
        {
        }
    }

    /// <summary>Its place among the calls that may be under way at once; null as long as it has none.</summary>
    public EffectPlace? Place { get; private set; }

    /// <summary>What it waits for before it can have a place, in words; null if it does not wait for one.</summary>
    public string? AwaitsPlace { get; private set; }

    /// <summary>Asks for a place.</summary>
    /// <param name="gate">Who gives it.</param>
    /// <param name="comeBack">If there is none: what is done, once, when it is worth asking again.</param>
    /// <returns>Whether it has one.</returns>
    public bool Enter(IEffectGate gate, Action comeBack)
    {
        if (Place is not null || Inquiry > 0 || Intent is not { } intent || StopAsked) return true;
        Volatile.Write(ref this.comeBack, comeBack); // first: it may be called at once, by somebody else
        Place = gate.Enter(intent, Priority, ComeBack, out var awaits);
        AwaitsPlace = awaits;
        if (Place is not null) Volatile.Write(ref this.comeBack, null);
        return Place is not null;
    }

    /// <summary>Lets it ask again, if it waits for a place.</summary>
    public void ComeBack() => Interlocked.Exchange(ref comeBack, null)?.Invoke();

    /// <summary>It has been claimed by whoever starts it or gives it up.</summary>
    public bool IsClaimed => Volatile.Read(ref claimed) != 0;

    /// <summary>True for the first that asks: the slot that starts it, or the time-out that gives it up.</summary>
    public bool Claim() => Interlocked.Exchange(ref claimed, 1) == 0;
}
