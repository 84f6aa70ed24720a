using System.Text.Json;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Kernel.Tests.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Kernel.Tools.Code;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Kernel.Tests.Tools;

/// <summary>A workflow calls a tool by name: what is recorded, what leaves, what comes back, and what the engine concludes from it.</summary>
public sealed class CallPathTests(KernelDatabase database) : IClassFixture<KernelDatabase>
{
    private const string AnyInput = """{"type":"object"}""";

    [Fact]
    public async Task A_call_is_recorded_with_the_effect_class_of_its_approval_and_carries_the_steps_key()
    {
        await using var crm = new RawServer(_ => RawServer.Http(200, """{"ok":true}""", "Content-Type: application/json"));
        await using var bench = new ToolBench(database);
        var tool = await bench.AddHttpAsync("update", new HttpCall("POST", crm.Url + "/customers/{id}?source=aios", new Dictionary<string, string> { ["X-Team"] = "refunds" }),
            """{"type":"object","properties":{"id":{"type":"string"},"email":{"type":"string"}},"required":["id"],"additionalProperties":false}""", new ToolTerms(Effect.Keyed, [crm.Endpoint]));

        var run = await bench.StartAsync("crm", "update", new { id = "a/b c", email = "ana@example.com" });
        var result = ((RunCompleted)await bench.Host.WaitAsync(new RunKey(bench.Tenant, run), default)).Result;
        result.ToString().Should().Be(JsonText.From(new ToolResult(JsonSerializer.SerializeToElement(new { ok = true }), false, true, $"crm/update@{tool.Pin[..12]}")).ToString());

        var scheduled = (await bench.HistoryAsync(run)).OfType<StepScheduled>().Single();
        (scheduled.Activity, scheduled.Effect).Should().Be(("tool:crm/update", Effect.Keyed));
        var request = crm.Requests.Single();
        request.Should().StartWith("POST /customers/a%2Fb%20c?source=aios HTTP/1.1").And.Contain("X-Team: refunds").And.EndWith("""{"email":"ana@example.com"}""")
            .And.Contain($"Idempotency-Key: {IdempotencyKey.Of(bench.Tenant, run, 1, 0)}").And.NotContain("traceparent");
    }

    [Fact]
    public async Task Of_a_get_the_rest_of_the_input_is_the_query()
    {
        await using var crm = new RawServer(_ => RawServer.Http(200, "plain words", "Content-Type: text/plain"));
        await using var bench = new ToolBench(database);
        await bench.AddHttpAsync("find", new HttpCall("GET", crm.Url + "/{kind}"), """{"type":"object","properties":{"kind":{"type":"string"}},"required":["kind"]}""", new ToolTerms(Effect.Pure, [crm.Endpoint]));
        var result = ((RunCompleted)await bench.RunAsync("crm", "find", new { kind = "people", q = "a&b=c", tag = new[] { 1, 2 }, deep = (string?)null })).Result.To<ToolResult>()!;
        (result.Read<string>(), result.Untrusted).Should().Be(("plain words", true));
        crm.Requests.Single().Should().StartWith("GET /people?q=a%26b%3Dc&tag=1&tag=2 HTTP/1.1").And.NotContain("Idempotency-Key", "a read has none");
        foreach (var dots in new[] { ".", "..", "" })
            (await bench.RunAsync("crm", "find", new { kind = dots })).Should().BeOfType<RunFailed>().Which.Failure.Message.Should().Contain("no part of a path");
        crm.Connects.Should().Be(1);
    }

