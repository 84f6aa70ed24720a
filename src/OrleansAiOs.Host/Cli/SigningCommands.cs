using System.CommandLine;
using System.Text.Json;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios keys make-signing, register-signing, signing, revoke-signing: the keys that approvals are signed with.</summary>
internal static class SigningKeysCommand
{
    public static Command Make(ClientOptions client)
    {
        var file = new Option<string?>("--out") { Description = $"Where the private key is kept. Default: {ApproverKey.DefaultFile}", HelpName = "FILE" };
        var endorser = new Option<string?>("--endorsed-by") { Description = "The file of a key you have registered: it vouches for the new one.", HelpName = "FILE" };
        return client.Change("make-signing", "Make your own signing key and register its public half. The private half stays in a file of yours.", file, endorser).Does(async call =>
        {
            using var api = client.Connect(call);
            var me = await api.GetAsync<MeDocument>(ApiPaths.Me, call.Cancellation);
            var path = call.Get(file) ?? ApproverKey.DefaultFile;
            using var key = File.Exists(path) && call.Get(file) is null ? ApproverKey.Load(path) : ApproverKey.Make(path);
            var proof = SigningKey.Proof(me.Tenant, me.Principal, key.Id);
            using var old = call.Get(endorser) is { } given ? ApproverKey.Load(given) : null;
            var json = await api.CommandAsync(HttpMethod.Post, ApiPaths.SigningKeys, new { publicKey = key.PublicKey, proof = key.Sign(proof), endorser = old?.Id, endorsement = old?.Sign(proof) }, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else call.Terminal.Note($"signing key {key.Id} of {me.Principal} is registered; its private half is in {path}");
            return ExitCode.Done;
        });
    }

    public static Command Register(ClientOptions client)
    {
        var principal = new Argument<string>("PRINCIPAL") { Description = "Whose key it is: user/NAME." };
        var publicKey = new Argument<string>("PUBLIC-KEY") { Description = "As make-signing showed it to them." };
        var proof = new Argument<string>("PROOF") { Description = "As make-signing showed it to them." };
        var person = new Option<string?>("--person") { Description = "Who is behind the principal, where one person has several accounts.", HelpName = "NAME" };
        return client.Change("register-signing", "Register the signing key of somebody who has no key any more that could vouch for it. Ask them first, by another way, whether its id is theirs.", principal, publicKey, proof, person).Does(call =>
            client.SendAsync(call, HttpMethod.Post, ApiPaths.SigningKeys, new { publicKey = call.Get(publicKey), proof = call.Get(proof), @for = call.Get(principal), person = call.Get(person) },
                $"the signing key of {call.Get(principal)} is registered"));
    }

    public static Command List(ClientOptions client) => client.Query("signing", "List the public signing keys.").Does(call => client.ShowAsync<PageDocument<SigningKeyDocument>>(call, ApiPaths.SigningKeys, page =>
        call.Terminal.Table(["key", "principal", "person", "since", "revoked"], page.Items.Select(key => (IEnumerable<Cell>)
            [key.Id, key.Principal, key.Person ?? "", Human.Time(key.Since), Human.Time(key.RevokedAt)]))));

    public static Command Revoke(ClientOptions client)
    {
        var id = new Argument<string>("KEY") { Description = "The signing key's id." };
        return client.Change("revoke-signing", "Revoke a signing key: nothing it signed and that is not sent yet counts any more.", id).Does(call =>
            client.SendAsync(call, HttpMethod.Delete, $"{ApiPaths.SigningKeys}/{ApiPaths.Segment("signing key", call.Get(id))}", null, $"revoked the signing key {call.Get(id)}"));
    }
}

/// <summary>Signs what the gate holds: the digest is made here, from what is shown here.</summary>
internal static class Signing
{
    public static async Task<string> SendAsync(ApiClient api, Terminal terminal, string run, int step, bool granted, string? comment, string? forWhom, CancellationToken cancellation)
    {
        var path = $"{ApiPaths.Run(run)}/holds/{step}";
        var held = await api.GetAsync<HoldDocument>(path, cancellation);
        var statement = new JsonText(JsonSerializer.SerializeToUtf8Bytes(held.Statement));
        var digest = ApprovalStatement.Digest(statement);
        if (digest != held.Digest) throw new CliException(ExitCode.Conflict, $"The host says that {held.Digest} is to be signed; what it shows has the digest {digest}.", "Do not sign. Look at the run's history, and at the host.");
        foreach (var line in Shown(held, digest)) terminal.Note(line);
        using var key = ApproverKey.Load();
        var me = await api.GetAsync<MeDocument>(ApiPaths.Me, cancellation);
        var bare = new DecisionSignature(digest, key.Id, "", DateTimeOffset.UtcNow, forWhom);
        var signature = key.Sign(ApprovalStatement.SignedBytes(granted, me.Principal, bare, comment));
        return await api.CommandAsync(HttpMethod.Post, path, new { granted, digest, key = key.Id, signature, at = bare.At, @for = forWhom, comment }, cancellation);
    }

