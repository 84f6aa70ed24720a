using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tools.Comparing;

/// <summary>
/// The fields of something outside, as a tool has read it: everything that is no object and not null, by its path. An array is one field; null
/// and missing are the same. It is somebody else's text, so it is bounded, and what is long is kept as its hash.
/// </summary>
internal sealed class TargetFields
{
    public static readonly TargetFields None = new();

    private const int FieldsMax = 1000;
    private const int BytesMax = 48 * 1024;
    private const int NameCharsMax = 200;
    private const int ValueBytesMax = 256;

    private readonly Dictionary<string, (string[] Names, JsonElement Value)> fields = new(StringComparer.Ordinal);
    private int bytes;

    private TargetFields()
    {
    }

    public IEnumerable<string> Paths => fields.Keys;

    /// <param name="content">What was read; a text that is JSON is read as JSON.</param>
    /// <param name="at">Where in it the target stands.</param>
    /// <exception cref="FormatException">It is not there, or it is no object that can be compared.</exception>
    public static TargetFields Of(JsonElement? content, string? at)
    {
        var target = content ?? default;
        if (target.ValueKind is JsonValueKind.String) target = OfText(target.GetString()!);
        foreach (var name in at?.Split('.') ?? [])
            target = target.ValueKind is JsonValueKind.Object && target.TryGetProperty(name, out var below) ? below : throw new FormatException($"'{at}' does not stand in its answer");
        if (target.ValueKind is JsonValueKind.Null) return None;
        if (target.ValueKind is not JsonValueKind.Object) throw new FormatException($"{(at is null ? "its answer" : $"'{at}' in its answer")} is no object");
        return All(target);
    }

    /// <summary>All fields of an object.</summary>
    /// <exception cref="FormatException">They are too many, or too large.</exception>
    public static TargetFields All(JsonElement value)
    {
        var all = new TargetFields();
        all.Add(value, []);
        return all;
    }

    public JsonElement? Find(string path) => fields.TryGetValue(path, out var field) ? field.Value : null;

    /// <summary>Some of the fields, in the shape the target has: names stay names, and values stand below them.</summary>
    public JsonElement? Tree(IEnumerable<string> paths)
    {
        var tree = new JsonObject();
        foreach (var path in paths)
        {
            if (!fields.TryGetValue(path, out var field)) continue;
            var node = tree;
            foreach (var name in field.Names.AsSpan(0, field.Names.Length - 1))
            {
                if (node[name] is not JsonObject below) node[name] = below = [];
                node = below;
            }
            node[field.Names[^1]] = JsonSerializer.SerializeToNode(field.Value);
        }
        return tree.Count == 0 ? null : JsonSerializer.SerializeToElement(tree);
    }

    private static JsonElement OfText(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 24, AllowDuplicateProperties = false });
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            throw new FormatException("its answer is a text that is no JSON");
        }
    }

    private void Add(JsonElement value, string[] at)
    {
        foreach (var member in value.EnumerateObject())
        {
            if (member.Name.Length > NameCharsMax) throw new FormatException($"the name of a field has more than {NameCharsMax} characters");
            string[] names = [.. at, member.Name];
            if (member.Value.ValueKind is JsonValueKind.Object) Add(member.Value, names);
            else if (member.Value.ValueKind is not JsonValueKind.Null)
            {
                var path = PathOf(names);
                var (kept, length) = Kept(member.Value);
                bytes += Encoding.UTF8.GetByteCount(path) + length;
                if (fields.Count >= FieldsMax || bytes > BytesMax) throw new FormatException($"it has more than {FieldsMax:N0} fields, or more than {BytesMax / 1024} KiB of them. Name the part that is written to in the comparison's 'at'");
                fields.Add(path, (names, kept));
            }
        }
    }

    /// <summary>Names with a dot in them are told from paths.</summary>
    private static string PathOf(string[] names) => string.Join('.', names.Select(name => name.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(".", "\\.", StringComparison.Ordinal)));

    private static (JsonElement Value, int Length) Kept(JsonElement value)
    {
        // As it is, not as it came: the same value, escaped otherwise, is as long.
        var canonical = CanonicalJson.Write(JsonText.Parse(value.GetRawText()));
        if (canonical.Length <= ValueBytesMax) return (value.Clone(), canonical.Length);
        var hash = $"({canonical.Length:N0} bytes, SHA-256 {Convert.ToHexStringLower(SHA256.HashData(canonical))})";
        return (JsonSerializer.SerializeToElement(hash), hash.Length + 2);
    }
}
