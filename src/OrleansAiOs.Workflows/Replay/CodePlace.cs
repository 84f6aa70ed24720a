using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>A place in the workflow's source.</summary>
/// <param name="File">As the build recorded it; null if the code came without symbols (.pdb).</param>
/// <param name="Line">0 without symbols.</param>
/// <param name="Method">The method, with its type.</param>
public sealed record CodePlace(string? File, int Line, string Method)
{
    /// <summary>Whether two calls stand on one line: the same call again, in a loop.</summary>
    internal bool IsSameLine(CodePlace? other) => other is not null && Line > 0 && Line == other.Line && File == other.File;

    public override string ToString() => File is null ? Method : $"{Path.GetFileName(File)}:{Line}";

    /// <summary>The innermost frame of the caller that is neither the engine's nor the base library's: the line that asks.</summary>
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Without the method's metadata there is no place, and nothing else depends on one.")]
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static CodePlace? OfCaller() => Of(new StackTrace(1, fNeedFileInfo: true));

    /// <summary>The name of the method whose state machine this is.</summary>
    internal static string Named(Type machine) => Name(machine, "MoveNext");

    internal static CodePlace? Of(Exception thrown) => Of(new StackTrace(thrown, fNeedFileInfo: true));

    /// <summary>The same beneath a watcher of the process, which was called by the base library: neither's lines are the code's.</summary>
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Without the method's metadata there is no place, and nothing else depends on one.")]
    [UnconditionalSuppressMessage("SingleFile", "IL3000", Justification = "Without a folder nothing is skipped, and nothing else depends on it.")]
    internal static CodePlace? Beneath(Assembly watcher) => Of(new StackTrace(1, fNeedFileInfo: true),
        assembly => assembly == watcher || Path.GetDirectoryName(assembly.Location) == Path.GetDirectoryName(typeof(object).Assembly.Location));

    private static CodePlace? Of(StackTrace stack, Func<Assembly, bool>? skip = null)
    {
        foreach (var frame in stack.GetFrames())
        {
            if (frame.GetMethod() is not { DeclaringType: { } type } method) continue;
            // What lies below called the engine, and not the engine the code.
            if (type == typeof(Turns.WorkflowRun) || type == typeof(DeterministicScheduler)) return null;
            if (type.Assembly == typeof(CodePlace).Assembly || type.Assembly == typeof(object).Assembly || skip?.Invoke(type.Assembly) is true) continue;
            var file = frame.GetFileName();
            return new CodePlace(file, file is null ? 0 : frame.GetFileLineNumber(), Name(type, method.Name));
        }
        return null;
    }

    // An async method's frame is that of a nested type, <RunAsync>d__3; a local function's is named <RunAsync>g__Remembered|3_0.
    private static string Name(Type type, string method)
    {
        if (type.Name.StartsWith('<') && type.DeclaringType is { } outer)
        {
            var name = Between(type.Name);
            return name == "" ? Name(outer, method) : $"{outer.Name}.{name}";
        }
        return $"{type.Name}.{(method.StartsWith('<') ? Between(method) : method)}";
    }

    private static string Between(string name) => name.IndexOf('>') is > 0 and var end ? name[1..end].Split("g__")[0].TrimStart('<') : "";
}
