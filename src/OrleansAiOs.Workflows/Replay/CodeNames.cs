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
    private readonly Dictionary<string, string> children = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Type> results = new(StringComparer.Ordinal);
    private readonly Type workflow;

    public CodeNames(WorkflowType type)
    {
        workflow = type.Create().GetType();
        foreach (var holder in TypesOf(workflow.Assembly).Where(holder => !holder.ContainsGenericParameters))
            foreach (var field in holder.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                var isSignal = IsOf(field, typeof(Signal<>));
                var isChild = IsOf(field, typeof(Child<,>)) && (!field.IsPrivate || holder == workflow);
                if (!isSignal && !isChild && !typeof(Activity).IsAssignableFrom(field.FieldType)) continue;
                var expression = $"{FullName(holder)}.{field.Name}";
                if (Value(field) is Activity activity)
                {
                    activities.TryAdd(activity.Name, expression);
                    if (IsOf(field, typeof(Activity<,>))) results.TryAdd(activity.Name, field.FieldType.GetGenericArguments()[1]);
                }
                else if (isChild && Value(field) is { } child) children.TryAdd((string)field.FieldType.GetProperty("Workflow")!.GetValue(child)!, expression);
                else if (isSignal && Value(field) is { } signal) signals.TryAdd((string)field.FieldType.GetProperty("Name")!.GetValue(signal)!, expression);
            }
    }

    public bool IsKnown(string subject) => activities.ContainsKey(subject) || children.ContainsKey(subject);

    /// <summary>The workflow's method, as places name it.</summary>
    public string Main => $"{workflow.Name}.RunAsync";

    /// <summary>The activity's field.</summary>
    public string? Activity(string activity) => activities.GetValueOrDefault(activity);

    /// <summary>What stands for a call that is not made, where its task is awaited.</summary>
    public string? Nothing(string activity) => results.TryGetValue(activity, out var result) && !result.IsGenericType && result.FullName is { } name ? $"Task.FromResult<{name.Replace('+', '.')}>(default!)" : null;

    /// <summary>The name of the workflow's saga, if it has one: the local that its method keeps it in.</summary>
    public string? Saga => workflow.GetNestedTypes(BindingFlags.NonPublic).SelectMany(machine => machine.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
        .Where(local => local.FieldType == typeof(Saga)).Select(local => local.Name.StartsWith('<') && local.Name.IndexOf('>') is > 1 and var end ? local.Name[1..end] : null).FirstOrDefault(name => name is not null);

    public string? Receive(string signal) => signals.TryGetValue(signal, out var expression) ? $"await Receive({expression})" : null;

    /// <summary>The call that asked for a recorded command, as C# without its semicolon; null where only its author can tell. Arguments are as recorded whatever is passed.</summary>
    public string? Call(WorkflowEvent command, DateTimeOffset at) => command switch
    {
        StepScheduled scheduled => activities.TryGetValue(scheduled.Activity, out var expression) ? $"await Call({expression}, default!)" : null,
        ChildScheduled scheduled => children.TryGetValue(scheduled.Workflow, out var expression) ? $"await Call({expression}, default!)" : null,
        TimerSet timer => $"await Sleep(TimeSpan.FromSeconds({Math.Max(0.001, (timer.Due - at).TotalSeconds).ToString(CultureInfo.InvariantCulture)}))",
        ApprovalRequested asked => $"await Approval({Text(asked.Title)}, default(object), by: {Text(asked.Role)})",
        AttributesSet set => $"SetAttributes({string.Join(", ", set.Attributes.Select(a => $"({Text(a.Key)}, {Text(a.Value)})"))})",
        ValueRecorded => "_ = Record(() => default(System.Text.Json.JsonElement))",
        _ => null,
    };

    private static bool IsOf(FieldInfo field, Type generic) => field.FieldType.IsGenericType && field.FieldType.GetGenericTypeDefinition() == generic;

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
