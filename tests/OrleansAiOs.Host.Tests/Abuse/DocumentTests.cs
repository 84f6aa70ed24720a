using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>The OpenAPI document lists every route; row 10: no regular expression can be made to run for ever.</summary>
[Collection(AbuseCollection.Name)]
public sealed partial class DocumentTests(AbuseServer server)
{
    [Fact]
    public async Task The_openapi_document_lists_every_route()
    {
        var document = (await server.Get("/api/v1/openapi.json")).Json;
        document.GetProperty("openapi").GetString().Should().StartWith("3.");
        var listed = document.GetProperty("paths").EnumerateObject().SelectMany(path => path.Value.EnumerateObject().Select(verb => $"{verb.Name.ToUpperInvariant()} {path.Name}"));
        var served = server.Server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(e => e.RoutePattern.RawText!.StartsWith("/api/v1/", StringComparison.Ordinal) || e.RoutePattern.RawText.StartsWith("/hooks/", StringComparison.Ordinal))
            .SelectMany(e => e.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods.Select(method => $"{method} {e.RoutePattern.RawText!.Replace(":int", "")}"));
        listed.Should().BeEquivalentTo(served).And.HaveCountGreaterThan(14);
    }

    [Fact]
    public void No_regular_expression_of_ours_can_run_for_ever()
    {
        var sources = Directory.GetFiles(Path.Combine(Root(), "src"), "*.cs", SearchOption.AllDirectories);
        sources.Should().HaveCountGreaterThan(100);
        var uses = sources.SelectMany(file => Use().Matches(File.ReadAllText(file)).Select(match => (File: Path.GetFileName(file), Call: match.Value))).ToList();
        uses.Should().OnlyContain(use => use.Call.Contains("NonBacktracking") || use.Call.Contains("matchTimeout", StringComparison.OrdinalIgnoreCase) || use.Call.Contains("TimeSpan"));
        // The scan itself finds what it looks for.
        Use().Matches("new Regex(\"a+\")\nRegex.IsMatch(x, \"(a+)+\")\n[GeneratedRegex(\"b\")]").Should().HaveCount(3);
    }

    private static string Root([System.Runtime.CompilerServices.CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../.."));

    [GeneratedRegex(@"(new Regex|\bRegex\.(IsMatch|Match|Matches|Replace|Split|Count|EnumerateMatches)|GeneratedRegex)\s*\([^\n]*", RegexOptions.NonBacktracking)]
    private static partial Regex Use();
}
