using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OrleansAiOs.Host.Cli;

namespace OrleansAiOs.Host.Tests.Cli;

/// <summary>A host as the CLI sees one: it answers what a test tells it to, and remembers what it was asked.</summary>
internal sealed class ContractServer : IAsyncDisposable
{
    public const string Key = "aios_test";

    private readonly WebApplication app;
    private readonly ConcurrentDictionary<string, ConcurrentQueue<Answer>> answers = new();
    private readonly ConcurrentQueue<Asked> asked = new();

    private ContractServer(WebApplication app) => this.app = app;

    public string Url => app.Urls.Single();

    public IReadOnlyList<Asked> Asked => [.. asked];

    public Asked OnlyAsked => asked.Should().ContainSingle().Subject;

    public static async Task<ContractServer> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        var server = new ContractServer(app);
        app.Run(server.AnswerAsync);
        await app.StartAsync();
        return server;
    }

    /// <summary>The answer to a request, e.g. "GET /api/v1/runs". Told twice, the first comes once and the last for ever.</summary>
    public ContractServer On(string request, string body, int status = 200, string type = "application/json", params (string Name, string Value)[] headers)
    {
        answers.GetOrAdd(request, _ => new()).Enqueue(new Answer(status, type, body, headers));
        return this;
    }

    public ContractServer Refuses(string request, int status, string title, string detail = "", params (string, string)[] headers) =>
        On(request, $$"""{"type":"about:blank","title":"{{title}}","status":{{status}},"detail":"{{detail}}"}""", status, "application/problem+json", headers);

    /// <summary>Runs a command line against this host.</summary>
    public Task<CliRun> RunAsync(params string[] args) => CliRun.Of([.. args, "--url", Url, "--key", Key]);

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        var request = context.Request;
        using var reader = new StreamReader(request.Body);
        asked.Enqueue(new Asked($"{request.Method} {request.Path}", Uri.UnescapeDataString(request.QueryString.Value ?? ""), await reader.ReadToEndAsync(),
            request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase)));
        var answer = answers.TryGetValue($"{request.Method} {request.Path}", out var queue) && (queue.Count > 1 ? queue.TryDequeue(out var next) : queue.TryPeek(out next))
            ? next
            : new Answer(404, "application/problem+json", """{"title":"Not found","status":404,"detail":"the test told no answer"}""", []);
        context.Response.StatusCode = answer.Status;
        context.Response.ContentType = answer.Type;
        foreach (var (name, value) in answer.Headers) context.Response.Headers[name] = value;
        if (answer.Body != "") await context.Response.WriteAsync(answer.Body);
    }

    private sealed record Answer(int Status, string Type, string Body, (string Name, string Value)[] Headers);
}

internal sealed record Asked(string Request, string Query, string Body, Dictionary<string, string> Headers);

/// <summary>What a command line said, and how it ended.</summary>
internal sealed record CliRun(int Code, string Output, string Error)
{
    public static async Task<CliRun> Of(string[] args, CancellationToken cancellation = default)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await AiosCommand.RunAsync(args, output, error, cancellation).WaitAsync(TimeSpan.FromSeconds(60), CancellationToken.None);
        return new CliRun(code, output.ToString(), error.ToString());
    }
}
