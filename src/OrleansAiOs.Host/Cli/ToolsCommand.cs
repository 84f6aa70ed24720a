using System.CommandLine;
using System.Text.Json;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios tools: what may be called outside, as what, and who said so.</summary>
internal static class ToolsCommand
{
    private static readonly string[] Effects = ["pure", "idempotent", "keyed", "atMostOnce"];

    public static Command Create(ClientOptions client) => new Command("tools", "See, declare and approve the tools that workflows call, and see what was called.")
        .With(List(client), Show(client), AddHttp(client), AddMcp(client), Approve(client), Quarantine(client), Drift(client), Servers(client), RemoveServer(client), CallsCommand.Create(client));

    private static Argument<string> Id() => new("TOOL") { Description = "SERVER/NAME." };

    private static Option<string> Why() => new("--why") { Description = "The reason; kept for whoever looks at it later.", HelpName = "TEXT", Required = true };

    private static Command List(ClientOptions client) => client.Query("list", "List the tools.").Does(call => TableAsync(client, call, ApiPaths.Tools, "no tools"));

    private static Command Drift(ClientOptions client) => client.Query("drift", "Look at what each MCP server offers now, and list the tools that are in quarantine.").Does(async call =>
    {
        using (var api = client.Connect(call))
            foreach (var server in (await api.GetAsync<PageDocument<ToolServerDocument>>(ApiPaths.ToolServers, call.Cancellation)).Items)
            {
                var seen = api.Read<ToolServerDocument>(await api.CommandAsync(HttpMethod.Post, $"{ApiPaths.ToolServer(server.Server.Name)}/look", new { }, call.Cancellation));
                if (seen.Trouble is { } trouble) call.Terminal.Note($"{seen.Server.Name}: {trouble}");
            }
        return await TableAsync(client, call, ApiPaths.Query(ApiPaths.Tools, ("status", "quarantined")), "no tool has drifted");
    });

    private static async Task<int> TableAsync(ClientOptions client, Invocation call, string path, string none)
    {
        using var api = client.Connect(call);
        var json = await api.GetAsync(path, call.Cancellation);
        if (call.Get(client.Json)) call.Terminal.Json(json);
        else
        {
            var page = api.Read<PageDocument<ToolDocument>>(json);
            if (page.Items.Count == 0) call.Terminal.Note(none);
            else
                call.Terminal.Table(["tool", "kind", "status", "effect", "pin", "breaker", "description"], page.Items.Select(tool => (IEnumerable<Cell>)
                    [tool.Id, tool.Kind, new Cell(tool.Status, Human.StyleOf(tool.Status == "approved" ? "completed" : tool.Status == "quarantined" ? "failed" : "")), tool.Effect, tool.Pin[..12], tool.Breaker, Human.Cut(tool.Why ?? tool.Description ?? "")]));
        }
        return ExitCode.Done;
    }

    private static Command Show(ClientOptions client)
    {
        var id = Id();
        return client.Query("show", "One tool, whole: what it says of itself, and what was said about it.", id).Does(call => client.ShowAsync<ToolDocument>(call, ApiPaths.Tool(call.Get(id)), tool => Tell(call.Terminal, tool)));
    }

    private static void Tell(Terminal terminal, ToolDocument tool)
    {
        terminal.Line($"{tool.Id} ({tool.Kind}): {tool.Status}{(tool.Effect is null ? "" : $", {tool.Effect}")}");
        terminal.Line($"pin {tool.Pin}{(tool.ApprovedBy is null ? "" : $"; approved by {tool.ApprovedBy}{(tool.ApprovedPin == tool.Pin ? "" : $" as {tool.ApprovedPin?[..12]}")}")}");
        if (tool.Why is { } why) terminal.Line($"in quarantine: {why}");
        if (tool.Changed is { } changed) terminal.Line($"changed: {Human.Names(changed)}");
        if (tool.Unread is { } unread) terminal.Line($"not checked here: {Human.Names(unread)}");
        if (tool.Breaker is not "closed") terminal.Line($"breaker: {tool.Breaker}");
        if (tool.Terms is { } terms) Full(terminal, "terms:", terms);
        if (tool.Definition is { } definition) Full(terminal, "What whoever offers it says of it, to be read as a claim:", definition);
    }

