using System.CommandLine;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios webhooks: who is told of runs, what became of it, and who may send us something.</summary>
internal static class WebhooksCommand
{
    public static Command Create(ClientOptions client) => new Command("webhooks", "Tell others of runs, and let others start and signal them; both signed.")
        .With(List(client), Add(client), Remove(client), Deliveries(client, "deliveries", "What a webhook was told, and is to be told; the newest first.", null), Deliveries(client, "dead", "What a webhook could not be told.", "dead"), Redeliver(client),
            Sources(client), AddSource(client), RemoveSource(client), Received(client), Retry(client));

    private static Argument<string> Name(string what = "webhook") => new("NAME") { Description = $"The {what}'s name." };

    private static Option<string> Why() => new("--why") { Description = "The reason; kept for whoever looks at it later.", HelpName = "TEXT", Required = true };

    private static Option<string[]> Secret(string boundTo) => new("--secret") { Description = $"The name of a secret that is bound to {boundTo}; up to three, while one is being replaced.", HelpName = "NAME", Required = true };

    private static Option<int?> Limit() => new("--limit") { Description = "How many at most. Default: 50.", HelpName = "N" };

    private static Command List(ClientOptions client) => client.Query("list", "List who is told of runs.").Does(call => TableAsync<WebhookDocument>(client, call, ApiPaths.Webhooks, "no webhooks",
        ["name", "url", "of", "workflow", "secrets", "waiting", "dead", "by"], hook => [hook.Name, Human.Cut(hook.Url), Human.Names(hook.Kinds), hook.Workflow, Human.Names(hook.Secrets), $"{hook.Waiting}", new Cell($"{hook.Dead}", Human.StyleOf(hook.Dead > 0 ? "failed" : "")), hook.By]));

    private static Command Add(ClientOptions client)
    {
        var (name, secret) = (Name(), Secret("the url's host"));
        var to = new Argument<string>("TO") { Description = "Where it is sent: a URL by https, to a public address on port 443 unless --reach names it." };
        var kind = new Option<string[]>("--kind") { Description = "What it is told of: run.completed, approval.*, *; may be repeated.", Required = true };
        var workflow = new Option<string?>("--workflow") { Description = "Only of runs of this workflow." };
        var full = new Option<bool>("--full") { Description = "Send the event as the history has it, with inputs and results. Default: what happened to which run." };
        var reach = new Option<string[]?>("--reach") { Description = "An endpoint it may be sent to though it is private, speaks http or is on another port than 443; may be repeated.", HelpName = "HOST:PORT" };
        var attempts = new Option<int?>("--attempts") { Description = "How often a message is sent before it is dead. Default: 10, within about a day.", HelpName = "N" };
        return client.Change("add", "Have somebody told of runs, from now on.", name, to, kind, secret, workflow, full, reach, attempts).Does(call => client.SendAsync(call, HttpMethod.Post, ApiPaths.Webhooks, new
        {
            name = call.Get(name), url = call.Get(to), kinds = call.Get(kind), secrets = call.Get(secret), workflow = call.Get(workflow), full = call.Get(full), reach = call.Has(reach) ? call.Get(reach) : null, attempts = call.Get(attempts),
        }, $"{call.Get(name)} is told of {Human.Names(call.Get(kind) ?? [])}"));
    }

    private static Command Remove(ClientOptions client)
    {
        var (name, why) = (Name(), Why());
        return client.Change("remove", "Tell somebody no more. What still waits for it is not sent.", name, why).Does(call =>
            client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Webhook(call.Get(name))}/remove", new { why = call.Get(why) }, $"{call.Get(name)} is told no more"));
    }

    private static Command Deliveries(ClientOptions client, string verb, string description, string? state)
    {
        var (name, limit) = (Name(), Limit());
        var run = new Option<string?>("--run") { Description = "Only of this run." };
        return client.Query(verb, description, name, run, limit).Does(call => TableAsync<DeliveryDocument>(client, call,
            ApiPaths.Query($"{ApiPaths.Webhook(call.Get(name))}/deliveries", ("state", state), ("run", call.Get(run)), ("limit", call.Get(limit)?.ToString(null, null))), state is null ? "nothing yet" : "nothing is dead",
            ["id", "run", "event", "of", "at", "state", "attempts", "next", "answer", "trouble"], delivery =>
            [
                delivery.Id, delivery.Run, $"{delivery.Version}", delivery.Kind, Human.Time(delivery.At), new Cell(delivery.State, Human.StyleOf(delivery.State == "delivered" ? "completed" : delivery.State == "dead" ? "failed" : "")),
                $"{delivery.Attempts}", delivery.Due is { } due ? Human.Time(due) : "", delivery.Status?.ToString(null, null), Human.Cut(delivery.Trouble ?? ""),
            ]));
    }

    private static Command Redeliver(ClientOptions client)
    {
        var name = Name();
        var id = new Argument<string?>("ID") { Description = "The message's id; all that are dead if left out.", Arity = ArgumentArity.ZeroOrOne };
        return client.Change("redeliver", "Send what is dead again, under the id it had.", name, id).Does(call =>
            client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Webhook(call.Get(name))}/redeliver", new { id = call.Parsed.GetValue(id) }, $"{call.Parsed.GetValue(id) ?? "all that was dead"} is sent again"));
    }

