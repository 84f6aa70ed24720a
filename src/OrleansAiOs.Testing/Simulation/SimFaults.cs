namespace OrleansAiOs.Testing.Simulation;

/// <summary>How hostile one seed's world is. Drawn from the seed, so that some worlds are calm and others have one kind of trouble only.</summary>
internal sealed class SimFaults
{
    public SimFaults(SimRandom random)
    {
        Store = Draw(0.08);
        Reads = Draw(0.08);
        Network = Draw(0.3);
        Refusals = Draw(0.1);
        Chaos = Draw(1);

        double Draw(double most) => random.Below(4) == 0 ? 0 : random.Chance(0.5) ? most : most / 4;
    }

    /// <summary>Of an append: that its outcome is unknown.</summary>
    public double Store { get; private set; }

    /// <summary>Of any other store operation: that it throws.</summary>
    public double Reads { get; private set; }

    /// <summary>Of a call outside: that request or reply is lost or late.</summary>
    public double Network { get; private set; }

    /// <summary>Of a call outside: that it is refused.</summary>
    public double Refusals { get; private set; }

    /// <summary>Kills, pauses and jumps, against the most there can be.</summary>
    public double Chaos { get; private set; }

    /// <summary>Nothing but the receivers is out of order: then nothing has a reason to be late.</summary>
    public bool IsCalm => Store == 0 && Reads == 0 && Chaos == 0;

    public void End() => Store = Reads = Network = Refusals = Chaos = 0;
}
