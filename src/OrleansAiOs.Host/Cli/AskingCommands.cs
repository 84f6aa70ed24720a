using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios query: asks a run's code what it holds.</summary>
internal static class QueryCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        var name = new Argument<string>("NAME") { Description = "The query's name." };
        var value = new Argument<string?>("JSON") { Description = "Its argument, if it takes one: JSON, @FILE, or - for stdin.", Arity = ArgumentArity.ZeroOrOne };
        return client.Query("query", "Ask a run's code a question; nothing is recorded, and a closed run answers too.", id, name, value).Does(async call =>
        {
            JsonElement? input = call.Parsed.GetValue(value) is { } given ? await JsonArgument.ReadAsync(given, call.Cancellation) : null;
            using var api = client.Connect(call);
            var path = $"{ApiPaths.Run(call.Get(id))}/queries/{ApiPaths.Segment("query name", call.Get(name))}";
            var json = input is null ? await api.GetAsync(path, call.Cancellation) : await api.AskAsync(path, input.Value, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else foreach (var line in Terminal.Lines(Human.Full(api.Read<QueryDocument>(json).Answer))) call.Terminal.Line(line);
            return ExitCode.Done;
        });
    }

    private sealed record QueryDocument(JsonElement Answer);
}

/// <summary>aios update: has a run's code do something and answer.</summary>
internal static class UpdateCommand
{
    // Below what the host and whatever stands between hold a request for.
    private static readonly TimeSpan OneWait = TimeSpan.FromSeconds(25);

    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        var name = new Argument<string>("NAME") { Description = "The update's name." };
        var value = new Argument<string?>("JSON") { Description = "Its input: JSON, @FILE, or - for stdin. Default: null.", Arity = ArgumentArity.ZeroOrOne };
        var wait = new Option<int>("--wait") { Description = "Wait for its answer at most so many seconds. Default: 60.", HelpName = "SECONDS", DefaultValueFactory = _ => 60 };
        var start = new Option<string?>("--start") { Description = "If there is no such run, start this workflow under its id first: so an entity comes to be.", HelpName = "WORKFLOW" };
        return client.Change("update", "Have a run's code do something, and wait for its answer. The code may refuse it.", id, name, value, wait, start).Does(async call =>
        {
            var body = await JsonArgument.ReadAsync(call.Parsed.GetValue(value) ?? "null", call.Cancellation);
            var path = $"{ApiPaths.Run(call.Get(id))}/updates/{ApiPaths.Segment("update name", call.Get(name))}";
            var limit = TimeSpan.FromSeconds(Math.Max(0, call.Get(wait)));
            using var api = client.Connect(call);
            var clock = Stopwatch.StartNew();
            while (true)
            {
                // Sent again under its key, it is the same update.
                var seconds = (int)Math.Ceiling(Math.Clamp((limit - clock.Elapsed).TotalSeconds, 0, OneWait.TotalSeconds));
                var json = await api.CommandAsync(HttpMethod.Post, $"{path}?wait={seconds}{(call.Get(start) is { } workflow ? $"&start={Uri.EscapeDataString(workflow)}" : "")}", body, call.Cancellation);
                var update = api.Read<UpdateDocument>(json);
                if (update.Status == "accepted" && clock.Elapsed < limit) continue;
                if (call.Get(client.Json)) call.Terminal.Json(json);
                else Tell(call.Terminal, call.Get(id), call.Get(name), update);
                return update.Status switch { "completed" => ExitCode.Done, "failed" => ExitCode.Failed, _ => ExitCode.StillOpen };
            }
        });
    }

    private static void Tell(Terminal terminal, string run, string name, UpdateDocument update)
    {
        if (update.Status == "failed") terminal.Problem($"The update {name} of {run} failed.", Human.Failure(update.Failure));
        else if (update.Status == "accepted") terminal.Problem($"The update {name} of {run} is recorded, and has no answer yet.", "Send it again with the same --idempotency-key to go on waiting.");
        else if (update.Answer is { } answer) foreach (var line in Terminal.Lines(Human.Full(answer))) terminal.Line(line);
    }

    private sealed record UpdateDocument(long Version, string Status, JsonElement? Answer, FailureDocument? Failure);
}
