using System.Text;

namespace OrleansAiOs.Sandbox;

/// <summary>A request target taken apart: segments split first and decoded afterwards, so that %2F stays inside its segment.</summary>
internal sealed record Target(IReadOnlyList<string> Segments, IReadOnlyDictionary<string, string> Query)
{
    private const int CharsMax = 4096;

    private static readonly UTF8Encoding strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static Target Parse(string raw)
    {
        if (raw.Length > CharsMax || !raw.StartsWith('/'))
        {
            throw new Refusal(400, "bad-target", $"The request target must start with a slash and hold at most {CharsMax} characters.");
        }

        var mark = raw.IndexOf('?');
        var path = mark < 0 ? raw : raw[..mark];
        var query = new Dictionary<string, string>();
        foreach (var pair in mark < 0 ? [] : raw[(mark + 1)..].Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=');
            var name = Decode(equals < 0 ? pair : pair[..equals]);

            // Some clients mean a space by a plus, some a plus: an inquiry must not guess which reference is meant.
            if (pair.Contains('+') || !query.TryAdd(name, equals < 0 ? "" : Decode(pair[(equals + 1)..])))
            {
                throw new Refusal(400, "bad-query", "A query member is doubled or holds a bare plus.")
                {
                    Field = name,
                    Cure = "Send it once; write %20 for a space and %2B for a plus.",
                };
            }
        }

        return new Target([.. path[1..].Split('/').Select(Decode)], query);
    }

    private static string Decode(string encoded)
    {
        try
        {
            var bytes = new List<byte>(encoded.Length);
            for (var i = 0; i < encoded.Length; i++)
            {
                switch (encoded[i])
                {
                    case '%' when i + 2 < encoded.Length:
                        bytes.Add(Convert.FromHexString(encoded.AsSpan(i + 1, 2))[0]);
                        i += 2;
                        break;
                    case > ' ' and <= '~' and not '%':
                        bytes.Add((byte)encoded[i]);
                        break;
                    default:
                        throw new FormatException();
                }
            }

            return strictUtf8.GetString([.. bytes]);
        }
        catch (Exception e) when (e is FormatException or DecoderFallbackException)
        {
            throw new Refusal(400, "bad-target", "The request target is not percent-encoded UTF-8.")
            {
                Cure = "Percent-encode each segment, as Uri.EscapeDataString does.",
            };
        }
    }
}