    private static void Full(Terminal terminal, string what, JsonElement value)
    {
        terminal.Line(what);
        foreach (var line in Human.Full(value).Split('\n')) terminal.Line(line);
    }

    private static Command AddHttp(ClientOptions client)
    {
        var file = new Argument<string>("FILE") { Description = "JSON of server, name, description, inputSchema and http (method, url, headers); or - for stdin." };
        return client.Change("add-http", "Declare a tool by HTTP. It can be called once it is approved.", file).Does(async call =>
        {
            using var api = client.Connect(call);
            var json = await api.CommandAsync(HttpMethod.Post, $"{ApiPaths.Tools}/http", await FromFileAsync(call, file), call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else if (api.Read<ToolDocument>(json) is { } tool) call.Terminal.Note($"{tool.Id} is {tool.Status}, pin {tool.Pin[..12]}; aios tools approve {tool.Id} --pin {tool.Pin[..12]} --effect … --why … lets it be called");
            return ExitCode.Done;
        });
    }

    private static Command AddMcp(ClientOptions client)
    {
        var file = new Argument<string>("FILE") { Description = "JSON of name and argv (with env, folder), or name and url (with headers, reach); or - for stdin." };
        var why = Why();
        return client.Change("add-mcp", "Make an MCP server known, and look at what it offers. Its tools can be called once they are approved.", file, why).Does(async call =>
        {
            using var api = client.Connect(call);
            var json = await api.CommandAsync(HttpMethod.Post, ApiPaths.ToolServers, new { server = await FromFileAsync(call, file), why = call.Get(why) }, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else if (api.Read<ToolServerDocument>(json) is { } server)
                call.Terminal.Note(server.Trouble is { } trouble ? $"{server.Server.Name} is known, and cannot be spoken to: {trouble}" : $"{server.Server.Name} speaks revision {server.Revision}; aios tools list tells what it offers{(server.Refused.Count == 0 ? "" : $"; not kept: {string.Join("; ", server.Refused)}")}");
            return ExitCode.Done;
        });
    }

    private static Command Approve(ClientOptions client)
    {
        var id = Id();
        var pin = new Option<string>("--pin") { Description = "What was read: the pin of `aios tools show`, or its first 12 digits.", Required = true };
        var effect = new Option<string>("--effect") { Description = $"What a call does outside: {string.Join(", ", Effects)}. All but pure write.", Required = true };
        effect.AcceptOnlyFromAmong(Effects);
        var reach = new Option<string[]?>("--reach") { Description = "An endpoint it may call though it is private, speaks http or is on another port than 443; may be repeated.", HelpName = "HOST:PORT" };
        var field = new Option<string[]?>("--field") { Description = "An argument path that a call may set, as customer.email; may be repeated. Default: all.", HelpName = "PATH" };
        var compareBy = new Option<string?>("--compare-by") { Description = "The tool, approved as pure, by which the target is read before and after a call; the result says what was changed. Default: nothing is compared.", HelpName = "TOOL" };
        var compareWith = new Option<string[]?>("--compare-with") { Description = "An argument of that tool, and the argument path of this one it is taken from, as id=customer.id, or a JSON constant, as kind==\"person\"; may be repeated.", HelpName = "NAME=PATH" };
        var compareAt = new Option<string?>("--compare-at") { Description = "Where in its answer the target stands, as data.customer. Default: all of it.", HelpName = "PATH" };
        var compareField = new Option<string[]?>("--compare-field") { Description = "An argument path whose field in the target has another path, as mail=contact.email; NAME= alone for one that sets no field; may be repeated.", HelpName = "PATH=FIELD" };
        var compareOwn = new Option<string[]?>("--compare-own") { Description = "A field that the receiver sets by itself, as updatedAt; may be repeated.", HelpName = "FIELD" };
        var concurrency = new Option<int?>("--concurrency") { Description = "Calls under way at once on a host. Default: 16.", HelpName = "N" };
        var perSecond = new Option<double?>("--per-second") { Description = "Calls begun per second on a host. Default: no limit.", HelpName = "N" };
        var timeout = new Option<int?>("--timeout") { Description = "Seconds for one call. Default: 30.", HelpName = "N" };
        var why = Why();
        return client.Change("approve", "Let a tool be called, as what it was read to be.", id, pin, effect, reach, field, compareBy, compareWith, compareAt, compareField, compareOwn, concurrency, perSecond, timeout, why).Does(call =>
        {
            var limits = call.Has(concurrency) || call.Has(perSecond) || call.Has(timeout) ? new { concurrency = call.Get(concurrency), perSecond = call.Get(perSecond), timeoutSeconds = call.Get(timeout) } : null;
            if (!call.Has(compareBy) && (call.Has(compareWith) || call.Has(compareAt) || call.Has(compareField) || call.Has(compareOwn))) throw CliException.Usage("--compare-by names the tool that reads; without it nothing is compared.");
            var comparison = !call.Has(compareBy) ? null : new
            {
                by = call.Get(compareBy), with = Pairs(call.Get(compareWith), "--compare-with"), at = call.Get(compareAt), fields = call.Has(compareField) ? Pairs(call.Get(compareField), "--compare-field") : null,
                own = call.Has(compareOwn) ? call.Get(compareOwn) : null,
            };
            return client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Tool(call.Get(id))}/approve", new
            {
                pin = call.Get(pin), effect = call.Get(effect), why = call.Get(why), reach = call.Has(reach) ? call.Get(reach) : null, limits, fields = call.Has(field) ? call.Get(field) : null, comparison,
            }, $"{call.Get(id)} may be called, as {call.Get(effect)}");
        });
    }

