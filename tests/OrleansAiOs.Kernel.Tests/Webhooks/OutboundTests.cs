using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Npgsql;
using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Kernel.Tests.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Kernel.Webhooks;
using OrleansAiOs.Kernel.Webhooks.Outbound;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Webhooks;

/// <summary>What receivers are told: each event once recorded, in the order of its run, signed, whatever goes wrong on the way.</summary>
public sealed class OutboundTests(KernelDatabase database) : IClassFixture<KernelDatabase>
{
    [Fact]
    public async Task A_receiver_is_told_of_a_run_in_order_and_can_check_by_the_standard_that_it_is_us()
    {
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddAsync("crm", receiver, full: true);
        var run = await bench.StartRunAsync("hook-echo", new { order = 7 });
        await bench.UntilAsync("crm", all => all.Count == 2 && all.All(d => d.State is DeliveryState.Delivered));
        receiver.Requests.Select(request => WebhookBench.BodyOf(request).GetProperty("type").GetString()).Should().Equal("run.started", "run.completed");
        foreach (var request in receiver.Requests)
        {
            var (headers, body) = WebhookBench.Parse(request);
            var key = Convert.FromBase64String(WebhookBench.SecretText["whsec_".Length..]);
            headers["webhook-signature"].Should().Be($"v1,{Convert.ToBase64String(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes($"{headers["webhook-id"]}.{headers["webhook-timestamp"]}.{body}")))}");
            DateTimeOffset.FromUnixTimeSeconds(long.Parse(headers["webhook-timestamp"])).Should().BeCloseTo(DateTimeOffset.UtcNow, TimeSpan.FromMinutes(1));
            request.Should().NotContain(WebhookBench.SecretText["whsec_".Length..]);
        }
        var ended = WebhookBench.BodyOf(receiver.Requests.Last()).GetProperty("data");
        (ended.GetProperty("run").GetString(), ended.GetProperty("workflow").GetString(), ended.GetProperty("event").GetProperty("body").GetProperty("result").GetProperty("order").GetInt32()).Should().Be((run.Id, "hook-echo", 7));
    }

    [Fact]
    public async Task Without_full_nothing_of_inputs_and_results_leaves()
    {
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddAsync("crm", receiver, ["*"]);
        await bench.StartRunAsync("hook-echo", new { iban = "canary-DE89" });
        await bench.UntilAsync("crm", all => all.Count == 2 && all.All(d => d.State is DeliveryState.Delivered));
        string.Concat(receiver.Requests).Should().NotContain("canary");
    }

    [Fact]
    public async Task Who_asked_for_one_workflow_and_one_kind_is_told_of_nothing_else()
    {
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddAsync("crm", receiver, ["run.completed"], workflow: "hook-echo");
        var waiting = await bench.StartRunAsync("hook-waits", 1);
        var run = await bench.StartRunAsync("hook-echo", 1);
        await bench.Host.SignalAsync(waiting, "go", JsonText.From(1), "user/ana");
        await bench.EndAsync(waiting);
        await bench.EndAsync(run);
        await bench.UntilAsync("crm", all => all.Any(d => d.State is DeliveryState.Delivered));
        (await bench.DeliveriesAsync("crm")).Should().ContainSingle().Which.Run.Should().Be(run.Id);
    }

    [Fact]
    public async Task Another_tenants_receiver_is_told_of_nothing()
    {
        await using var receiver = new RawServer();
        await using var mine = await WebhookBench.StartAsync(database, shared: true);
        await using var theirs = await WebhookBench.StartAsync(database, shared: true);
        await theirs.AddAsync("crm", receiver);
        await mine.EndAsync(await mine.StartRunAsync("hook-echo", 1));
        var own = await theirs.StartRunAsync("hook-echo", 1);
        await theirs.UntilAsync("crm", all => all.Count == 2 && all.All(d => d.State is DeliveryState.Delivered));
        receiver.Requests.Should().OnlyContain(request => request.Contains(own.Id));
        (await mine.Outbox.ListAsync(mine.Tenant, "crm", null, null, 10)).Should().BeEmpty();
        (await mine.Outbox.RedeliverAsync(mine.Tenant, "crm", (await theirs.DeliveriesAsync("crm"))[0].Id, DateTimeOffset.UtcNow)).Should().Be(0);
    }

