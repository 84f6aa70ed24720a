namespace OrleansAiOs.Sandbox;

/// <summary>Says which fault, if any, befalls the next request of an operation and key. Not thread-safe.</summary>
internal sealed class FaultDraw
{
    private static readonly Fault[] faults = Enum.GetValues<Fault>();

    private readonly Dictionary<(SandboxOperation, string), int> attempts = [];
    private readonly Dictionary<SandboxOperation, Dictionary<Fault, long>> dealt = [];
    private Hostility settings = Hostility.None;

    public FaultDraw(Hostility hostility) => Replace(hostility);

    public Hostility Settings => settings;

    public IReadOnlyDictionary<SandboxOperation, IReadOnlyDictionary<Fault, long>> Dealt =>
        dealt.ToDictionary(o => o.Key, IReadOnlyDictionary<Fault, long> (o) => new Dictionary<Fault, long>(o.Value));

    public void Replace(Hostility hostility)
    {
        if (hostility.Flaw() is { } flaw)
        {
            throw new ArgumentException(flaw, nameof(hostility));
        }

        settings = hostility;
        attempts.Clear();
        dealt.Clear();
    }

    public Drawn? Next(SandboxOperation operation, string key)
    {
        var drawn = NextScripted(operation, key) ?? NextByOdds(operation, key);
        if (drawn is not null)
        {
            var ofOperation = dealt.GetValueOrDefault(operation) ?? (dealt[operation] = []);
            ofOperation[drawn.Fault] = ofOperation.GetValueOrDefault(drawn.Fault) + 1;
        }

        return drawn;
    }

    // Only the first step that matches counts a request; those behind it wait for their turn.
    private Drawn? NextScripted(SandboxOperation operation, string key)
    {
        for (var i = 0; i < settings.Script.Count; i++)
        {
            var step = settings.Script[i];
            if (step.Operation != operation || (step.Key is not null && step.Key != key))
            {
                continue;
            }

            var script = settings.Script.ToList();
            if (step.Nth > 1)
            {
                script[i] = step with { Nth = step.Nth - 1 };
            }
            else
            {
                script.RemoveAt(i);
            }

            settings = settings with { Script = script };
            return step.Nth > 1 ? null : new Drawn(step.Fault, step.Hold ?? settings.Hold);
        }

        return null;
    }

    private Drawn? NextByOdds(SandboxOperation operation, string key)
    {
        if (!settings.Odds.TryGetValue(operation, out var odds))
        {
            return null;
        }

        var attempt = attempts[(operation, key)] = attempts.GetValueOrDefault((operation, key)) + 1;
        var point = Point(operation, key, attempt);
        foreach (var fault in faults)
        {
            point -= odds.GetValueOrDefault(fault);
            if (point < 0)
            {
                return new Drawn(fault, settings.Hold);
            }
        }

        return null;
    }

    // A hash, not a sequence: concurrent callers would take numbers from a sequence in another order on every run.
    private double Point(SandboxOperation operation, string key, int attempt)
    {
        var hash = Mix((ulong)settings.Seed + (ulong)operation);
        foreach (var c in key)
        {
            hash = Mix(hash ^ c);
        }

        return (Mix(hash ^ (ulong)attempt) >> 11) * (1.0 / (1UL << 53));
    }

    // SplitMix64.
    private static ulong Mix(ulong z)
    {
        z += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}

/// <summary>A fault that was drawn, and how to hold should it be a hold.</summary>
internal sealed record Drawn(Fault Fault, Hold Hold);
