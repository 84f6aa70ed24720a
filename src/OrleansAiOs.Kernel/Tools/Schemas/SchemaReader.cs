using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace OrleansAiOs.Kernel.Tools.Schemas;

/// <summary>Reads the text of a schema. References are followed once each, so that they may go in circles.</summary>
internal sealed class SchemaReader(JsonElement document)
{
    private const int NodesMax = 5000;
    private const int DepthMax = 32;

    // They say something to people, or to those who fill in a form; a value is neither right nor wrong by them.
    private static readonly HashSet<string> Annotations = new(StringComparer.Ordinal)
    {
        "$schema", "$id", "$comment", "$anchor", "$vocabulary", "title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "format", "contentEncoding", "contentMediaType",
        "contentSchema", "$defs", "definitions",
    };

    private static readonly HashSet<string> TypeNames = new(StringComparer.Ordinal) { "null", "boolean", "object", "array", "number", "integer", "string" };

    private readonly Dictionary<string, SchemaNode> referred = new(StringComparer.Ordinal);
    private readonly SortedSet<string> unread = new(StringComparer.Ordinal);
    private int nodes;

    public IReadOnlyList<string> Unread => [.. unread];

    public SchemaNode Read() => Read(document, 0);

    private SchemaNode Read(JsonElement schema, int depth)
    {
        var node = new SchemaNode();
        Read(schema, depth, node);
        return node;
    }

    private void Read(JsonElement schema, int depth, SchemaNode node)
    {
        if (++nodes > NodesMax) throw new SchemaException($"a schema has at most {NodesMax:N0} parts");
        if (depth > DepthMax) throw new SchemaException($"a schema is at most {DepthMax} levels deep");
        if (schema.ValueKind is JsonValueKind.True or JsonValueKind.False)
        {
            node.AllowsAny = schema.ValueKind is JsonValueKind.True;
            return;
        }
        if (schema.ValueKind is not JsonValueKind.Object) throw new SchemaException($"a schema is an object, or true or false, not a {schema.ValueKind.ToString().ToLowerInvariant()}");
        foreach (var member in schema.EnumerateObject())
        {
            try
            {
                Take(member.Name, member.Value, schema, depth, node);
            }
            catch (Exception e) when (e is InvalidOperationException or FormatException or OverflowException or ArgumentException)
            {
                throw new SchemaException($"'{member.Name}' is not what a schema has there: {e.Message}");
            }
        }
    }

