using System.Text.Json;
using System.Text.RegularExpressions;
using OrleansAiOs.Kernel.Tools.Schemas;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tools.Registry;

/// <summary>What a definition has to be before it is kept. It is somebody else's text.</summary>
internal static partial class DefinitionRules
{
    public const int ToolsPerServerMax = 50;

    private const int TitleCharsMax = 200;
    private const int DescriptionCharsMax = 8000;
    private const int UrlCharsMax = 2000;
    private const int HeadersMax = 20;

    // Whoever calls may not speak for the connection, and the host sets these itself.
    private static readonly HashSet<string> OwnHeaders = new(StringComparer.OrdinalIgnoreCase)
    {
        "Host", "Connection", "Content-Length", "Content-Type", "Transfer-Encoding", "Upgrade", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Expect", "Keep-Alive", "Via",
    };

    /// <summary>What of its schemas is not checked here.</summary>
    /// <exception cref="DefinitionException">It cannot be kept.</exception>
    public static IReadOnlyList<string> Check(ToolDefinition tool)
    {
        if (!ServerName().IsMatch(tool.Server)) throw new DefinitionException($"'{Cut(tool.Server)}' is no server's name: 1 to 64 of a-z, 0-9 and '-', beginning with a letter or digit");
        if (!ToolName().IsMatch(tool.Name)) throw new DefinitionException($"'{Cut(tool.Name)}' is no tool's name: 1 to 128 of A-Z, a-z, 0-9, '_', '-', '.' and '/'");
        if (tool.Title?.Length > TitleCharsMax) throw new DefinitionException($"its title has {tool.Title.Length:N0} characters; at most {TitleCharsMax}");
        if (tool.Description?.Length > DescriptionCharsMax) throw new DefinitionException($"its description has {tool.Description.Length:N0} characters; at most {DescriptionCharsMax:N0}");
        if (tool.Hints is { Utf8.Length: > 4096 }) throw new DefinitionException("its annotations have more than 4 KiB");
        try
        {
            _ = tool.ToJson();
            var input = ToolSchema.Read(tool.InputSchema);
            if (tool.InputSchema.ToElement() is not { ValueKind: JsonValueKind.Object } schema || schema.TryGetProperty("type", out var type) && !(type.ValueKind is JsonValueKind.String && type.ValueEquals("object")))
                throw new DefinitionException("its input schema is not that of an object");
            if (tool.Http is { } http) CheckHttp(http, schema);
            return [.. input.Unread.Concat(tool.OutputSchema is { } output ? ToolSchema.Read(output).Unread : []).Distinct(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is JsonException or SchemaException)
        {
            throw new DefinitionException(e.Message);
        }
    }

    private static void CheckHttp(HttpCall http, JsonElement schema)
    {
        if (http.Method is not ("GET" or "HEAD" or "POST" or "PUT" or "PATCH" or "DELETE")) throw new DefinitionException($"'{Cut(http.Method)}' is no method of a tool: GET, HEAD, POST, PUT, PATCH or DELETE");
        if (http.Url.Length > UrlCharsMax || !Uri.TryCreate(Place().Replace(http.Url, "x"), UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
            throw new DefinitionException($"its URL is no absolute one of http or https with at most {UrlCharsMax:N0} characters");
        if (url.UserInfo.Length > 0 || SecretHandle.IsIn(http.Url)) throw new DefinitionException("its URL holds a user, a password or a secret: URLs are written to logs everywhere. Put it into a header");
        if (url.Fragment.Length > 0) throw new DefinitionException("its URL has a fragment, which is never sent");
        var path = http.Url.IndexOf('/', http.Url.IndexOf("//", StringComparison.Ordinal) + 2);
        if (Place().Match(http.Url) is { Success: true } first && (path < 0 || first.Index < path)) throw new DefinitionException("the host of its URL is fixed: {name} stands in the path or the query only");
        foreach (Match place in Place().Matches(http.Url))
            if (!(schema.TryGetProperty("properties", out var properties) && properties.TryGetProperty(place.Groups[1].Value, out _)
                && schema.TryGetProperty("required", out var required) && required.EnumerateArray().Any(name => name.ValueEquals(place.Groups[1].Value))))
                throw new DefinitionException($"its URL takes {place.Value}, which is no required member of its input schema");
        foreach (var (name, value) in http.Headers ?? new Dictionary<string, string>()) CheckHeader(name, value);
        if (http.Headers?.Count > HeadersMax) throw new DefinitionException($"it has {http.Headers.Count} headers; at most {HeadersMax}");
        if (http.IdempotencyHeader is { } key) CheckHeader(key, "");
    }

    public static void CheckHeader(string name, string value)
    {
        if (!HeaderName().IsMatch(name) || OwnHeaders.Contains(name)) throw new DefinitionException($"'{Cut(name)}' is no header that a tool may set");
        if (value.Length > 4096 || value.Any(c => c is < ' ' or '\u007f')) throw new DefinitionException($"the value of header '{name}' has control characters, or more than 4,096");
        if (SecretHandle.Objection(value) is { } objection) throw new DefinitionException($"header '{name}': {objection}");
    }

    /// <summary>Where two definitions differ.</summary>
    public static IReadOnlyList<string> Differences(ToolDefinition a, ToolDefinition b)
    {
        var differences = new List<string>();
        Compare(a.ToJson().ToElement(), b.ToJson().ToElement(), "");
        return [.. differences.Take(50)];

        void Compare(JsonElement x, JsonElement y, string at)
        {
            if (differences.Count > 50 || CanonicalJson.Write(JsonText.Parse(x.GetRawText())).AsSpan().SequenceEqual(CanonicalJson.Write(JsonText.Parse(y.GetRawText())))) return;
            if (x.ValueKind is not JsonValueKind.Object || y.ValueKind is not JsonValueKind.Object)
            {
                differences.Add(at is "" ? "all of it" : at);
                return;
            }
            foreach (var name in x.EnumerateObject().Select(member => member.Name).Union(y.EnumerateObject().Select(member => member.Name)))
            {
                var here = at is "" ? name : $"{at}.{Cut(name)}";
                if (x.TryGetProperty(name, out var left) && y.TryGetProperty(name, out var right)) Compare(left, right, here);
                else differences.Add(here);
            }
        }
    }

    /// <summary>A name as a person reads it: what only looks like another name is that name.</summary>
    public static string Folded(string name) => name.ToLowerInvariant().Replace("-", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal).Replace(".", "", StringComparison.Ordinal)
        .Replace("/", "", StringComparison.Ordinal).Replace('0', 'o').Replace('1', 'l').Replace('i', 'l');

    /// <summary>The terms of an approval, or what speaks against them.</summary>
    public static string? Objection(ToolTerms terms, ToolDefinition tool)
    {
        if (terms.Effect is Workflows.Effect.Transactional && tool.Kind is not ToolKind.Code) return "effect: a tool outside cannot take part in a transaction of this database. Of a receiver that knows keys it is keyed, else atMostOnce.";
        if (terms.Effect is Workflows.Effect.Transactional) return "effect: a code tool is handed no transaction. Declare an activity with Activity.Transactional instead.";
        if (terms.Limits is { } limits)
        {
            if (limits.Concurrency is not (null or >= 1 and <= 1000)) return "limits.concurrency: 1 to 1,000.";
            if (limits.PerSecond is not (null or >= 0.001 and <= 10_000)) return "limits.perSecond: 0.001 to 10,000.";
            if (limits.Burst is not (null or >= 1 and <= 10_000)) return "limits.burst: 1 to 10,000.";
            if (limits.TimeoutSeconds is not (null or >= 1 and <= 600)) return "limits.timeoutSeconds: 1 to 600.";
        }
        if (terms.Fields is { } fields && (fields.Count > 100 || fields.Any(path => path.Length is 0 or > 200))) return "fields: at most 100 paths of 1 to 200 characters.";
        if (terms.Comparison is { } comparison && Objection(comparison, terms, tool) is { } incomparable) return $"comparison{incomparable}";
        try
        {
            _ = Egress.Reach.Of(terms.Reach);
        }
        catch (FormatException e)
        {
            return $"reach: {e.Message}";
        }
        return terms.Reach is { Count: > 0 } && tool.Kind is not ToolKind.Http ? "reach: only a tool by HTTP reaches out by itself. What an MCP server may reach stands with the server." : null;
    }

    private static string? Objection(ToolComparison comparison, ToolTerms terms, ToolDefinition tool)
    {
        if (terms.Effect is Workflows.Effect.Pure) return ": a tool that changes nothing has nothing to compare.";
        if (comparison.By is not { Length: <= 200 } by || !by.Contains('/', StringComparison.Ordinal) || by == tool.Id) return ".by: the tool that reads the target, as SERVER/NAME; another than this.";
        if (comparison.With is not { Count: <= 20 } with || with.Any(pair => pair.Key.Length is 0 or > 200 || pair.Value is not { Length: >= 1 and <= 200 })) return ".with: at most 20 arguments, each with a path or a constant of 1 to 200 characters.";
        if (comparison.At is { Length: 0 or > 200 }) return ".at: a path of 1 to 200 characters.";
        if (comparison.Fields is { } fields && (fields.Count > 100 || fields.Any(pair => pair.Key.Length is 0 or > 200 || pair.Value is null or { Length: > 200 }))) return ".fields: at most 100 paths of 1 to 200 characters.";
        if (comparison.Own is { } own && (own.Count > 100 || own.Any(path => path is null or { Length: 0 or > 200 }))) return ".own: at most 100 paths of 1 to 200 characters.";
        foreach (var (name, value) in with.Where(pair => pair.Value[0] == '='))
        {
            try
            {
                _ = JsonText.Parse(value[1..]);
            }
            catch (JsonException)
            {
                return $".with: the constant of '{Cut(name)}' is no JSON behind its '='.";
            }
        }
        return null;
    }

    private static string Cut(string text) => text.Length <= 64 ? text : text[..64] + "…";

    [GeneratedRegex("^[a-z0-9][a-z0-9-]{0,63}\\z", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 100)]
    private static partial Regex ServerName();

    [GeneratedRegex("^[A-Za-z0-9_./-]{1,128}\\z", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 100)]
    private static partial Regex ToolName();

    [GeneratedRegex("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}\\z", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 100)]
    private static partial Regex HeaderName();

    /// <summary>{name} in a URL.</summary>
    [GeneratedRegex("\\{([A-Za-z0-9_]{1,64})\\}", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 100)]
    public static partial Regex Place();
}

/// <summary>A definition cannot be kept.</summary>
public sealed class DefinitionException(string message) : Exception(message);
