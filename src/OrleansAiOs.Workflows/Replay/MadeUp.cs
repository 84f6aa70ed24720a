using System.Reflection;
using System.Runtime.CompilerServices;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>
/// A value for the result of an operation that no history knows, for a diagnosis that wants to see what the code would ask for next.
/// Made from the type alone: texts are empty, numbers zero, lists empty, objects whole two levels deep.
/// </summary>
internal static class MadeUp
{
    private const int DepthMax = 3;

    public static T Of<T>() => (T)Of(typeof(T), 0)!;

    private static object? Of(Type type, int depth)
    {
        if (type == typeof(string)) return "";
        if (type.IsArray) return Array.CreateInstance(type.GetElementType()!, new int[type.GetArrayRank()]);
        if (type.IsValueType) return Nullable.GetUnderlyingType(type) is null ? RuntimeHelpers.GetUninitializedObject(type) : null;
        if (depth == DepthMax) return null;
        try
        {
            if (type.IsInterface)
                return type.GenericTypeArguments is [var item] && Array.CreateInstance(item, 0) is var none && type.IsInstanceOfType(none) ? none : null;
            if (type.IsAbstract) return null;
            var constructor = type.GetConstructors(BindingFlags.Public | BindingFlags.Instance).MaxBy(c => c.GetParameters().Length);
            return constructor?.Invoke([.. constructor.GetParameters().Select(p => p.HasDefaultValue && p.DefaultValue is not null ? p.DefaultValue : Of(p.ParameterType, depth + 1))]);
        }
        catch (Exception)
        {
            return null; // its constructor will have none of it
        }
    }
}