    // From the statement that is signed, and from nothing else that the host says.
    public static IEnumerable<string> Shown(HoldDocument held, string digest)
    {
        var statement = held.Statement;
        yield return $"{Text("title")}";
        yield return $"  tool       {Text("tool")} ({Text("effect")}), for {string.Join(" → ", statement.GetProperty("chain").EnumerateArray().Select(link => ArgumentText.Show(link.GetString()!)))}";
        yield return $"  run        {Text("run")} step {statement.GetProperty("step").GetRawText()} of tenant {Text("tenant")}";
        foreach (var line in ArgumentText.Lines(new JsonText(JsonSerializer.SerializeToUtf8Bytes(statement.GetProperty("arguments"))))) yield return $"  argument   {line}";
        yield return $"  policy     {Text("policy")}";
        yield return $"  until      {Text("expires")}";
        yield return $"  digest     {digest}";

        string Text(string member) => ArgumentText.Show(statement.GetProperty(member).GetString()!);
    }
}

/// <summary>aios delegate: somebody signs in one's place for a while.</summary>
internal static class DelegateCommand
{
    public static Command Create(ClientOptions client)
    {
        var to = new Argument<string>("PRINCIPAL") { Description = "Who may sign in your place: user/NAME." };
        var until = new Option<DateTimeOffset?>("--until") { Description = "When that ends; at most 90 days from now.", HelpName = "TIME" };
        var end = new Option<bool>("--end") { Description = "Take it back." };
        var why = new Option<string>("--why") { Description = "The reason; it is kept.", Required = true, HelpName = "TEXT" };
        return client.Change("delegate", "Let somebody sign approvals in your place, where the policy allows that. Signed with your signing key.", to, until, end, why).Does(async call =>
        {
            var (whom, reason) = (PrincipalId.Of(call.Get(to)), call.Get(why)!);
            if (call.Get(end)) return await client.SendAsync(call, HttpMethod.Post, ApiPaths.Delegations + "/end", new { to = whom, why = reason }, $"{whom} signs no more in your place");
            if (call.Parsed.GetValue(until) is not { } time) throw CliException.Usage("Say until when: --until TIME.");
            using var key = ApproverKey.Load();
            using var api = client.Connect(call);
            var me = await api.GetAsync<MeDocument>(ApiPaths.Me, call.Cancellation);
            var json = await api.CommandAsync(HttpMethod.Post, ApiPaths.Delegations,
                new { to = whom, until = time, why = reason, key = key.Id, signature = key.Sign(SigningKey.Delegation(me.Tenant, me.Principal, whom, time, reason)) }, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else call.Terminal.Note($"{whom} may sign in your place");
            return ExitCode.Done;
        });
    }
}

/// <summary>aios kill, aios release: kill switches.</summary>
internal static class KillCommands
{
    public static Command CreateKill(ClientOptions client) => Create(client, "kill", "Stop everything of a principal, a tool or the tenant, at once; runs wait and lose nothing.", ApiPaths.KillSwitches, "stopped");

    public static Command CreateRelease(ClientOptions client) => Create(client, "release", "Let what a kill switch stopped go on where it was.", ApiPaths.KillSwitches + "/release", "goes on");

    public static Command CreateList(ClientOptions client) => client.Query("kill-switches", "Which kill switches are thrown.").Does(call => client.ShowAsync<PageDocument<KillSwitchDocument>>(call, ApiPaths.KillSwitches, page =>
        call.Terminal.Table(["what", "which", "since", "by", "why"], page.Items.Select(thrown => (IEnumerable<Cell>)
            [thrown.Target, thrown.Id, Human.Time(thrown.Since), thrown.By ?? "", thrown.Why]))));

    private static Command Create(ClientOptions client, string name, string description, string path, string done)
    {
        var target = new Argument<string>("WHAT") { Description = "principal, tool or tenant." };
        target.AcceptOnlyFromAmong("principal", "tool", "tenant");
        var id = new Argument<string?>("WHICH") { Description = "Which one; not needed for the tenant.", Arity = ArgumentArity.ZeroOrOne };
        var why = new Option<string>("--why") { Description = "The reason; whoever finds work standing still reads it.", Required = true, HelpName = "TEXT" };
        return client.Change(name, description, target, id, why).Does(async call =>
        {
            if (call.Get(target) != "tenant" && call.Get(id) is null) throw CliException.Usage($"Say which {call.Get(target)}.");
            using var api = client.Connect(call);
            var json = await api.CommandAsync(HttpMethod.Post, path, new { target = call.Get(target), id = call.Get(id), why = call.Get(why) }, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else call.Terminal.Note(api.Read<StoppedDocument>(json).Note ?? $"{call.Get(target)} {call.Get(id)} {done}");
            return ExitCode.Done;
        });
    }
}
