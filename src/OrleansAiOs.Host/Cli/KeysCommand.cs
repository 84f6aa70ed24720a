using System.CommandLine;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios keys: what principals prove themselves with. One a person is how four eyes are two people.</summary>
internal static class KeysCommand
{
    public static Command Create(ClientOptions client) =>
        new Command("keys", "Make, list and revoke the keys that people and programs act with.").With(Add(client), List(client), Revoke(client), SigningKeysCommand.Make(client), SigningKeysCommand.Register(client), SigningKeysCommand.List(client), SigningKeysCommand.Revoke(client));

    private static Command Add(ClientOptions client)
    {
        var name = new Argument<string>("NAME") { Description = "What the key is called; without --for also who it makes: user/NAME, or service/NAME, agent/NAME." };
        var roles = new Option<string[]>("--role") { Description = "A role its principal holds from now on: owner, operator, viewer, auditor, or one that approvals name. May be repeated." };
        var bare = new Option<bool>("--no-role") { Description = "It holds no role: only grants say what it may." };
        var kind = new Option<string?>("--kind") { Description = "What its principal is: user, service or agent. Default: user." };
        kind.AcceptOnlyFromAmong("user", "service", "agent");
        var principal = new Option<string?>("--for") { Description = "A further key of a principal that is there.", HelpName = "PRINCIPAL" };
        var expires = new Option<string?>("--expires") { Description = "It ends after so long: 90d, 12h.", HelpName = "SPAN" };
        return client.Change("add", "Make a key. It is printed once and stored hashed.", name, roles, bare, kind, principal, expires).Does(async call =>
        {
            var given = call.Get(roles) ?? [];
            if (new[] { given.Length > 0, call.Get(bare), call.Get(principal) is not null }.Count(said => said) != 1) throw CliException.Usage("Say what the key's holder may: --role R, or --no-role; or whose further key it is: --for PRINCIPAL.");
            using var api = client.Connect(call);
            var body = new { name = call.Get(name), roles = call.Get(principal) is null ? given : null, kind = call.Get(kind), @for = call.Get(principal), expires = call.Get(expires) };
            var json = await api.CommandAsync(HttpMethod.Post, ApiPaths.Keys, body, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else
            {
                call.Terminal.Note($"The key of {call.Get(name)}; it cannot be shown again:");
                call.Terminal.Line(api.Read<KeyDocument>(json).Key ?? throw new CliException(ExitCode.Unavailable, "The host made the key and did not show it. Revoke it and make another."));
            }
            return ExitCode.Done;
        });
    }

    private static Command List(ClientOptions client) => client.Query("list", "List the keys, without their secrets.").Does(call => client.ShowAsync<PageDocument<KeyDocument>>(call, ApiPaths.Keys, page =>
        call.Terminal.Table(["name", "principal", "roles", "made", "expires", "revoked"], page.Items.Select(key => (IEnumerable<Cell>)
            [key.Name, key.Principal, Human.Names(key.Roles), Human.Time(key.CreatedAt), Human.Time(key.ExpiresAt), Human.Time(key.RevokedAt)]))));

    private static Command Revoke(ClientOptions client)
    {
        var name = new Argument<string>("NAME") { Description = "The key's name." };
        return client.Change("revoke", "Revoke a key at once.", name).Does(call =>
            client.SendAsync(call, HttpMethod.Delete, ApiPaths.Key(call.Get(name)), null, $"revoked the key of {call.Get(name)}"));
    }
}
