using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Explaining;

/// <summary>Somebody with a key, and the roles it stands for.</summary>
public sealed record Keyholder(string Name, IReadOnlyList<string> Roles);

/// <summary>What is known around a run at one moment, besides what is stored of it. Gathered by the host; the causes only read it.</summary>
internal sealed record Surroundings
{
    /// <summary>The store's time.</summary>
    public required DateTimeOffset Now { get; init; }

    public required string HostId { get; init; }

    public required WorkflowRegistry Registry { get; init; }

    public bool IsHalted { get; init; }

    public bool IsFenced { get; init; }

    public Func<string, bool> IsLiving { get; init; } = _ => true;

    /// <summary>How far the store's clock is ahead of the host's.</summary>
    public TimeSpan Skew { get; init; }

    public TimeSpan DeadAfter { get; init; }

    public int ActiveRuns { get; init; }

    public int ActiveRunsMax { get; init; }

    /// <summary>The run's mailbox; null if the run is not in memory here.</summary>
    public MailboxView? Mailbox { get; init; }

    public int MailboxMax { get; init; }

    /// <summary>What the host has in hand of a step: an attempt or inquiry, and the gate before it.</summary>
    public Func<int, AttemptView?> Attempt { get; init; } = _ => null;

    /// <summary>Whether the host has no service of the type an activity works with.</summary>
    public Func<Type, bool> Lacks { get; init; } = _ => false;

    /// <summary>Summary rows of other open runs, asked for when an activity fails.</summary>
    public IReadOnlyList<RunRow> Others { get; init; } = [];

    /// <summary>Who holds a key; null if this host does not know.</summary>
    public IReadOnlyList<Keyholder>? Keyholders { get; init; }

    /// <summary>How long the store took to answer, or why it did not.</summary>
    public TimeSpan StoreTook { get; init; }

    public string? StoreTrouble { get; init; }

    /// <summary>The run's code did not come to rest when it was run over the history.</summary>
    public bool CodeDoesNotRest { get; init; }
}

/// <summary>A run and what is stored of it, with its code run over the history again (in memory, for this answer only).</summary>
/// <param name="Run">Which run.</param>
/// <param name="State">The fold of its history.</param>
/// <param name="Events">The history.</param>
/// <param name="Loaded">Its code where it stands; null if that was not tried.</param>
/// <param name="GoesOn">Of a parked run: whether this build's code gets past what parked it; null if that cannot be tried.</param>
/// <param name="Around">The surroundings.</param>
internal sealed record Subject(RunKey Run, RunState State, IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)> Events, WorkflowRun? Loaded, bool? GoesOn, Surroundings Around)
{
    public DateTimeOffset? LastOf<T>() where T : WorkflowEvent => Events.Where(e => e.Event is T).Select(e => (DateTimeOffset?)e.At).LastOrDefault();

    public DateTimeOffset Now => Around.Now;

    /// <summary>The run as a word of a command line: its id needs no quotes.</summary>
    public string Id => Run.Id;
}

/// <summary>What a mailbox does at this moment.</summary>
/// <param name="Waiting">Inputs that wait behind the present turn.</param>
internal readonly record struct MailboxView(int Waiting, MailboxActivity Doing, DateTimeOffset Since, int Tries);

internal enum MailboxActivity
{
    Nothing,
    Reading,
    RunningCode,
    Appending,
}

/// <param name="IsStarted">It has passed the gate.</param>
/// <param name="Running">Attempts of the activity past the gate.</param>
/// <param name="Waiting">Attempts before it.</param>
/// <param name="PausedUntil">The activity's rate lets the next one through only then.</param>
/// <param name="TenantsShare">The tenant's share of the slots, if it is that which is taken and not all of them.</param>
/// <param name="AwaitsPlace">What says how many calls may be under way at once, if that is what it waits for.</param>
internal readonly record struct AttemptView(bool IsStarted, int Running, int Waiting, int Concurrency, double? PerSecond, DateTimeOffset? PausedUntil, int? TenantsShare, string? AwaitsPlace);
