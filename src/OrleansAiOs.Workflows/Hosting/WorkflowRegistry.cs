using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Hosting;

/// <summary>
/// The workflow types a host can run, by name and version. The versions of one name stand side by side: a run stays on the one it began
/// with, or was moved to. Their order, for what is newest: without a version, then words in the order of registration, then numbers part
/// by part (1.9 before 1.10; a leading v says nothing).
/// </summary>
public sealed class WorkflowRegistry
{
    private readonly ConcurrentDictionary<string, WorkflowType[]> types = new(StringComparer.Ordinal);

    public WorkflowRegistry Add<TWorkflow>() where TWorkflow : Workflow => Add(typeof(TWorkflow));

    /// <summary>Adds every workflow of an assembly.</summary>
    public WorkflowRegistry AddFrom(Assembly assembly)
    {
        foreach (var type in assembly.GetTypes().Where(type => !type.IsAbstract && type.IsSubclassOf(typeof(Workflow)))) Add(type);
        return this;
    }

    /// <summary>By name, and of each name the newest first.</summary>
    public IReadOnlyList<WorkflowType> All => [.. types.Values.OrderBy(versions => versions[0].Name, StringComparer.Ordinal).SelectMany(versions => versions.Reverse())];

    internal string NamesForPeople => types.IsEmpty ? "no workflow at all" : string.Join(", ", types.Keys.Order(StringComparer.Ordinal));

    // The engine's own: every host runs them, and nobody lists them.
    private static readonly WorkflowType[] BuiltIn = [TypeOf(typeof(Schedules.ScheduleWorkflow)), TypeOf(typeof(Retention.RetentionWorkflow))];

    /// <summary>The newest version of a workflow.</summary>
    internal WorkflowType? Find(string name) => types.GetValueOrDefault(name)?[^1] ?? Array.Find(BuiltIn, type => type.Name == name);

    /// <summary>
    /// The code that runs of this version run on. A run from before there were versions runs on the class without one, or on the only one there is.
    /// </summary>
    internal WorkflowType? Find(string name, string? version) => types.GetValueOrDefault(name) is not { } versions ? Array.Find(BuiltIn, type => type.Name == name)
        : Array.Find(versions, type => type.Version == version) ?? (version is null && versions.Length == 1 ? versions[0] : null);

    /// <summary>Whether runs of this workflow can be replayed here: one that was added, or one of the engine's own.</summary>
    public bool Knows(string name) => Find(name) is not null;

    internal string VersionsForPeople(string name) => types.GetValueOrDefault(name) is { } versions
        ? string.Join(", ", versions.Reverse().Select(type => type.Version ?? "the one without a version")) : "none";

    /// <summary>An activity by the name it has in histories, if a static field of the workflows' assemblies, or of those they use, holds it.</summary>
    internal Activity? FindActivity(string name)
    {
        foreach (var assembly in types.Values.SelectMany(versions => versions).Select(type => type.Code.Assembly).Distinct().SelectMany(DeclaredActivities.WithThoseItUses).Append(typeof(Activity).Assembly).Distinct())
            if (DeclaredActivities.Of(assembly).GetValueOrDefault(name) is { } found) return found;
        return null;
    }

    internal WorkflowRegistry Add(Type type)
    {
        var added = TypeOf(type);
        if (added.Name.StartsWith(Activity.EnginesOwn, StringComparison.Ordinal)) throw new InvalidOperationException($"'{added.Name}': names that begin with '{Activity.EnginesOwn}' are the engine's own. Choose another.");
        if (added.Version is "" or { Length: > 100 } || added.Version?.Any(char.IsControl) is true)
            throw new InvalidOperationException($"{type.Name}: a version has 1 to 100 characters, none of them a control character; leave it out for none.");
        // OrderBy keeps the order of registration where the order of versions says nothing.
        types.AddOrUpdate(added.Name, _ => [added], (_, present) => present.Any(known => known.Version == added.Version)
            ? throw new InvalidOperationException($"Two workflows are named '{added.Name}'{(added.Version is null ? "" : $", version '{added.Version}'")}. "
                + "A name stands in histories for ever: give one of them another, or, if it is the same workflow changed, a version of its own: [Workflow(\"name\", Version = \"2\")].")
            : [.. present.Append(added).OrderBy(known => known.Version, VersionOrder)]);
        return this;
    }

    private static WorkflowType TypeOf(Type type)
    {
        var attribute = type.GetCustomAttribute<WorkflowAttribute>()
            ?? throw new InvalidOperationException($"{type.Name} has no [Workflow(\"name\")]: give it the name its histories will carry.");
        var parent = type;
        var isEntity = false;
        for (; !parent!.IsGenericType || parent.GetGenericTypeDefinition() != typeof(Workflow<,>); parent = parent.BaseType)
            isEntity |= parent.IsGenericType && parent.GetGenericTypeDefinition() == typeof(Entity<>);
        var constructor = type.GetConstructor(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic, [])
            ?? throw new InvalidOperationException($"{type.Name} needs a constructor without parameters: services belong into activities, which replay does not run.");
        return new WorkflowType(attribute.Name, attribute.Version, parent.GetGenericArguments()[0], isEntity, type, () => (Workflow)constructor.Invoke(null));
    }

    private static readonly Comparer<string?> VersionOrder = Comparer<string?>.Create(static (a, b) =>
    {
        var (x, y) = (Numbers(a), Numbers(b));
        if (x is null || y is null) return (a is null ? 0 : x is null ? 1 : 2).CompareTo(b is null ? 0 : y is null ? 1 : 2);
        for (var i = 0; i < Math.Max(x.Length, y.Length); i++)
            if ((i < x.Length ? x[i] : 0).CompareTo(i < y.Length ? y[i] : 0) is not 0 and var by) return by;
        return 0;
    });

    private static long[]? Numbers(string? version)
    {
        if (version is null) return null;
        var parts = (version[0] is 'v' or 'V' ? version[1..] : version).Split('.');
        var numbers = new long[parts.Length];
        for (var i = 0; i < parts.Length; i++)
            if (!long.TryParse(parts[i], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out numbers[i])) return null;
        return numbers;
    }
}

/// <summary>A workflow type as a host knows it.</summary>
public sealed class WorkflowType
{
    private readonly Func<Workflow> create;

    internal WorkflowType(string name, string? version, Type input, bool isEntity, Type code, Func<Workflow> create) => (Name, Version, Input, IsEntity, Code, this.create) = (name, version, input, isEntity, code, create);

    public string Name { get; }

    public string? Version { get; }

    public Type Input { get; }

    /// <summary>It may begin with nothing.</summary>
    internal bool IsEntity { get; }

    /// <summary>The class.</summary>
    internal Type Code { get; }

    internal Workflow Create() => create();

    /// <summary>Why this cannot be the workflow's input; null if it can.</summary>
    internal string? Objection(JsonText input)
    {
        try
        {
            return JsonSerializer.Deserialize(input.Utf8.Span, Input, WorkflowJson.Door) is null && Input.IsClass && !IsEntity
                ? $"The input of '{Name}' must be a {Input.Name}, not null."
                : null;
        }
        catch (Exception e)
        {
            return $"The input cannot be read as the {Input.Name} that '{Name}' takes: {e.Message}";
        }
    }
}
