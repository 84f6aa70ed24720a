using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OrleansAiOs.Workflows.History;

/// <summary>A JSON value as UTF-8 text, carried without being parsed: what authors' inputs and results are inside an event.</summary>
[JsonConverter(typeof(Converter))]
public readonly struct JsonText(ReadOnlyMemory<byte> utf8) : IEquatable<JsonText>
{
    private static readonly byte[] NullLiteral = "null"u8.ToArray();

    public ReadOnlyMemory<byte> Utf8 => utf8.IsEmpty ? NullLiteral : utf8;

    public bool IsNull => utf8.IsEmpty || utf8.Span.SequenceEqual(NullLiteral);

    public static JsonText From<T>(T value)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(value, WorkflowJson.Stored);
        if (Objection(bytes) is { } objection) throw new JsonException($"This {typeof(T).Name} cannot be stored: {objection}.");
        return new JsonText(bytes);
    }

    /// <exception cref="JsonException">It is no JSON, or holds what cannot be stored.</exception>
    public static JsonText Parse(string json)
    {
        var bytes = Encoding.UTF8.GetBytes(json);
        if (Objection(bytes) is { } objection) throw new JsonException($"This JSON cannot be stored: {objection}.");
        return new JsonText(bytes);
    }

    public T? To<T>(JsonSerializerOptions? options = null) => JsonSerializer.Deserialize<T>(Utf8.Span, options ?? WorkflowJson.Stored);

    public JsonElement ToElement()
    {
        using var document = JsonDocument.Parse(Utf8);
        return document.RootElement.Clone();
    }

    public bool Equals(JsonText other) => Utf8.Span.SequenceEqual(other.Utf8.Span);

    public override bool Equals(object? obj) => obj is JsonText other && Equals(other);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.AddBytes(Utf8.Span);
        return hash.ToHashCode();
    }

    public override string ToString() => Encoding.UTF8.GetString(Utf8.Span);

    /// <summary>Why a database cannot hold this: it would be refused at the append, when nobody is there to be told. Null if it can.</summary>
    /// <exception cref="JsonException">It is no JSON.</exception>
    internal static string? Objection(ReadOnlySpan<byte> json, int numberCharsMax = CanonicalJson.NumberCharsMax)
    {
        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.Number && !CanonicalJson.IsModest(reader.ValueSpan, numberCharsMax))
                return $"a number has at most {numberCharsMax} digits and an exponent of at most {CanonicalJson.ExponentMax}";
            if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName) || !reader.ValueIsEscaped || reader.ValueSpan.IndexOf("\\u"u8) < 0) continue;
            if (HoldsNul(reader.ValueSpan)) return "a text holds the character U+0000; remove it before it is returned or passed on";
            try
            {
                _ = reader.GetString();
            }
            catch (InvalidOperationException)
            {
                return "a text holds half a character (a lone surrogate)";
            }
        }
        return null;
    }

    // The six bytes \u0000 also occur, harmlessly, behind an escaped backslash.
    private static bool HoldsNul(ReadOnlySpan<byte> json)
    {
        for (var i = 0; i < json.Length - 1; i++)
        {
            if (json[i] != '\\') continue;
            if (json[i..].StartsWith("\\u0000"u8)) return true;
            i++;
        }
        return false;
    }

    internal sealed class Converter : JsonConverter<JsonText>
    {
        public override bool HandleNull => true;

        public override JsonText Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            using var document = JsonDocument.ParseValue(ref reader);
            return new JsonText(Encoding.UTF8.GetBytes(document.RootElement.GetRawText()));
        }

        public override void Write(Utf8JsonWriter writer, JsonText value, JsonSerializerOptions options) =>
            writer.WriteRawValue(value.Utf8.Span, skipInputValidation: true);
    }
}
