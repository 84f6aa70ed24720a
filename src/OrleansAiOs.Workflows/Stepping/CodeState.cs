using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Workflows.Stepping;

/// <summary>
/// Reads a workflow's code where it stands: the fields of its object, and the asynchronous methods that are under way, found from the
/// task of the outermost along what each awaits. All of it by reflection on what the compiler makes of an async method; what a later
/// compiler or runtime names otherwise is left out, and nothing depends on it.
/// </summary>
[UnconditionalSuppressMessage("Trimming", "IL2070", Justification = "What was trimmed away is not shown.")]
[UnconditionalSuppressMessage("Trimming", "IL2075", Justification = "What was trimmed away is not shown.")]
internal static class CodeState
{
    private const BindingFlags Own = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
    private const int FramesMax = 64;

    public static (IReadOnlyList<Variable> Fields, IReadOnlyList<CodeFrame> Frames) Read(WorkflowExecution execution)
    {
        var frames = new List<CodeFrame>();
        var seen = new HashSet<object>(ReferenceEqualityComparer.Instance);
        if (execution.Main is { IsCompleted: false } main) Follow(main, frames, seen, 0);
        // Task.WhenAll forgets what it waits for. So the branches are found from the other end: from what the engine will complete.
        foreach (var waiter in execution.Waiting)
            foreach (var task in TasksOf(waiter))
            {
                var chain = new List<CodeFrame>();
                Climb(ContinuationOf(task), chain, seen, 0);
                chain.Reverse();
                frames.AddRange(chain);
            }
        return (FieldsOf(execution.Code), frames);
    }

    private static List<Variable> FieldsOf(Workflow code)
    {
        var fields = new List<Variable>();
        for (var type = code.GetType(); type is not null && type.Assembly != typeof(Workflow).Assembly; type = type.BaseType)
            foreach (var field in type.GetFields(Own))
                fields.Add(Show(Values.Plain(field.Name), field.FieldType, field.GetValue(code)));
        return fields;
    }

    private static void Follow(object awaited, List<CodeFrame> frames, HashSet<object> seen, int depth)
    {
        if (depth > 100 || frames.Count >= FramesMax || !seen.Add(awaited) || awaited is Task { IsCompleted: true }) return;
        if (MachineOf(awaited) is { } machine)
        {
            if (machine.GetType().Assembly != typeof(Workflow).Assembly) frames.Add(FrameOf(machine));
            foreach (var field in machine.GetType().GetFields(Own))
                if (field.Name.StartsWith("<>u__", StringComparison.Ordinal) && field.GetValue(machine) is { } awaiter) Inside(awaiter, frames, seen, depth, 0);
            return;
        }
        // WhenAll, WhenAny, Unwrap, a continuation: what they wait for stands in fields of their own.
        for (var type = awaited.GetType(); type is not null && type != typeof(object) && type != typeof(Task) && !(type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Task<>)); type = type.BaseType)
            foreach (var field in type.GetFields(Own))
                if (!field.FieldType.IsValueType && field.GetValue(awaited) is { } value)
                {
                    if (value is Task task) Follow(task, frames, seen, depth + 1);
                    else if (value is IEnumerable<Task?> tasks) foreach (var one in tasks) if (one is not null) Follow(one, frames, seen, depth + 1);
                }
    }

    private static IEnumerable<Task> TasksOf(object waiter)
    {
        for (var type = waiter.GetType(); type is not null && type != typeof(object); type = type.BaseType)
            foreach (var field in type.GetFields(Own))
            {
                var value = field.GetValue(waiter);
                if (value is Task task) yield return task; // what a timer of the base library completes
                else if (value is TaskCompletionSource source) yield return source.Task;
                else if (value?.GetType() is { IsGenericType: true } generic && generic.GetGenericTypeDefinition() == typeof(TaskCompletionSource<>)) yield return (Task)generic.GetProperty("Task")!.GetValue(value)!;
            }
    }

    private static readonly FieldInfo? Continuation = typeof(Task).GetField("m_continuationObject", Own);

    private static object? ContinuationOf(Task task) => Continuation?.GetValue(task);

    // From a task to the method that awaits it, and so on outward; what was found before ends it.
    private static void Climb(object? continuation, List<CodeFrame> chain, HashSet<object> seen, int depth)
    {
        switch (continuation)
        {
            case null: break;
            case var _ when depth > 100: break;
            case Delegate action: Climb(action.Target, chain, seen, depth + 1); break;
            case List<object?> several: foreach (var one in several) Climb(one, chain, seen, depth + 1); break;
            case Task task:
                if (!seen.Add(task)) break;
                if (MachineOf(task) is { } machine && machine.GetType().Assembly != typeof(Workflow).Assembly && chain.Count < FramesMax) chain.Add(FrameOf(machine));
                Climb(ContinuationOf(task), chain, seen, depth + 1);
                break;
            default:
                if (!seen.Add(continuation)) break;
                for (var type = continuation.GetType(); type is not null && type != typeof(object); type = type.BaseType)
                    foreach (var field in type.GetFields(Own))
                        if (!field.FieldType.IsValueType && field.GetValue(continuation) is { } value and (Delegate or Task)) Climb(value, chain, seen, depth + 1);
                break;
        }
    }

    // An awaiter holds its task, some within a value task.
    private static void Inside(object awaiter, List<CodeFrame> frames, HashSet<object> seen, int depth, int level)
    {
        if (level > 3) return;
        foreach (var field in awaiter.GetType().GetFields(Own))
        {
            if (field.GetValue(awaiter) is not { } value) continue;
            if (value is Task || MachineOf(value) is not null) Follow(value, frames, seen, depth + 1);
            else if (field.FieldType.IsValueType && !field.FieldType.IsPrimitive) Inside(value, frames, seen, depth, level + 1);
        }
    }

    private static object? MachineOf(object box)
    {
        for (var type = box.GetType(); type is not null; type = type.BaseType)
            if (type.GetField("StateMachine", Own)?.GetValue(box) is IAsyncStateMachine machine) return machine;
        return null;
    }

    private static CodeFrame FrameOf(object machine)
    {
        var type = machine.GetType();
        var state = type.GetField("<>1__state", Own)?.GetValue(machine) as int? ?? -1;
        var locals = new List<Variable>();
        foreach (var field in type.GetFields(Own))
        {
            if (field.Name.StartsWith("<>8__", StringComparison.Ordinal) && field.GetValue(machine) is { } closure) Captured(closure, locals);
            else if (Local(field.Name) is { } name) locals.Add(Show(name, field.FieldType, field.GetValue(machine)));
        }
        return new CodeFrame(CodePlace.Named(type), state >= 0 ? SourceLines.OfAwait(type, state) : null, locals);
    }

    private static void Captured(object closure, List<Variable> locals)
    {
        foreach (var field in closure.GetType().GetFields(Own))
            if (!field.Name.StartsWith('<')) locals.Add(Show(field.Name, field.FieldType, field.GetValue(closure)));
    }

    // <sum>5__2 is the local sum; what else begins with < is the compiler's own. A parameter keeps its name.
    private static string? Local(string field) => !field.StartsWith('<') ? field : field.IndexOf(">5__", StringComparison.Ordinal) is > 1 and var end ? field[1..end] : null;

    private static Variable Show(string name, Type type, object? value) => new(name, Values.TypeName(type), Values.Show(value));
}
