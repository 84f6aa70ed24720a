using System.CommandLine;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios keys: named keys, which is how four eyes are two people.</summary>
internal static class KeysCommand
{
    public static Command Create(ClientOptions client) =>
        new Command("keys", "Make, list and revoke the keys that people and programs act with.").With(Add(client), List(client), Revoke(client));

    private static Command Add(ClientOptions client)
    {
        var name = new Argument<string>("NAME") { Description = "Whose key it is." };
        var roles = new Option<string[]>("--role") { Description = "A role it holds; may be repeated.", Required = true };
        return client.Change("add", "Make a key. It is printed once and stored hashed.", name, roles).Does(async call =>
        {
            using var api = client.Connect(call);
            var json = await api.CommandAsync(HttpMethod.Post, ApiPaths.Keys, new { name = call.Get(name), roles = call.Get(roles) }, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else
            {
                call.Terminal.Note($"The key of {call.Get(name)}; it cannot be shown again:");
                call.Terminal.Line(api.Read<KeyDocument>(json).Key ?? throw new CliException(ExitCode.Unavailable, "The host made the key and did not show it. Revoke it and make another."));
            }
            return ExitCode.Done;
        });
    }

    private static Command List(ClientOptions client) => client.Query("list", "List the keys, without their secrets.").Does(async call =>
    {
        using var api = client.Connect(call);
        var json = await api.GetAsync(ApiPaths.Keys, call.Cancellation);
        if (call.Get(client.Json)) call.Terminal.Json(json);
        else
            call.Terminal.Table(["name", "roles", "made", "revoked"], api.Read<PageDocument<KeyDocument>>(json).Items.Select(key => (IEnumerable<Cell>)
                [key.Name, Human.Names(key.Roles), Human.Time(key.CreatedAt), Human.Time(key.RevokedAt)]));
        return ExitCode.Done;
    });

    private static Command Revoke(ClientOptions client)
    {
        var name = new Argument<string>("NAME") { Description = "Whose key it is." };
        return client.Change("revoke", "Revoke a key at once.", name).Does(call =>
            client.SendAsync(call, HttpMethod.Delete, ApiPaths.Key(call.Get(name)), null, $"revoked the key of {call.Get(name)}"));
    }
}
