using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;
using OrleansAiOs.Analyzers.Fixes;

namespace OrleansAiOs.Analyzers.Rules;

internal sealed class BlockingRule() : Rule("AIOS006", "Workflow code blocks its turn")
{
    private const string Says = "blocks the turn; what it waits for may come only in a later one. Await the task: one that is done may be awaited again.";
    private const string Lock = "blocks the turn. Workflow code has one thread and needs no lock; to wait for others, use a signal.";

    public override IEnumerable<Ban> Bans =>
    [
        new("System.Threading.Tasks.Task`1", "Result", Says) { Fix = (Fix.Await, "") },
        new("System.Threading.Tasks.ValueTask`1", "Result", Says) { Fix = (Fix.Await, "") },
        new("System.Threading.Tasks.Task", "Wait", Says) { Fix = (Fix.Await, "") },
        new("System.Threading.Tasks.Task", "WaitAll WaitAny RunSynchronously", Says + " For several: Task.WhenAll, Task.WhenAny."),
        new("System.Runtime.CompilerServices.TaskAwaiter", "GetResult", Says) { Fix = (Fix.Await, "") },
        new("System.Runtime.CompilerServices.TaskAwaiter`1", "GetResult", Says) { Fix = (Fix.Await, "") },
        new("System.Runtime.CompilerServices.ValueTaskAwaiter", "GetResult", Says) { Fix = (Fix.Await, "") },
        new("System.Runtime.CompilerServices.ValueTaskAwaiter`1", "GetResult", Says) { Fix = (Fix.Await, "") },
        new("System.Runtime.CompilerServices.ConfiguredTaskAwaitable+ConfiguredTaskAwaiter", "GetResult", Says),
        new("System.Runtime.CompilerServices.ConfiguredTaskAwaitable`1+ConfiguredTaskAwaiter", "GetResult", Says),
        new("System.Threading.Thread", "Sleep", "blocks the turn, and a crash forgets it. Use await Sleep(span): it is durable, and free while it waits.") { Fix = (Fix.Sleep, "") },
        new("System.Threading.Thread", "SpinWait Yield", "blocks the turn. Use await Sleep(span)."),
        new("System.Threading.SpinWait", "SpinUntil SpinOnce", "blocks the turn. Use await Sleep(span)."),
        new("System.Threading.SemaphoreSlim", "Wait", Lock),
        new("System.Threading.Monitor", "Enter TryEnter Wait", Lock),
        new("System.Threading.WaitHandle", "WaitOne WaitAll WaitAny SignalAndWait", Lock) { AndDerived = true },
        new("System.Threading.ManualResetEventSlim", "Wait", Lock),
        new("System.Threading.CountdownEvent", "Wait", Lock),
        new("System.Threading.Barrier", "SignalAndWait", Lock),
        new("System.Collections.Concurrent.BlockingCollection`1", "Take TryTake GetConsumingEnumerable", Lock),
    ];

    // A class the workflow uses may guard itself for its other users.
    public override (string, string)? Objection(IOperation operation, bool isDirect) => operation is ILockOperation && isDirect ? ("lock", Lock) : null;
}
