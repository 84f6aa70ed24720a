using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace OrleansAiOs.Kernel.Tools.Schemas;

/// <summary>One check of one value. The first thing that speaks against it is told.</summary>
internal sealed class SchemaCheck(int stepsMax)
{
    private const int DepthMax = 256;

    private int steps;
    private int depth;

    /// <exception cref="SchemaException">It takes too much work.</exception>
    public string? Objection(SchemaNode node, JsonElement value, string at)
    {
        Step();
        // A reference that leads back to itself asks the same of the same value for ever.
        if (++depth > DepthMax) throw new SchemaException($"{at}: its schema leads in a circle, or the value is nested too deep to be checked");
        try
        {
            return !node.AllowsAny ? $"{at} is not allowed" : OfAny(node, value, at) ?? value.ValueKind switch
            {
                JsonValueKind.Number => OfNumber(node, value, at),
                JsonValueKind.String => OfText(node, value.GetString()!, at),
                JsonValueKind.Array => OfArray(node, value, at),
                JsonValueKind.Object => OfObject(node, value, at),
                _ => null,
            } ?? OfParts(node, value, at);
        }
        finally
        {
            depth--;
        }
    }

    private string? OfAny(SchemaNode node, JsonElement value, string at)
    {
        if (node.Types is { } types && !Array.Exists(types, type => Is(type, value))) return $"{at} is {Kind(value)}, and has to be {string.Join(" or ", types)}";
        if (node.Const is { } only && !Same(only, value)) return $"{at} has to be {Short(only)}";
        if (node.Enum is { } options && !Array.Exists(options, option => Same(option, value))) return $"{at} has to be one of {string.Join(", ", options.Take(20).Select(Short))}{(options.Length > 20 ? ", …" : "")}";
        return null;
    }

    private static string? OfNumber(SchemaNode node, JsonElement value, string at)
    {
        if (node is { Minimum: null, Maximum: null, Above: null, Below: null, MultipleOf: null }) return null;
        // Beyond what a decimal holds, only its size is compared.
        if (!value.TryGetDecimal(out var number))
        {
            var isLarge = Math.Abs(value.GetDouble()) > 1;
            if (!isLarge) number = 0;
            else if (node.MultipleOf is not null) return $"{at} has more digits than can be checked";
            else number = value.GetDouble() > 0 ? decimal.MaxValue : decimal.MinValue;
        }
        return node.Minimum is { } min && number < min ? $"{at} is less than {Text(min)}"
            : node.Maximum is { } max && number > max ? $"{at} is more than {Text(max)}"
            : node.Above is { } above && number <= above ? $"{at} has to be more than {Text(above)}"
            : node.Below is { } below && number >= below ? $"{at} has to be less than {Text(below)}"
            : node.MultipleOf is { } step && number % step != 0 ? $"{at} is no multiple of {Text(step)}" : null;
    }

    private static string? OfText(SchemaNode node, string text, string at)
    {
        if (node is { CharsMin: null, CharsMax: null, Pattern: null }) return null;
        var chars = text.EnumerateRunes().Count();
        return node.CharsMin is { } min && chars < min ? $"{at} has {chars} characters, and has to have at least {min}"
            : node.CharsMax is { } max && chars > max ? $"{at} has {chars} characters, and may have at most {max}"
            : node.Pattern is { } pattern && !Matches(pattern, text) ? $"{at} does not match {pattern}" : null;
    }

    private string? OfArray(SchemaNode node, JsonElement value, string at)
    {
        var count = value.GetArrayLength();
        if (node.ItemsMin is { } min && count < min) return $"{at} has {count} items, and has to have at least {min}";
        if (node.ItemsMax is { } max && count > max) return $"{at} has {count} items, and may have at most {max}";
        var (index, contains) = (0, node.Contains is null);
        foreach (var item in value.EnumerateArray())
        {
            if ((index < node.First.Length ? node.First[index] : node.Items) is { } schema && Objection(schema, item, $"{at}[{index}]") is { } objection) return objection;
            contains |= node.Contains is { } wanted && Objection(wanted, item, at) is null;
            index++;
        }
        if (!contains) return $"{at} holds no item of the kind that it has to hold";
        if (!node.UniqueItems) return null;
        var items = value.EnumerateArray().ToArray();
        for (var i = 1; i < items.Length; i++)
            for (var j = 0; j < i; j++)
                if (Same(items[i], items[j])) return $"{at}[{i}] is the same as {at}[{j}]";
        return null;
    }

