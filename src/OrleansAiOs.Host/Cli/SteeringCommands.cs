using System.CommandLine;
using System.Text.Json;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios signal: a message to a run.</summary>
internal static class SignalCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        var name = new Argument<string>("NAME") { Description = "The signal's name." };
        var value = new Argument<string?>("JSON") { Description = "Its value: JSON, @FILE, or - for stdin. Default: null.", Arity = ArgumentArity.ZeroOrOne };
        return client.Change("signal", "Send a signal to a run.", id, name, value).Does(async call =>
        {
            var body = await JsonArgument.ReadAsync(call.Parsed.GetValue(value) ?? "null", call.Cancellation);
            return await client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Run(call.Get(id))}/signals/{ApiPaths.Segment("signal name", call.Get(name))}", body,
                $"sent {call.Get(name)} to {call.Get(id)}");
        });
    }
}

/// <summary>aios cancel: asks a run to undo what it did and end.</summary>
internal static class CancelCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        var reason = new Option<string?>("--reason") { Description = "Why; kept in the history.", HelpName = "TEXT" };
        return client.Change("cancel", "Ask a run to cancel. What it did is undone first.", id, reason).Does(call =>
            client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Run(call.Get(id))}/cancel", new { reason = call.Get(reason) }, $"asked {call.Get(id)} to cancel"));
    }
}

/// <summary>aios terminate: ends a run at once.</summary>
internal static class TerminateCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        var reason = new Option<string?>("--reason") { Description = "Why; kept in the history.", HelpName = "TEXT" };
        return client.Change("terminate", "End a run at once. Its code has no say and NOTHING IS UNDONE; to have it undone, cancel.", id, reason).Does(call =>
            client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Run(call.Get(id))}/terminate", new { reason = call.Get(reason) },
                $"{call.Get(id)} is terminated; what it did is not undone"));
    }
}

/// <summary>aios pause: halts a run.</summary>
internal static class PauseCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        var reason = new Option<string?>("--reason") { Description = "Why; kept in the history.", HelpName = "TEXT" };
        return client.Change("pause", "Halt a run: what reaches it is kept, no attempt begins. Attempts under way end as they will.", id, reason).Does(call =>
            client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Run(call.Get(id))}/pause", new { reason = call.Get(reason) }, $"{call.Get(id)} is paused; to go on: aios resume {call.Get(id)}"));
    }
}

/// <summary>aios resume: lets a paused run go on.</summary>
internal static class ResumeCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        return client.Change("resume", "Let a paused run go on.", id).Does(call =>
            client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Run(call.Get(id))}/resume", new { }, $"{call.Get(id)} goes on"));
    }
}

/// <summary>aios unpark: lets a parked run go on.</summary>
internal static class UnparkCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        return client.Change("unpark", "Let a parked run go on, once what parked it is mended.", id).Does(call =>
            client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Run(call.Get(id))}/unpark", new { }, $"{call.Get(id)} goes on"));
    }
}

/// <summary>aios resolve: a person says what became of an attempt whose outcome nobody else knows.</summary>
internal static class ResolveCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        var step = new Argument<int>("STEP") { Description = "The step's number." };
        var happened = new Option<string?>("--happened") { Description = "It took effect, with this result: JSON, @FILE, or - for stdin.", HelpName = "JSON" };
        var never = new Option<bool>("--never") { Description = "It did not and never will: the step is tried again." };
        var why = new Option<string?>("--why") { Description = "How it is known; kept in the history.", HelpName = "TEXT" };
        return client.Change("resolve", "Say what became of a step whose outcome is unknown.", id, step, happened, never, why).Does(async call =>
        {
            if (call.Get(happened) is null != call.Get(never)) throw CliException.Usage("Say one of the two: --happened JSON or --never.");
            JsonElement? result = call.Get(happened) is { } given ? await JsonArgument.ReadAsync(given, call.Cancellation) : null;
            return await client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Run(call.Get(id))}/steps/{call.Get(step)}/resolution",
                new { happened = result is not null, result, why = call.Get(why) }, $"recorded: step {call.Get(step)} of {call.Get(id)} {(result is null ? "did not happen" : "happened")}");
        });
    }
}

internal static class Steering
{
    /// <summary>A command whose answer is only that it was taken.</summary>
    public static async Task<int> SendAsync(this ClientOptions client, Invocation call, HttpMethod method, string path, object? body, string done)
    {
        using var api = client.Connect(call);
        var json = await api.CommandAsync(method, path, body, call.Cancellation);
        if (!call.Get(client.Json)) call.Terminal.Note(done);
        else if (json != "") call.Terminal.Json(json);
        return ExitCode.Done;
    }
}
