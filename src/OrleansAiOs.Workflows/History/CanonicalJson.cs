using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OrleansAiOs.Workflows.History;

/// <summary>
/// One byte sequence for one JSON value, so that it can be hashed: members sorted by their UTF-16 code units, no white space,
/// numbers as they were written (a decimal keeps its zeros; 1.0 and 1.00 are different statements about money), those with an exponent
/// written out as the database gives them back (1e2 is 100): a value has one digest, before it was stored and after.
/// After RFC 8785 (JCS), but for the numbers, which JCS would round to doubles.
/// </summary>
public static class CanonicalJson
{
    internal const int NumberCharsMax = 1000;
    internal const int ExponentMax = 1000;

    public static string Digest(JsonText value) => Convert.ToHexStringLower(SHA256.HashData(Write(value)));

    public static byte[] Write(JsonText value)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var document = JsonDocument.Parse(value.Utf8);
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            Write(document.RootElement, writer);
        return buffer.WrittenSpan.ToArray();
    }

    private static void Write(JsonElement element, Utf8JsonWriter writer)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var member in element.EnumerateObject().OrderBy(member => member.Name, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(member.Name);
                    Write(member.Value, writer);
                }
                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in element.EnumerateArray()) Write(item, writer);
                writer.WriteEndArray();
                break;
            case JsonValueKind.Number:
                writer.WriteRawValue(WriteOut(element.GetRawText()));
                break;
            default:
                element.WriteTo(writer);
                break;
        }
    }

    /// <summary>Whether a number, written out, is of a length that every store holds.</summary>
    internal static bool IsModest(ReadOnlySpan<byte> number, int charsMax = NumberCharsMax)
    {
        if (number.Length > charsMax) return false;
        var e = number.IndexOfAny((byte)'e', (byte)'E');
        return e < 0 || int.TryParse(number[(e + 1)..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var exponent) && exponent is >= -ExponentMax and <= ExponentMax;
    }

    private static string WriteOut(string number)
    {
        var e = number.AsSpan().IndexOfAny('e', 'E');
        if (e < 0 && !number.StartsWith("-0", StringComparison.Ordinal) || !IsModest(Encoding.ASCII.GetBytes(number))) return number;
        var exponent = e < 0 ? 0 : int.Parse(number.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return WriteOut(number, e, exponent);
    }

    /// <summary>A number without its exponent, as PostgreSQL writes it: 1.50e1 is 15.0, -0 is 0.</summary>
    /// <param name="number">A JSON number.</param>
    /// <param name="e">Where its exponent begins; less than 0 if it has none.</param>
    /// <param name="exponent">What the exponent is; 0 if it has none.</param>
    internal static string WriteOut(string number, int e, int exponent)
    {
        var mantissa = (e < 0 ? number : number[..e]).TrimStart('-');
        var point = mantissa.IndexOf('.', StringComparison.Ordinal);
        var digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        // How many of the digits stand before the point.
        var whole = (point < 0 ? mantissa.Length : point) + exponent;
        if (whole < 1) (digits, whole) = (new string('0', 1 - whole) + digits, 1);
        if (whole > digits.Length) digits = digits.PadRight(whole, '0');
        var (before, behind) = (digits[..whole].TrimStart('0'), digits[whole..]);
        var written = (before.Length == 0 ? "0" : before) + (behind.Length == 0 ? "" : "." + behind);
        return number[0] == '-' && written.AsSpan().ContainsAnyInRange('1', '9') ? "-" + written : written;
    }
}