    private string? OfObject(SchemaNode node, JsonElement value, string at)
    {
        var count = 0;
        foreach (var member in value.EnumerateObject())
        {
            count++;
            var here = $"{at}.{(member.Name.Length <= 64 ? member.Name : member.Name[..64] + "…")}";
            var known = node.Properties.TryGetValue(member.Name, out var property);
            if (known && Objection(property!, member.Value, here) is { } wrong) return wrong;
            foreach (var (name, schema) in node.PatternProperties)
            {
                if (!Matches(name, member.Name)) continue;
                known = true;
                if (Objection(schema, member.Value, here) is { } bad) return bad;
            }
            if (!known && node.Others is { } others && Objection(others, member.Value, here) is { } other) return others.AllowsAny ? other : $"{here} is not known to the tool{Suggest(node)}";
            if (node.Names is { } names && NameObjection(names, member.Name, here) is { } badName) return badName;
        }
        foreach (var name in node.Required)
            if (!value.TryGetProperty(name, out _)) return $"{at}.{name} is missing";
        foreach (var (name, wanted) in node.DependentRequired)
            if (value.TryGetProperty(name, out _) && Array.Find(wanted, other => !value.TryGetProperty(other, out _)) is { } missing) return $"{at}.{missing} is missing, which {name} needs";
        return node.MembersMin is { } min && count < min ? $"{at} has {count} members, and has to have at least {min}"
            : node.MembersMax is { } max && count > max ? $"{at} has {count} members, and may have at most {max}" : null;
    }

    private string? OfParts(SchemaNode node, JsonElement value, string at)
    {
        if (node.Referred is { } referred && Objection(referred, value, at) is { } there) return there;
        foreach (var all in node.All)
            if (Objection(all, value, at) is { } objection) return objection;
        if (node.Any is { } any)
        {
            string? first = null;
            if (!Array.Exists(any, option => Fits(option, ref first))) return any.Length == 1 ? first : $"{at} is none of the {any.Length} kinds that it may be{(first is null ? "" : $"; of the first: {first}")}";
        }
        if (node.One is { } one)
        {
            string? first = null;
            var fit = one.Count(option => Fits(option, ref first));
            if (fit != 1) return fit == 0 ? $"{at} is none of the {one.Length} kinds that it may be{(first is null ? "" : $"; of the first: {first}")}" : $"{at} is of {fit} kinds at once, and has to be of one";
        }
        if (node.Not is { } not && Objection(not, value, at) is null) return $"{at} is what it may not be";
        if (node.Condition is { } condition)
            return (Objection(condition.If, value, at) is null ? condition.Then : condition.Else) is { } then ? Objection(then, value, at) : null;
        return null;

        bool Fits(SchemaNode option, ref string? why)
        {
            var objection = Objection(option, value, at);
            why ??= objection;
            return objection is null;
        }
    }

    private string? NameObjection(SchemaNode names, string name, string at)
    {
        using var text = JsonDocument.Parse(JsonSerializer.Serialize(name));
        return Objection(names, text.RootElement, $"the name of {at}");
    }

    private bool Same(JsonElement a, JsonElement b)
    {
        Step();
        return JsonElement.DeepEquals(a, b);
    }

    private void Step()
    {
        if (++steps > stepsMax) throw new SchemaException($"the input takes more than {stepsMax:N0} steps to check: it is too large for its schema, or the schema is made to be expensive");
    }

    private static bool Matches(Regex pattern, string text)
    {
        try
        {
            return pattern.IsMatch(text);
        }
        catch (RegexMatchTimeoutException)
        {
            throw new SchemaException($"a text takes too long to be matched with {pattern}");
        }
    }

    private static bool Is(string type, JsonElement value) => type switch
    {
        "null" => value.ValueKind is JsonValueKind.Null,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "object" => value.ValueKind is JsonValueKind.Object,
        "array" => value.ValueKind is JsonValueKind.Array,
        "string" => value.ValueKind is JsonValueKind.String,
        "number" => value.ValueKind is JsonValueKind.Number,
        _ => value.ValueKind is JsonValueKind.Number && IsWhole(value),
    };

    // 1.0 is a whole number, and so is what is too large for a decimal.
    private static bool IsWhole(JsonElement value) => value.TryGetDecimal(out var number) ? number == decimal.Truncate(number) : Math.Abs(value.GetDouble()) > 1;

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True or JsonValueKind.False => "a boolean",
        JsonValueKind.Array => "an array",
        JsonValueKind.Object => "an object",
        JsonValueKind.Null => "null",
        _ => $"a {value.ValueKind.ToString().ToLowerInvariant()}",
    };

    private static string Suggest(SchemaNode node) => node.Properties.Count is 0 or > 20 ? "" : $"; it knows {string.Join(", ", node.Properties.Keys)}";

    private static string Short(JsonElement value) => value.GetRawText() is { Length: <= 100 } text ? text : value.GetRawText()[..100] + "…";

    private static string Text(decimal number) => number.ToString(CultureInfo.InvariantCulture);
}
