using System.Text.Json;
using System.Text.Json.Serialization;

namespace OrleansAiOs.Sandbox;

/// <summary>A body a caller may send, with an example to show whoever sent something else.</summary>
internal interface IBody
{
    static abstract string Example { get; }
}

/// <summary>The one way JSON is read and written here: no unknown, doubled or differently cased members, shallow, exact amounts.</summary>
internal static class StrictJson
{
    public const int BodyBytesMax = 1024 * 1024;

    public static readonly JsonSerializerOptions Options = new(JsonSerializerOptions.Strict)
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        MaxDepth = 32,
        Converters = { new AmountConverter(), new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
    };

    public static byte[] Bytes<T>(T value) => JsonSerializer.SerializeToUtf8Bytes(value, Options);

    public static T Body<T>(SandboxRequest request)
        where T : class, IBody
    {
        if (request.ContentType?.Split(';')[0].Trim().Equals("application/json", StringComparison.OrdinalIgnoreCase) != true)
        {
            throw new Refusal(415, "not-json", "The body must be announced as JSON.")
            {
                Field = "Content-Type",
                Cure = "Send Content-Type: application/json.",
            };
        }

        try
        {
            return JsonSerializer.Deserialize<T>(request.Body.Span, Options) ?? throw Unreadable<T>("$", "it is null");
        }
        catch (MalformedValueException malformed)
        {
            throw Unreadable<T>(malformed.Path, malformed.Message);
        }
        catch (JsonException e)
        {
            // The library's own text names our types, so only the place is passed on.
            throw Unreadable<T>(e.Path, "it is no JSON, or this member is unknown here, doubled or of another type");
        }
    }

    private static Refusal Unreadable<T>(string? path, string why)
        where T : IBody
    {
        var field = path is null or "$" ? "body" : path.StartsWith("$.", StringComparison.Ordinal) ? path[2..] : path;
        field = field.Length > 100 ? field[..100] + "…" : field;
        return new Refusal(400, "unreadable-body", $"The body cannot be read at {field}: {why}.")
        {
            Field = field,
            Cure = "Send UTF-8 JSON like " + T.Example,
        };
    }
}

/// <summary>A value a converter refuses; its text is fit to be shown, unlike the library's own.</summary>
internal sealed class MalformedValueException(string why) : JsonException(why);
