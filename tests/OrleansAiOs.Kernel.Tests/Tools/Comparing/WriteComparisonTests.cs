using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Kernel.Tests.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Kernel.Tests.Tools.Comparing;

/// <summary>What a call has changed: read before it and after it, through real sockets, and recorded so that no retry and no replay tells another story.</summary>
public sealed class WriteComparisonTests(KernelDatabase database) : IClassFixture<KernelDatabase>
{
    private static readonly object Update = new { id = "7", email = "new@example.com" };

    [Fact]
    public async Task What_was_changed_is_recorded_with_what_stood_there_before()
    {
        await using var crm = new Crm();
        await using var bench = new ToolBench(database);
        await crm.AddAsync(bench);
        var run = await bench.StartAsync("crm", "update", Update);
        var result = await ResultAsync(bench, run);
        crm.Methods.Should().Equal("GET", "POST", "GET");
        crm.Server.Requests.Where(request => request.StartsWith("GET", StringComparison.Ordinal)).Should().OnlyContain(request => !request.Contains("Idempotency-Key"));
        var comparison = result.Comparison!;
        (comparison.Changed, comparison.Unasked.Count, comparison.Unmet.Count, comparison.Trouble, result.Note).Should().BeEquivalentTo((new[] { "email", "version" }, 0, 0, (string?)null, (string?)null));
        comparison.Before!.Value.GetRawText().Should().Be("""{"email":"old@example.com","version":1}""");
        comparison.After!.Value.GetRawText().Should().Be("""{"email":"new@example.com","version":2}""");
        comparison.By.Should().Be($"crm/get@{bench.View.Find(bench.Tenant, "crm/get")!.Pin[..12]}");

        var history = await bench.HistoryAsync(run);
        history.OfType<AttemptPrepared>().Single().Found.ToString().Should().Contain("old@example.com").And.NotContain("new@example.com");
        // Replayed, nothing is read and nothing called; the comparison is the recorded one.
        var stored = await bench.Store.ReadAsync(new RunKey(bench.Tenant, run), 1, default);
        new Replayer(bench.Code).Replay(new RunKey(bench.Tenant, run), stored).Result.Should().Be(ReplayResult.Same);
        await bench.RestartAsync();
        JsonText.From((await ResultAsync(bench, run)).Comparison).ToString().Should().Be(JsonText.From(comparison).ToString());
        crm.Server.Connects.Should().Be(3);
    }

    [Fact]
    public async Task What_changed_without_being_asked_for_and_what_did_not_change_is_said_loudly()
    {
        await using var crm = new Crm();
        await using var bench = new ToolBench(database);
        await crm.AddAsync(bench);
        crm.Written = () =>
        {
            crm.Customer["iban"] = "ZZ00 of a stranger";
            crm.Customer["email"] = "old@example.com";
            return null;
        };
        var result = await ResultAsync(bench, await bench.StartAsync("crm", "update", Update));
        result.Comparison!.Unasked.Should().Equal("iban");
        result.Comparison.Unmet.Should().Equal("email");
        result.Note.Should().Be("It changed what was not asked for: iban. It is not as it was asked to be: email.");
        result.Comparison.Before!.Value.GetProperty("iban").GetString().Should().Be("DE89");
        result.Comparison.After!.Value.GetProperty("iban").GetString().Should().Be("ZZ00 of a stranger");
    }

    [Theory]
    [InlineData("no answer", "answered 500")]
    [InlineData("no customer", "answered 404")]
    [InlineData("no object", "its answer is no object")]
    [InlineData("no json", "its answer is a text that is no JSON")]
    [InlineData("too large", "more than 1,000 fields, or more than 48 KiB")]
    [InlineData("stopped", "in quarantine")]
    [InlineData("no longer pure", "it is Keyed by now")]
    public async Task What_cannot_be_read_before_is_not_written(string what, string why)
    {
        await using var crm = new Crm();
        await using var bench = new ToolBench(database);
        await crm.AddAsync(bench);
        crm.Before = _ => what switch
        {
            "no answer" => RawServer.Http(500, ""),
            "no customer" => RawServer.Http(404, ""),
            "no object" => Crm.Json(5),
            "no json" => RawServer.Http(200, "plain words", "Content-Type: text/plain"),
            "too large" => RawServer.Http(200, JsonSerializer.Serialize(Enumerable.Range(0, 1001).ToDictionary(i => $"f{i}")), "Content-Type: application/json"),
            _ => null,
        };
        var reader = bench.View.Find(bench.Tenant, "crm/get")!;
        if (what == "stopped") await bench.Registry.QuarantineAsync(bench.Tenant, "crm/get", "stop", "user/ben");
        if (what == "no longer pure") await bench.Registry.ApproveAsync(bench.Tenant, "crm/get", reader.Pin, reader.Terms! with { Effect = Effect.Keyed }, "it counts", "user/ana");
        ((RunFailed)await bench.RunAsync("crm", "update", Update)).Failure.Message.Should().Contain("nothing is written").And.Contain(why);
        crm.Methods.Should().NotContain("POST");
    }

