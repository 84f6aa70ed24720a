using OrleansAiOs.Analyzers.Fixes;

namespace OrleansAiOs.Analyzers.Rules;

internal sealed class ClockRule() : Rule("AIOS001", "Workflow code reads the machine's clock")
{
    private const string Says = "is another time on every replay. Use Now, the time of the input the code reacts to.";

    public override IEnumerable<Ban> Bans =>
    [
        new("System.DateTime", "UtcNow Now", Says) { Fix = (Fix.Replace, "Now.UtcDateTime") },
        new("System.DateTime", "Today", Says) { Fix = (Fix.Replace, "Now.UtcDateTime.Date") },
        new("System.DateTimeOffset", "UtcNow Now", Says) { Fix = (Fix.Replace, "Now") },
        new("System.TimeProvider", "System", "is the machine's clock. Use Time, the run's: its time is recorded and its timers are durable.") { Fix = (Fix.Replace, "Time") },
        new("System.Diagnostics.Stopwatch", ".ctor StartNew GetElapsedTime", "measures the machine's time, which is another one on every replay. Subtract two values of Now."),
        new("System.Diagnostics.Stopwatch", "GetTimestamp", Says) { Fix = (Fix.Replace, "Time.GetTimestamp()") },
        new("System.Environment", "TickCount TickCount64", Says),
    ];
}
