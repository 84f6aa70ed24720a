using OrleansAiOs.Analyzers.Fixes;

namespace OrleansAiOs.Analyzers.Rules;

internal sealed class TimerRule() : Rule("AIOS004", "Workflow code waits on a timer that a crash forgets")
{
    private const string Says = "waits on the machine's timer: a crash forgets it, and it leaves the engine's scheduler. ";

    public override IEnumerable<Ban> Bans =>
    [
        new("System.Threading.Tasks.Task", "Delay", Says + "Use Sleep(span), or Task.Delay(span, Time).") { Overloads = Ban.TakesNoTime, Fix = (Fix.AddTime, "Sleep") },
        new("System.Threading.Tasks.Task", "WaitAsync", Says + "Use WaitAsync(span, Time).") { Overloads = HasSpanButNoTime, Fix = (Fix.AddTime, "") },
        new("System.Threading.Tasks.Task`1", "WaitAsync", Says + "Use WaitAsync(span, Time).") { Overloads = HasSpanButNoTime, Fix = (Fix.AddTime, "") },
        new("System.Threading.CancellationTokenSource", ".ctor", Says + "Use new CancellationTokenSource(span, Time).")
            { Overloads = constructor => !constructor.Parameters.IsEmpty && Ban.TakesNoTime(constructor), Fix = (Fix.AddTime, "") },
        new("System.Threading.CancellationTokenSource", "CancelAfter", Says + "Make the source with its span: new CancellationTokenSource(span, Time)."),
        new("System.Threading.PeriodicTimer", ".ctor", Says + "Use new PeriodicTimer(period, Time).") { Overloads = Ban.TakesNoTime, Fix = (Fix.AddTime, "") },
        new("System.Threading.Timer", "*", Says + "Use Time.CreateTimer, or await Sleep(span)."),
        new("System.Timers.Timer", "*", Says + "Use Time.CreateTimer, or await Sleep(span)."),
    ];

    private static bool HasSpanButNoTime(Microsoft.CodeAnalysis.IMethodSymbol method) => method.Parameters.Any(p => p.Type.Name == "TimeSpan") && Ban.TakesNoTime(method);
}
