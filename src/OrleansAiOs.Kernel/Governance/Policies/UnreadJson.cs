using System.Text.Json;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>JSON that nobody has looked at yet. Looking reads it once, one level at a time; the text as a whole is checked at the first look.</summary>
internal sealed class UnreadJson
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = PolicyLimits.ArgumentsDepthMax };

    private readonly JsonText? text;
    private readonly JsonElement element;
    private readonly bool asDecimals;

    // Boxed, so that whoever reads it at the same time sees the whole of it or nothing.
    private object? read;

    public UnreadJson(JsonText text, bool asDecimals) => (this.text, this.asDecimals) = (text, asDecimals);

    public UnreadJson(JsonElement element, bool asDecimals) => (this.element, this.asDecimals) = (element, asDecimals);

    public PolicyValue Value => (PolicyValue)(read ??= Read());

    // What is no JSON is found by the parser; half a character, only when the text it stands in is taken.
    private PolicyValue Read()
    {
        if (text is { Utf8.Length: > PolicyLimits.ArgumentBytesMax } large)
            return PolicyValue.Unreadable($"it has {large.Utf8.Length:N0} bytes, and policies look at no more than {PolicyLimits.ArgumentBytesMax:N0}");
        try
        {
            return Convert(text is { } json ? JsonElement.Parse(json.Utf8.Span, Strict) : element);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return PolicyValue.Unreadable($"it is not JSON as it should be: {e.Message}");
        }
    }

    private PolicyValue Convert(JsonElement json)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.Null:
                return PolicyValue.Null;
            case JsonValueKind.True:
            case JsonValueKind.False:
                return PolicyValue.From(json.GetBoolean());
            case JsonValueKind.Number:
                return PolicyDecimal.OfJson(json.GetRawText(), asDecimals);
            case JsonValueKind.String:
                return PolicyValue.From(json.GetString()!);
            case JsonValueKind.Array:
                return SetOf(json);
            default:
                var members = new List<KeyValuePair<string, PolicyValue>>();
                foreach (var member in json.EnumerateObject())
                {
                    members.Add(new(member.Name, member.Value.ValueKind is JsonValueKind.Object or JsonValueKind.Array ? PolicyValue.Later(member.Value, asDecimals) : Convert(member.Value)));
                }
                return PolicyValue.From(new PolicyRecord(members));
        }
    }

    // A set is compared as a whole, so what is in it is read at once, to the bottom.
    private PolicyValue SetOf(JsonElement array)
    {
        var items = new PolicyValue[array.GetArrayLength()];
        var i = 0;
        foreach (var item in array.EnumerateArray())
        {
            items[i] = Convert(item).Settle();
            if (items[i].Kind is PolicyValueKind.Unreadable) return PolicyValue.Unreadable($"its item {i + 1} cannot be read: {items[i].Why}");
            i++;
        }
        return PolicyValue.From(new PolicySet(items));
    }
}