    private void Take(string name, JsonElement value, JsonElement schema, int depth, SchemaNode node)
    {
        switch (name)
        {
            case "type":
                node.Types = value.ValueKind is JsonValueKind.Array ? Texts(value) : [value.GetString()!];
                if (Array.Find(node.Types, type => !TypeNames.Contains(type)) is { } unknown) throw new SchemaException($"there is no type '{unknown}'");
                break;
            case "const": node.Const = value; break;
            case "enum": node.Enum = [.. value.EnumerateArray()]; break;
            case "minimum": node.Minimum = Number(value); break;
            case "maximum": node.Maximum = Number(value); break;
            case "exclusiveMinimum": node.Above = Number(value); break;
            case "exclusiveMaximum": node.Below = Number(value); break;
            case "multipleOf": node.MultipleOf = Number(value) is > 0 and var step ? step : throw new FormatException("it is more than zero"); break;
            case "minLength": node.CharsMin = Count(value); break;
            case "maxLength": node.CharsMax = Count(value); break;
            case "pattern": node.Pattern = Pattern(value.GetString()!); break;
            case "minItems": node.ItemsMin = Count(value); break;
            case "maxItems": node.ItemsMax = Count(value); break;
            case "uniqueItems": node.UniqueItems = value.GetBoolean(); break;
            case "prefixItems": node.First = Several(value, depth); break;
            // Before 2020-12 an array stood for what is prefixItems now.
            case "items" when value.ValueKind is JsonValueKind.Array: node.First = Several(value, depth); break;
            case "items": node.Items = Read(value, depth + 1); break;
            case "additionalItems": if (schema.TryGetProperty("items", out var items) && items.ValueKind is JsonValueKind.Array) node.Items = Read(value, depth + 1); break;
            case "contains": node.Contains = Read(value, depth + 1); break;
            case "properties": node.Properties = Named(value, depth); break;
            case "patternProperties": node.PatternProperties.AddRange(Named(value, depth).Select(pair => (Pattern(pair.Key), pair.Value))); break;
            case "additionalProperties": node.Others = Read(value, depth + 1); break;
            case "propertyNames": node.Names = Read(value, depth + 1); break;
            case "required": node.Required = Texts(value); break;
            case "dependentRequired": foreach (var member in value.EnumerateObject()) node.DependentRequired[member.Name] = Texts(member.Value); break;
            case "minProperties": node.MembersMin = Count(value); break;
            case "maxProperties": node.MembersMax = Count(value); break;
            case "allOf": node.All = Several(value, depth); break;
            case "anyOf": node.Any = Several(value, depth); break;
            case "oneOf": node.One = Several(value, depth); break;
            case "not": node.Not = Read(value, depth + 1); break;
            case "if": node.Condition = (Read(value, depth + 1), Part("then"), Part("else")); break;
            case "then" or "else": break;
            case "$ref": node.Referred = Refer(value.GetString()!); break;
            case "$dynamicRef" or "$recursiveRef": throw new SchemaException($"'{name}' is not read here: a schema refers to its own parts with $ref");
            default:
                if (!Annotations.Contains(name) && !name.StartsWith("x-", StringComparison.Ordinal)) unread.Add(name.Length <= 64 ? name : name[..64] + "…");
                break;
        }

        SchemaNode? Part(string of) => schema.TryGetProperty(of, out var part) ? Read(part, depth + 1) : null;
    }

    private SchemaNode Refer(string reference)
    {
        if (referred.TryGetValue(reference, out var known)) return known;
        if (reference is not ("#" or ['#', '/', ..])) throw new SchemaException($"'{reference}' refers to something outside of the schema, which is not fetched. Put it under $defs");
        var at = document;
        foreach (var part in reference.Split('/').Skip(1))
        {
            var name = Uri.UnescapeDataString(part).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            if (at.ValueKind is JsonValueKind.Object && at.TryGetProperty(name, out var member)) at = member;
            else if (at.ValueKind is JsonValueKind.Array && int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index < at.GetArrayLength()) at = at[index];
            else throw new SchemaException($"'{reference}' refers to nothing in the schema");
        }
        var node = referred[reference] = new SchemaNode();
        Read(at, 0, node);
        return node;
    }

    private SchemaNode[] Several(JsonElement value, int depth) => [.. value.EnumerateArray().Select(schema => Read(schema, depth + 1))];

    private Dictionary<string, SchemaNode> Named(JsonElement value, int depth) => value.EnumerateObject().ToDictionary(member => member.Name, member => Read(member.Value, depth + 1), StringComparer.Ordinal);

    private static string[] Texts(JsonElement value) => [.. value.EnumerateArray().Select(text => text.GetString() ?? throw new FormatException("null is no text"))];

    private static decimal Number(JsonElement value) => value.GetDecimal();

    private static int Count(JsonElement value) => value.GetDecimal() is >= 0 and var count && count == decimal.Truncate(count) ? (int)Math.Min(count, int.MaxValue) : throw new FormatException("it is a whole number, zero or more");

    // Whoever wrote it may mean it to run for ever: only patterns that need no going back are taken.
    private static Regex Pattern(string pattern)
    {
        if (pattern.Length > 1000) throw new SchemaException("a pattern has at most 1,000 characters");
        try
        {
            return new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, TimeSpan.FromMilliseconds(100));
        }
        catch (NotSupportedException)
        {
            throw new SchemaException($"the pattern '{pattern}' looks around or back, which could run for ever; write it without");
        }
    }
}
