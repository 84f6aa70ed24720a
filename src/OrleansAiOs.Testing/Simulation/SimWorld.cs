namespace OrleansAiOs.Testing.Simulation;

/// <summary>What everything in one simulated world shares.</summary>
internal sealed class SimWorld
{
    public SimWorld(ulong seed)
    {
        Random = new SimRandom(seed);
        Loop = new SimLoop(Random);
        Faults = new SimFaults(Random);
    }

    public SimRandom Random { get; }

    public SimLoop Loop { get; }

    public SimFaults Faults { get; }

    /// <summary>Runs that are over are deleted after a day.</summary>
    public bool Forgets { get; set; }

    public SimReceivers Receivers { get; } = new();

    public SimCount Count { get; } = new();

    /// <summary>Requests and commits on their way, which will have their effect whatever happens to who sent them.</summary>
    public int UnderWay { get; set; }

    /// <summary>Harm done to a process at the worst moment: between a commit, or an effect, and the news of it.</summary>
    public Action<SimScheduler>? Strike { get; set; }

    public void MayStrike(SimScheduler process)
    {
        if (Faults.Chaos > 0 && Random.Chance(Faults.Chaos * 0.03)) Strike?.Invoke(process);
    }

    /// <summary>What happened, for people; kept only when asked for.</summary>
    public List<string>? Story { get; init; }

    public void Note(string what) => Story?.Add($"{Loop.Now.TotalSeconds,10:0.000}  {what}");
}

/// <summary>What one simulation was made to bear.</summary>
internal sealed class SimCount
{
    public int Runs { get; set; }

    public int Kills { get; set; }

    public int Pauses { get; set; }

    public int Unknown { get; set; }

    public int Conflicts { get; set; }

    public int DualActivations { get; set; }

    public long EffectsExpected { get; set; }

    public long EffectsApplied { get; set; }
}