    [Fact]
    public async Task What_fails_is_sent_again_under_its_id_and_holds_up_its_own_run_only()
    {
        var time = new ManualTime();
        var tried = 0;
        await using var receiver = new RawServer(request => RawServer.Http(request.Contains("r-fails") && request.Contains("run.started") && Interlocked.Increment(ref tried) <= 3 ? 503 : 200, ""));
        await using var bench = await WebhookBench.StartAsync(database, time);
        await bench.AddAsync("crm", receiver);
        await bench.EndAsync(await bench.StartRunAsync("hook-echo", 1, "r-fails"));
        await bench.EndAsync(await bench.StartRunAsync("hook-echo", 1, "r-works"));
        await bench.UntilAsync("crm", all => all.Count(d => d.Run == "r-works" && d.State is DeliveryState.Delivered) == 2 && all.Any(d => d is { Run: "r-fails", Attempts: 1, Status: 503 }));
        for (var i = 2; i <= 3; i++)
        {
            await AdvanceUntil(bench, time, "crm", all => all.Any(d => d.Run == "r-fails" && d.Attempts == i));
            (await bench.DeliveriesAsync("crm")).Single(d => d is { Run: "r-fails", Kind: "run.completed" }).Attempts.Should().Be(0, "it is not told of the end before it was told of the start");
        }
        await AdvanceUntil(bench, time, "crm", all => all.All(d => d.State is DeliveryState.Delivered));
        var told = receiver.Requests.Where(request => request.Contains("r-fails")).Select(request => (WebhookBench.BodyOf(request).GetProperty("type").GetString(), WebhookBench.Parse(request).Headers["webhook-id"])).ToList();
        told.Select(t => t.Item1).Should().Equal("run.started", "run.started", "run.started", "run.started", "run.completed");
        told.Select(t => t.Item2).Distinct().Should().HaveCount(2, "the receiver knows the same by its id");
        receiver.Requests.Where(request => request.Contains("r-fails")).Select(request => WebhookBench.Parse(request).Body).Distinct().Should().HaveCount(2, "the same message has the same bytes");
    }

    [Fact]
    public async Task What_is_given_up_is_dead_and_seen_and_holds_up_nobody_and_is_sent_again_when_somebody_says_so()
    {
        var time = new ManualTime();
        var up = false;
        await using var receiver = new RawServer(request => RawServer.Http(up || request.Contains("run.completed") ? 200 : 500, ""));
        await using var bench = await WebhookBench.StartAsync(database, time);
        await bench.AddAsync("crm", receiver, attempts: 2);
        await bench.EndAsync(await bench.StartRunAsync("hook-echo", 1, "r-1"));
        await AdvanceUntil(bench, time, "crm", all => all.Any(d => d is { State: DeliveryState.Dead, Attempts: 2 }) && all.Any(d => d is { Kind: "run.completed", State: DeliveryState.Delivered }));
        var dead = (await bench.Outbox.ListAsync(bench.Tenant, "crm", DeliveryState.Dead, null, 10)).Should().ContainSingle().Subject;
        (dead.Kind, dead.Status).Should().Be(("run.started", 500));
        (await bench.Outbox.CountAsync(bench.Tenant, "crm")).Should().Be((0, 1));
        up = true;
        (await bench.Outbox.RedeliverAsync(bench.Tenant, "crm", "msg_of_nobody", bench.Host.Now)).Should().Be(0);
        (await bench.Outbox.RedeliverAsync(bench.Tenant, "crm", dead.Id, bench.Host.Now)).Should().Be(1);
        bench.Sender!.Look();
        await bench.UntilAsync("crm", all => all.All(d => d.State is DeliveryState.Delivered));
        receiver.Requests.Where(request => request.Contains(dead.Id)).Should().HaveCount(3);
    }

    [Theory]
    [InlineData(301)]
    [InlineData(303)]
    [InlineData(307)]
    public async Task Who_sends_the_call_on_was_not_told(int status)
    {
        await using var receiver = new RawServer(request => request.StartsWith("GET /told") ? RawServer.Http(200, "") : RawServer.Http(status, "", "Location: /told"));
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddAsync("crm", receiver, ["run.started"], attempts: 1);
        await bench.StartRunAsync("hook-echo", 1);
        await bench.UntilAsync("crm", all => all.Any(d => d.State is not DeliveryState.Waiting));
        var told = (await bench.DeliveriesAsync("crm")).Single();
        (told.State, told.Status).Should().Be((DeliveryState.Dead, status));
        told.Trouble.Should().Contain("new address");
        receiver.Requests.Should().ContainSingle("nothing is sent on");
    }