    private static Dictionary<string, string> Pairs(string[]? pairs, string option)
    {
        var read = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in pairs ?? [])
            if (pair.IndexOf('=', StringComparison.Ordinal) is not (> 0 and var at) || !read.TryAdd(pair[..at], pair[(at + 1)..])) throw CliException.Usage($"{option} {pair}: write NAME=PATH, each name once.");
        return read;
    }

    private static Command Quarantine(ClientOptions client)
    {
        var id = Id();
        var why = Why();
        return client.Change("quarantine", "Stop a tool until it is approved again.", id, why).Does(call =>
            client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Tool(call.Get(id))}/quarantine", new { why = call.Get(why) }, $"{call.Get(id)} is called no more until it is approved again"));
    }

    private static Command Servers(ClientOptions client) => client.Query("servers", "List the MCP servers.").Does(call => client.ShowAsync<PageDocument<ToolServerDocument>>(call, ApiPaths.ToolServers, page =>
    {
        if (page.Items.Count == 0) call.Terminal.Note("no MCP servers");
        else
            call.Terminal.Table(["server", "reached by", "state", "revision", "trouble", "not kept"], page.Items.Select(server => (IEnumerable<Cell>)
                [server.Server.Name, Human.Cut(server.Server.Url ?? string.Join(' ', server.Server.Argv ?? [])), server.State, server.Revision, Human.Cut(server.Trouble ?? ""), Human.Cut(string.Join("; ", server.Refused))]));
    }));

    private static Command RemoveServer(ClientOptions client)
    {
        var name = new Argument<string>("SERVER") { Description = "The server's name." };
        var why = Why();
        return client.Change("remove-mcp", "Forget an MCP server; its tools are in quarantine then.", name, why).Does(call =>
            client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.ToolServer(call.Get(name))}/remove", new { why = call.Get(why) }, $"{call.Get(name)} is forgotten"));
    }

    private static Task<JsonElement> FromFileAsync(Invocation call, Argument<string> file) => JsonArgument.ReadAsync(call.Get(file) is "-" ? "-" : $"@{call.Get(file)}", call.Cancellation);
}

