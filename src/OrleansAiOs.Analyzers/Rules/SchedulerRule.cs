using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;
using OrleansAiOs.Analyzers.Fixes;

namespace OrleansAiOs.Analyzers.Rules;

internal sealed class SchedulerRule() : Rule("AIOS005", "Workflow code leaves the engine's scheduler")
{
    private const string Says = "goes on from another thread, where the order of things could not be repeated. ";
    private const string Work = Says + "Put the work into an activity and Call it; Task.WhenAll runs several at once.";
    private const string Hop = Says + "Leave it out: workflow code stays on the engine's scheduler.";
    private const int ContinueOnCapturedContext = 1;

    public override IEnumerable<Ban> Bans =>
    [
        new("System.Threading.Tasks.Task", "Run", Work),
        new("System.Threading.Tasks.TaskFactory", "StartNew FromAsync", Work),
        new("System.Threading.Tasks.TaskFactory`1", "StartNew FromAsync", Work),
        new("System.Threading.Thread", ".ctor Start Join", Work),
        new("System.Threading.ThreadPool", "*", Work),
        new("System.Threading.Tasks.Parallel", "*", Work),
        new("System.Linq.ParallelEnumerable", "AsParallel", Says + "Leave it out: a turn has one thread."),
        new("System.Threading.Tasks.Task", "WhenEach", Says + "Await Task.WhenAny of those that are left, in a loop."),
        new("System.Threading.SemaphoreSlim", "WaitAsync", Says + "Use WaitAsync() without a time-out or token, or wait for it with WaitAsync(span, Time) on its task.") { Overloads = method => !method.Parameters.IsEmpty },
        new("System.Threading.Channels.ChannelReader`1", "ReadAllAsync", Says + "Await ReadAsync() in a loop."),
        new("System.Threading.Tasks.Task", "ConfigureAwait", Hop) { Uses = Leaves, Fix = (Fix.Unwrap, "") },
        new("System.Threading.Tasks.Task`1", "ConfigureAwait", Hop) { Uses = Leaves, Fix = (Fix.Unwrap, "") },
        new("System.Threading.Tasks.ValueTask", "ConfigureAwait", Hop) { Uses = Leaves, Fix = (Fix.Unwrap, "") },
        new("System.Threading.Tasks.ValueTask`1", "ConfigureAwait", Hop) { Uses = Leaves, Fix = (Fix.Unwrap, "") },
        new("System.Threading.Tasks.TaskAsyncEnumerableExtensions", "ConfigureAwait", Hop) { Uses = Leaves, Fix = (Fix.Unwrap, "") },
    ];

    // ConfigureAwait(true), and options that keep the context, stay.
    private static bool Leaves(IOperation use) => use is IInvocationOperation call && call.Arguments.Any(a => a.Value.ConstantValue is { HasValue: true, Value: var value }
        && (value is false || value is int options && a.Parameter?.Type.TypeKind == TypeKind.Enum && (options & ContinueOnCapturedContext) == 0));
}
