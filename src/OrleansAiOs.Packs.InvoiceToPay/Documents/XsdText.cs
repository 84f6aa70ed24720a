using System.Globalization;
using System.Text;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>The lexical forms of XML Schema, read strictly: .NET's own parsers take more than a sender may write.</summary>
internal static class XsdText
{
    // 10^14 times 10^14 still fits a decimal, so a quantity times a price cannot overflow.
    private const int MaxIntegerDigits = 14;
    private const int MaxDigits = 28;

    public static decimal ReadDecimal(string text, TermPlace place)
    {
        var digits = text.AsSpan(text.Length > 0 && text[0] is '+' or '-' ? 1 : 0);
        var point = digits.IndexOf('.');
        var integer = (point < 0 ? digits : digits[..point]).TrimStart('0');
        var fraction = point < 0 ? default : digits[(point + 1)..];
        if (digits.Length == (point < 0 ? 0 : 1) || !IsDigits(integer) || !IsDigits(fraction))
            throw place.Refuse($"{Quote(text)} is not a decimal number", "Write digits with a point before the decimals: no exponent, no separators of thousands, no comma.");
        if (integer.Length > MaxIntegerDigits || integer.Length + fraction.Length > MaxDigits)
            throw place.Refuse($"{Quote(text)} has more digits than can be reckoned with exactly", $"Use at most {MaxIntegerDigits} digits before the point and {MaxDigits} in all.");
        return decimal.Parse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture);
    }

    /// <summary>An empty date counts as absent. A time zone is allowed by XML Schema and means nothing for a due date.</summary>
    public static DateOnly? ReadDate(string text, TermPlace place)
    {
        if (text.Length == 0) return null;
        var day = text.Length > 10 && IsZone(text.AsSpan(10)) ? text.AsSpan(0, 10) : text;
        return DateOnly.TryParseExact(day, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date)
            ? date
            : throw place.Refuse($"{Quote(text)} is not a date", "Write it as YYYY-MM-DD.");
    }

    public static bool ReadFlag(string text, TermPlace place) => text switch
    {
        "true" or "1" => true,
        "false" or "0" => false,
        _ => throw place.Refuse($"{Quote(text)} is neither true nor false", "Write true for a charge and false for an allowance."),
    };

    /// <summary>XPath's normalize-space: XML's four blanks only, so that a no-break space stays what the sender wrote.</summary>
    public static string Normalise(StringBuilder text)
    {
        var normal = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] is not (' ' or '\t' or '\r' or '\n')) normal.Append(text[i]);
            else if (normal.Length > 0 && normal[^1] != ' ') normal.Append(' ');
        }
        return normal.ToString().TrimEnd(' ');
    }

    public static string Quote(string text) => $"'{Excerpt(text)}'";

    /// <returns>At most so many characters, the dots among them.</returns>
    public static string Excerpt(string text, int length = 41)
    {
        if (text.Length <= length) return text;
        return text[..(char.IsHighSurrogate(text[length - 2]) ? length - 2 : length - 1)] + "…";
    }

    private static bool IsDigits(ReadOnlySpan<char> text) => !text.ContainsAnyExceptInRange('0', '9');

    private static bool IsZone(ReadOnlySpan<char> text) =>
        text is "Z" || (text.Length == 6 && text[0] is '+' or '-' && TimeOnly.TryParseExact(text[1..], "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out _));
}

/// <summary>A term and where it stands in the document.</summary>
internal readonly record struct TermPlace(string Term, int Line, int Position)
{
    public UnreadableDocumentException Refuse(string found, string cure) => new(Term, found, cure, Line, Position);
}
