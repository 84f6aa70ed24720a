using System.Diagnostics;
using System.Diagnostics.Metrics;
using OrleansAiOs.Workflows.Dispatch;
using DiagnosticActivity = System.Diagnostics.Activity;

namespace OrleansAiOs.Workflows.Hosting;

/// <summary>Traces and metrics of the engine, under one name.</summary>
public static class Telemetry
{
    /// <summary>The name to subscribe to.</summary>
    public const string Name = "OrleansAiOs.Workflows";

    private static readonly ActivitySource Source = new(Name);
    private static readonly Meter Meter = new(Name);
    private static readonly Counter<long> RunsStarted = Meter.CreateCounter<long>("aios.runs.started", "{run}");
    private static readonly Counter<long> RunsClosed = Meter.CreateCounter<long>("aios.runs.closed", "{run}");
    private static readonly Counter<long> RunsParked = Meter.CreateCounter<long>("aios.runs.parked", "{run}");
    private static readonly Counter<long> Events = Meter.CreateCounter<long>("aios.events.appended", "{event}");
    private static readonly Counter<long> Conflicts = Meter.CreateCounter<long>("aios.appends.lost", "{append}", "Appends that lost against another activation");
    private static readonly UpDownCounter<long> AttemptsWaiting = Meter.CreateUpDownCounter<long>("aios.attempts.waiting", "{attempt}", "Attempts that wait for a place at their activity's limit on this host");
    private static readonly Histogram<double> AttemptSeconds = Meter.CreateHistogram<double>("aios.attempt.duration", "s");
    private static readonly Histogram<double> AppendSeconds = Meter.CreateHistogram<double>("aios.append.duration", "s");

    internal static DiagnosticActivity? StartAttempt(Attempt attempt)
    {
        if (!Source.HasListeners()) return null;
        var span = Source.StartActivity(attempt.Activity.Name, ActivityKind.Client);
        span?.SetTag("aios.run", attempt.Run.Id).SetTag("aios.tenant", attempt.Run.Tenant).SetTag("aios.step", attempt.Step)
            .SetTag("aios.attempt", attempt.Number).SetTag("aios.effect", attempt.Activity.Effect.ToString());
        return span;
    }

    internal static void Waits(Attempt attempt, int more) => AttemptsWaiting.Add(more, new KeyValuePair<string, object?>("aios.activity", attempt.Activity.Name));

    internal static void Attempted(Attempt attempt, AttemptOutcome outcome, TimeSpan took)
    {
        if (AttemptSeconds.Enabled)
            AttemptSeconds.Record(took.TotalSeconds, new("aios.activity", attempt.Activity.Name), new("aios.outcome", outcome is AttemptOutcome.Answered ? "answered" : "failed"));
    }

    internal static void Appended(int events, TimeSpan took)
    {
        Events.Add(events);
        if (AppendSeconds.Enabled) AppendSeconds.Record(took.TotalSeconds);
    }

    internal static void Lost() => Conflicts.Add(1);

    internal static void RunStarted(string workflow) => RunsStarted.Add(1, new KeyValuePair<string, object?>("aios.workflow", workflow));

    internal static void RunClosed(string workflow, RunStatus status) => RunsClosed.Add(1, new("aios.workflow", workflow), new("aios.status", status.ToString()));

    internal static void RunParked(string workflow) => RunsParked.Add(1, new KeyValuePair<string, object?>("aios.workflow", workflow));
}
