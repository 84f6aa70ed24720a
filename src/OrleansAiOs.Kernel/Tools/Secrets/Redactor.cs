using System.Buffers;
using System.Collections.Immutable;
using System.Net;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OrleansAiOs.Kernel.Tools.Secrets;

/// <summary>
/// Takes secrets out of what came back, at the last moment before it is kept: in the plain form, and in those in which a server that echoes
/// its request would write it (percent-encoded, as JSON, in hexadecimal, in base64 at each of its three offsets).
/// </summary>
internal sealed class Redactor
{
    private ImmutableList<(string Name, byte[][] Forms)> known = [];

    public bool IsEmpty => known.IsEmpty;

    public void Add(string name, string value)
    {
        if (known.Exists(secret => secret.Name == name && secret.Forms[0].AsSpan().SequenceEqual(Encoding.UTF8.GetBytes(value)))) return;
        var bytes = Encoding.UTF8.GetBytes(value);
        var forms = new HashSet<string>(StringComparer.Ordinal)
        {
            Uri.EscapeDataString(value),
            Uri.EscapeDataString(value).Replace("%20", "+", StringComparison.Ordinal),
            WebUtility.UrlEncode(value).ToLowerInvariant(),
            WebUtility.HtmlEncode(value),
            JsonEncodedText.Encode(value, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).ToString(),
            JsonEncodedText.Encode(value).ToString(),
            Convert.ToHexString(bytes),
            Convert.ToHexStringLower(bytes),
        };
        // As a part of an address: only what an address cannot hold is encoded.
        if (Uri.TryCreate($"http://x/{value}", UriKind.Absolute, out var path)) forms.Add(path.PathAndQuery[1..]);
        if (Uri.TryCreate($"http://x/?{value}", UriKind.Absolute, out var query)) forms.Add(query.Query[1..]);
        // Where it begins in a longer text decides how base64 writes it: only the characters that its bytes alone decide are looked for.
        for (var offset = 0; offset < 3; offset++)
        {
            var text = Convert.ToBase64String([.. new byte[offset], .. bytes]);
            var first = (offset * 8 + 5) / 6;
            var sure = (offset + bytes.Length) * 8 / 6;
            if (sure - first < 8) continue;
            forms.Add(text[first..sure]);
            forms.Add(text[first..sure].Replace('+', '-').Replace('/', '_'));
        }
        forms.RemoveWhere(form => form == value || form.Length < value.Length / 2);
        ImmutableInterlocked.Update(ref known, list => list.Add((name, [bytes, .. forms.Select(Encoding.UTF8.GetBytes)])));
    }

    /// <summary>Takes out what the other knows, too.</summary>
    public void AddAll(Redactor other) => ImmutableInterlocked.Update(ref known, list => list.AddRange(other.known.Where(secret => !list.Exists(have => have.Name == secret.Name && have.Forms[0].AsSpan().SequenceEqual(secret.Forms[0])))));

    public byte[] Clean(byte[] text)
    {
        foreach (var (name, forms) in known)
            foreach (var form in forms) text = Replace(text, form, name);
        return text;
    }

    public string Clean(string text) => IsEmpty ? text : Encoding.UTF8.GetString(Clean(Encoding.UTF8.GetBytes(text)));

    private static byte[] Replace(byte[] text, byte[] form, string name)
    {
        if (text.AsSpan().IndexOf(form) < 0) return text;
        var mark = Encoding.UTF8.GetBytes($"[secret {name}]");
        var clean = new ArrayBufferWriter<byte>(text.Length);
        ReadOnlySpan<byte> rest = text;
        for (var at = rest.IndexOf(form); at >= 0; at = rest.IndexOf(form))
        {
            clean.Write(rest[..at]);
            clean.Write(mark);
            rest = rest[(at + form.Length)..];
        }
        clean.Write(rest);
        return clean.WrittenSpan.ToArray();
    }
}