/// <summary>aios secrets: values that tools send and nobody sees.</summary>
internal static class SecretsCommand
{
    public static Command Create(ClientOptions client) => new Command("secrets", "Set, list and remove the secrets that tools name as secret://NAME.").With(Set(client), List(client), Remove(client));

    private static Argument<string> Name() => new("NAME") { Description = "1 to 64 of a-z, 0-9, '.', '_' and '-'." };

    private static Command Set(ClientOptions client)
    {
        var name = Name();
        var host = new Option<string[]>("--host") { Description = "A host it may be sent to, mcp:NAME for an MCP server's process, or hook:NAME for a source of webhooks; may be repeated.", Required = true };
        return client.Change("set", "Set a secret. Its value is read from stdin, so that it stands in no command line and no shell's history.", name, host).Does(async call =>
        {
            var value = Console.IsInputRedirected ? WithoutItsLastNewline(await Console.In.ReadToEndAsync(call.Cancellation)) : Typed(call.Terminal);
            if (value.Length == 0) throw CliException.Usage("There is no value on stdin. For example: aios secrets set NAME --host HOST < file");
            return await client.SendAsync(call, HttpMethod.Put, ApiPaths.Secret(call.Get(name)), new { value, hosts = call.Get(host) }, $"secret://{call.Get(name)} is set, for {Human.Names(call.Get(host))}");
        });
    }

    // All of it: what a secret cannot hold the host refuses, and says so. Editors and echo end a file with a newline, which is not meant.
    private static string WithoutItsLastNewline(string read) => read.EndsWith("\r\n", StringComparison.Ordinal) ? read[..^2] : read.EndsWith('\n') ? read[..^1] : read;

    private static string Typed(Terminal terminal)
    {
        terminal.Note("Type the value, which is not shown, then press Enter:");
        var typed = new System.Text.StringBuilder();
        while (Console.ReadKey(intercept: true) is var key && key.Key is not ConsoleKey.Enter)
        {
            if (key.Key is not ConsoleKey.Backspace) typed.Append(key.KeyChar);
            else if (typed.Length > 0) typed.Length--;
        }
        return typed.ToString();
    }

    private static Command List(ClientOptions client) => client.Query("list", "List the secrets, without their values.").Does(call => client.ShowAsync<PageDocument<SecretDocument>>(call, ApiPaths.Secrets, page =>
    {
        if (page.Items.Count == 0) call.Terminal.Note("no secrets");
        else call.Terminal.Table(["name", "hosts", "set", "by"], page.Items.Select(secret => (IEnumerable<Cell>)[secret.Name, Human.Names(secret.Hosts), Human.Time(secret.SetAt), secret.SetBy]));
    }));

    private static Command Remove(ClientOptions client)
    {
        var name = Name();
        return client.Change("remove", "Remove a secret. Calls that name it are refused from then on.", name).Does(call =>
            client.SendAsync(call, HttpMethod.Delete, ApiPaths.Secret(call.Get(name)), null, $"removed {call.Get(name)}"));
    }
}

internal sealed record ToolDocument(string Id, string Kind, string Status, string Pin, string Breaker, string? Description = null, string? Effect = null, string? Why = null, string? ApprovedPin = null, string? ApprovedBy = null,
    List<string>? Changed = null, List<string>? Unread = null, JsonElement? Terms = null, JsonElement? Definition = null);

internal sealed record ToolServerDocument(ToolServerDocument.Known Server, string State, List<string> Refused, string? Revision = null, string? Trouble = null)
{
    internal sealed record Known(string Name, List<string>? Argv = null, string? Url = null);
}

internal sealed record SecretDocument(string Name, List<string> Hosts, DateTimeOffset SetAt, string SetBy);
