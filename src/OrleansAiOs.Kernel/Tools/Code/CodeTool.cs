using System.ComponentModel;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tools.Code;

/// <summary>A C# method as a tool.</summary>
internal sealed class CodeTool
{
    private readonly MethodInfo method;
    private readonly ParameterInfo[] parameters;

    public CodeTool(MethodInfo method, ToolAttribute attribute)
    {
        (this.method, parameters) = (method, method.GetParameters());
        var dot = attribute.Name.IndexOf('.', StringComparison.Ordinal);
        if (dot <= 0) throw new InvalidOperationException($"{Place}: [Tool(\"{attribute.Name}\")] names no server. Write SERVER.NAME, as in \"crm.update\".");
        if (method.ContainsGenericParameters) throw new InvalidOperationException($"{Place}: a tool has no type parameters; nobody could say which types a call means.");
        var answer = Answer(method.ReturnType);
        Definition = new ToolDefinition
        {
            Kind = ToolKind.Code,
            Server = attribute.Name[..dot],
            Name = attribute.Name[(dot + 1)..],
            Title = attribute.Title,
            Description = method.GetCustomAttribute<DescriptionAttribute>()?.Description,
            InputSchema = JsonText.Parse(InputSchema().ToJsonString()),
            OutputSchema = answer is null ? null : JsonText.Parse(Export(answer).ToJsonString()),
        };
        try
        {
            DefinitionRules.Check(Definition);
            Terms = TermsOf(attribute);
        }
        catch (DefinitionException e)
        {
            throw new InvalidOperationException($"{Place} is no tool: {e.Message}.", e);
        }
        if (DefinitionRules.Objection(Terms, Definition) is { } objection) throw new InvalidOperationException($"{Place}: {objection}");
    }

    public ToolDefinition Definition { get; }

    public ToolTerms Terms { get; }

    /// <summary>Calls it; null if it answers nothing.</summary>
    public async Task<JsonText?> RunAsync(JsonElement input, ActivityContext context, IServiceProvider services, CancellationToken cancellation)
    {
        await using var scope = services.CreateAsyncScope();
        // The method has not run yet: whatever goes wrong up to it, nothing has happened, and that is told.
        var arguments = parameters.Select(parameter => Argument(parameter, input, context, cancellation)).ToArray();
        var target = method.IsStatic ? null : Target(scope.ServiceProvider);
        var returned = method.Invoke(target, BindingFlags.DoNotWrapExceptions, null, arguments, null);
        if (returned is ValueTask nothing) await nothing;
        var task = returned as Task ?? (returned?.GetType() is { IsGenericType: true } type && type.GetGenericTypeDefinition() == typeof(ValueTask<>) ? (Task)type.GetMethod("AsTask")!.Invoke(returned, null)! : null);
        if (task is not null) await task;
        if (Answer(method.ReturnType) is null) return null;
        return task is null ? JsonText.From(returned) : JsonText.From(task.GetType().GetProperty("Result")!.GetValue(task));
    }

    private static ToolTerms TermsOf(ToolAttribute attribute) => new(attribute.Effect, Fields: attribute.Fields, Comparison: attribute.CompareBy is not { } by ? null
        : new ToolComparison(by.IndexOf('.', StringComparison.Ordinal) is > 0 and var dot ? $"{by[..dot]}/{by[(dot + 1)..]}" : by, Pairs(attribute.CompareWith), attribute.CompareAt, attribute.CompareFields is { } fields ? Pairs(fields) : null, attribute.CompareOwn));

    private static Dictionary<string, string> Pairs(string[]? pairs)
    {
        var read = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in pairs ?? [])
            if (pair.IndexOf('=', StringComparison.Ordinal) is not (> 0 and var at) || !read.TryAdd(pair[..at], pair[(at + 1)..])) throw new DefinitionException($"'{pair}' is no NAME=PATH, or names it twice");
        return read;
    }

    private object Target(IServiceProvider services)
    {
        try
        {
            return ActivatorUtilities.GetServiceOrCreateInstance(services, method.DeclaringType!);
        }
        catch (Exception e)
        {
            throw new WithheldException($"tool {Definition.Id}: it was not called, its {method.DeclaringType!.Name} cannot be made: {e.Message}", retry: true);
        }
    }

    // The schema lets through what the type does not take: its formats say what a text means and are not checked, and its integers have no range.
    private object? Argument(ParameterInfo parameter, JsonElement input, ActivityContext context, CancellationToken cancellation)
    {
        if (parameter.ParameterType == typeof(ActivityContext)) return context;
        if (parameter.ParameterType == typeof(IdempotencyKey)) return context.Key;
        if (parameter.ParameterType == typeof(CancellationToken)) return cancellation;
        if (!input.TryGetProperty(parameter.Name!, out var value)) return parameter.DefaultValue;
        try
        {
            return value.Deserialize(parameter.ParameterType, WorkflowJson.Door);
        }
        catch (Exception e)
        {
            var within = e is JsonException { Path: ['$', .. var path] } ? path : "";
            var type = Nullable.GetUnderlyingType(parameter.ParameterType) ?? parameter.ParameterType;
            throw new WithheldException($"tool {Definition.Id}: input.{parameter.Name}{within} is not what the tool takes ({parameter.Name} is of type {type.Name}): {(e.InnerException ?? e).Message}");
        }
    }

    private JsonObject InputSchema()
    {
        var (properties, required) = (new JsonObject(), new JsonArray());
        foreach (var parameter in parameters.Where(parameter => parameter.ParameterType != typeof(ActivityContext) && parameter.ParameterType != typeof(IdempotencyKey) && parameter.ParameterType != typeof(CancellationToken)))
        {
            var schema = Export(parameter.ParameterType);
            Rebase(schema, $"#/properties/{parameter.Name}");
            if (parameter.GetCustomAttribute<DescriptionAttribute>()?.Description is { } description && schema is JsonObject node) node["description"] = description;
            properties[parameter.Name!] = schema;
            if (!parameter.HasDefaultValue) required.Add(parameter.Name);
        }
        return new JsonObject { ["type"] = "object", ["properties"] = properties, ["required"] = required, ["additionalProperties"] = false };
    }

    private static JsonNode Export(Type type) => WorkflowJson.Door.GetJsonSchemaAsNode(type, new JsonSchemaExporterOptions
    {
        TreatNullObliviousAsNonNullable = true,
        TransformSchemaNode = static (context, schema) =>
        {
            if (schema is JsonObject node && context.PropertyInfo?.AttributeProvider?.GetCustomAttributes(typeof(DescriptionAttribute), false) is [DescriptionAttribute { Description: var description }]) node["description"] = description;
            return schema;
        },
    });

    // A type that holds itself refers to its own schema's root, which is no root here.
    private static void Rebase(JsonNode? node, string root)
    {
        if (node is JsonArray array) foreach (var item in array) Rebase(item, root);
        if (node is not JsonObject members) return;
        if (members["$ref"] is JsonValue reference && reference.GetValue<string>() is ['#', .. var path]) members["$ref"] = root + path;
        foreach (var (_, member) in members) Rebase(member, root);
    }

    private static Type? Answer(Type type) => type == typeof(void) || type == typeof(Task) || type == typeof(ValueTask) ? null
        : type.IsGenericType && (type.GetGenericTypeDefinition() == typeof(Task<>) || type.GetGenericTypeDefinition() == typeof(ValueTask<>)) ? type.GetGenericArguments()[0] : type;

    private string Place => $"{method.DeclaringType?.Name}.{method.Name}";
}
