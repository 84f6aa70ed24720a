using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Hosting;

/// <summary>The workflow types a host can run, by name.</summary>
public sealed class WorkflowRegistry
{
    private readonly ConcurrentDictionary<string, WorkflowType> types = new(StringComparer.Ordinal);

    public WorkflowRegistry Add<TWorkflow>() where TWorkflow : Workflow => Add(typeof(TWorkflow));

    /// <summary>Adds every workflow of an assembly.</summary>
    public WorkflowRegistry AddFrom(Assembly assembly)
    {
        foreach (var type in assembly.GetTypes().Where(type => !type.IsAbstract && type.IsSubclassOf(typeof(Workflow)))) Add(type);
        return this;
    }

    public IReadOnlyList<WorkflowType> All => [.. types.Values.OrderBy(type => type.Name, StringComparer.Ordinal)];

    internal string NamesForPeople => types.IsEmpty ? "no workflow at all" : string.Join(", ", All.Select(type => type.Name));

    // The engine's own: every host runs them, and nobody lists them.
    private static readonly WorkflowType[] BuiltIn = [TypeOf(typeof(Schedules.ScheduleWorkflow)), TypeOf(typeof(Retention.RetentionWorkflow))];

    internal WorkflowType? Find(string name) => types.GetValueOrDefault(name) ?? Array.Find(BuiltIn, type => type.Name == name);

    /// <summary>Whether runs of this workflow can be replayed here: one that was added, or one of the engine's own.</summary>
    public bool Knows(string name) => Find(name) is not null;

    internal WorkflowRegistry Add(Type type)
    {
        var added = TypeOf(type);
        if (added.Name.StartsWith("aios.", StringComparison.Ordinal)) throw new InvalidOperationException($"'{added.Name}': names that begin with 'aios.' are the engine's own. Choose another.");
        if (!types.TryAdd(added.Name, added))
            throw new InvalidOperationException($"Two workflows are named '{added.Name}'. A name stands in histories for ever: give one of them another.");
        return this;
    }

    private static WorkflowType TypeOf(Type type)
    {
        var attribute = type.GetCustomAttribute<WorkflowAttribute>()
            ?? throw new InvalidOperationException($"{type.Name} has no [Workflow(\"name\")]: give it the name its histories will carry.");
        var parent = type;
        while (!parent!.IsGenericType || parent.GetGenericTypeDefinition() != typeof(Workflow<,>)) parent = parent.BaseType;
        var constructor = type.GetConstructor(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic, [])
            ?? throw new InvalidOperationException($"{type.Name} needs a constructor without parameters: services belong into activities, which replay does not run.");
        return new WorkflowType(attribute.Name, attribute.Version, parent.GetGenericArguments()[0], () => (Workflow)constructor.Invoke(null));
    }
}

/// <summary>A workflow type as a host knows it.</summary>
public sealed class WorkflowType
{
    private readonly Func<Workflow> create;

    internal WorkflowType(string name, string? version, Type input, Func<Workflow> create) => (Name, Version, Input, this.create) = (name, version, input, create);

    public string Name { get; }

    public string? Version { get; }

    public Type Input { get; }

    internal Workflow Create() => create();

    /// <summary>Why this cannot be the workflow's input; null if it can.</summary>
    internal string? Objection(JsonText input)
    {
        try
        {
            return JsonSerializer.Deserialize(input.Utf8.Span, Input, WorkflowJson.Door) is null && Input.IsClass
                ? $"The input of '{Name}' must be a {Input.Name}, not null."
                : null;
        }
        catch (Exception e)
        {
            return $"The input cannot be read as the {Input.Name} that '{Name}' takes: {e.Message}";
        }
    }
}
