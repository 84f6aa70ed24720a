using System.CommandLine;
using System.Text.Json;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios start: a run of a workflow, and, if asked, its end.</summary>
internal static class StartCommand
{
    public static Command Create(ClientOptions client)
    {
        var workflow = new Argument<string>("WORKFLOW") { Description = "The workflow's name." };
        var input = new Option<string?>("--input") { Description = "Its input: JSON, @FILE, or - for stdin. Default: null.", HelpName = "JSON" };
        var document = new Option<string?>("--document") { Description = "Upload a file and pass its reference as input; the run's id is the file's SHA-256.", HelpName = "FILE" };
        var id = new Option<string?>("--id") { Description = "The run's id. The same id and input again answers with the first run." };
        var businessKey = new Option<string?>("--business-key") { Description = "What people call the case: an invoice number, an order.", HelpName = "KEY" };
        var attributes = new Option<string[]>("--attribute") { Description = "A search attribute; may be repeated.", HelpName = "NAME=VALUE" };
        var priority = new Option<int?>("--priority") { Description = "-100 to 100: where attempts wait for an activity's limit, those of the highest are next. Default: 0.", HelpName = "N" };
        var version = new Option<string?>("--code-version") { Description = "The version of its code; the newest the host holds if left out.", HelpName = "VERSION" };
        var wait = RunOutcome.Wait();

        return client.Change("start", "Start a run of a workflow.", workflow, input, document, id, businessKey, attributes, priority, version, wait).Does(async call =>
        {
            if (call.Get(input) is not null && call.Get(document) is not null) throw CliException.Usage("--input and --document exclude each other: the document's reference is the input.");
            var named = Attributes(call.Get(attributes) ?? []);
            using var api = client.Connect(call);
            var (value, runId) = call.Get(document) is { } file
                ? await UploadAsync(api, file, call.Cancellation)
                : (await JsonArgument.ReadAsync(call.Get(input) ?? "null", call.Cancellation), null);
            var request = new StartBody(call.Get(workflow), value, call.Get(id) ?? runId, call.Get(businessKey), named, call.Get(priority), call.Get(version));
            var json = await api.CommandAsync(HttpMethod.Post, ApiPaths.Runs, request, call.Cancellation);
            return await TellAsync(client, call, api, json, call.Has(wait) ? RunOutcome.Limit(call, wait) : null);
        });
    }

    private static async Task<int> TellAsync(ClientOptions client, Invocation call, ApiClient api, string json, TimeSpan? wait)
    {
        var started = api.Read<StartedDocument>(json);
        var asJson = call.Get(client.Json);
        if (!asJson)
            call.Terminal.Note(started.IsNew ? $"started {started.Run.Workflow} as {started.Id}" : $"{started.Id} was there already, with this input; nothing was started again");
        if (wait is not { } limit)
        {
            if (asJson) call.Terminal.Json(json);
            else call.Terminal.Line(started.Id);
            return ExitCode.Done;
        }

        var (_, result) = await RunOutcome.AwaitAsync(api, call.Terminal, started.Id, limit, call.Cancellation);
        if (!asJson) return RunOutcome.Tell(call.Terminal, started.Id, result);
        call.Terminal.Json(await api.GetAsync(ApiPaths.Run(started.Id), call.Cancellation));
        return result.Code;
    }

    private static async Task<(JsonElement Reference, string Id)> UploadAsync(ApiClient api, string file, CancellationToken cancellation)
    {
        FileStream stream;
        try
        {
            stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, useAsync: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw CliException.Usage($"The document '{file}' cannot be read: {e.Message}");
        }
        await using (stream)
        {
            var payload = await api.UploadAsync(stream, Path.GetExtension(file).Equals(".xml", StringComparison.OrdinalIgnoreCase), cancellation);
            return (JsonSerializer.SerializeToElement(payload, ApiClient.Json), payload.Sha256);
        }
    }

    private static Dictionary<string, string>? Attributes(string[] given)
    {
        if (given.Length == 0) return null;
        var attributes = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var text in given)
            if (text.Split('=', 2) is not [{ Length: > 0 } name, var value] || !attributes.TryAdd(name, value))
                throw CliException.Usage($"--attribute is NAME=VALUE, each name once; '{text}' is not.");
        return attributes;
    }

    private sealed record StartBody(string Workflow, JsonElement Input, string? Id, string? BusinessKey, Dictionary<string, string>? Attributes, int? Priority, string? Version);
}
