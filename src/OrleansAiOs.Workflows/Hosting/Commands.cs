using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows;

/// <summary>A request to start a run.</summary>
/// <param name="Workflow">The workflow's name.</param>
/// <param name="Input">Its input.</param>
/// <param name="Id">The run's id; a new one if left out. The same id and input again answers with the first run.</param>
/// <param name="BusinessKey">What people call the case: an invoice number, an order; at most 200 characters.</param>
/// <param name="Priority">Where attempts of the tenant wait for an activity's limit, those of the run with the highest are next; -100 to 100.</param>
/// <param name="Version">The version of the code it runs on; the newest this host holds if left out.</param>
/// <param name="Chain">Who acts, on whose behalf: first the one it is done for, last the one who starts it; only the latter if left out.</param>
/// <param name="IfAbsent">A run of this workflow that is there under the id already will do, whatever it was started with.</param>
public sealed record StartRun(string Workflow, JsonText Input, string? Id = null, string? BusinessKey = null,
    IReadOnlyDictionary<string, string>? Attributes = null, string Tenant = RunKey.DefaultTenant,
    int Priority = 0, string? Version = null, IReadOnlyList<string>? Chain = null, bool IfAbsent = false);

/// <param name="IsNew">False when the run was there already, with the same input.</param>
public sealed record Started(RunKey Run, bool IsNew);

/// <summary>How far an update has come.</summary>
/// <param name="Version">The version of the run's history that accepted it.</param>
/// <param name="IsOver">It was answered, or it failed.</param>
/// <param name="Answer">What the code answered, if it did.</param>
/// <param name="Failure">How it failed, if it did.</param>
public sealed record UpdateOutcome(long Version, bool IsOver, JsonText? Answer, Failure? Failure);

/// <summary>A command was understood and not carried out. Nothing has changed.</summary>
public class CommandRefusedException(Refusal refusal, string message, TimeSpan? retryAfter = null) : Exception(message)
{
    public Refusal Refusal { get; } = refusal;

    public TimeSpan? RetryAfter { get; } = retryAfter;
}

/// <summary>There is as much as a quota allows. Later there may be less.</summary>
public sealed class QuotaExceededException(string message, TimeSpan retryAfter) : CommandRefusedException(Refusal.Busy, message, retryAfter);

public enum Refusal
{
    /// <summary>There is no such run, workflow or step.</summary>
    NotFound,

    /// <summary>It does not fit the state the run is in.</summary>
    Conflict,

    /// <summary>It cannot be read as what it should be.</summary>
    Invalid,

    /// <summary>The sender may not.</summary>
    Forbidden,

    /// <summary>The host has too much to do; try again later.</summary>
    Busy,
}
