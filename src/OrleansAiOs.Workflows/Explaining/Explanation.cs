namespace OrleansAiOs.Workflows.Explaining;

/// <summary>Why a run is where it is: what it waits for, since when, who can move it on, and with which command.</summary>
/// <param name="Run">The run's id.</param>
/// <param name="Workflow">Its workflow; null when that could not be read.</param>
/// <param name="Status">Where it stands; null when that could not be read.</param>
/// <param name="AsOf">The store's time at which this was true.</param>
/// <param name="Causes">What keeps it from its end, the most urgent first; never empty.</param>
public sealed record Explanation(string Run, string? Workflow, RunStatus? Status, DateTimeOffset AsOf, IReadOnlyList<Cause> Causes)
{
    /// <summary>The cause to look at first.</summary>
    public Cause Main => Causes[0];
}

/// <summary>One thing that keeps a run from its end.</summary>
/// <param name="Code">Its name, for scripts: one of <see cref="CauseCodes"/>.</param>
/// <param name="Says">In a sentence or two.</param>
/// <param name="Urgency">Which of several causes to look at first.</param>
/// <param name="Since">Since when.</param>
/// <param name="Step">The step it is about.</param>
public sealed record Cause(string Code, string Says, Urgency Urgency, DateTimeOffset? Since = null, int? Step = null)
{
    /// <summary>What a person needs besides, in lines: a failure's message, a stack.</summary>
    public string? Detail { get; init; }

    /// <summary>Who or what can move it on.</summary>
    public IReadOnlyList<string> Unblockers { get; init; } = [];

    /// <summary>What may safely be done about it. Each is a command that is recorded in the history.</summary>
    public IReadOnlyList<Repair> Repairs { get; init; } = [];
}

/// <param name="Does">What it does.</param>
/// <param name="Command">What to type; words in capitals are to be replaced.</param>
public sealed record Repair(string Does, string Command);

/// <summary>Which of several causes a person looks at first.</summary>
public enum Urgency
{
    /// <summary>Nothing of the run goes on, and it is not the run's fault.</summary>
    Host,

    /// <summary>The run's code does not go on.</summary>
    Stopped,

    /// <summary>Only a person can say.</summary>
    Person,

    /// <summary>The run is being undone.</summary>
    Undoing,

    /// <summary>It fails, and is tried again.</summary>
    Failing,

    /// <summary>It waits its turn.</summary>
    Limited,

    /// <summary>Work is under way.</summary>
    Working,

    /// <summary>It waits, as it should.</summary>
    Waiting,

    /// <summary>Worth knowing.</summary>
    Note,
}
