using System.Collections.Frozen;
using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Streams;

/// <summary>The stored name of every kernel event, and how its body is written and read. tests/…/Streams/Events.verified.txt pins each form.</summary>
public static class EventTable
{
    // Beside the event's own members; none of them may have the name.
    private const string ByMember = "$by";
    private const string SealMember = "$seal";

    private static readonly FrozenDictionary<Type, string> NameOf = typeof(EventTable).Assembly.GetTypes()
        .Where(type => type.IsSubclassOf(typeof(KernelEvent)) && !type.IsAbstract)
        .ToFrozenDictionary(type => type, type => type.GetCustomAttribute<StoredAsAttribute>()?.Name
            ?? throw new InvalidOperationException($"{type.Name} has no [StoredAs(\"name\")]: what is stored needs a name that is independent of the class."));

    private static readonly FrozenDictionary<string, Type> TypeOf = NameOf.ToFrozenDictionary(pair => pair.Value, pair => pair.Key);

    private static readonly JsonSerializerOptions Json = Make();

    public static IEnumerable<string> Names => NameOf.Values.Order(StringComparer.Ordinal);

    public static string Of(KernelEvent e) => NameOf[e.GetType()];

    public static string Of<T>() where T : KernelEvent => NameOf[typeof(T)];

    /// <param name="seal">Makes the seal from the name and the body without it; null to leave it away.</param>
    internal static (string Name, string Body) Write(KernelEvent e, string? by, Func<string, string, string>? seal = null)
    {
        var body = JsonSerializer.SerializeToNode(e, e.GetType(), Json)!.AsObject();
        if (by is not null) body.Insert(0, ByMember, by);
        var name = Of(e);
        if (seal is not null) body.Insert(0, SealMember, seal(name, body.ToJsonString(Json)));
        return (name, body.ToJsonString(Json));
    }

    /// <summary>The seal of a stored body, and the body without it.</summary>
    internal static (string? Seal, string Body) Unseal(string body)
    {
        try
        {
            if (JsonNode.Parse(body) is not JsonObject json || !json.Remove(SealMember, out var seal)) return (null, body);
            return (seal is JsonValue value && value.TryGetValue<string>(out var text) ? text : null, json.ToJsonString(Json));
        }
        catch (JsonException)
        {
            return (null, body);
        }
    }

    /// <exception cref="UnreadableHistoryException">The name is not known to this build, or the body is not what the name promises.</exception>
    internal static (KernelEvent Event, string? By) Read(string stream, long version, string name, string body)
    {
        if (!TypeOf.TryGetValue(name, out var type))
            throw new UnreadableHistoryException($"Event {version} of {stream} is a '{name}', which this build does not know. It was written by a newer build: run that one, or a later one.");
        try
        {
            var json = JsonNode.Parse(body)!.AsObject();
            json.Remove(ByMember, out var by);
            json.Remove(SealMember);
            return ((KernelEvent)json.Deserialize(type, Json)!, by?.GetValue<string>());
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new UnreadableHistoryException($"Event {version} ('{name}') of {stream} cannot be read: {e.Message}");
        }
    }

    private static JsonSerializerOptions Make()
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web)
        {
            NumberHandling = JsonNumberHandling.Strict,
            PropertyNameCaseInsensitive = false,
            DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        };
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false));
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }
}