    [Fact]
    public async Task What_cannot_be_read_after_stands_and_the_record_says_so()
    {
        await using var crm = new Crm();
        await using var bench = new ToolBench(database);
        await crm.AddAsync(bench);
        crm.Before = request => request.StartsWith("GET", StringComparison.Ordinal) && crm.Methods.Count > 2 ? RawServer.Http(503, "closed\u001b[31m") : null;
        var result = await ResultAsync(bench, await bench.StartAsync("crm", "update", Update));
        (result.IsError, result.Content!.Value.GetProperty("ok").GetBoolean()).Should().Be((false, true));
        result.Comparison!.Trouble.Should().Contain("the call was made").And.Contain("answered 503").And.NotContain("\u001b");
        result.Note.Should().StartWith("What it changed is not known:");
        crm.Customer["email"]!.GetValue<string>().Should().Be("new@example.com");
    }

    [Fact]
    public async Task A_retry_behind_an_unknown_outcome_tells_what_stood_there_before_the_first_attempt()
    {
        await using var crm = new Crm();
        await using var bench = new ToolBench(database);
        await crm.AddAsync(bench);
        var writes = 0;
        // It has written, and its answer is lost.
        crm.Written = () => ++writes == 1 ? RawServer.Http(500, "") : null;
        var result = await ResultAsync(bench, await bench.StartAsync("crm", "update", Update, attempts: 5));
        crm.Methods.Should().Equal("GET", "POST", "POST", "GET");
        result.Comparison!.Before!.Value.GetProperty("email").GetString().Should().Be("old@example.com");
        result.Comparison.Changed.Should().Equal("email", "version");
    }

    [Fact]
    public async Task So_does_one_that_takes_over_from_a_host_that_died_while_it_wrote()
    {
        await using var crm = new Crm();
        await using var bench = new ToolBench(database);
        await crm.AddAsync(bench);
        var hung = new TaskCompletionSource();
        crm.Written = () =>
        {
            if (hung.Task.IsCompleted) return null;
            hung.SetResult();
            return []; // no answer
        };
        var run = await bench.StartAsync("crm", "update", Update, attempts: 5);
        await hung.Task.WaitAsync(TimeSpan.FromSeconds(60));
        bench.Host.Halt();
        await bench.RestartAsync();
        var result = await ResultAsync(bench, run);
        result.Comparison!.Before!.Value.GetProperty("email").GetString().Should().Be("old@example.com");
        crm.Methods.Count(method => method == "POST").Should().Be(2);
        (await bench.HistoryAsync(run)).OfType<AttemptPrepared>().Should().ContainSingle();
    }

    [Fact]
    public async Task Behind_a_definite_no_it_is_read_anew()
    {
        await using var crm = new Crm();
        await using var bench = new ToolBench(database);
        await crm.AddAsync(bench);
        var refused = false;
        crm.Before = request =>
        {
            if (request.StartsWith("GET", StringComparison.Ordinal) || refused) return null;
            refused = true;
            crm.Customer["phone"] = "a colleague's"; // between the attempts, by somebody else
            return RawServer.Http(429, "", "Retry-After: 0");
        };
        var result = await ResultAsync(bench, await bench.StartAsync("crm", "update", Update, attempts: 5));
        crm.Methods.Should().Equal("GET", "POST", "GET", "POST", "GET");
        result.Comparison!.Unasked.Should().BeEmpty("a colleague's change is not the call's");
    }

    [Fact]
    public async Task An_attempt_behind_one_that_nobody_watched_claims_nothing()
    {
        await using var crm = new Crm();
        await using var bench = new ToolBench(database);
        await crm.AddAsync(bench, isCompared: false);
        var writes = 0;
        var update = bench.View.Find(bench.Tenant, "crm/update")!;
        crm.Written = () =>
        {
            if (++writes > 1) return null;
            // Approved with a comparison while its first attempt is under way.
            bench.Registry.ApproveAsync(bench.Tenant, "crm/update", update.Pin, update.Terms! with { Comparison = Crm.Compared }, "watch it", "user/ana").GetAwaiter().GetResult();
            return RawServer.Http(500, "");
        };
        var result = await ResultAsync(bench, await bench.StartAsync("crm", "update", Update, attempts: 5));
        result.Comparison!.Trouble.Should().Contain("an earlier attempt may have been made before its approval asked for a comparison");
        (result.Comparison.Before, crm.Methods.Count(method => method == "GET")).Should().Be((null, 0));
    }