    [Fact]
    public async Task A_run_under_the_id_of_one_that_was_deleted_undelivered_is_told_of_under_ids_of_its_own()
    {
        var up = false;
        await using var receiver = new RawServer(_ => RawServer.Http(up ? 200 : 503, ""));
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddAsync("crm", receiver);
        await bench.EndAsync(await bench.StartRunAsync("hook-echo", 1, "r"));
        await bench.UntilAsync("crm", all => all is [{ Status: 503 }, _]);
        var old = await bench.DeliveriesAsync("crm");
        (await bench.Store.PurgeAsync([new RunKey(bench.Tenant, "r")], "by a test", default)).Should().ContainSingle();
        (await bench.DeliveriesAsync("crm")).Should().BeEmpty("there is nothing left to tell of it");
        // As an older build left one.
        await using var left = database.Source.CreateCommand($"insert into aios.outbox (tenant_id, receiver, run_id, version, kind, at, due, state, attempts, trouble) values ('{bench.Tenant}', 'crm', 'r', 1, 'run.parked', now(), now(), 2, 10, 'gone')");
        await left.ExecuteNonQueryAsync();
        up = true;
        await bench.EndAsync(await bench.StartRunAsync("hook-echo", 2, "r"));
        await bench.UntilAsync("crm", all => all.Count == 2 && all.All(d => d.State is DeliveryState.Delivered));
        var fresh = await bench.DeliveriesAsync("crm");
        fresh.Select(d => (d.Kind, d.Attempts)).Should().Equal(("run.started", 1), ("run.completed", 1));
        fresh.Select(d => d.Id).Should().NotIntersectWith(old.Select(d => d.Id), "who has seen the old ones would drop these");
        receiver.Requests.Select(request => WebhookBench.Parse(request).Headers["webhook-id"]).Should().Contain(fresh.Select(d => d.Id));
    }

    [Fact]
    public async Task A_receiver_that_does_not_answer_holds_up_no_other()
    {
        using var stuck = new ManualResetEventSlim();
        await using var silent = new RawServer(_ =>
        {
            stuck.Wait();
            return RawServer.Http(200, "");
        });
        await using var quick = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddAsync("silent", silent);
        await bench.AddAsync("quick", quick);
        for (var i = 0; i < 20; i++) await bench.StartRunAsync("hook-echo", i);
        await bench.UntilAsync("quick", all => all.Count == 40 && all.All(d => d.State is DeliveryState.Delivered));
        (await bench.DeliveriesAsync("silent")).Should().OnlyContain(d => d.State == DeliveryState.Waiting);
        (await bench.DeliveriesAsync("silent")).Count(d => d.Attempts > 0).Should().Be(8, "each has places of its own, and no more");
        stuck.Set();
        await bench.UntilAsync("silent", all => all.Count == 40 && all.All(d => d.State is DeliveryState.Delivered));
    }

    [Fact]
    public async Task While_its_secret_is_replaced_both_sign()
    {
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.Get<SecretStore>().SetAsync(bench.Tenant, "new", "a-new-secret", ["127.0.0.1"], "user/ana");
        await bench.AddAsync("crm", receiver, ["run.started"], secrets: ["out", "new"]);
        await bench.StartRunAsync("hook-echo", 1);
        await bench.UntilAsync("crm", all => all.Any(d => d.State is DeliveryState.Delivered));
        var (headers, body) = WebhookBench.Parse(receiver.Requests.Single());
        headers["webhook-signature"].Split(' ').Should().HaveCount(2).And.Contain($"v1,{Convert.ToBase64String(HMACSHA256.HashData("a-new-secret"u8, Encoding.UTF8.GetBytes($"{headers["webhook-id"]}.{headers["webhook-timestamp"]}.{body}")))}");
    }

    [Theory]
    [InlineData("https://127.0.0.1/", "*127.0.0.1*this machine*")]
    [InlineData("https://169.254.169.254/latest", "*169.254.169.254*")]
    [InlineData("https://[::ffff:7f00:1]/", "*127.0.0.1*")]
    [InlineData("http://example.com/", "*http is spoken only*")]
    [InlineData("https://example.com:8443/", "*port 8443*")]
    public async Task What_egress_refuses_is_not_sent_and_told_as_trouble(string url, string trouble)
    {
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.Get<SecretStore>().SetAsync(bench.Tenant, "any", "a-secret-of-some", ["127.0.0.1", "169.254.169.254", "::ffff:7f00:1", "example.com"], "user/ana");
        await bench.Get<WebhookRegistry>().AddAsync(bench.Tenant, new Webhook("inner", url, ["run.started"], ["any"], ["user/ana"], Attempts: 1), "user/ana");
        await bench.StartRunAsync("hook-echo", 1);
        await bench.UntilAsync("inner", all => all.Any(d => d.State is DeliveryState.Dead));
        (await bench.DeliveriesAsync("inner")).Single().Trouble.Should().Match(trouble);
    }

