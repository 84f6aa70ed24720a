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
/// It runs for every event on its way to the database, so it is one pass with no tree and no allocation. What stands in the text as it
/// should is not looked at twice: it is copied in one go where the text first differs from its form, or ends. An object whose members were
/// not in order is put in order where it was written.
/// </summary>
internal ref struct AuditForm
{
    private const int DepthMax = 1000;

    // PostgreSQL holds 131,072 digits before the point and 16,383 behind it; what is longer it refuses.
    private const int ExponentMax = 131_072;

    private readonly ReadOnlySpan<byte> json;
    private readonly AuditBuffer to;
    private int at;
    private int run; // from here to where it is, the text is as it should be, and not written yet

    private AuditForm(ReadOnlySpan<byte> json, AuditBuffer to)
    {
        this.json = json;
        this.to = to;
    }

    /// <summary>Writes the form of a value behind what the buffer holds.</summary>
    /// <exception cref="FormatException">This is no JSON, or none that a database takes.</exception>
    public static void Write(ReadOnlySpan<byte> json, AuditBuffer to)
    {
        if (IsForm(json))
        {
            to.Add(json);
            return;
        }
        var form = new AuditForm(json, to);
        form.Value(0);
        form.Space();
        if (form.at != json.Length) throw form.Broken();
        form.Copy();
    }

    // Whether a value is in its form as it stands: so is most of what a host writes, whose events have their members in order. It need not
    // see each that is; for one it passes over, the other way leads to the same bytes.
    private static bool IsForm(ReadOnlySpan<byte> json)
    {
        var at = 0;
        return IsForm(json, ref at, 0) && at == json.Length;
    }

    private static bool IsForm(ReadOnlySpan<byte> json, ref int at, int depth)
    {
        if ((uint)at >= (uint)json.Length || depth > 64) return false;
        switch (json[at])
        {
            case (byte)'{':
                if (IsAt(json, ++at, (byte)'}')) break;
                ReadOnlySpan<byte> before = default;
                for (var first = true; ; at++, first = false)
                {
                    var start = at + 1;
                    if (!IsText(json, ref at)) return false;
                    var name = json[start..(at - 1)];
                    if (!first && AuditBuffer.CompareNames(before, name) >= 0) return false;
                    before = name;
                    if (!IsAt(json, at++, (byte)':') || !IsForm(json, ref at, depth + 1)) return false;
                    if (IsAt(json, at, (byte)'}')) break;
                    if (!IsAt(json, at, (byte)',')) return false;
                }
                break;
            case (byte)'[':
                if (IsAt(json, ++at, (byte)']')) break;
                for (; ; at++)
                {
                    if (!IsForm(json, ref at, depth + 1)) return false;
                    if (IsAt(json, at, (byte)']')) break;
                    if (!IsAt(json, at, (byte)',')) return false;
                }
                break;
            case (byte)'"': return IsText(json, ref at);
            case (byte)'t': return IsLiteral(json, ref at, "true"u8);
            case (byte)'f': return IsLiteral(json, ref at, "false"u8);
            case (byte)'n': return IsLiteral(json, ref at, "null"u8);
            default:
                var from = at;
                while ((uint)at < (uint)json.Length && json[at] is >= (byte)'0' and <= (byte)'9' or (byte)'.' or (byte)'-') at++;
                return at > from && !json[from..at].StartsWith("-0"u8);
        }
        at++;
        return true;
    }

    private static bool IsAt(ReadOnlySpan<byte> json, int at, byte c) => (uint)at < (uint)json.Length && json[at] == c;

    private static bool IsLiteral(ReadOnlySpan<byte> json, ref int at, ReadOnlySpan<byte> literal)
    {
        if (!json[at..].StartsWith(literal)) return false;
        at += literal.Length;
        return true;
    }

    // A text with nothing escaped in it.
    private static bool IsText(ReadOnlySpan<byte> json, ref int at)
    {
        if (!IsAt(json, at, (byte)'"')) return false;
        var end = Seek(json, at + 1);
        if (end < 0) return false;
        at = end + 1;
        return json[end] == '"';
    }

    /// <summary>Where in the buffer the next byte will stand.</summary>
    private readonly int Out => to.Length + at - run;

    private void Copy()
    {
        to.Add(json[run..at]);
        run = at;
    }

    private void Value(int depth)
    {
        Space();
        if (at >= json.Length || depth > DepthMax) throw Broken();
        switch (json[at])
        {
            case (byte)'{': Object(depth); break;
            case (byte)'[': Array(depth); break;
            case (byte)'"': Text(); break;
            case (byte)'t': Literal("true"u8); break;
            case (byte)'f': Literal("false"u8); break;
            case (byte)'n': Literal("null"u8); break;
            default: Number(); break;
        }
    }

    private void Object(int depth)
    {
        at++;
        var members = to.Mark();
        var sorted = true;
        if (!Empty((byte)'}'))
        {
            do
            {
                Space();
                if (at >= json.Length || json[at] != '"') throw Broken();
                var start = Out;
                Text();
                var name = Out - start;
                Space();
                if (at >= json.Length || json[at] != ':') throw Broken();
                at++;
                Value(depth + 1);
                to.Remember(start, name, Out);
                sorted = sorted && IsBehind(members);
            }
            while (Next((byte)'}'));
        }
        if (!sorted)
        {
            Copy();
            to.Sort(members);
        }
        to.Forget(members);
        at++;
    }

    private void Array(int depth)
    {
        at++;
        if (!Empty((byte)']'))
        {
            do Value(depth + 1);
            while (Next((byte)']'));
        }
        at++;
    }

    /// <summary>Whether the member that came last belongs behind the one before it.</summary>
    private bool IsBehind(int members)
    {
        if (!to.LastTwo(members, out var before, out var last)) return true;
        var away = run - to.Length; // from a place in the buffer to that in the text, for what is not written yet
        if (before.Start + away < run)
        {
            Copy();
            return to.IsInOrder(before, last);
        }
        return AuditBuffer.CompareNames(json.Slice(before.Start + away + 1, before.Name - 2), json.Slice(last.Start + away + 1, last.Name - 2)) < 0;
    }

    private void Text()
    {
        at++;
        Seek();
        while (json[at] != '"')
        {
            Copy();
            at++;
            if (at >= json.Length) throw Broken();
            Escaped();
            run = at;
            Seek();
        }
        at++;
    }

    // To what ends a text, or escapes in it.
    private void Seek()
    {
        var end = Seek(json, at);
        at = end < 0 ? throw Broken(json.Length) : end;
    }

    private static int Seek(ReadOnlySpan<byte> json, int at)
    {
        // Most are short, and over before a search for either is set up.
        for (var near = Math.Min(json.Length, at + 16); at < near; at++)
            if (json[at] is (byte)'"' or (byte)'\\') return at;
        var end = json[at..].IndexOfAny((byte)'"', (byte)'\\');
        return end < 0 ? -1 : at + end;
    }

    private void Escaped()
    {
        var c = json[at++];
        if (c != 'u')
        {
            if (c == '/') to.Add(c);
            else if ("\"\\bfnrt"u8.Contains(c)) to.Add([(byte)'\\', c]);
            else throw Broken(at);
            return;
        }
        var unit = Unit();
        if (char.IsHighSurrogate(unit) && json[at..].StartsWith("\\u"u8))
        {
            at += 2;
            var low = Unit();
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

    private char Unit()
    {
        if (at + 4 > json.Length || !Utf8Parser.TryParse(json.Slice(at, 4), out ushort unit, out var read, 'x') || read != 4) throw Broken();
        at += 4;
        return (char)unit;
    }

    private void Literal(ReadOnlySpan<byte> literal)
    {
        if (!json[at..].StartsWith(literal)) throw Broken();
        at += literal.Length;
    }

    private void Number()
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
        if (number.IsEmpty) throw Broken();
        if (plain && !number.StartsWith("-0"u8)) return;
        to.Add(json[run..start]);
        to.Add(Encoding.ASCII.GetBytes(WriteOut(Encoding.ASCII.GetString(number), start)));
        run = at;
    }

    private static string WriteOut(string number, int at)
    {
        var e = number.AsSpan().IndexOfAny('e', 'E');
        var exponent = 0;
        if (e >= 0 && (!int.TryParse(number.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent) || exponent is < -ExponentMax or > ExponentMax)) throw Broken(at);
        return CanonicalJson.WriteOut(number, e, exponent);
    }

    // Whether what was opened closes at once; it stands at what closes it.
    private bool Empty(byte close)
    {
        Space();
        return at < json.Length && json[at] == close;
    }

    // Whether another follows; else it stands at what closes.
    private bool Next(byte close)
    {
        Space();
        if (at >= json.Length) throw Broken();
        if (json[at] == close) return false;
        if (json[at] != ',') throw Broken();
        at++;
        return true;
    }

    private void Space()
    {
        if (at >= json.Length || json[at] > ' ') return;
        Copy();
        while (at < json.Length && json[at] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t') at++;
        run = at;
    }

    private readonly FormatException Broken() => Broken(at);

    private static FormatException Broken(int at) => new($"This is no JSON that a database takes: it breaks at byte {at}.");
}
