using System.Text.Json;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tools.Schemas;

/// <summary>
/// A JSON Schema as tools declare theirs (2020-12: what the base library's exporter makes, and what MCP servers use), read once and then
/// asked of each input. It is somebody else's text: its size, depth and the work it may cause are bounded, its patterns cannot run for
/// ever, and it refers to nothing outside itself.
///
/// A keyword that is not known here does not refuse a schema: it is listed (<see cref="Unread"/>) for the person who approves the tool. What
/// it would have demanded is left to the tool itself; the check here is what the host promises about what it sends, and never less than
/// what it says it read.
/// </summary>
public sealed class ToolSchema
{
    public const int BytesMax = 64 * 1024;

    // Steps of one check; a step is a node of the schema asked of a value, or two values compared.
    private const int StepsMax = 100_000;

    private readonly SchemaNode root;

    private ToolSchema(SchemaNode root, IReadOnlyList<string> unread) => (this.root, Unread) = (root, unread);

    /// <summary>Keywords that were passed over, each once.</summary>
    public IReadOnlyList<string> Unread { get; }

    /// <exception cref="SchemaException">It is no schema, is too large, or asks for what no check here can do.</exception>
    public static ToolSchema Read(JsonText schema)
    {
        if (schema.Utf8.Length > BytesMax) throw new SchemaException($"a tool's schema has at most {BytesMax / 1024} KiB; this has {schema.Utf8.Length / 1024}");
        var reader = new SchemaReader(schema.ToElement());
        return new ToolSchema(reader.Read(), reader.Unread);
    }

    /// <summary>What speaks against a value, with where it stands; null if it is what the schema asks for.</summary>
    public string? Objection(JsonElement value)
    {
        var check = new SchemaCheck(StepsMax);
        try
        {
            return check.Objection(root, value, "input");
        }
        catch (SchemaException e)
        {
            return e.Message;
        }
    }
}

/// <summary>A schema cannot be read, or takes too much work to check.</summary>
public sealed class SchemaException(string message) : Exception(message);
