using System.CommandLine;

namespace OrleansAiOs.Host.Cli;

internal sealed record PoliciesDocument(string Version, string? Trouble, List<PolicyStandingDocument> Items);

internal sealed record PolicyStandingDocument(string Name, long Latest, long? Active = null, string? ActiveHash = null, string? By = null, DateTimeOffset? At = null);

internal sealed record PolicyHistoryDocument(string Name, long? Active, List<PolicyNumberDocument> Items);

internal sealed record PolicyNumberDocument(long Number, string Hash, string? Note = null, string? By = null, DateTimeOffset? At = null, bool HasCases = false);

internal sealed record PolicyTextDocument(string Name, long Number, string Hash, string Text, string? Cases = null, string? Note = null, string? By = null, DateTimeOffset? At = null);

internal sealed record PutPolicyDocument(string Name, long Number);

internal sealed record PolicyChangeDocument(bool Changed, string Version);

/// <summary>aios policy: what may be done, as versioned texts.</summary>
internal static class PolicyCommand
{
    public static Command Create(ClientOptions client) => new Command("policy", "Write, test and activate policies: who may do what, and what needs a signature.")
        .With(PolicyFiles.Check(), PolicyFiles.Test(), Put(client), Activate(client), Retire(client), List(client), Show(client), Diff(client));

    private static Argument<string> Name() => new("NAME") { Description = "The policy's name." };

    private static Command Put(ClientOptions client)
    {
        var name = Name();
        var file = new Argument<string>("FILE") { Description = "The text." };
        var cases = new Option<string?>("--cases") { Description = "Its cases. Default: FILE's .cases.json beside it, if there is one.", HelpName = "FILE" };
        var note = new Option<string?>("--note") { Description = "What changed, and why; kept with it.", HelpName = "TEXT" };
        var activate = new Option<bool>("--activate") { Description = "Bring it into force as well." };
        return client.Change("put", "Put a text under a name. It is not in force before it is activated.", name, file, cases, note, activate).Does(async call =>
        {
            var text = PolicyFiles.Read(call.Get(file));
            var beside = PolicyFiles.CasesBeside(call.Get(file));
            var tests = call.Get(cases) ?? (File.Exists(beside) ? beside : null);
            using var api = client.Connect(call);
            var json = await api.CommandAsync(HttpMethod.Post, $"{ApiPaths.Policy(call.Get(name))}/versions", new { text, cases = tests is null ? null : PolicyFiles.Read(tests), note = call.Get(note) }, call.Cancellation);
            var put = api.Read<PutPolicyDocument>(json);
            if (call.Get(activate)) return await ActivateAsync(client, call, api, call.Get(name), put.Number, null);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else call.Terminal.Note($"put as number {put.Number}{(tests is null ? "" : $", with the cases of {tests}")}; to bring it into force: aios policy activate {put.Name} {put.Number}");
            return ExitCode.Done;
        });
    }

    private static Command Activate(ClientOptions client)
    {
        var name = Name();
        var number = new Argument<long>("NUMBER") { Description = "Which of its texts." };
        var replaces = new Option<long?>("--replaces") { Description = "Do it only if this number is in force now; 0: only if none is.", HelpName = "N" };
        return client.Change("activate", "Bring a text that was put into force, at once and on all hosts. Its cases have to hold.", name, number, replaces).Does(async call =>
        {
            using var api = client.Connect(call);
            return await ActivateAsync(client, call, api, call.Get(name), call.Get(number), call.Get(replaces));
        });
    }

    private static async Task<int> ActivateAsync(ClientOptions client, Invocation call, ApiClient api, string name, long number, long? replaces)
    {
        var json = await api.CommandAsync(HttpMethod.Post, $"{ApiPaths.Policy(name)}/activate", new { number, replaces }, call.Cancellation);
        if (call.Get(client.Json)) call.Terminal.Json(json);
        else
        {
            var change = api.Read<PolicyChangeDocument>(json);
            call.Terminal.Note($"{name} number {number} {(change.Changed ? "is in force" : "was in force already")}; the policies are at version {change.Version}");
        }
        return ExitCode.Done;
    }