    private static Command Sources(ClientOptions client) => client.Query("sources", "List who may send us webhooks.").Does(call => TableAsync<SourceDocument>(client, call, ApiPaths.WebhookSources, "no sources",
        ["name", "sent to", "scheme", "does", "as", "secrets", "by"], entry => [entry.Source.Name, entry.Path, entry.Source.Scheme, $"{entry.Source.Does} {entry.Source.Signal} {entry.Source.Workflow}".TrimEnd(), entry.Source.As, Human.Names(entry.Source.Secrets), entry.By]));

    private static Command AddSource(ClientOptions client)
    {
        var (name, secret) = (Name("source"), Secret("hook:NAME"));
        var scheme = new Option<string>("--scheme") { Description = "How it signs: standard, gitHub or stripe. Default: standard.", DefaultValueFactory = _ => "standard" };
        scheme.AcceptOnlyFromAmong("standard", "gitHub", "stripe");
        var does = new Option<string>("--does") { Description = "start a run, signal one, or hand in decisions that approvers have signed: sign.", Required = true };
        does.AcceptOnlyFromAmong("start", "signal", "sign");
        var acts = new Option<string>("--as") { Description = "The service it acts as, with that one's rights: service/NAME.", HelpName = "SERVICE", Required = true };
        var workflow = new Option<string?>("--workflow") { Description = "To start: what. To signal: whose runs." };
        var signal = new Option<string?>("--signal") { Description = "The signal's name." };
        var businessKey = new Option<string?>("--business-key") { Description = "Where in the body the business key stands: /data/order.", HelpName = "POINTER" };
        var value = new Option<string?>("--value") { Description = "Where in the body the input, or the signal's value, stands. Default: all of it.", HelpName = "POINTER" };
        return client.Change("add-source", "Let somebody start or signal runs by webhook.", name, scheme, does, acts, secret, workflow, signal, businessKey, value).Does(async call =>
        {
            using var api = client.Connect(call);
            var json = await api.CommandAsync(HttpMethod.Post, ApiPaths.WebhookSources, new
            {
                name = call.Get(name), scheme = call.Get(scheme), secrets = call.Get(secret), @as = call.Get(acts), does = call.Get(does), workflow = call.Get(workflow), signal = call.Get(signal), businessKey = call.Get(businessKey), value = call.Get(value),
            }, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else call.Terminal.Note($"{call.Get(name)} sends to {api.Read<SourceDocument>(json).Path}");
            return ExitCode.Done;
        });
    }

    private static Command RemoveSource(ClientOptions client)
    {
        var (name, why) = (Name("source"), Why());
        return client.Change("remove-source", "Take nothing more from a source.", name, why).Does(call =>
            client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.WebhookSource(call.Get(name))}/remove", new { why = call.Get(why) }, $"nothing more is taken from {call.Get(name)}"));
    }

    private static Command Received(ClientOptions client)
    {
        var (name, limit) = (Name("source"), Limit());
        var quarantined = new Option<bool>("--quarantined") { Description = "Only what could not be done." };
        return client.Query("received", "What a source has sent, and what became of it; the newest first.", name, quarantined, limit).Does(call => TableAsync<ReceivedDocument>(client, call,
            ApiPaths.Query($"{ApiPaths.WebhookSource(call.Get(name))}/received", ("state", call.Get(quarantined) ? "quarantined" : null), ("limit", call.Get(limit)?.ToString(null, null))), "nothing",
            ["delivery", "at", "state", "run", "why"], received => [received.Delivery, Human.Time(received.At), new Cell(received.State, Human.StyleOf(received.State == "done" ? "completed" : received.State == "quarantined" ? "failed" : "")), received.Run, Human.Cut(received.Why ?? "")]));
    }

    private static Command Retry(ClientOptions client)
    {
        var name = Name("source");
        var delivery = new Argument<string>("DELIVERY") { Description = "The delivery's id." };
        return client.Change("retry", "Try a delivery in quarantine again, once what stood in its way is mended.", name, delivery).Does(call =>
            client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.WebhookSource(call.Get(name))}/retry", new { delivery = call.Get(delivery) }, $"{call.Get(delivery)} is done"));
    }

    private static async Task<int> TableAsync<T>(ClientOptions client, Invocation call, string path, string none, string[] columns, Func<T, IEnumerable<Cell>> row)
    {
        using var api = client.Connect(call);
        var json = await api.GetAsync(path, call.Cancellation);
        if (call.Get(client.Json)) call.Terminal.Json(json);
        else if (api.Read<PageDocument<T>>(json).Items is { Count: > 0 } items) call.Terminal.Table(columns, items.Select(row));
        else call.Terminal.Note(none);
        return ExitCode.Done;
    }
}

internal sealed record WebhookDocument(string Name, string Url, List<string> Kinds, List<string> Secrets, long? Waiting, long? Dead, string? Workflow = null, string? By = null);

internal sealed record DeliveryDocument(string Id, string Run, long Version, string Kind, DateTimeOffset At, string State, int Attempts, DateTimeOffset? Due = null, int? Status = null, string? Trouble = null);

internal sealed record SourceDocument(SourceDocument.Known Source, string Path, string? By = null)
{
    internal sealed record Known(string Name, string Scheme, string Does, string As, List<string> Secrets, string? Workflow = null, string? Signal = null);
}

internal sealed record ReceivedDocument(string Delivery, DateTimeOffset At, string State, string? Run = null, string? Why = null);
