using System.CommandLine;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios principals: users, services and agents.</summary>
internal static class PrincipalsCommand
{
    public static Command Create(ClientOptions client) => new Command("principals", "Users, services and agents: who they are, what they hold.")
        .With(List(client), Show(client), Set(client), Switch(client, "disable", "Let a principal do nothing from now on, nor anybody for it.", "is disabled"), Switch(client, "enable", "Let a principal go on.", "goes on"));

    private static Argument<string> Principal() => new("PRINCIPAL") { Description = "user/NAME, service/NAME or agent/NAME." };

    private static Command List(ClientOptions client) => client.Query("list", "List the principals.").Does(call => client.ShowAsync<PageDocument<PrincipalDocument>>(call, ApiPaths.Principals, page =>
        call.Terminal.Table(["principal", "roles", "keys", "grants", "disabled"], page.Items.Select(principal => (IEnumerable<Cell>)
            [principal.Id, Human.Names(principal.Roles), Human.Names(principal.Keys?.Select(key => key.Name)), $"{principal.Grants?.Count ?? 0}", principal.Disabled ?? ""]))));

    private static Command Show(ClientOptions client)
    {
        var id = Principal();
        return client.Query("show", "One principal, with its grants.", id).Does(call => client.ShowAsync<PrincipalDocument>(call, ApiPaths.Principal(call.Get(id)), principal =>
        {
            call.Terminal.Line($"principal   {principal.Id}");
            call.Terminal.Line($"roles       {Human.Names(principal.Roles)}");
            if (principal.Disabled is { } why) call.Terminal.Line($"disabled    {why}");
            foreach (var key in principal.Keys ?? []) call.Terminal.Line($"key         {key.Name} ({key.Hash}…){(key.ExpiresAt is { } end ? $", until {Human.Time(end)}" : "")}");
            if (principal.Grants is { Count: > 0 } grants) GrantsCommand.Table(call, grants);
        }));
    }

    private static Command Set(ClientOptions client)
    {
        var id = Principal();
        var roles = new Option<string[]>("--role") { Description = "A role it holds from now on; may be repeated. None: it holds none." };
        return client.Change("set", "Add a principal, or change its roles.", id, roles).Does(call =>
            client.SendAsync(call, HttpMethod.Put, ApiPaths.Principal(call.Get(id)), new { roles = call.Get(roles) ?? [] }, $"{call.Get(id)} holds {(call.Get(roles) is { Length: > 0 } held ? Human.Names(held) : "no role")}"));
    }

    private static Command Switch(ClientOptions client, string verb, string what, string done)
    {
        var id = Principal();
        var why = new Option<string>("--why") { Description = "The reason; it is kept.", Required = true, HelpName = "TEXT" };
        return client.Change(verb, what, id, why).Does(call => client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Principal(call.Get(id))}/{verb}", new { why = call.Get(why) }, $"{call.Get(id)} {done}"));
    }
}

/// <summary>aios grants: rights beyond those of roles.</summary>
internal static class GrantsCommand
{
    public static Command Create(ClientOptions client) => new Command("grants", "Give, list and take back rights beyond those of roles.").With(Add(client), List(client), Remove(client));

