using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Json;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Stepping;

/// <summary>A value in a line, JSON-like. It is read from fields: a getter is code, and looking must run none.</summary>
[UnconditionalSuppressMessage("Trimming", "IL2070", Justification = "What was trimmed away is not shown.")]
internal static class Values
{
    private const int CharsMax = 400;
    private const int DepthMax = 4;
    private const int ItemsMax = 20;

    public static string Show(object? value)
    {
        var text = new StringBuilder();
        Write(text, value, 0);
        return text.Length <= CharsMax ? text.ToString() : $"{text.ToString(0, CharsMax - 1)}…";
    }

    public static string TypeName(Type type) => Nullable.GetUnderlyingType(type) is { } inner ? TypeName(inner) + "?"
        : type.IsGenericType ? $"{type.Name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(TypeName))}>" : type.Name;

    /// <summary>A field's name as the source has it: of an automatic property, the property's.</summary>
    public static string Plain(string field) => field.StartsWith('<') && field.IndexOf('>') is > 1 and var end ? field[1..end] : field;

    private static void Write(StringBuilder text, object? value, int depth)
    {
        if (text.Length > CharsMax) return;
        switch (value)
        {
            case null: text.Append("null"); break;
            case string s: text.Append(JsonSerializer.Serialize(s.Length > CharsMax ? s[..CharsMax] : s, WorkflowJson.Stored)); break;
            case bool b: text.Append(b ? "true" : "false"); break;
            case DateTimeOffset or DateTime: text.Append('"').Append(((IFormattable)value).ToString("O", CultureInfo.InvariantCulture)).Append('"'); break;
            case Guid or TimeSpan or DateOnly or TimeOnly or char: text.Append('"').Append(value).Append('"'); break;
            case Enum e: text.Append(e); break;
            case IFormattable number when value.GetType().IsPrimitive || value is decimal or Int128 or UInt128 or Half: text.Append(number.ToString(null, CultureInfo.InvariantCulture)); break;
            case JsonText json: text.Append(json); break;
            case JsonElement { ValueKind: not JsonValueKind.Undefined } json: text.Append(json.GetRawText()); break;
            case Task task: text.Append("task ").Append(task.IsCompletedSuccessfully ? "completed" : task.IsFaulted ? "faulted" : task.IsCanceled ? "cancelled" : "waiting"); break;
            case CancellationToken token: text.Append(token.IsCancellationRequested ? "cancelled" : "not cancelled"); break;
            case Type or Delegate or MemberInfo or CancellationTokenSource or TimeProvider or Workflow: text.Append('<').Append(TypeName(value.GetType())).Append('>'); break;
            case var _ when depth >= DepthMax: text.Append('…'); break;
            // Of the base library's collections it is known that counting them through changes nothing.
            case IDictionary map when IsOfBase(map): Join(text, '{', map.Keys.Cast<object>(), '}', key => { text.Append(key).Append(": "); Write(text, map[key], depth + 1); }); break;
            case IEnumerable list when IsOfBase(list) || list is Array: Join(text, '[', list.Cast<object?>(), ']', item => Write(text, item, depth + 1)); break;
            default: Join(text, '{', Fields(value), '}', field => { text.Append(Plain(field.Name)).Append(": "); Write(text, field.GetValue(value), depth + 1); }); break;
        }
    }

    private static bool IsOfBase(object value) => value.GetType().Namespace is { } name && name.StartsWith("System.Collections", StringComparison.Ordinal);

    private static IEnumerable<FieldInfo> Fields(object value)
    {
        for (var type = value.GetType(); type is not null && type != typeof(object) && type != typeof(ValueType); type = type.BaseType)
            foreach (var field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)) yield return field;
    }

    private static void Join<T>(StringBuilder text, char open, IEnumerable<T> items, char close, Action<T> write)
    {
        text.Append(open);
        var n = 0;
        foreach (var item in items)
        {
            if (n > 0) text.Append(", ");
            if (++n > ItemsMax || text.Length > CharsMax)
            {
                text.Append('…');
                break;
            }
            write(item);
        }
        text.Append(close);
    }
}