    [Fact]
    public async Task Nothing_leaves_for_a_tool_that_is_not_approved_or_an_input_that_does_not_fit()
    {
        await using var crm = new RawServer();
        await using var bench = new ToolBench(database);
        (await FailureAsync("crm", "none")).Should().Contain("There is no tool 'crm/none'");

        var schema = """{"type":"object","properties":{"id":{"type":"integer"},"customer":{"type":"object"}},"required":["id"]}""";
        var tool = await bench.AddHttpAsync("update", new HttpCall("POST", crm.Url), schema, new ToolTerms(Effect.Keyed, [crm.Endpoint], Fields: ["id", "customer.email"]));
        (await FailureAsync("crm", "update", new { id = "5" })).Should().Contain("input.id is a string, and has to be integer");
        (await FailureAsync("crm", "update", new { id = 5, customer = new { email = "a", iban = "b" } })).Should().Contain("input.customer.iban is not among the fields");
        (await FailureAsync("crm", "update", new { id = 5, customer = 1 })).Should().Contain("input.customer");
        (await FailureAsync("crm", "update", new[] { 1 })).Should().Contain("has to be an object");

        await bench.Registry.QuarantineAsync(bench.Tenant, "crm/update", "stop it", "user/ben");
        (await FailureAsync("crm", "update", new { id = 5 })).Should().Contain("in quarantine: user/ben stopped it: stop it");
        crm.Connects.Should().Be(0);

        await bench.Registry.ApproveAsync(bench.Tenant, "crm/update", tool.Pin, tool.Terms!, "again", "user/ana");
        (await bench.RunAsync("crm", "update", new { id = 5, customer = new { email = "a" } })).Should().BeOfType<RunCompleted>();
        crm.Connects.Should().Be(1);

        async Task<string> FailureAsync(string server, string name, object? input = null) => ((RunFailed)await bench.RunAsync(server, name, input)).Failure.Message;
    }

    [Fact]
    public async Task An_endpoint_that_nobody_named_is_not_reached_and_the_step_fails_as_never_sent()
    {
        await using var inner = new RawServer();
        await using var bench = new ToolBench(database);
        await bench.AddHttpAsync("steal", new HttpCall("GET", inner.Url), AnyInput, new ToolTerms(Effect.AtMostOnce));
        var failure = ((RunFailed)await bench.RunAsync("crm", "steal")).Failure;
        failure.Message.Should().Contain("is not called");
        inner.Connects.Should().Be(0);
    }

    [Fact]
    public async Task A_definite_no_is_tried_again_and_an_unknown_outcome_is_not()
    {
        var answers = new Queue<byte[]>([RawServer.Http(429, "", "Retry-After: 0"), RawServer.Http(200, "1")]);
        await using var crm = new RawServer(request => request.StartsWith("POST /lost", StringComparison.Ordinal) ? RawServer.Http(500, "\u001b[31mbroken\n") : request.StartsWith("POST /no", StringComparison.Ordinal) ? RawServer.Http(422, "no such id") : answers.Dequeue());
        await using var bench = new ToolBench(database);
        foreach (var name in new[] { "busy", "lost", "no" }) await bench.AddHttpAsync(name, new HttpCall("POST", $"{crm.Url}/{name}"), AnyInput, new ToolTerms(Effect.AtMostOnce, [crm.Endpoint]));
        (await bench.RunAsync("crm", "busy", attempts: 5)).Should().BeOfType<RunCompleted>();
        ((RunFailed)await bench.RunAsync("crm", "no", attempts: 5)).Failure.Message.Should().Contain("answered 422: \"no such id\"");

        var lost = await bench.StartAsync("crm", "lost", attempts: 5);
        var unknown = await bench.UntilAsync<OutcomeUnknown>(lost);
        unknown.Failure.Message.Should().Contain("answered 500").And.NotContain("\u001b").And.NotContain("\n");
        await bench.UntilAsync<OutcomeStillUnknown>(lost);
        crm.Requests.Count(request => request.StartsWith("POST /lost", StringComparison.Ordinal)).Should().Be(1);
    }

