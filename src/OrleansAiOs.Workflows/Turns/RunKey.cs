using System.Text;

namespace OrleansAiOs.Workflows;

/// <summary>Which run: its tenant and its id.</summary>
public readonly record struct RunKey(string Tenant, string Id)
{
    /// <summary>The tenant that is there from the beginning.</summary>
    public const string DefaultTenant = "default";

    private const int BytesMax = 200;

    /// <summary>The name of the run's event stream.</summary>
    public string Stream => $"run/{Id}";

    /// <summary>Whether a text can be a run id, and if not, why.</summary>
    public static bool TryParse(string tenant, string id, out RunKey key, out string? error)
    {
        key = default;
        error = id switch
        {
            { Length: 0 } => "A run id must not be empty.",
            _ when HoldsLoneSurrogate(id) => "A run id must be text: this one holds half a character.",
            _ when Encoding.UTF8.GetByteCount(id) > BytesMax => $"A run id has at most {BytesMax} bytes in UTF-8; this one has {Encoding.UTF8.GetByteCount(id)}.",
            _ when id.EnumerateRunes().Any(HasTwin) => "A run id must be in Unicode normal form C, so that one name is one run.",
            _ when id.EnumerateRunes().FirstOrDefault(rune => !Allowed(rune)) is { Value: not 0 } rune =>
                $"A run id holds letters, digits and - _ . : @ only; U+{rune.Value:X4} is none of them.",
            _ when id.Contains('\0') => "A run id holds letters, digits and - _ . : @ only; U+0000 is none of them.",
            _ when id is "." or ".." => "A run id cannot be '.' or '..'.",
            _ => null,
        };
        if (error is null) key = new RunKey(tenant, id);
        return error is null;
    }

    public override string ToString() => Tenant == DefaultTenant ? Id : $"{Tenant}/{Id}";

    private static bool Allowed(Rune rune) => Rune.IsLetterOrDigit(rune) || rune.Value is '-' or '_' or '.' or ':' or '@';

    // We run without culture data, where IsNormalized says yes to everything. Marks are no letters and so not allowed; what is left
    // are the letters that normal form C replaces, and those it joins with the one before. Whole blocks, for the table to be read.
    private static bool HasTwin(Rune rune) => rune.Value is >= 0x80 and (
        0x0374 or (>= 0x0958 and <= 0x095F) or (>= 0x09DC and <= 0x09DF) or 0x0A33 or 0x0A36 or (>= 0x0A59 and <= 0x0A5E) or 0x0B5C or 0x0B5D
        or (>= 0x0F43 and <= 0x0F69) or (>= 0x1100 and <= 0x11FF) or (>= 0x1F70 and <= 0x1FFF) or (>= 0x2100 and <= 0x214F)
        or (>= 0xF900 and <= 0xFAFF) or (>= 0xFB1D and <= 0xFB4F) or (>= 0x16D40 and <= 0x16D7F) or (>= 0x2F800 and <= 0x2FA1F));

    internal static bool HoldsLoneSurrogate(string id)
    {
        for (var i = 0; i < id.Length; i++)
        {
            if (!char.IsSurrogate(id[i])) continue;
            if (i + 1 == id.Length || !char.IsSurrogatePair(id[i], id[i + 1])) return true;
            i++;
        }
        return false;
    }
}