    private static Command Retire(ClientOptions client)
    {
        var name = Name();
        var why = new Option<string>("--why") { Description = "The reason; kept in the history.", HelpName = "TEXT", Required = true };
        return client.Change("retire", "Take what is in force under a name out of force. Without a base of your own, the built-in one holds.", name, why).Does(async call =>
        {
            using var api = client.Connect(call);
            var json = await api.CommandAsync(HttpMethod.Post, $"{ApiPaths.Policy(call.Get(name))}/retire", new { why = call.Get(why) }, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else
            {
                var change = api.Read<PolicyChangeDocument>(json);
                call.Terminal.Note($"{call.Get(name)} {(change.Changed ? "is out of force" : "was not in force")}; the policies are at version {change.Version}");
            }
            return ExitCode.Done;
        });
    }

    private static Command List(ClientOptions client) => client.Query("list", "List the policies, and which of them are in force.").Does(call => client.ShowAsync<PoliciesDocument>(call, ApiPaths.Policies, policies =>
    {
        call.Terminal.Table(["policy", "in force", "last", "changed by", "at"], policies.Items.Select(policy => (IEnumerable<Cell>)
            [policy.Name, policy.Active switch { null => "no", 0 => "built in", var active => $"{active}" }, $"{policy.Latest}", policy.By, Human.Time(policy.At)]));
        call.Terminal.Note($"version {policies.Version}");
        if (policies.Trouble is { } trouble) call.Terminal.Problem("Everything is denied.", trouble);
    }));

    private static Command Show(ClientOptions client)
    {
        var name = Name();
        var number = new Option<long?>("--number") { Description = "Print this text; 0 of base is the built-in one. Default: what is in force, or else what was put last.", HelpName = "N" };
        var cases = new Option<bool>("--cases") { Description = "Print its cases instead." };
        var history = new Option<bool>("--history") { Description = "List what was put under the name." };
        return client.Query("show", "Print a policy's text.", name, number, cases, history).Does(async call =>
        {
            using var api = client.Connect(call);
            if (call.Get(history))
            {
                var json = await api.GetAsync(ApiPaths.Policy(call.Get(name)), call.Cancellation);
                if (call.Get(client.Json)) call.Terminal.Json(json);
                else
                {
                    var put = api.Read<PolicyHistoryDocument>(json);
                    call.Terminal.Table(["number", "in force", "cases", "by", "at", "note"], put.Items.Select(item => (IEnumerable<Cell>)
                        [$"{item.Number}", item.Number == put.Active ? "yes" : "", item.HasCases ? "yes" : "", item.By, Human.Time(item.At), item.Note]));
                }
                return ExitCode.Done;
            }
            var found = await TextAsync(api, call, call.Get(name), call.Get(number));
            if (call.Get(client.Json)) call.Terminal.Json(System.Text.Json.JsonSerializer.Serialize(found, ApiClient.Json));
            else foreach (var line in ((call.Get(cases) ? found.Cases ?? throw new CliException(ExitCode.NotFound, $"{found.Name} number {found.Number} has no cases.") : found.Text).TrimEnd()).ReplaceLineEndings("\n").Split('\n')) call.Terminal.Line(line);
            return ExitCode.Done;
        });
    }

    private static Command Diff(ClientOptions client)
    {
        var name = Name();
        var from = new Option<long?>("--from") { Description = "The older number. Default: what is in force.", HelpName = "N" };
        var to = new Option<long?>("--to") { Description = "The newer number. Default: what was put last.", HelpName = "N" };
        var file = new Option<string?>("--file") { Description = "Compare with this file instead of a newer number.", HelpName = "FILE" };
        return client.Query("diff", "Show what differs between two texts of a policy, or between one and a file.", name, from, to, file).Does(async call =>
        {
            using var api = client.Connect(call);
            var older = await TextAsync(api, call, call.Get(name), call.Get(from));
            var newer = call.Get(file) is { } path
                ? PolicyFiles.Read(path)
                : (await TextAsync(api, call, call.Get(name), call.Get(to) ?? (await api.GetAsync<PolicyHistoryDocument>(ApiPaths.Policy(call.Get(name)), call.Cancellation)).Items[^1].Number)).Text;
            foreach (var line in LineDifference.Between(older.Text, newer)) call.Terminal.Line(line);
            return ExitCode.Done;
        });
    }

    private static async Task<PolicyTextDocument> TextAsync(ApiClient api, Invocation call, string name, long? number)
    {
        if (number is null)
        {
            var standing = (await api.GetAsync<PoliciesDocument>(ApiPaths.Policies, call.Cancellation)).Items.FirstOrDefault(policy => policy.Name == name)
                ?? throw new CliException(ExitCode.NotFound, $"There is no policy '{name}'.", "`aios policy list` lists them.");
            number = standing.Active ?? standing.Latest;
        }
        return await api.GetAsync<PolicyTextDocument>($"{ApiPaths.Policy(name)}/versions/{number}", call.Cancellation);
    }
}
