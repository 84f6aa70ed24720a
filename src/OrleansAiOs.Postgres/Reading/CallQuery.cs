using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Postgres.Reading;

/// <summary>Which calls to list, the newest first. What is null does not narrow.</summary>
/// <param name="From">Calls asked for at or after this time.</param>
/// <param name="To">And before this one.</param>
/// <param name="Tools">What was called, by any of these names.</param>
/// <param name="Links">Who acts or on whose behalf: one of these stands in the chain.</param>
/// <param name="Target">Whom it reaches, as its charge says.</param>
/// <param name="Run">Of this run only.</param>
/// <param name="After">Go on behind this place.</param>
public sealed record CallQuery(string Tenant, DateTimeOffset From, DateTimeOffset To, int Limit, IReadOnlyList<string>? Tools = null, IReadOnlyList<string>? Links = null, string? Target = null, string? Run = null,
    CallOutcome? Outcome = null, CallPlace? After = null)
{
    internal bool Fits(RecordedCall call) =>
        (Tools is null || Tools.Contains(call.Activity, StringComparer.Ordinal)) && (Links is null || Links.Any(link => call.Chain.Contains(link, StringComparer.Ordinal)))
        && (Target is null || call.Gate?.Charge?.Target == Target) && (Outcome is null || call.Outcome == Outcome);
}

/// <summary>A place in the list: calls of one moment stand in the order of their numbers in the sequence.</summary>
public readonly record struct CallPlace(DateTimeOffset At, long Seq);

/// <param name="Next">Where the list goes on; null at its end. A page may have fewer calls than asked for, or none, and go on all the same: when much had to be looked at for them.</param>
public sealed record CallPage(IReadOnlyList<RecordedCall> Calls, CallPlace? Next);