    [Fact]
    public async Task A_refusal_of_the_host_says_nothing_about_an_earlier_attempt_of_unknown_outcome()
    {
        await using var crm = new RawServer(_ => RawServer.Http(500, ""));
        await using var bench = new ToolBench(database);
        await bench.AddHttpAsync("pay", new HttpCall("POST", crm.Url), AnyInput, new ToolTerms(Effect.Keyed, [crm.Endpoint]));
        var run = $"r-{Guid.NewGuid():N}";
        await bench.StartAsync("crm", "pay", attempts: 0, run: run);
        await bench.UntilAsync<AttemptFailed>(run);
        // From now on the host itself withholds the call; whether the first one was booked is as open as before.
        await bench.Registry.QuarantineAsync(bench.Tenant, "crm/pay", "stop", "user/ben");
        await bench.UntilAsync<OutcomeUnknown>(run);
        (await bench.HistoryAsync(run)).OfType<StepFailed>().Should().BeEmpty();
    }

    [Fact]
    public async Task What_was_recorded_holds_when_the_approval_is_another_by_now()
    {
        await using var crm = new RawServer("""1""");
        await using var bench = new ToolBench(database);
        var tool = await bench.AddHttpAsync("read", new HttpCall("GET", crm.Url), AnyInput, new ToolTerms(Effect.Pure, [crm.Endpoint]));
        var run = await bench.StartAsync("crm", "read");
        await bench.Host.WaitAsync(new RunKey(bench.Tenant, run), default);
        await bench.Registry.ApproveAsync(bench.Tenant, "crm/read", tool.Pin, tool.Terms! with { Effect = Effect.AtMostOnce }, "it writes after all", "user/ana");

        var stored = await bench.Store.ReadAsync(new RunKey(bench.Tenant, run), 1, default);
        var offline = new Replayer(bench.Code).Replay(new RunKey(bench.Tenant, run), stored);
        (offline.Result, offline.ByteEqual).Should().Be((ReplayResult.Same, true), "without the registry at hand, and with another approval in it");
        await bench.RestartAsync();
        (await bench.RunAsync("crm", "read")).Should().BeOfType<RunCompleted>();
        (await bench.HistoryAsync(run)).OfType<StepScheduled>().Single().Effect.Should().Be(Effect.Pure);
    }

    [Fact]
    public async Task Answers_that_cannot_be_kept_are_results_with_a_reason()
    {
        var deep = string.Concat(Enumerable.Repeat("[", 40)) + string.Concat(Enumerable.Repeat("]", 40));
        var bodies = new Dictionary<string, byte[]>
        {
            ["large"] = RawServer.Http(200, new byte[2 * 1024 * 1024]),
            ["twice"] = RawServer.Http(200, """{"a":1,"a":2}"""),
            ["deep"] = RawServer.Http(200, deep),
            ["nul"] = RawServer.Http(200, "\"\\u0000\""),
            ["broken"] = RawServer.Http(200, "{"),
            ["binary"] = RawServer.Http(200, [0xff, 0xd8], "Content-Type: image/jpeg"),
            ["latin"] = RawServer.Http(200, [0xe4], "Content-Type: text/plain"),
            ["promise"] = RawServer.Http(200, """{"other":1}"""),
        };
        await using var crm = new RawServer(request => bodies[request.Split(' ')[1][1..]]);
        await using var bench = new ToolBench(database);
        foreach (var name in bodies.Keys)
        {
            await bench.AddHttpAsync(name, new HttpCall("GET", $"{crm.Url}/{name}"), AnyInput, new ToolTerms(Effect.Pure, [crm.Endpoint]),
                outputSchema: name == "promise" ? """{"type":"object","required":["id"]}""" : null);
            var result = ((RunCompleted)await bench.RunAsync("crm", name)).Result.To<ToolResult>()!;
            (result.IsError, result.Untrusted, result.Note is { Length: > 0 }).Should().Be((true, true, true), name);
            (result.Content is null).Should().Be(name != "promise", name);
        }
    }

