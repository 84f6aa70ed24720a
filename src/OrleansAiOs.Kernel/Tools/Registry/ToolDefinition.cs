using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tools.Registry;

/// <summary>How a tool is called.</summary>
public enum ToolKind
{
    /// <summary>A C# method with [Tool].</summary>
    Code,

    /// <summary>A declared HTTP call.</summary>
    Http,

    /// <summary>A tool of an MCP server.</summary>
    Mcp,
}

/// <summary>
/// What a tool says of itself. All of it is data, shown to people and models; none of it decides what the tool may do. It is pinned: a byte
/// that changes makes it another definition, which nobody has approved.
/// </summary>
public sealed record ToolDefinition
{
    public required ToolKind Kind { get; init; }

    /// <summary>Who offers it, 1 to 64 of a-z, 0-9 and '-'. Its name is unique there.</summary>
    public required string Server { get; init; }

    /// <summary>1 to 128 of A-Z, a-z, 0-9, '_', '-', '.' and '/'.</summary>
    public required string Name { get; init; }

    /// <summary>At most 200 characters.</summary>
    public string? Title { get; init; }

    /// <summary>At most 8,000 characters.</summary>
    public string? Description { get; init; }

    /// <summary>JSON Schema of its input; at most 64 KiB.</summary>
    public required JsonText InputSchema { get; init; }

    /// <summary>JSON Schema of its output; at most 64 KiB.</summary>
    public JsonText? OutputSchema { get; init; }

    /// <summary>What an MCP server says about the effect of its tool. Kept as evidence, never acted on.</summary>
    public JsonText? Hints { get; init; }

    public HttpCall? Http { get; init; }

    [JsonIgnore]
    public string Id => $"{Server}/{Name}";

    // Null members are left out, so that one that a later build adds changes no pin.
    private static readonly JsonSerializerOptions Form = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>SHA-256 of the definition's canonical JSON, in hexadecimal.</summary>
    /// <exception cref="JsonException">It holds what cannot be stored.</exception>
    public string Pin() => CanonicalJson.Digest(ToJson());

    internal JsonText ToJson() => JsonText.Parse(JsonSerializer.Serialize(this, Form));
}

/// <summary>A call by HTTP, as it is declared.</summary>
/// <param name="Method">GET, HEAD, POST, PUT, PATCH or DELETE.</param>
/// <param name="Url">Absolute. {name} in its path or query is a member of the input, percent-encoded; the host is fixed. What of the input the URL
/// does not name is the query of a GET, HEAD or DELETE, and the JSON body of the others.</param>
/// <param name="Headers">Fixed ones; a value may hold secret://NAME.</param>
/// <param name="IdempotencyHeader">The header that carries the key of the call; Idempotency-Key if left out.</param>
public sealed record HttpCall(string Method, string Url, IReadOnlyDictionary<string, string>? Headers = null, string? IdempotencyHeader = null);