    [Fact]
    public async Task A_secret_of_another_host_signs_nothing_and_is_told_nowhere()
    {
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.Get<SecretStore>().SetAsync(bench.Tenant, "theirs", "canary-of-another-host", ["crm.example.com"], "user/ana");
        await bench.AddAsync("crm", receiver, ["run.started"], secrets: ["theirs"], attempts: 1);
        await bench.StartRunAsync("hook-echo", 1);
        await bench.UntilAsync("crm", all => all.Any(d => d.State is DeliveryState.Dead));
        receiver.Requests.Should().BeEmpty();
        (await bench.DeliveriesAsync("crm")).Single().Trouble.Should().Contain("'theirs'").And.NotContain("canary");
    }

    [Fact]
    public async Task A_receiver_sees_runs_only_as_long_as_who_asked_for_it_may()
    {
        var time = new ManualTime();
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database, time);
        await bench.Get<Principals>().AddAsync(bench.Tenant, "user/vera", ["viewer"], "user/ana");
        await bench.AddAsync("crm", receiver, chain: ["user/vera"]);
        await bench.Get<Principals>().DisableAsync(bench.Tenant, "user/vera", "left", "user/ana");
        await bench.EndAsync(await bench.StartRunAsync("hook-echo", 1));
        await bench.Get<KillSwitches>().ThrowAsync(bench.Tenant, KillTarget.Tool, "webhook:crm", "why", "user/ana");
        await bench.Get<Catalogue>().FreshAsync();
        bench.Sender!.Objection(bench.Tenant, bench.Get<WebhookView>().Find(bench.Tenant, "crm")!.Webhook).Should().Contain("kill switch");
        await bench.Get<KillSwitches>().ReleaseAsync(bench.Tenant, KillTarget.Tool, "webhook:crm", "why", "user/ana");
        await bench.Get<Catalogue>().FreshAsync();
        bench.Sender!.Objection(bench.Tenant, bench.Get<WebhookView>().Find(bench.Tenant, "crm")!.Webhook).Should().Contain("user/vera is disabled");
        (await bench.DeliveriesAsync("crm")).Should().HaveCount(2).And.OnlyContain(d => d.Attempts == 0, "an attempt that may not be made is none");
        receiver.Requests.Should().BeEmpty();
        await bench.Get<Principals>().EnableAsync(bench.Tenant, "user/vera", "back", "user/ana");
        await AdvanceUntil(bench, time, "crm", all => all.All(d => d.State is DeliveryState.Delivered));
    }

    [Fact]
    public async Task That_a_receiver_is_held_up_is_said_once_a_minute_however_often_something_comes()
    {
        var (time, said) = (new ManualTime(), new CountingLog());
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database, time, sending: false);
        await bench.AddAsync("crm", receiver);
        await bench.Get<KillSwitches>().ThrowAsync(bench.Tenant, KillTarget.Tool, "webhook:crm", "why", "user/ana");
        await bench.EndAsync(await bench.StartRunAsync("hook-echo", 1));
        var counting = new DyingSource(database.Source, int.MaxValue);
        await using var sender = new WebhookSender(new Outbox(counting), bench.Get<Deliverer>(), bench.Get<WebhookView>(), bench.Get<Catalogue>(), bench.Get<Rights>(), bench.Get<KillSwitchView>(), said);
        sender.Start(bench.Host);
        for (var look = 1; look <= 5; look++)
        {
            var before = counting.Asked;
            sender.Look();
            await WebhookBench.UntilAsync(() => Task.FromResult(counting.Asked >= before + 2 && said.Count > 0)); // who has something, and when next
        }
        said.Count.Should().Be(1);
        time.Advance(TimeSpan.FromSeconds(61));
        await WebhookBench.UntilAsync(() => Task.FromResult(said.Count == 2));
    }

    private sealed class CountingLog : ILogger<WebhookSender>
    {
        private int count;

        public int Count => Volatile.Read(ref count);

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel level) => true;

        public void Log<TState>(LogLevel level, EventId id, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (formatter(state, exception).Contains("is held up", StringComparison.Ordinal)) Interlocked.Increment(ref count);
        }
    }

    [Fact]
    public async Task Who_has_something_to_send_is_found_without_going_through_what_waits()
    {
        await using var connection = await database.Source.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var fill = new NpgsqlCommand("insert into aios.outbox (tenant_id, receiver, run_id, version, kind, at, due) select 't' || n % 2, 'r' || n % 3, 'run', n, 'k', now(), now() + (n % 2) * interval '1 day' from generate_series(1, 30000) n; analyze aios.outbox", connection))
            await fill.ExecuteNonQueryAsync();
        await using var explain = new NpgsqlCommand($"explain (analyze, format json) {Outbox.Due}", connection);
        explain.Parameters.AddWithValue(DateTimeOffset.UtcNow.AddHours(1));
        using var plan = JsonDocument.Parse((string)(await explain.ExecuteScalarAsync())!);
        var root = plan.RootElement[0].GetProperty("Plan");
        root.GetProperty("Actual Rows").GetDouble().Should().BeGreaterThanOrEqualTo(3);
        Rows(root).Should().BeLessThan(500);

        static double Rows(JsonElement node) => node.GetProperty("Actual Rows").GetDouble() * node.GetProperty("Actual Loops").GetDouble() + (node.TryGetProperty("Rows Removed by Filter", out var removed) ? removed.GetDouble() : 0)
            + (node.TryGetProperty("Plans", out var below) ? below.EnumerateArray().Sum(Rows) : 0);
    }

    [Fact]
    public async Task What_waits_for_a_webhook_that_is_removed_is_dead()
    {
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database, sending: false);
        await bench.AddAsync("crm", receiver);
        await bench.EndAsync(await bench.StartRunAsync("hook-echo", 1));
        (await bench.Get<WebhookRegistry>().RemoveAsync(bench.Tenant, "crm", "no longer", "user/ana")).Should().BeTrue();
        (await bench.Get<WebhookRegistry>().RemoveAsync(bench.Tenant, "crm", "no longer", "user/ana")).Should().BeFalse();
        bench.Send();
        (await bench.DeliveriesAsync("crm")).Should().HaveCount(2).And.OnlyContain(d => d.State == DeliveryState.Dead);
        await bench.EndAsync(await bench.StartRunAsync("hook-echo", 1));
        (await bench.DeliveriesAsync("crm")).Should().HaveCount(2);
    }

    [Fact]
    public async Task Of_a_fork_what_happened_to_the_other_run_is_not_told_again()
    {
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddAsync("crm", receiver, ["*"]);
        var run = await bench.StartRunAsync("hook-asks", new HookPayment("ACME", 1));
        await bench.UntilAsync("crm", all => all.Any(d => d.Kind == "approval.requested"));
        var fork = (await bench.Host.ForkAsync(new ForkRun(run, 2, "the-fork"), "user/ana")).Run;
        await bench.UntilAsync("crm", all => all.Any(d => d.Run == fork.Id && d.State is DeliveryState.Delivered));
        (await bench.DeliveriesAsync("crm")).Where(d => d.Run == fork.Id && d.Version <= 2).Select(d => d.Kind).Should().Equal("run.started");
    }

    [Fact]
    public async Task Nothing_is_asked_of_the_database_while_nothing_is_due()
    {
        var time = new ManualTime();
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database, time, sending: false);
        var counting = new DyingSource(database.Source, int.MaxValue);
        await using var sender = new WebhookSender(new Outbox(counting), bench.Get<Deliverer>(), bench.Get<WebhookView>(), bench.Get<Catalogue>(), bench.Get<Rights>(), bench.Get<KillSwitchView>(),
            Microsoft.Extensions.Logging.Abstractions.NullLogger<WebhookSender>.Instance);
        await bench.AddAsync("crm", receiver);
        sender.Start(bench.Host);
        await bench.EndAsync(await bench.StartRunAsync("hook-echo", 1));
        await bench.UntilAsync("crm", all => all.Count == 2 && all.All(d => d.State is DeliveryState.Delivered));
        var before = counting.Asked;
        for (var minute = 0; minute < 24 * 60; minute++) time.Advance(TimeSpan.FromMinutes(1));
        await bench.EndAsync(await bench.StartRunAsync("hook-echo", 1));
        await bench.UntilAsync("crm", all => all.Count == 4 && all.All(d => d.State is DeliveryState.Delivered));
        (counting.Asked - before).Should().BeLessThan(100, "a day with nothing to tell costs nothing");
    }

    private static async Task AdvanceUntil(WebhookBench bench, ManualTime time, string webhook, Func<IReadOnlyList<Delivery>, bool> condition)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!condition(await bench.DeliveriesAsync(webhook)))
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(5, limit.Token);
        }
    }
}
