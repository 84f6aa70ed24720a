using System.Text.Json.Nodes;
using OrleansAiOs.Kernel.Tests.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tests.Tools.Comparing;

/// <summary>A receiver with one customer: GET reads it, POST sets fields of it and knows keys. A test says what goes wrong.</summary>
internal sealed class Crm : IAsyncDisposable
{
    public const string Schema = """{"type":"object","properties":{"id":{"type":"string"},"email":{"type":"string"},"phone":{"type":"string"}},"required":["id"]}""";

    private readonly HashSet<string> keys = [];

    public Crm() => Server = new RawServer(Answer);

    public RawServer Server { get; }

    public JsonObject Customer { get; set; } = new() { ["email"] = "old@example.com", ["iban"] = "DE89", ["version"] = 1 };

    /// <summary>Comes before a request is served; an answer of its own, or null.</summary>
    public Func<string, byte[]?> Before { get; set; } = static _ => null;

    /// <summary>Comes when a write has been done; an answer of its own, or null.</summary>
    public Func<byte[]?> Written { get; set; } = static () => null;

    public IReadOnlyList<string> Methods => [.. Server.Requests.Select(request => request.Split(' ')[0])];

    public async Task AddAsync(ToolBench bench, Effect effect = Effect.Keyed, ToolComparison? comparison = null, IReadOnlyList<string>? fields = null, bool isCompared = true)
    {
        await bench.AddHttpAsync("get", new HttpCall("GET", Server.Url + "/customers/{id}", Header), """{"type":"object","properties":{"id":{"type":"string"}},"required":["id"],"additionalProperties":false}""", new ToolTerms(Effect.Pure, [Server.Endpoint]));
        await bench.AddHttpAsync("update", new HttpCall("POST", Server.Url + "/customers/{id}"), Schema, new ToolTerms(effect, [Server.Endpoint], Fields: fields, Comparison: isCompared ? comparison ?? Compared : null));
    }

    public Dictionary<string, string>? Header { get; init; }

    public static ToolComparison Compared => new("crm/get", new Dictionary<string, string> { ["id"] = "id" }, Own: ["version"]);

    public ValueTask DisposeAsync() => Server.DisposeAsync();

    private byte[] Answer(string request)
    {
        if (Before(request) is { } other) return other;
        if (request.StartsWith("GET", StringComparison.Ordinal)) return Json(Customer);
        var key = request.Split("Idempotency-Key: ")[1].Split('\r')[0];
        lock (keys)
        {
            if (keys.Add(key))
            {
                foreach (var (name, value) in JsonNode.Parse(request.Split("\r\n\r\n", 2)[1])!.AsObject()) Customer[name] = value?.DeepClone();
                Customer["version"] = Customer["version"]!.GetValue<int>() + 1;
            }
        }
        return Written() ?? RawServer.Http(200, """{"ok":true}""", "Content-Type: application/json");
    }

    public static byte[] Json(JsonNode value) => RawServer.Http(200, value.ToJsonString(), "Content-Type: application/json");
}