    [Fact]
    public async Task A_secret_is_resolved_on_the_way_out_and_stands_in_no_history()
    {
        const string Value = "canary-in-the-call-path-77";
        await using var crm = new RawServer(request => RawServer.Http(request.StartsWith("GET /fail", StringComparison.Ordinal) ? 400 : 200, JsonSerializer.Serialize(request),
            request.StartsWith("GET /typed", StringComparison.Ordinal) ? $"Content-Type: image/{Value}" : "Content-Type: application/json"));
        await using var elsewhere = new RawServer();
        await using var bench = new ToolBench(database);
        await bench.Secrets.SetAsync(bench.Tenant, "crm-key", Value, ["127.0.0.1"], "user/ana");
        await bench.Secrets.SetAsync(bench.Tenant, "other-key", Value + "-other", ["api.example.com"], "user/ana");
        var header = new Dictionary<string, string> { ["Authorization"] = "Bearer secret://crm-key" };
        await bench.AddHttpAsync("echo", new HttpCall("GET", crm.Url + "/echo", header), AnyInput, new ToolTerms(Effect.Pure, [crm.Endpoint]));
        await bench.AddHttpAsync("fail", new HttpCall("GET", crm.Url + "/fail", header), AnyInput, new ToolTerms(Effect.Pure, [crm.Endpoint]));
        await bench.AddHttpAsync("typed", new HttpCall("GET", crm.Url + "/typed", header), AnyInput, new ToolTerms(Effect.Pure, [crm.Endpoint]));
        await bench.AddHttpAsync("foreign", new HttpCall("GET", elsewhere.Url, new Dictionary<string, string> { ["X-Key"] = "secret://other-key" }), AnyInput, new ToolTerms(Effect.Pure, [elsewhere.Endpoint]));

        var ends = new List<RunClosed> { await bench.RunAsync("crm", "echo"), await bench.RunAsync("crm", "fail"), await bench.RunAsync("crm", "foreign"), await bench.RunAsync("crm", "typed") };
        crm.Requests.Should().HaveCount(3).And.OnlyContain(request => request.Contains(Value));
        elsewhere.Connects.Should().Be(0);
        ((RunFailed)ends[2]).Failure.Message.Should().Contain("secret 'other-key' is not sent to 127.0.0.1");
        (await bench.Streams.ReadAsync(bench.Tenant, "secret/other-key")).Select(e => e.Event).OfType<SecretDenied>().Single().For.Should().Be("tool crm/foreign");
        foreach (var run in await bench.Store.ListAsync(new RunQuery(bench.Tenant), default))
            foreach (var stored in await bench.Store.ReadAsync(run.Run, 1, default)) System.Text.Encoding.UTF8.GetString(stored.Body).Should().NotContain(Value);
        ((RunCompleted)ends[0]).Result.ToString().Should().Contain("[secret crm-key]");
        ((RunCompleted)ends[3]).Result.To<ToolResult>()!.Note.Should().Contain("of image/[secret crm-key] are not kept");
    }

    [Fact]
    public async Task A_receiver_that_fails_again_and_again_is_left_alone_for_a_while()
    {
        await using var crm = new RawServer(_ => RawServer.Http(503, ""));
        await using var bench = new ToolBench(database);
        await bench.AddHttpAsync("read", new HttpCall("GET", crm.Url), AnyInput, new ToolTerms(Effect.Pure, [crm.Endpoint]));
        for (var i = 0; i < 8; i++) (await bench.RunAsync("crm", "read")).Should().BeOfType<RunFailed>();
        ((RunFailed)await bench.RunAsync("crm", "read")).Failure.Message.Should().Contain("breaker open");
        crm.Connects.Should().Be(8);
    }

