using System.Globalization;

namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>
/// Cedar's decimal: a whole number of ten-thousandths, from -922337203685477.5808 to 922337203685477.5807. Exact, so fit for money; never
/// rounded: what does not fit in four places has no decimal.
/// </summary>
internal static class PolicyDecimal
{
    public const int Places = 4;
    private const int DigitsMax = 40;

    /// <summary>Reads <c>-?[0-9]+\.[0-9]{1,4}</c>, which is all that Cedar's <c>decimal("…")</c> takes.</summary>
    public static bool TryParse(string text, out long units)
    {
        units = 0;
        var point = text.IndexOf('.');
        var start = text.StartsWith('-') ? 1 : 0;
        if (point <= start || point == text.Length - 1 || text.Length - point - 1 > Places) return false;
        for (var i = start; i < text.Length; i++)
            if (i != point && !char.IsAsciiDigit(text[i])) return false;
        return TryRead(text, out var scale, out units) && scale > 0;
    }

    /// <summary>
    /// Reads a JSON number exactly. One that is written without a fraction is a long, one with a fraction a decimal; an exponent is first
    /// written out, as the database does with what it stores (1e2 is 100, 1.50e1 is 15.0).
    /// </summary>
    public static PolicyValue OfJson(string token, bool asDecimal)
    {
        if (!TryDigits(token, out var digits, out var negative, out var scale)) return PolicyValue.Unreadable($"the number {Short(token)} is too long to be read");
        if (scale == 0 && !asDecimal)
            return TrySigned(digits, negative, out var whole) ? PolicyValue.From(whole) : PolicyValue.Unreadable($"the number {Short(token)} is beyond what a long holds");
        return TryScale(digits, negative, scale, out var units)
            ? PolicyValue.FromUnits(units)
            : PolicyValue.Unreadable($"the number {Short(token)} does not fit a decimal: at most {Places} places, up to 922337203685477.5807");
    }

    public static string Write(long units)
    {
        var magnitude = Int128.Abs(units);
        return $"{(units < 0 ? "-" : "")}{magnitude / 10_000}.{magnitude % 10_000:0000}";
    }

    /// <summary>Null if the amount has more than four places, or is out of range.</summary>
    public static long? Of(decimal amount)
    {
        if (Math.Abs(amount) > 922_337_203_685_477.5808m) return null;
        var units = amount * 10_000m;
        return units == decimal.Truncate(units) && units is >= long.MinValue and <= long.MaxValue ? (long)units : null;
    }

    private static bool TryRead(string text, out int scale, out long units)
    {
        units = 0;
        return TryDigits(text, out var digits, out var negative, out scale) && TryScale(digits, negative, scale, out units);
    }

    // digits × 10^-scale, with scale >= 0 and no exponent left.
    private static bool TryDigits(string token, out UInt128 digits, out bool negative, out int scale)
    {
        (digits, negative, scale) = (0, token.StartsWith('-'), 0);
        var (seen, exponent, inFraction) = (0, 0, false);
        for (var i = negative ? 1 : 0; i < token.Length; i++)
        {
            var c = token[i];
            if (c == '.') inFraction = true;
            else if (c is 'e' or 'E')
            {
                if (!int.TryParse(token.AsSpan(i + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent) || exponent is < -DigitsMax or > DigitsMax) return false;
                break;
            }
            else
            {
                if (inFraction) scale++;
                if (digits != 0 || c != '0') seen++;
                if (seen > 30 || scale > DigitsMax) return false;
                digits = digits * 10 + (uint)(c - '0');
            }
        }
        scale -= exponent;
        for (; scale < 0; scale++)
        {
            if (digits > UInt128.MaxValue / 10) return false;
            digits *= 10;
        }
        return true;
    }

    private static bool TryScale(UInt128 digits, bool negative, int scale, out long units)
    {
        for (; scale > Places; scale--)
        {
            var (whole, rest) = UInt128.DivRem(digits, 10);
            if (rest != 0)
            {
                units = 0;
                return false;
            }
            digits = whole;
        }
        for (; scale < Places; scale++)
        {
            if (digits > UInt128.MaxValue / 10)
            {
                units = 0;
                return false;
            }
            digits *= 10;
        }
        return TrySigned(digits, negative, out units);
    }

    private static bool TrySigned(UInt128 digits, bool negative, out long value)
    {
        var fits = digits <= (negative ? (UInt128)1 << 63 : long.MaxValue);
        value = !fits ? 0 : negative ? (long)-(Int128)digits : (long)digits;
        return fits;
    }

    private static string Short(string token) => token.Length <= 40 ? token : $"{token[..40]}…";
}
