using System.Text.Json;

namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>A value in a file of cases, which knows where it stands.</summary>
internal sealed class CaseReader(JsonElement json, string path)
{
    private Dictionary<string, CaseReader>? members;

    public string Path => path;

    public JsonElement Json => json;

    public PolicyCasesException Wrong(string cure) => new($"{path}: {cure}.");

    /// <summary>Takes it as an object with no other members than these.</summary>
    public CaseReader Object(params ReadOnlySpan<string> known)
    {
        if (json.ValueKind is not JsonValueKind.Object) throw Wrong("write an object { … }");
        members = new Dictionary<string, CaseReader>(StringComparer.Ordinal);
        foreach (var member in json.EnumerateObject())
        {
            if (!known.Contains(member.Name)) throw Wrong($"there is no \"{member.Name}\" here; there are {string.Join(", ", known.ToArray())}");
            members[member.Name] = new CaseReader(member.Value, path == "the file" ? member.Name : $"{path}.{member.Name}");
        }
        return this;
    }

    public CaseReader? Find(string name) => members!.GetValueOrDefault(name);

    public CaseReader Need(string name) => Find(name) ?? throw Wrong($"it needs \"{name}\"");

    public IReadOnlyList<CaseReader> Items() => json.ValueKind is JsonValueKind.Array ? [.. json.EnumerateArray().Select((item, i) => new CaseReader(item, $"{path}[{i}]"))] : throw Wrong("write a list [ … ]");

    public string String() => json.ValueKind is JsonValueKind.String ? json.GetString()! : throw Wrong("write a text in quotes");

    public bool Bool() => json.ValueKind is JsonValueKind.True or JsonValueKind.False ? json.GetBoolean() : throw Wrong("write true or false");
}
