using System.Buffers.Text;
using System.Globalization;
using System.Text;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Audit;

/// <summary>
/// The bytes by which the audit trail knows a JSON value: the same for what is sent to the database and for what it gives back (jsonb
/// sorts members, keeps the last of doubled ones, drops white space and writes numbers out). docs/audit.md holds the rules for others:
/// <code>
/// members sorted by the bytes of their names, of doubled ones the last; no white space
/// in texts only " \ and U+0000 to U+001F are escaped: \" \\ \b \f \n \r \t, else \u and four lower-case digits
/// numbers without exponent, as PostgreSQL writes them: 1.50e1 is 15.0, -0 is 0, 1.00 stays
/// </code>
/// It runs for every event on its way to the database, so it is one pass with no tree and no allocation: a value is written behind what
/// is there, and an object whose members were not in order is put in order where it stands.
/// </summary>
internal static class AuditForm
{
    private const int DepthMax = 1000;

    // PostgreSQL holds 131,072 digits before the point and 16,383 behind it; what is longer it refuses.
    private const int ExponentMax = 131_072;

    /// <summary>Writes the form of a value behind what the buffer holds.</summary>
    /// <exception cref="FormatException">This is no JSON, or none that a database takes.</exception>
    public static void Write(ReadOnlySpan<byte> json, AuditBuffer to)
    {
        var at = 0;
        Value(json, ref at, to, 0);
        Space(json, ref at);
        if (at != json.Length) throw Broken(at);
    }

    private static void Value(ReadOnlySpan<byte> json, ref int at, AuditBuffer to, int depth)
    {
        Space(json, ref at);
        if (at >= json.Length || depth > DepthMax) throw Broken(at);
        switch (json[at])
        {
            case (byte)'{': Object(json, ref at, to, depth); break;
            case (byte)'[': Array(json, ref at, to, depth); break;
            case (byte)'"': Text(json, ref at, to); break;
            case (byte)'t': Literal(json, ref at, to, "true"u8); break;
            case (byte)'f': Literal(json, ref at, to, "false"u8); break;
            case (byte)'n': Literal(json, ref at, to, "null"u8); break;
            default: Number(json, ref at, to); break;
        }
    }

    private static void Object(ReadOnlySpan<byte> json, ref int at, AuditBuffer to, int depth)
    {
        at++;
        to.Add((byte)'{');
        var members = to.Mark();
        var sorted = true;
        Space(json, ref at);
        if (at < json.Length && json[at] == '}') at++;
        else
        {
            while (true)
            {
                Space(json, ref at);
                if (at >= json.Length || json[at] != '"') throw Broken(at);
                var start = to.Length;
                Text(json, ref at, to);
                var name = to.Length - start;
                Expect(json, ref at, (byte)':');
                to.Add((byte)':');
                Value(json, ref at, to, depth + 1);
                sorted &= to.Remember(members, start, name);
                if (!Next(json, ref at, (byte)'}')) break;
                to.Add((byte)',');
            }
        }
        if (!sorted) to.Sort(members);
        to.Forget(members);
        to.Add((byte)'}');
    }

    private static void Array(ReadOnlySpan<byte> json, ref int at, AuditBuffer to, int depth)
    {
        at++;
        to.Add((byte)'[');
        Space(json, ref at);
        if (at < json.Length && json[at] == ']') at++;
        else
        {
            while (true)
            {
                Value(json, ref at, to, depth + 1);
                if (!Next(json, ref at, (byte)']')) break;
                to.Add((byte)',');
            }
        }
        to.Add((byte)']');
    }

    private static void Text(ReadOnlySpan<byte> json, ref int at, AuditBuffer to)
    {
        var rest = json[(at + 1)..];
        var end = rest.IndexOfAny((byte)'"', (byte)'\\');
        if (end < 0) throw Broken(json.Length);
        if (rest[end] == '"')
        {
            to.Add(json.Slice(at, end + 2));
            at += end + 2;
            return;
        }
        to.Add((byte)'"');
        at++;
        while (true)
        {
            end = json[at..].IndexOfAny((byte)'"', (byte)'\\');
            if (end < 0) throw Broken(json.Length);
            to.Add(json.Slice(at, end));
            at += end;
            if (json[at++] == '"') break;
            if (at >= json.Length) throw Broken(at);
            Escaped(json, ref at, to);
        }
        to.Add((byte)'"');
    }

