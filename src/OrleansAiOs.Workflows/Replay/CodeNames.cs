using System.Globalization;
using System.Reflection;
using System.Text.Json;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>How the workflow's source calls what histories name: the static fields of its assembly that hold activities and signals.</summary>
internal sealed class CodeNames
{
    private readonly Dictionary<string, string> activities = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> signals = new(StringComparer.Ordinal);

    public CodeNames(WorkflowType type)
    {
        foreach (var holder in TypesOf(type.Create().GetType().Assembly).Where(holder => !holder.ContainsGenericParameters))
            foreach (var field in holder.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                var isSignal = field.FieldType.IsGenericType && field.FieldType.GetGenericTypeDefinition() == typeof(Signal<>);
                if (!isSignal && !typeof(Activity).IsAssignableFrom(field.FieldType)) continue;
                var expression = $"{FullName(holder)}.{field.Name}";
                if (Value(field) is Activity activity) activities.TryAdd(activity.Name, expression);
                else if (isSignal && Value(field) is { } signal) signals.TryAdd((string)field.FieldType.GetProperty("Name")!.GetValue(signal)!, expression);
            }
    }

    public bool IsKnown(string activity) => activities.ContainsKey(activity);

    public string? Receive(string signal) => signals.TryGetValue(signal, out var expression) ? $"await Receive({expression})" : null;

    /// <summary>The call that asked for a recorded command, as C# without its semicolon; null where only its author can tell. Arguments are as recorded whatever is passed.</summary>
    public string? Call(WorkflowEvent command, DateTimeOffset at) => command switch
    {
        StepScheduled scheduled => activities.TryGetValue(scheduled.Activity, out var expression) ? $"await Call({expression}, default!)" : null,
        TimerSet timer => $"await Sleep(TimeSpan.FromSeconds({Math.Max(0.001, (timer.Due - at).TotalSeconds).ToString(CultureInfo.InvariantCulture)}))",
        ApprovalRequested asked => $"await Approval({Text(asked.Title)}, default(object), by: {Text(asked.Role)})",
        AttributesSet set => $"SetAttributes({string.Join(", ", set.Attributes.Select(a => $"({Text(a.Key)}, {Text(a.Value)})"))})",
        ValueRecorded => "_ = Record(() => default(System.Text.Json.JsonElement))",
        _ => null,
    };

    private static string Text(string text) => JsonSerializer.Serialize(text);

    private static string FullName(Type type) => type.DeclaringType is { } outer ? $"{FullName(outer)}.{type.Name}" : type.Name;

    private static object? Value(FieldInfo field)
    {
        try
        {
            return field.GetValue(null);
        }
        catch (TargetInvocationException)
        {
            return null;
        }
        catch (TypeInitializationException)
        {
            return null;
        }
    }

    private static IEnumerable<Type> TypesOf(Assembly assembly)
    {
        try
        {
            return assembly.GetTypes();
        }
        catch (ReflectionTypeLoadException e)
        {
            return e.Types.OfType<Type>();
        }
    }
}