    [Fact]
    public async Task Only_the_fields_that_were_approved_are_set_and_nothing_leaves_for_others()
    {
        await using var crm = new Crm();
        await using var bench = new ToolBench(database);
        await crm.AddAsync(bench, fields: ["id", "email", "address.city"]);
        (await FailureAsync(new { id = "7", phone = "1" })).Should().Contain("input.phone is not among the fields").And.Contain("Leave it out").And.Contain("aios tools approve crm/update");
        (await FailureAsync(new { id = "7", address = new { city = "x", street = "y" } })).Should().Contain("input.address.street");
        (await FailureAsync(new Dictionary<string, string> { ["id"] = "7", ["address.city"] = "x" })).Should().Contain("a dot in a name", "it would pass for the path of another field");
        crm.Server.Connects.Should().Be(0, "neither was anything read");
        (await bench.RunAsync("crm", "update", Update)).Should().BeOfType<RunCompleted>();

        async Task<string> FailureAsync(object input) => ((RunFailed)await bench.RunAsync("crm", "update", input)).Failure.Message;
    }

    [Fact]
    public async Task Arguments_have_fields_of_other_names_and_targets_stand_deeper()
    {
        await using var crm = new Crm();
        await using var bench = new ToolBench(database);
        crm.Before = request => request.StartsWith("GET", StringComparison.Ordinal) ? Crm.Json(JsonSerializer.SerializeToNode(new { data = new { contact = new { mail = crm.Customer["email"]!.GetValue<string>() }, tags = crm.Customer["phone"]?.GetValue<string>() is { } phone ? new[] { phone } : null } })!) : null;
        await crm.AddAsync(bench, comparison: new ToolComparison("crm/get", new Dictionary<string, string> { ["id"] = "=\"7\"" }, "data", new Dictionary<string, string> { ["email"] = "contact.mail", ["id"] = "" }));
        var result = await ResultAsync(bench, await bench.StartAsync("crm", "update", new { id = "8", email = "new@example.com", phone = "1" }));
        crm.Server.Requests.First().Should().StartWith("GET /customers/7 ");
        result.Comparison!.Changed.Should().Equal("contact.mail", "tags");
        result.Comparison.Unasked.Should().Equal("tags");
        result.Comparison.Unmet.Should().Equal("phone");
        result.Comparison.After!.Value.GetProperty("contact").GetProperty("mail").GetString().Should().Be("new@example.com", "names stay names, so that an export redacts by them");
    }

