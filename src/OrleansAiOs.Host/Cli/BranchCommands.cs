using System.CommandLine;
using System.Text.Json;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios reset: a run goes on from an earlier event.</summary>
internal static class ResetCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        var to = new Option<long>("--to") { Description = "The last event to keep, as `aios history` numbers them; 0 starts the run over.", HelpName = "EVENT", Required = true };
        var why = new Option<string?>("--why") { Description = "Why; kept in the history.", HelpName = "TEXT" };
        var effects = Branching.Effects();
        var drop = new Option<bool>("--drop-signals") { Description = "Signals that came behind the cut are forgotten; else the code is shown them again." };
        return client.Change("reset", "Let a run go on from an earlier event, also one that is parked or over. What it did since then is chosen effect by effect, child run by child run; without a choice they are listed.",
            id, to, why, effects, drop).Does(call => client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Run(call.Get(id))}/reset",
            new { to = call.Get(to), why = call.Get(why), effects = Branching.Chosen(call.Get(effects)), dropSignals = call.Get(drop) }, $"{call.Get(id)} goes on from event {call.Get(to)}"));
    }
}

/// <summary>aios fork: a new run from an event of an old one.</summary>
internal static class ForkCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        var at = new Option<long>("--at") { Description = "The last event to take over, as `aios history` numbers them.", HelpName = "EVENT", Required = true };
        var newId = new Option<string?>("--id") { Description = "The new run's id." };
        var input = new Option<string?>("--input") { Description = "Another input: JSON, @FILE, or - for stdin.", HelpName = "JSON" };
        var version = new Option<string?>("--code-version") { Description = "Another version of the code.", HelpName = "VERSION" };
        var outcomes = new Option<string[]>("--outcome") { Description = "Another result of a step that is taken over, or open at the cut; may be repeated.", HelpName = "STEP=JSON" };
        var effects = Branching.Effects();
        var why = new Option<string?>("--why") { Description = "Why; kept in the history.", HelpName = "TEXT" };
        return client.Change("fork", "Start a run from an event of another. What that did behind it is chosen effect by effect, child run by child run; without a choice they are listed.",
            id, at, newId, input, version, outcomes, effects, why).Does(async call =>
        {
            JsonElement? changed = call.Get(input) is { } given ? await JsonArgument.ReadAsync(given, call.Cancellation) : null;
            var results = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
            foreach (var text in call.Get(outcomes) ?? [])
                if (text.Split('=', 2) is not [{ Length: > 0 } step, var json] || !results.TryAdd(step, await JsonArgument.ReadAsync(json, call.Cancellation)))
                    throw CliException.Usage($"--outcome is STEP=JSON, each step once; '{text}' is not.");
            using var api = client.Connect(call);
            var answer = await api.CommandAsync(HttpMethod.Post, $"{ApiPaths.Run(call.Get(id))}/fork", new
            {
                at = call.Get(at), id = call.Get(newId), input = changed, codeVersion = call.Get(version), outcomes = results.Count == 0 ? null : results, effects = Branching.Chosen(call.Get(effects)), why = call.Get(why),
            }, call.Cancellation);
            var started = api.Read<StartedDocument>(answer);
            if (call.Get(client.Json)) call.Terminal.Json(answer);
            else
            {
                call.Terminal.Note(started.IsNew ? $"forked {call.Get(id)} at event {call.Get(at)} as {started.Id}" : $"{started.Id} was there already, as this fork");
                call.Terminal.Line(started.Id);
            }
            return ExitCode.Done;
        });
    }
}

internal static class Branching
{
    public static Option<string[]> Effects() => new("--effect") { Description = "What becomes of an effect or a child run behind the cut; may be repeated.", HelpName = "STEP=reuse|redo|compensate" };

    public static Dictionary<string, string>? Chosen(string[]? given)
    {
        if (given is null or { Length: 0 }) return null;
        var chosen = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var text in given)
            if (text.Split('=', 2) is not [{ Length: > 0 } step, "reuse" or "redo" or "compensate"] || !chosen.TryAdd(step, text[(step.Length + 1)..]))
                throw CliException.Usage($"--effect is STEP=reuse, STEP=redo or STEP=compensate, each step once; '{text}' is not.");
        return chosen;
    }
}
