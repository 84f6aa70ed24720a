using OrleansAiOs.Workflows;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>A receiver that keeps a count of every effect, by the reference it was given.</summary>
internal class SimReceiver
{
    private readonly SortedDictionary<string, int> effects = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, int> Effects => effects;

    public int Apply(string reference, int value)
    {
        effects[reference] = effects.GetValueOrDefault(reference) + 1;
        return value + 1;
    }
}

/// <summary>Deduplicates: a reference it knows gets the answer it got first, a refusal too.</summary>
internal sealed class SimLedger : SimReceiver
{
    private readonly HashSet<string> refused = new(StringComparer.Ordinal);

    public int Post(string reference, int value, bool refuses)
    {
        if (Effects.ContainsKey(reference)) return value + 1;
        if (refuses) refused.Add(reference);
        return refused.Contains(reference) ? throw new RefusedException("The account is closed.") : Apply(reference, value);
    }
}

/// <summary>Like a bank: pays whatever arrives, as often as it arrives. It can be asked about a reference, and can void it.</summary>
internal sealed class SimBank : SimReceiver
{
    private readonly HashSet<string> voided = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TimeSpan> askedFirst = new(StringComparer.Ordinal);

    public int Pay(string reference, int value, bool refuses)
    {
        if (voided.Contains(reference)) throw new RefusedException("The reference is void.");
        return refuses ? throw new RefusedException("Insufficient funds.") : Apply(reference, value);
    }

    public Reconciled<int> Inquire(string reference, int value, bool andVoid)
    {
        if (Effects.ContainsKey(reference)) return Reconciled<int>.Happened(value + 1);
        if (andVoid) voided.Add(reference);
        return Reconciled<int>.NeverWill("Not found, and void from now on.");
    }

    /// <summary>A bank that cannot void: only time makes sure.</summary>
    public Reconciled<int> InquireUntilSettled(string reference, int value, TimeSpan now, TimeSpan settle)
    {
        if (Effects.ContainsKey(reference)) return Reconciled<int>.Happened(value + 1);
        askedFirst.TryAdd(reference, now);
        return now - askedFirst[reference] > settle
            ? Reconciled<int>.NeverWill("Not found, and the settle time is over.")
            : Reconciled<int>.StillUnknown("Not found yet.");
    }
}