    [Fact]
    public async Task Long_values_are_kept_as_their_hash_and_secrets_not_at_all()
    {
        const string Value = "canary-in-a-comparison-9";
        await using var crm = new Crm { Header = new() { ["Authorization"] = "Bearer secret://crm-key" } };
        await using var bench = new ToolBench(database);
        await bench.Secrets.SetAsync(bench.Tenant, "crm-key", Value, ["127.0.0.1"], "user/ana");
        await crm.AddAsync(bench);
        (crm.Customer["echo"], crm.Customer["photo"]) = (Value, new string('x', 10_000));
        crm.Written = () =>
        {
            (crm.Customer["echo"], crm.Customer["photo"]) = (Value + "!", new string('y', 10_000));
            return null;
        };
        var run = await bench.StartAsync("crm", "update", Update);
        var result = await ResultAsync(bench, run);
        result.Comparison!.Unasked.Should().Equal("echo", "photo");
        result.Comparison.After!.Value.GetProperty("photo").GetString().Should().StartWith("(10,002 bytes, SHA-256 ");
        foreach (var stored in await bench.Store.ReadAsync(new RunKey(bench.Tenant, run), 1, default)) Encoding.UTF8.GetString(stored.Body).Should().NotContain(Value).And.NotContain("xxxxxxxxxx").And.NotContain("yyyyyyyyyy");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_the_same_is_the_same_however_it_is_written(bool escaped)
    {
        await using var crm = new Crm();
        await using var bench = new ToolBench(database);
        await crm.AddAsync(bench);
        (crm.Customer["name"], crm.Customer["a.b"], crm.Customer["tags"], crm.Customer["rate"]) = (new string('é', 110), "x", new JsonArray("<", "\"", 1), 1.50m);
        var reads = 0;
        crm.Before = request => !request.StartsWith("GET", StringComparison.Ordinal) ? null
            : RawServer.Http(200, crm.Customer.ToJsonString(new JsonSerializerOptions { Encoder = escaped == (++reads == 1) ? JavaScriptEncoder.Default : JavaScriptEncoder.UnsafeRelaxedJsonEscaping }), "Content-Type: application/json");
        var result = await ResultAsync(bench, await bench.StartAsync("crm", "update", Update));
        result.Comparison!.Changed.Should().Equal("email", "version");
    }

    [Fact]
    public async Task What_is_too_large_to_be_compared_is_not_written()
    {
        await using var crm = new Crm();
        await using var bench = new ToolBench(database);
        await crm.AddAsync(bench);
        var input = Enumerable.Range(0, 1001).ToDictionary(i => $"f{i}", _ => "x");
        input["id"] = "7";
        ((RunFailed)await bench.RunAsync("crm", "update", input)).Failure.Message.Should().Contain("its input cannot be compared");
        crm.Server.Connects.Should().Be(0);
    }

    [Theory]
    [InlineData("{\"by\":\"crm/none\",\"with\":{\"id\":\"id\"}}", "no tool that is approved as pure")]
    [InlineData("{\"by\":\"crm/update\",\"with\":{\"id\":\"id\"}}", "another than this")]
    [InlineData("{\"by\":\"crm/other\",\"with\":{\"id\":\"id\"}}", "no tool that is approved as pure")]
    [InlineData("{\"by\":\"crm/get\",\"with\":{}}", "requires 'id'")]
    [InlineData("{\"by\":\"crm/get\",\"with\":{\"id\":\"=7x\"}}", "is no JSON")]
    [InlineData("{\"by\":\"crm/get\",\"with\":{\"id\":\"\"}}", "comparison.with")]
    [InlineData("{\"by\":\"crm/get\",\"with\":{\"id\":\"id\"},\"at\":\"\"}", "comparison.at")]
    [InlineData("{\"by\":\"crm/get\",\"with\":{\"id\":\"id\"},\"own\":[null]}", "comparison.own")]
    [InlineData("{\"by\":\"crm/get\",\"with\":{\"id\":\"id\"},\"fields\":{\"a\":null}}", "comparison.fields")]
    public async Task Terms_that_could_not_be_kept_are_not_approved(string terms, string why)
    {
        await using var crm = new Crm();
        await using var bench = new ToolBench(database);
        await crm.AddAsync(bench);
        await bench.AddHttpAsync("other", new HttpCall("POST", crm.Server.Url), "{\"type\":\"object\"}", new ToolTerms(Effect.Keyed, [crm.Server.Endpoint]));
        var update = bench.View.Find(bench.Tenant, "crm/update")!;
        var comparison = JsonText.Parse(terms).To<ToolComparison>()!;
        var approve = () => bench.Registry.ApproveAsync(bench.Tenant, "crm/update", update.Pin, update.Terms! with { Comparison = comparison }, "try", "user/ana");
        (await approve.Should().ThrowAsync<CommandRefusedException>()).Which.Message.Should().Contain(why);
        var pure = () => bench.Registry.ApproveAsync(bench.Tenant, "crm/update", update.Pin, update.Terms! with { Effect = Effect.Pure, Comparison = Crm.Compared }, "try", "user/ana");
        await pure.Should().ThrowAsync<CommandRefusedException>().WithMessage("*nothing to compare*");
    }

    [Fact]
    public async Task A_method_of_the_build_says_so_itself()
    {
        await using var bench = new ToolBench(database, null, typeof(Accounts));
        await bench.Services.GetCode().DeclareAsync(bench.Registry);
        Accounts.Owner = "ana";
        var result = await ResultAsync(bench, await bench.StartAsync("accounts", "rename", new { account = 7, owner = "ben" }));
        result.Comparison!.Changed.Should().Equal("owner");
        ((RunFailed)await bench.RunAsync("accounts", "rename", new { account = 7, owner = "carl", note = "x" })).Failure.Message.Should().Contain("input.note is not among the fields");
        Accounts.Owner.Should().Be("ben");
        var version = bench.View.Find(bench.Tenant, "accounts/rename")!.Version;
        await bench.Services.GetCode().DeclareAsync(bench.Registry);
        bench.View.Find(bench.Tenant, "accounts/rename")!.Version.Should().Be(version, "declared twice is approved once");
    }

    private static async Task<ToolResult> ResultAsync(ToolBench bench, string run) => ((RunCompleted)await bench.Host.WaitAsync(new RunKey(bench.Tenant, run), default)).Result.To<ToolResult>()!;

    private static class Accounts
    {
        public static string Owner { get; set; } = "";

        [Kernel.Tools.Code.Tool("accounts.get", Effect.Pure)]
        public static Account Get(int account) => new(account, Owner);

        [Kernel.Tools.Code.Tool("accounts.rename", Effect.Idempotent, Fields = ["account", "owner"], CompareBy = "accounts.get", CompareWith = ["account=account"])]
        public static void Rename(int account, string owner, string? note = null) => Owner = owner;
    }

    private sealed record Account(int Id, string Owner);
}
