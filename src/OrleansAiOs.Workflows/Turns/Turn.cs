using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Turns;

/// <summary>What one turn wants appended, and what may happen only after that.</summary>
internal sealed class Turn(long expected)
{
    public long Expected => expected;

    public List<(WorkflowEvent Event, DateTimeOffset At)> Events { get; } = [];

    public RunRow? Row { get; set; }

    public WakeUpChange? WakeUp { get; set; }

    /// <summary>When the engine itself next has something to do about the run.</summary>
    public DateTimeOffset? Due { get; set; }

    /// <summary>When its append was sent, by the store's clock and by the host's stopwatch: the one jumps, the other stands still in a suspended machine.</summary>
    public DateTimeOffset SentAt { get; set; }

    public long SentStamp { get; set; }

    /// <summary>Released after the append.</summary>
    public List<Action> Replies { get; } = [];

    /// <summary>Steps with an attempt or inquiry to dispatch after the append.</summary>
    public List<int> ToDispatch { get; } = [];

    /// <summary>Steps whose children are to be started, or asked to end, after the append.</summary>
    public HashSet<int> ToReach { get; } = [];

    /// <summary>What follows from the run's end is to be done after the append.</summary>
    public bool Settles { get; set; }

    /// <summary>Steps whose attempts are to be stopped after the append.</summary>
    public List<int> ToStop { get; } = [];

    /// <summary>What is to be stopped is stopped whatever it does: nobody wants its outcome any more.</summary>
    public bool Terminates { get; set; }

    /// <summary>The code threw at this input: the activation is spent, and the input is to be recorded without showing it to the code.</summary>
    public Parking? MustPark { get; set; }

    /// <summary>How many of the inputs it was given it took; the rest is for the next turn.</summary>
    public int Taken { get; set; }

    /// <summary>Its event changes how the history before it is read: after the append the run is loaded anew.</summary>
    public bool Rereads { get; set; }

    /// <summary>Inputs answered by what is recorded: whatever another host appends, it stays so.</summary>
    public int Known { get; set; }

    public bool IsEmpty => Events.Count == 0;
}

/// <summary>At which input of a turn to park the run, and why.</summary>
internal sealed record Parking(int Input, string Reason, string Detail)
{
    /// <summary>The reason of a run whose code went on from a foreign thread.</summary>
    public const string LeftTheEngine = "The code left the deterministic scheduler";
}