    private static Command Add(ClientOptions client)
    {
        var to = new Argument<string>("TO") { Description = "user/NAME, service/NAME, agent/NAME, or role/NAME for all who hold a role of your own." };
        var actions = new Option<string[]>("--action") { Description = "run.start, run.*, tool.call, act-for, …; may be repeated.", Required = true };
        var resource = new Option<string>("--on") { Description = "workflow/NAME, run/ID, tool/NAME, user/NAME (of act-for); a '*' at its end stands for the rest.", Required = true, HelpName = "RESOURCE" };
        var expires = new Option<string?>("--expires") { Description = "It ends after so long: 90d, 12h.", HelpName = "SPAN" };
        var why = new Option<string?>("--why") { Description = "The reason; it is kept.", HelpName = "TEXT" };
        return client.Change("add", "Give a right. Nobody gives what they do not hold.", to, actions, resource, expires, why).Does(async call =>
        {
            using var api = client.Connect(call);
            var body = new { to = call.Get(to), actions = call.Get(actions), resource = call.Get(resource), expires = call.Get(expires), why = call.Get(why) };
            var json = await api.CommandAsync(HttpMethod.Post, ApiPaths.Grants, body, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else call.Terminal.Line(api.Read<GrantDocument>(json).Id);
            return ExitCode.Done;
        });
    }

    private static Command List(ClientOptions client)
    {
        var unused = new Option<string?>("--unused-for") { Description = "Only those with actions that nobody has used for so long, as 90d: what can go.", HelpName = "SPAN" };
        return client.Query("list", "List the grants, when each was last of use to anybody, and which of its actions never were.", unused).Does(call => client.ShowAsync<PageDocument<GrantDocument>>(call, ApiPaths.Query(ApiPaths.Grants, ("unusedFor", call.Get(unused))), page =>
        {
            if (page.Items is { Count: > 0 } grants) Table(call, grants);
            else call.Terminal.Note(call.Has(unused) ? "none: all is used, or not known for so long" : "no grants");
        }));
    }

    private static Command Remove(ClientOptions client)
    {
        var id = new Argument<string>("GRANT") { Description = "The grant's id." };
        return client.Change("remove", "Take a right back at once.", id).Does(call =>
            client.SendAsync(call, HttpMethod.Delete, $"{ApiPaths.Grants}/{ApiPaths.Segment("grant's id", call.Get(id))}", null, $"took {call.Get(id)} back"));
    }

    public static void Table(Invocation call, List<GrantDocument> grants) =>
        call.Terminal.Table(["grant", "to", "actions", "on", "expires", "by", "last used", "not used", "known since"], grants.Select(grant => (IEnumerable<Cell>)
            [grant.Id, grant.To, Human.Names(grant.Actions), grant.Resource, Human.Time(grant.ExpiresAt), grant.By, Human.Time(grant.LastUsedAt), Human.Names(grant.Unused), Human.Time(grant.UsesKnownSince)]));
}

/// <summary>aios tenants: who shares the platform, and knows of no other.</summary>
internal static class TenantsCommand
{
    public static Command Create(ClientOptions client) => new Command("tenants", "Make, list and disable tenants. Only for the platform's owner.")
        .With(Add(client), List(client), Switch(client, "disable", "Let nobody of a tenant do anything from now on. Nothing is deleted.", "is disabled"), Switch(client, "enable", "Let a tenant go on.", "goes on"));

    private static Argument<string> Tenant() => new("TENANT") { Description = "The tenant's name: lower-case letters, digits and '-'." };

    private static Command Add(ClientOptions client)
    {
        var id = Tenant();
        var owner = new Option<string>("--owner") { Description = "Its first user, who owns it.", DefaultValueFactory = _ => "owner", HelpName = "NAME" };
        return client.Change("add", "Make a tenant and its first owner, whose key is printed once.", id, owner).Does(async call =>
        {
            using var api = client.Connect(call);
            var json = await api.CommandAsync(HttpMethod.Post, ApiPaths.Tenants, new { id = call.Get(id), owner = call.Get(owner) }, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else
            {
                call.Terminal.Note($"The key of {call.Get(owner)}, who owns {call.Get(id)}; it cannot be shown again:");
                call.Terminal.Line(api.Read<TenantDocument>(json).Key ?? throw new CliException(ExitCode.Unavailable, "The host made the key and did not show it."));
            }
            return ExitCode.Done;
        });
    }

    private static Command List(ClientOptions client) => client.Query("list", "List the tenants.").Does(call => client.ShowAsync<PageDocument<TenantDocument>>(call, ApiPaths.Tenants, page =>
        call.Terminal.Table(["tenant", "made", "disabled"], page.Items.Select(tenant => (IEnumerable<Cell>)[tenant.Id, Human.Time(tenant.AddedAt), tenant.Disabled ?? ""]))));

    private static Command Switch(ClientOptions client, string verb, string what, string done)
    {
        var id = Tenant();
        var why = new Option<string>("--why") { Description = "The reason; it is kept.", Required = true, HelpName = "TEXT" };
        return client.Change(verb, what, id, why).Does(call =>
            client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Tenants}/{ApiPaths.Segment("tenant's name", call.Get(id))}/{verb}", new { why = call.Get(why) }, $"{call.Get(id)} {done}"));
    }
}
