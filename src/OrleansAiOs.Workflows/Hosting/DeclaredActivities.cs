using System.Collections.Concurrent;
using System.Reflection;

namespace OrleansAiOs.Workflows.Hosting;

/// <summary>The activities that an assembly declares as static fields, by name. One that is undone after a reset is found here, also after a restart.</summary>
internal static class DeclaredActivities
{
    private static readonly ConcurrentDictionary<Assembly, IReadOnlyDictionary<string, Activity>> Known = new();

    public static IReadOnlyDictionary<string, Activity> Of(Assembly assembly) => Known.GetOrAdd(assembly, static assembly =>
    {
        var activities = new Dictionary<string, Activity>(StringComparer.Ordinal);
        foreach (var field in TypesOf(assembly).Where(type => !type.ContainsGenericParameters)
                     .SelectMany(type => type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)))
            if (typeof(Activity).IsAssignableFrom(field.FieldType) && Value(field) is Activity activity) activities.TryAdd(activity.Name, activity);
        return activities;
    });

    /// <summary>The assembly, and those it refers to that know the engine: elsewhere no activity can be declared.</summary>
    public static IEnumerable<Assembly> WithThoseItUses(Assembly assembly)
    {
        var engine = typeof(Activity).Assembly.GetName().Name;
        var uses = assembly.GetReferencedAssemblies().Select(name => name.FullName).ToHashSet(StringComparer.Ordinal);
        return AppDomain.CurrentDomain.GetAssemblies().Where(loaded => loaded.FullName is { } name && uses.Contains(name) && loaded.GetReferencedAssemblies().Any(used => used.Name == engine)).Prepend(assembly);
    }

    private static object? Value(FieldInfo field)
    {
        try
        {
            return field.GetValue(null);
        }
        catch (Exception e) when (e is TargetInvocationException or TypeInitializationException)
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