    [Fact]
    public async Task So_many_calls_are_under_way_at_once_as_the_approval_says_and_each_has_its_time()
    {
        var (under, most) = (0, 0);
        await using var crm = new RawServer(request =>
        {
            if (request.StartsWith("GET /slow", StringComparison.Ordinal)) return [];
            lock (this) most = int.Max(most, ++under);
            Thread.Sleep(30);
            lock (this) under--;
            return RawServer.Http(200, "1");
        });
        await using var bench = new ToolBench(database);
        await bench.AddHttpAsync("read", new HttpCall("GET", crm.Url), AnyInput, new ToolTerms(Effect.Pure, [crm.Endpoint], new ToolLimits(Concurrency: 2)));
        var ends = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => bench.RunAsync("crm", "read")));
        ends.Should().AllBeOfType<RunCompleted>();
        most.Should().BeInRange(1, 2);
    }

    [Fact]
    public async Task A_method_is_called_as_any_tool_and_its_answer_is_this_builds_own()
    {
        await using var bench = new ToolBench(database, null, typeof(Sums));
        await bench.Services.GetCode().DeclareAsync(bench.Registry);
        var result = ((RunCompleted)await bench.RunAsync("math", "add", new { a = 2, b = 3 })).Result.To<ToolResult>()!;
        (result.Read<int>(), result.Untrusted, result.IsError).Should().Be((5, false, false));
        ((RunFailed)await bench.RunAsync("math", "add", new { a = 2, b = 3, c = 4 })).Failure.Message.Should().Contain("input.c is not known to the tool");
        ((RunFailed)await bench.RunAsync("math", "refuse")).Failure.Message.Should().Contain("never");
        ((RunCompleted)await bench.RunAsync("math", "later", new { text = "x" })).Result.To<ToolResult>()!.Read<string>().Should().HaveLength(33);
    }

    [Fact]
    public async Task An_input_that_a_method_cannot_take_is_a_definite_no_that_names_it_and_so_is_a_class_that_cannot_be_made()
    {
        await using var bench = new ToolBench(database, null, typeof(Diary), typeof(Unmakeable));
        await bench.Services.GetCode().DeclareAsync(bench.Registry);
        Diary.Entries.Clear();
        var page = Guid.NewGuid();
        (await FailureAsync(new { page, at = "tomorrow", count = 1 })).Should().Be("tool diary/write: input.at is not what the tool takes (at is of type DateTimeOffset): The JSON value is not in a supported DateTimeOffset format.");
        (await FailureAsync(new { page, at = "2026-11-30T10:00:00Z", count = 99_999_999_999 })).Should().Contain("input.count is not what the tool takes (count is of type Int32)").And.Contain("out of bounds");
        (await FailureAsync(new { page = "x", at = "2026-11-30T10:00:00Z", count = 1 })).Should().Contain("input.page is not what the tool takes (page is of type Guid)");
        (await FailureAsync(new { page, at = "2026-11-30T10:00:00Z", count = 1, by = new { name = "ana", since = "once" } })).Should().Contain("input.by.since is not what the tool takes (by is of type Author)");
        Diary.Entries.Should().BeEmpty();
        (await bench.RunAsync("diary", "write", new { page, at = "2026-11-30T10:00:00Z", count = 1 })).Should().BeOfType<RunCompleted>();
        Diary.Entries.Should().Equal(page);

        (await bench.UntilAsync<StepFailed>(await bench.StartAsync("diary", "burn", attempts: 2))).Failure.Message.Should().Be("tool diary/burn: it was not called, its Unmakeable cannot be made: the stove is cold");

        async Task<string> FailureAsync(object input) => (await bench.UntilAsync<StepFailed>(await bench.StartAsync("diary", "write", input, attempts: 5))).Failure.Message;
    }

    private sealed record Author(string Name, DateTimeOffset Since);

    private static class Diary
    {
        public static System.Collections.Concurrent.ConcurrentQueue<Guid> Entries { get; } = new();

        [Tool("diary.write", Effect.AtMostOnce)]
        public static void Write(Guid page, DateTimeOffset at, int count, Author? by = null) => Entries.Enqueue(page);
    }

    private sealed class Unmakeable
    {
        public Unmakeable() => throw new InvalidOperationException("the stove is cold");

        [Tool("diary.burn", Effect.AtMostOnce)]
        public void Burn() => Diary.Entries.Clear();
    }

    private sealed class Sums
    {
        [Tool("math.add", Effect.Pure)]
        public static int Add(int a, int b) => a + b;

        [Tool("math.refuse", Effect.AtMostOnce)]
        public static Task Refuse() => throw new RefusedException("never");

        [Tool("math.later", Effect.Keyed)]
        public async ValueTask<string> Later(string text, IdempotencyKey key)
        {
            await Task.Yield();
            return text + key;
        }
    }
}
