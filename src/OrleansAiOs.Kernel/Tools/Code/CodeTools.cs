using System.Reflection;
using System.Text.Json;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tools.Code;

/// <summary>The methods of this build that are tools.</summary>
public sealed class CodeTools
{
    private readonly Dictionary<string, CodeTool> tools = new(StringComparer.Ordinal);

    /// <summary>Adds every method with [Tool] of an assembly.</summary>
    /// <exception cref="InvalidOperationException">One of them is none, or two have one name.</exception>
    public CodeTools AddFrom(Assembly assembly) => AddFrom(assembly.GetTypes());

    internal CodeTools AddFrom(params IEnumerable<Type> types)
    {
        foreach (var method in types.SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly)))
        {
            if (method.GetCustomAttribute<ToolAttribute>() is not { } attribute) continue;
            var tool = new CodeTool(method, attribute);
            if (!tools.TryAdd(tool.Definition.Id, tool)) throw new InvalidOperationException($"Two methods are the tool '{attribute.Name}'. A tool's name stands in histories: give one of them another.");
        }
        return this;
    }

    /// <summary>Tells the registry what this build offers.</summary>
    public async Task DeclareAsync(ToolRegistry registry, CancellationToken cancellation = default)
    {
        foreach (var tool in tools.Values) await registry.DeclareAsync(tool.Definition, tool.Terms, cancellation);
    }

    internal async Task<ToolResult> CallAsync(ToolState tool, JsonElement input, ActivityContext context, IServiceProvider services, CancellationToken cancellation)
    {
        var id = tool.Definition.Id;
        if (!tools.TryGetValue(id, out var code)) throw new WithheldException($"tool {id}: this host's build does not hold it. Load the pack that does.");
        if (code.Definition.Pin() != tool.Pin) throw new WithheldException($"tool {id}: this host's build holds another version of it than the one that is approved; it is told when the host starts anew.", retry: true);
        var answer = await code.RunAsync(input, context, services, cancellation);
        return answer is { } json ? Answers.OfJson(tool, json.Utf8.ToArray()) : Answers.Of(tool, [], null);
    }
}
