using System.Reflection;
using System.Runtime.Loader;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Serving;

/// <summary>Loads packs: the workflows of an assembly, and the services its activities need.</summary>
internal static class PackLoader
{
    public static void Load(Assembly assembly, WorkflowRegistry registry, IServiceCollection services, Func<string, string?> setting)
    {
        registry.AddFrom(assembly);
        foreach (var type in assembly.GetTypes().Where(type => !type.IsAbstract && typeof(IPack).IsAssignableFrom(type)))
            ((IPack)Activator.CreateInstance(type, nonPublic: true)!).AddServices(services, setting);
    }

    /// <summary>One built assembly, with its dependencies beside it.</summary>
    public static IEnumerable<Assembly> FromFile(string dll)
    {
        var resolver = new AssemblyDependencyResolver(Path.GetFullPath(dll));
        AssemblyLoadContext.Default.Resolving += (context, name) => resolver.ResolveAssemblyToPath(name) is { } path ? context.LoadFromAssemblyPath(path) : null;
        return [AssemblyLoadContext.Default.LoadFromAssemblyPath(Path.GetFullPath(dll))];
    }

    /// <summary>Every assembly of a folder that uses the engine, with its dependencies beside it.</summary>
    public static IEnumerable<Assembly> FromFolder(string folder)
    {
        if (!Directory.Exists(folder)) throw new DirectoryNotFoundException($"There is no pack folder '{folder}'. Build the pack, and name its output folder.");
        var found = 0;
        foreach (var file in Directory.EnumerateFiles(folder, "*.deps.json"))
        {
            var dll = Path.GetFullPath(file[..^".deps.json".Length] + ".dll");
            if (!File.Exists(dll)) continue;
            var resolver = new AssemblyDependencyResolver(dll);
            // What the host has, the pack shares: its Workflow must be ours.
            AssemblyLoadContext.Default.Resolving += (context, name) => resolver.ResolveAssemblyToPath(name) is { } path ? context.LoadFromAssemblyPath(path) : null;
            var assembly = AssemblyLoadContext.Default.LoadFromAssemblyPath(dll);
            if (!assembly.GetReferencedAssemblies().Any(name => name.Name == typeof(WorkflowHost).Assembly.GetName().Name)) continue;
            found++;
            yield return assembly;
        }
        if (found == 0) throw new FileNotFoundException($"No assembly in '{folder}' uses {typeof(WorkflowHost).Assembly.GetName().Name}. Name the folder of a built pack, e.g. NAME/bin/Release/net10.0.");
    }
}