    private static void Escaped(ReadOnlySpan<byte> json, ref int at, AuditBuffer to)
    {
        var c = json[at++];
        if (c != 'u')
        {
            if (c == '/') to.Add(c);
            else if ("\"\\bfnrt"u8.Contains(c)) to.Add([(byte)'\\', c]);
            else throw Broken(at);
            return;
        }
        var unit = Unit(json, ref at);
        if (char.IsHighSurrogate(unit) && json[at..].StartsWith("\\u"u8))
        {
            at += 2;
            var low = Unit(json, ref at);
            if (!char.IsLowSurrogate(low)) throw Broken(at);
            Span<byte> four = stackalloc byte[4];
            to.Add(four[..new Rune(unit, low).EncodeToUtf8(four)]);
            return;
        }
        if (char.IsSurrogate(unit)) throw Broken(at);
        switch (unit)
        {
            case '"': to.Add("\\\""u8); break;
            case '\\': to.Add("\\\\"u8); break;
            case '\b': to.Add("\\b"u8); break;
            case '\f': to.Add("\\f"u8); break;
            case '\n': to.Add("\\n"u8); break;
            case '\r': to.Add("\\r"u8); break;
            case '\t': to.Add("\\t"u8); break;
            case < ' ': to.Add(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"\\u{(int)unit:x4}"))); break;
            default:
                Span<byte> three = stackalloc byte[3];
                to.Add(three[..new Rune(unit).EncodeToUtf8(three)]);
                break;
        }
    }

    private static char Unit(ReadOnlySpan<byte> json, ref int at)
    {
        if (at + 4 > json.Length || !Utf8Parser.TryParse(json.Slice(at, 4), out ushort unit, out var read, 'x') || read != 4) throw Broken(at);
        at += 4;
        return (char)unit;
    }

    private static void Literal(ReadOnlySpan<byte> json, ref int at, AuditBuffer to, ReadOnlySpan<byte> literal)
    {
        if (!json[at..].StartsWith(literal)) throw Broken(at);
        to.Add(literal);
        at += literal.Length;
    }

    private static void Number(ReadOnlySpan<byte> json, ref int at, AuditBuffer to)
    {
        var start = at;
        var plain = true;
        for (; at < json.Length; at++)
        {
            var c = json[at];
            if (c is >= (byte)'0' and <= (byte)'9' or (byte)'.' or (byte)'-') continue;
            if (c is not ((byte)'e' or (byte)'E' or (byte)'+')) break;
            plain = false;
        }
        var number = json[start..at];
        if (number.IsEmpty) throw Broken(at);
        if (plain && !number.StartsWith("-0"u8)) to.Add(number);
        else to.Add(Encoding.ASCII.GetBytes(WriteOut(Encoding.ASCII.GetString(number), start)));
    }

    private static string WriteOut(string number, int at)
    {
        var e = number.AsSpan().IndexOfAny('e', 'E');
        var exponent = 0;
        if (e >= 0 && (!int.TryParse(number.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent) || exponent is < -ExponentMax or > ExponentMax)) throw Broken(at);
        return CanonicalJson.WriteOut(number, e, exponent);
    }

    private static bool Next(ReadOnlySpan<byte> json, ref int at, byte close)
    {
        Space(json, ref at);
        if (at >= json.Length) throw Broken(at);
        var c = json[at++];
        return c == ',' || (c == close ? false : throw Broken(at));
    }

    private static void Expect(ReadOnlySpan<byte> json, ref int at, byte wanted)
    {
        Space(json, ref at);
        if (at >= json.Length || json[at] != wanted) throw Broken(at);
        at++;
    }

    private static void Space(ReadOnlySpan<byte> json, ref int at)
    {
        while (at < json.Length && json[at] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t') at++;
    }

    private static FormatException Broken(int at) => new($"This is no JSON that a database takes: it breaks at byte {at}.");
}
