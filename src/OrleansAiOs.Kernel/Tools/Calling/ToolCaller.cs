using System.Collections.Concurrent;
using System.Data.Common;
using System.Text.Json;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tools.Code;
using OrleansAiOs.Kernel.Tools.Mcp;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Kernel.Tools.Schemas;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tools.Calling;

/// <summary>
/// One attempt to call a tool. The engine has recorded it, with its effect class and its input, before it comes here. Until the call is
/// handed to the kind of tool it is, nothing has left, and what speaks against it is a <see cref="WithheldException"/>:
///
/// <code>
/// 1 the tool as it is now, known to the half second: approved, and with the effect class that was recorded
/// 2 the input, against the pinned schema and the fields that may be set
/// 3 the breaker
/// 4 the call, within the tool's time
/// 5 the answer, parsed, labelled, and without the secrets that went out
/// </code>
/// </summary>
internal sealed class ToolCaller(ToolView view, Catalogue catalogue, HttpToolCall http, McpServers mcp, CodeTools code, Breakers breakers, IServiceProvider services, TimeProvider time)
{
    private const int SchemasKept = 1000;

    private readonly ConcurrentDictionary<string, ToolSchema> schemas = new(StringComparer.Ordinal);

    public async Task<ToolResult> CallAsync(string id, JsonElement input, ActivityContext context)
    {
        var tool = await PassedAsync(id, input, context);
        var within = ToolDirectory.Timeout(tool.Terms!);
        return await breakers.CallAsync(context.Tenant, id, async _ =>
        {
            using var limit = new CancellationTokenSource(within, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(context.Cancellation, limit.Token);
            try
            {
                return tool.Definition.Kind switch
                {
                    ToolKind.Http => await http.CallAsync(tool, input, context, within, either.Token),
                    ToolKind.Mcp => await mcp.CallAsync(tool, input, context, either.Token),
                    _ => await code.CallAsync(tool, input, context, services, either.Token),
                };
            }
            catch (OperationCanceledException) when (limit.IsCancellationRequested && !context.Cancellation.IsCancellationRequested)
            {
                throw new ToolFailedException($"tool {id} did not answer within {within.TotalSeconds:0} s.");
            }
        }, CancellationToken.None);
    }

    /// <summary>The tool as it is now, if it may be called with this.</summary>
    /// <exception cref="WithheldException">It may not.</exception>
    public async Task<ToolState> PassedAsync(string id, JsonElement input, ActivityContext context)
    {
        var tool = await CallableAsync(id, context);
        return Objection(tool, input) is { } objection ? throw new WithheldException($"tool {id}: {objection}.") : tool;
    }

    private async Task<ToolState> CallableAsync(string id, ActivityContext context)
    {
        try
        {
            await catalogue.FreshAsync(context.Cancellation);
        }
        catch (DbException e)
        {
            throw new WithheldException($"tool {id}: whether it may be called cannot be told, the database does not answer ({e.Message}).", retry: true);
        }
        var tool = view.Find(context.Tenant, id) ?? throw new WithheldException($"There is no tool '{id}'. `aios tools list` tells which there are.");
        if (tool.Objection is { } objection) throw new WithheldException(objection);
        return tool.Terms!.Effect == context.Effect ? tool
            : throw new WithheldException($"tool {id}: it is {tool.Terms.Effect} now, and this step was recorded when it was {context.Effect}: what may be done about an unknown outcome would be decided wrongly. "
                + "Skip the step with a result, or reset the run to before it.");
    }

    private string? Objection(ToolState tool, JsonElement input)
    {
        if (input.ValueKind is not JsonValueKind.Object) return "its input has to be an object";
        if (schemas.Count > SchemasKept) schemas.Clear();
        // By its pin: another definition is another schema.
        var schema = schemas.GetOrAdd(tool.Pin, _ => ToolSchema.Read(tool.Definition.InputSchema));
        if (schema.Objection(input) is { } misfit) return misfit;
        return tool.Terms!.Fields is { } allowed && Forbidden(input, allowed, "") is { } forbidden
            ? $"{forbidden}. Leave it out; or, if it is to be set, approve the tool for it: `aios tools approve {tool.Definition.Id} --pin {tool.Pin[..12]} --field …`" : null;
    }

    // A path allows what is below it; on the way there, only what leads to an allowed one is passed.
    private static string? Forbidden(JsonElement value, IReadOnlyList<string> allowed, string at)
    {
        foreach (var member in value.EnumerateObject())
        {
            var path = at == "" ? member.Name : $"{at}.{member.Name}";
            // A name with a dot would pass for the path of another field.
            if (member.Name.Contains('.', StringComparison.Ordinal)) return $"input.{path} has a dot in a name, so that no path can mean it, and its approval lets a call set {string.Join(", ", allowed)} alone";
            if (allowed.Contains(path, StringComparer.Ordinal)) continue;
            if (!allowed.Any(field => field.StartsWith(path + ".", StringComparison.Ordinal))) return $"input.{path} is not among the fields that its approval lets a call set ({string.Join(", ", allowed)})";
            if (member.Value.ValueKind is not JsonValueKind.Object) return $"input.{path} would set all that is below it, and its approval lets a call set {string.Join(", ", allowed)} alone";
            if (Forbidden(member.Value, allowed, path) is { } below) return below;
        }
        return null;
    }
}
