using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>Answers what the test says; allows everything by default.</summary>
internal sealed class ScriptedGate : IEffectGate
{
    private readonly Lock sync = new();
    private readonly List<Action> waiting = [];
    private readonly List<EffectIntent> judged = [];
    private readonly List<EffectIntent> rechecked = [];
    private readonly Dictionary<RunKey, RunSpending> ended = [];

    public Func<EffectIntent, GateRecord> Judges { get; set; } = intent => new GateRecord(GateAnswer.Allow, intent.Chain);

    public Func<EffectIntent, GateRecord, GateRecord?> Rechecks { get; set; } = (_, _) => null;

    /// <summary>What a call waits for before it may be under way; null for nothing.</summary>
    public Func<EffectIntent, string?> Awaits { get; set; } = _ => null;

    public EffectPlace? Enter(EffectIntent intent, int priority, Action again, out string? awaits)
    {
        if ((awaits = Awaits(intent)) is null) return EffectPlace.Unlimited;
        lock (sync) waiting.Add(again);
        return null;
    }

    /// <summary>There is a place for everybody.</summary>
    public void LetEnter()
    {
        Awaits = _ => null;
        List<Action> all;
        lock (sync) all = [.. waiting];
        foreach (var again in all) again();
    }

    public IReadOnlyList<EffectIntent> Judged
    {
        get
        {
            lock (sync) return [.. judged];
        }
    }

    public IReadOnlyList<EffectIntent> Rechecked
    {
        get
        {
            lock (sync) return [.. rechecked];
        }
    }

    public IReadOnlyList<RunSpending> EndedRuns
    {
        get
        {
            lock (sync) return [.. ended.Values];
        }
    }

    public GateRecord Judge(EffectIntent intent)
    {
        lock (sync) judged.Add(intent);
        return Judges(intent);
    }

    public ValueTask<GateRecord?> RecheckAsync(EffectIntent intent, GateRecord recorded, CancellationToken cancellation)
    {
        lock (sync) rechecked.Add(intent);
        return new(Rechecks(intent, recorded));
    }

    public void Ended(RunKey run, RunSpending spent)
    {
        if (spent == RunSpending.None) return;
        lock (sync) ended[run] = spent;
    }
}
