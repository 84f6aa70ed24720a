using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OrleansAiOs.Sandbox;

/// <summary>Amounts of money: exact, as a JSON string or number, at most 15 digits before the point and 2 behind; written as strings.</summary>
internal sealed class AmountConverter : JsonConverter<decimal>
{
    private const int CharsMax = 19;

    public override decimal Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.Number))
        {
            throw Malformed();
        }

        // The raw text is judged, never a double: 0.1 stays 0.1, and a million digits are refused unread.
        var raw = reader.HasValueSequence ? reader.ValueSequence.ToArray() : reader.ValueSpan;
        return raw.Length <= CharsMax && TryParse(Encoding.UTF8.GetString(raw), out var amount) ? amount : throw Malformed();
    }

    public override void Write(Utf8JsonWriter writer, decimal value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.ToString("F2", CultureInfo.InvariantCulture));

    private static bool TryParse(string text, out decimal amount)
    {
        amount = 0;
        var point = text.IndexOf('.');
        var whole = (point < 0 ? text : text[..point]).AsSpan().TrimStart('-');
        var cents = point < 0 ? "0" : text[(point + 1)..];
        var minuses = (point < 0 ? text.Length : point) - whole.Length;
        return minuses <= 1
            && whole.Length is >= 1 and <= 15
            && cents.Length is 1 or 2
            && !whole.ContainsAnyExceptInRange('0', '9')
            && !cents.AsSpan().ContainsAnyExceptInRange('0', '9')
            && decimal.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out amount);
    }

    private static MalformedValueException Malformed() =>
        new("an amount is a string or number such as \"1234.50\": at most 15 digits, then at most 2 decimals, no exponent");
}
