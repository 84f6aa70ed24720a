using System.Security.Cryptography;
using System.Text;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Kernel.Webhooks;
using OrleansAiOs.Kernel.Webhooks.Inbound;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Webhooks;

/// <summary>Row 16 of the abuse cases, and what else a sender can do: what is proved is done once, with the rights of the source's service; everything else does nothing.</summary>
public sealed class InboundTests(KernelDatabase database) : IClassFixture<KernelDatabase>
{
    private const string Body = """{"data":{"order":"A-7","amount":12.50}}""";

    private static async Task<int> RunsAsync(WebhookBench bench) => (await bench.Store.ListAsync(new RunQuery(bench.Tenant, Limit: 500), default)).Count;

    [Fact]
    public async Task A_delivery_starts_a_run_as_the_service_with_the_key_and_the_part_that_its_source_names()
    {
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddSourceAsync("shop", businessKey: "/data/order", value: "/data");
        var taken = await bench.DeliverAsync("shop", WebhookBench.Signed("msg_1", Body, "shop-secret"), Body);
        taken!.Again.Should().BeFalse();
        var started = (RunStarted)(await bench.Store.ReadAsync(new RunKey(bench.Tenant, taken.Run), 1, default))[0].Read();
        (started.Workflow, started.BusinessKey, started.By, started.Input.ToElement().GetProperty("amount").GetDecimal()).Should().Be(("hook-echo", "A-7", "service/crm", 12.50m));
        (await bench.Get<HookReceipts>().ListAsync(bench.Tenant, "shop", null, 10)).Should().ContainSingle().Which.Should().BeEquivalentTo(new { Delivery = "msg_1", State = ReceiptState.Done, Run = taken.Run });
    }

    [Fact]
    public async Task A_thousand_replays_have_one_effect()
    {
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddSourceAsync("shop");
        var headers = WebhookBench.Signed("msg_1", Body, "shop-secret");
        var answers = new List<HookTaken?>();
        for (var i = 0; i < 20; i++) answers.AddRange(await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => bench.DeliverAsync("shop", headers, Body))));
        answers.Select(answer => answer!.Run).Distinct().Should().ContainSingle();
        answers.Count(answer => !answer!.Again).Should().Be(1);
        (await RunsAsync(bench)).Should().Be(1);
    }

    [Fact]
    public async Task A_signal_reaches_the_open_run_of_its_business_key_once_also_when_another_run_has_the_key_by_then()
    {
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddSourceAsync("erp", does: HookEffect.Signal, workflow: "hook-waits", signal: "go", businessKey: "/data/order", value: "/data/amount");
        Task<Started> Waiting(string id) => bench.Host.StartRunAsync(new StartRun("hook-waits", JsonText.From(1), id, "A-7", Tenant: bench.Tenant), "user/ana");
        var headers = WebhookBench.Signed("msg_1", Body, "erp-secret");
        var early = () => bench.DeliverAsync("erp", headers, Body);
        (await early.Should().ThrowAsync<CommandRefusedException>()).Which.Refusal.Should().Be(Refusal.NotFound);
        (await bench.Get<HookReceipts>().ListAsync(bench.Tenant, "erp", ReceiptState.Quarantined, 10)).Should().ContainSingle().Which.Why.Should().Contain("A-7");

        var first = await Waiting("first");
        (await bench.DeliverAsync("erp", headers, Body))!.Run.Should().Be("first");
        (await bench.Host.WaitAsync(first.Run, default)).Should().BeOfType<RunCompleted>().Which.Result.To<decimal>().Should().Be(12.50m);
        var second = await Waiting("second");
        (await bench.DeliverAsync("erp", headers, Body))!.Should().Be(new HookTaken("first", Again: true));
        (await bench.Store.FindAsync(second.Run, default))!.ClosedAt.Should().BeNull("it was for the other one");
    }

    [Theory]
    [InlineData("a right was gone")]
    [InlineData("the run was deleted")]
    public async Task A_signal_whose_act_may_have_been_done_reaches_no_second_run_though_it_was_refused_in_between(string why)
    {
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddSourceAsync("erp", does: HookEffect.Signal, workflow: "hook-waits", signal: "go", businessKey: "/data/order");
        Task<Started> Waiting(string id) => bench.Host.StartRunAsync(new StartRun("hook-waits", JsonText.From(1), id, "A-7", Tenant: bench.Tenant), "user/ana");
        var first = await Waiting("first");
        var deliver = () => bench.DeliverAsync("erp", WebhookBench.Signed("msg_1", Body, "erp-secret"), Body);
        await deliver();
        await bench.EndAsync(first.Run);
        // The host died before it noted that it was done.
        await using var undone = database.Source.CreateCommand($"update aios.hook_receipts set state = 0 where tenant_id = '{bench.Tenant}'");
        await undone.ExecuteNonQueryAsync();

        if (why == "a right was gone") await bench.Get<Principals>().DisableAsync(bench.Tenant, "service/crm", "why", "user/ana");
        else (await bench.Store.PurgeAsync([first.Run], "by a test", default)).Should().ContainSingle();
        await deliver.Should().ThrowAsync<CommandRefusedException>();
        (await bench.Get<HookReceipts>().ListAsync(bench.Tenant, "erp", ReceiptState.Quarantined, 10)).Should().ContainSingle().Which.Run.Should().Be("first");
        if (why == "a right was gone") await bench.Get<Principals>().EnableAsync(bench.Tenant, "service/crm", "back", "user/ana");

        var second = await Waiting("second");
        var retry = () => bench.Get<Hooks>().RetryAsync(bench.Host, bench.Tenant, "erp", "msg_1", default);
        if (why == "a right was gone") (await retry()).Should().Be(new HookTaken("first", Again: true));
        else await retry.Should().ThrowAsync<CommandRefusedException>();
        (await bench.Store.ReadAsync(second.Run, 1, default)).Should().NotContain(e => e.Type == "signal-received", "it was for the other one");
    }

    [Fact]
    public async Task A_delivery_that_one_host_does_while_another_refuses_it_is_done_and_does_no_more()
    {
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddSourceAsync("erp", does: HookEffect.Signal, workflow: "hook-waits", signal: "go", businessKey: "/data/order");
        var receipts = bench.Get<HookReceipts>();
        await receipts.TakeAsync(bench.Tenant, "erp", "msg_1", SHA256.HashData(Encoding.UTF8.GetBytes(Body)), DateTimeOffset.UtcNow, default);
        await receipts.AimAsync(bench.Tenant, "erp", "msg_1", "first", default);
        await receipts.QuarantineAsync(bench.Tenant, "erp", "msg_1", "refused here", Encoding.UTF8.GetBytes(Body), default);
        await receipts.DoneAsync(bench.Tenant, "erp", "msg_1", default);
        var second = (await bench.Host.StartRunAsync(new StartRun("hook-waits", JsonText.From(1), "second", "A-7", Tenant: bench.Tenant), "user/ana")).Run;
        (await bench.DeliverAsync("erp", WebhookBench.Signed("msg_1", Body, "erp-secret"), Body)).Should().Be(new HookTaken("first", Again: true));
        (await bench.Store.ReadAsync(second, 1, default)).Should().NotContain(e => e.Type == "signal-received");
    }

    [Theory]
    [InlineData("behind the receipt")]
    [InlineData("behind the aim")]
    [InlineData("behind the act")]
    public async Task A_delivery_whose_answer_was_lost_is_sent_again_and_does_what_is_left(string where)
    {
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddSourceAsync("erp", does: HookEffect.Signal, workflow: "hook-waits", signal: "go", businessKey: "/data/order");
        var run = (await bench.Host.StartRunAsync(new StartRun("hook-waits", JsonText.From(1), "r", "A-7", Tenant: bench.Tenant), "user/ana")).Run;
        var receipts = bench.Get<HookReceipts>();
        if (where is "behind the act")
        {
            await bench.DeliverAsync("erp", WebhookBench.Signed("msg_1", Body, "erp-secret"), Body);
            await using var undone = database.Source.CreateCommand($"update aios.hook_receipts set state = 0 where tenant_id = '{bench.Tenant}'");
            await undone.ExecuteNonQueryAsync();
        }
        else
        {
            await receipts.TakeAsync(bench.Tenant, "erp", "msg_1", SHA256.HashData(Encoding.UTF8.GetBytes(Body)), DateTimeOffset.UtcNow, default);
            if (where is "behind the aim") (await receipts.AimAsync(bench.Tenant, "erp", "msg_1", "r", default)).Should().Be("r");
        }
        (await bench.DeliverAsync("erp", WebhookBench.Signed("msg_1", Body, "erp-secret"), Body))!.Run.Should().Be("r");
        await bench.EndAsync(run);
        (await bench.Store.ReadAsync(run, 1, default)).Count(e => e.Type == "signal-received").Should().Be(1);
        (await receipts.ListAsync(bench.Tenant, "erp", null, 10)).Single().State.Should().Be(ReceiptState.Done);
    }

    public static TheoryData<string> Forgeries =>
    [
        "no signature", "another secret", "another body", "another id", "another time", "late", "early", "no time", "a time in words", "no id", "an id with a dot", "a signature of version 2", "a signature that is none", "an empty signature",
        "a source that is not there", "another source's", "another tenant's", "a removed secret", "a secret for another source", "a removed source", "the digest without a key", "an id pushed into the time",
    ];

    [Theory, MemberData(nameof(Forgeries))]
    public async Task What_is_not_proved_does_nothing_and_is_told_nothing(string how)
    {
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddSourceAsync("shop");
        await bench.AddSourceAsync("other");
        var (source, body, headers) = ("shop", Body, WebhookBench.Signed("msg_1", Body, "shop-secret"));
        var good = headers["webhook-signature"];
        switch (how)
        {
            case "no signature": headers.Remove("webhook-signature"); break;
            case "another secret": headers = WebhookBench.Signed("msg_1", Body, "shop-secres"); break;
            case "another body": body = Body.Replace("12.50", "12.51"); break;
            case "another id": headers["webhook-id"] = "msg_2"; break;
            case "another time": headers["webhook-timestamp"] = $"{long.Parse(headers["webhook-timestamp"]) + 1}"; break;
            case "late": headers = WebhookBench.Signed("msg_1", Body, "shop-secret", DateTimeOffset.UtcNow.AddSeconds(-302)); break;
            case "early": headers = WebhookBench.Signed("msg_1", Body, "shop-secret", DateTimeOffset.UtcNow.AddSeconds(310)); break;
            case "no time": headers.Remove("webhook-timestamp"); break;
            case "a time in words": headers["webhook-timestamp"] = "now"; break;
            case "no id": headers.Remove("webhook-id"); break;
            case "an id with a dot": headers = WebhookBench.Signed("msg.1", Body, "shop-secret"); break;
            case "a signature of version 2": headers["webhook-signature"] = good.Replace("v1,", "v2,"); break;
            case "a signature that is none": headers["webhook-signature"] = "v1,AAAA"; break;
            case "an empty signature": headers["webhook-signature"] = "v1,"; break;
            case "a source that is not there": source = "nobody"; break;
            case "another source's": source = "other"; break;
            case "another tenant's":
                await using (var theirs = await WebhookBench.StartAsync(database))
                {
                    await theirs.AddSourceAsync("shop2");
                    (await theirs.DeliverAsync("shop", headers, body)).Should().BeNull();
                    (await RunsAsync(theirs)).Should().Be(0);
                }
                headers = WebhookBench.Signed("msg_1", Body, "shop2-secret");
                break;
            case "a removed secret": await bench.Get<SecretStore>().RemoveAsync(bench.Tenant, "shop-secret", "user/ana"); break;
            case "a secret for another source": await bench.Get<SecretStore>().SetAsync(bench.Tenant, "shop-secret", $"whsec_{Convert.ToBase64String("shop-secret"u8)}", ["hook:other"], "user/ana"); break;
            case "a removed source": await bench.Get<WebhookRegistry>().RemoveSourceAsync(bench.Tenant, "shop", "why", "user/ana"); break;
            case "the digest without a key": headers["webhook-signature"] = $"v1,{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes($"msg_1.{headers["webhook-timestamp"]}.{Body}")))}"; break;
            case "an id pushed into the time":
                // The same signed bytes, cut in other places.
                (headers["webhook-id"], headers["webhook-timestamp"], body) = ($"msg_1.{headers["webhook-timestamp"][..1]}", headers["webhook-timestamp"][1..], Body);
                break;
        }
        (await bench.DeliverAsync(source, headers, body)).Should().BeNull();
        (await RunsAsync(bench)).Should().Be(0);
        (await bench.Get<HookReceipts>().ListAsync(bench.Tenant, "shop", null, 10)).Should().BeEmpty();
    }

    [Fact]
    public async Task An_id_that_came_with_another_body_is_a_conflict()
    {
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddSourceAsync("shop");
        await bench.DeliverAsync("shop", WebhookBench.Signed("msg_1", Body, "shop-secret"), Body);
        var other = Body.Replace("12.50", "99.00");
        var again = () => bench.DeliverAsync("shop", WebhookBench.Signed("msg_1", other, "shop-secret"), other);
        (await again.Should().ThrowAsync<CommandRefusedException>()).Which.Refusal.Should().Be(Refusal.Conflict);
        (await RunsAsync(bench)).Should().Be(1);
        (await bench.DeliverAsync("shop", WebhookBench.Signed("msg_2", other, "shop-secret"), other))!.Again.Should().BeFalse();
    }

    [Fact]
    public async Task While_a_secret_is_replaced_both_are_taken_and_one_right_signature_among_several_is_enough()
    {
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddSourceAsync("shop", secrets: ["shop-old", "shop-new"]);
        foreach (var (id, secret) in new[] { ("msg_1", "shop-old"), ("msg_2", "shop-new") }) (await bench.DeliverAsync("shop", WebhookBench.Signed(id, Body, secret), Body)).Should().NotBeNull();
        var both = WebhookBench.Signed("msg_3", Body, "shop-new");
        both["webhook-signature"] = $"v1,AAAA v1a,whatever v1,!!! {both["webhook-signature"]}";
        (await bench.DeliverAsync("shop", both, Body)).Should().NotBeNull();
        await bench.Get<SecretStore>().RemoveAsync(bench.Tenant, "shop-old", "user/ana");
        (await bench.DeliverAsync("shop", WebhookBench.Signed("msg_4", Body, "shop-old"), Body)).Should().BeNull();
        (await bench.DeliverAsync("shop", WebhookBench.Signed("msg_5", Body, "shop-new"), Body)).Should().NotBeNull();
    }

    [Fact]
    public async Task GitHubs_and_Stripes_schemes_are_taken_as_they_are_specified_and_are_replay_proof_too()
    {
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddSourceAsync("github", HookScheme.GitHub);
        await bench.AddSourceAsync("stripe", HookScheme.Stripe);
        string Hex(string secret, string signed) => Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(WebhookBench.Value(secret)), Encoding.UTF8.GetBytes(signed)));

        var hub = new Dictionary<string, string> { ["x-hub-signature-256"] = $"sha256={Hex("github-secret", Body)}", ["x-github-delivery"] = "1" };
        var first = await bench.DeliverAsync("github", hub, Body);
        hub["x-github-delivery"] = "2"; // nothing signs it: whoever caught one may change it
        (await bench.DeliverAsync("github", hub, Body)).Should().Be(new HookTaken(first!.Run, Again: true));
        hub["x-hub-signature-256"] = $"sha1={Hex("github-secret", Body)}";
        (await bench.DeliverAsync("github", hub, Body)).Should().BeNull();

        var (at, charge) = (DateTimeOffset.UtcNow.ToUnixTimeSeconds(), """{"id":"evt_1","type":"charge"}""");
        Dictionary<string, string> Stripe(long time, string body) => new() { ["stripe-signature"] = $"t={time},v0=00,v1={Hex("other-secret", $"{time}.{body}")},v1={Hex("stripe-secret", $"{time}.{body}")}" };
        var paid = await bench.DeliverAsync("stripe", Stripe(at, charge), charge);
        (await bench.DeliverAsync("stripe", Stripe(at + 1, charge), charge)).Should().Be(new HookTaken(paid!.Run, Again: true), "the event has its own id");
        (await bench.DeliverAsync("stripe", Stripe(at - 400, charge), charge)).Should().BeNull();
        (await bench.DeliverAsync("stripe", new() { ["stripe-signature"] = Stripe(at, charge)["stripe-signature"] + $",t={at}" }, charge)).Should().BeNull("two times are none");
        (await RunsAsync(bench)).Should().Be(2);
    }

    // Made with openssl dgst -sha256 -hmac SECRET.
    [Theory]
    [InlineData(HookScheme.Stripe, "whsec_4eC39HqLyjWDarjtT1zdp7dcQ8mN2kRs", "Stripe-Signature", "t=1700000000,v1=c2415d65ef34e7367d2257fd2897c24829b73c225678ad28fdf9b8f033b73cf6")]
    [InlineData(HookScheme.GitHub, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "X-Hub-Signature-256", "sha256=fcdbaac00c117a716404c5ae194220fb09ffd10919bb51c354ddc70bd39c2e52")]
    public void A_secret_of_Stripe_or_GitHub_is_the_key_as_it_stands(HookScheme scheme, string secret, string name, string value)
    {
        var body = Encoding.UTF8.GetBytes("""{"id":"evt_1","object":"event","type":"charge.succeeded"}""");
        var claim = HookSignature.Read(scheme, header => header == name ? value : null, DateTimeOffset.FromUnixTimeSeconds(1_700_000_100));
        HookSignature.Fits(claim!, body, [secret]).Should().BeTrue();
        HookSignature.Fits(claim!, body, [secret["whsec_".Length..]]).Should().BeFalse();
    }

    public static TheoryData<string> Malformed => ["", "null", "[]", "7", "{", "{\"a\":1,\"a\":2}", "{\"data\":\"\\ud800\"}", "{\"data\":\"\\u0000\"}", "not json", "{\"data\":1e999999999}", new string('[', 40) + new string(']', 40), "{\"other\":1}", "\ufeff{}"];

    [Theory, MemberData(nameof(Malformed))]
    public async Task What_is_proved_and_cannot_be_read_is_kept_in_quarantine_and_no_run_sees_it(string body)
    {
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddSourceAsync("shop", value: "/data/amount");
        var deliver = () => bench.DeliverAsync("shop", WebhookBench.Signed("msg_1", body, "shop-secret"), body);
        (await deliver.Should().ThrowAsync<CommandRefusedException>()).Which.Refusal.Should().Be(Refusal.Invalid);
        (await RunsAsync(bench)).Should().Be(0);
        var kept = (await bench.Get<HookReceipts>().ListAsync(bench.Tenant, "shop", ReceiptState.Quarantined, 10)).Should().ContainSingle().Subject;
        kept.Why.Should().NotBeNullOrEmpty();
        (await bench.Get<HookReceipts>().BodyAsync(bench.Tenant, "shop", kept.Delivery, default)).Should().Equal(Encoding.UTF8.GetBytes(body));
    }

    [Fact]
    public async Task A_source_does_what_its_service_may_at_that_moment_and_what_was_refused_is_tried_again_when_somebody_says_so()
    {
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.Get<Principals>().AddAsync(bench.Tenant, "service/poor", ["viewer"], "user/ana");
        await bench.AddSourceAsync("shop", @as: "service/poor");
        var deliver = () => bench.DeliverAsync("shop", WebhookBench.Signed("msg_1", Body, "shop-secret"), Body);
        (await deliver.Should().ThrowAsync<CommandRefusedException>().WithMessage("*service/poor*run.start*")).Which.Refusal.Should().Be(Refusal.Forbidden);
        (await RunsAsync(bench)).Should().Be(0);
        var retry = () => bench.Get<Hooks>().RetryAsync(bench.Host, bench.Tenant, "shop", "msg_1", default);
        await retry.Should().ThrowAsync<CommandRefusedException>();
        await bench.Get<Principals>().SetRolesAsync(bench.Tenant, "service/poor", ["operator"], "user/ana");
        (await retry()).Again.Should().BeFalse();
        await retry.Should().ThrowAsync<CommandRefusedException>().WithMessage("*quarantine*");
        await bench.Get<Principals>().DisableAsync(bench.Tenant, "service/poor", "why", "user/ana");
        var later = () => bench.DeliverAsync("shop", WebhookBench.Signed("msg_2", Body, "shop-secret"), Body);
        await later.Should().ThrowAsync<CommandRefusedException>().WithMessage("*disabled*");
        (await RunsAsync(bench)).Should().Be(1);
    }

    [Fact]
    public async Task A_signal_finds_the_one_run_that_is_open_behind_any_number_of_closed_ones()
    {
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddSourceAsync("erp", does: HookEffect.Signal, workflow: "hook-waits", signal: "go", businessKey: "/data/order");
        var open = (await bench.Host.StartRunAsync(new StartRun("hook-waits", JsonText.From(1), "open", "A-7", Tenant: bench.Tenant), "user/ana")).Run;
        foreach (var i in Enumerable.Range(0, 105))
        {
            var run = (await bench.Host.StartRunAsync(new StartRun("hook-waits", JsonText.From(1), $"closed-{i}", "A-7", Tenant: bench.Tenant), "user/ana")).Run;
            await bench.Host.TerminateAsync(run, "over", "user/ana");
        }
        // Nor does another installation's that is kept as evidence stand in the way.
        using var file = new MemoryStream();
        using (var writer = new HistoryWriter(file, new ExportOptions { ExportedAt = DateTimeOffset.UtcNow }))
        {
            await writer.WriteAsync(new RunKey(bench.Tenant, "theirs"), await bench.Store.ReadAsync(open, 1, default));
            await writer.FinishAsync();
        }
        file.Position = 0;
        (await HistoryImport.ImportAsync(bench.Store, null, file, "paula", TimeProvider.System, isTenant: _ => true)).Runs.Should().Be(1);
        (await bench.DeliverAsync("erp", WebhookBench.Signed("msg_1", Body, "erp-secret"), Body))!.Run.Should().Be(open.Id);
    }

    [Fact]
    public async Task Quarantine_keeps_the_newest_bodies_of_a_source_and_nothing_for_longer_than_thirty_days()
    {
        await using var bench = await WebhookBench.StartAsync(database);
        var receipts = bench.Get<HookReceipts>();
        var now = DateTimeOffset.UtcNow;
        const int Over = 3;
        for (var i = 0; i < HookReceipts.BodiesMax + Over; i++)
        {
            await receipts.TakeAsync(bench.Tenant, "shop", $"msg_{i}", [1], now.AddMinutes(i - 1000), default);
            await receipts.QuarantineAsync(bench.Tenant, "shop", $"msg_{i}", "why", [7], default);
        }
        var kept = await Task.WhenAll(Enumerable.Range(0, HookReceipts.BodiesMax + Over).Select(async i => await receipts.BodyAsync(bench.Tenant, "shop", $"msg_{i}", default) is not null));
        kept.Should().Equal([.. Enumerable.Repeat(false, Over), .. Enumerable.Repeat(true, HookReceipts.BodiesMax)]);
        await receipts.ForgetAsync(bench.Tenant, "shop", isForEver: true, now.AddDays(31), default);
        (await receipts.BodyAsync(bench.Tenant, "shop", "msg_100", default)).Should().BeNull();
        (await receipts.ListAsync(bench.Tenant, "shop", null, 1000)).Should().HaveCount(HookReceipts.BodiesMax + Over, "what is signed for ever is known for ever");
        for (var i = 0; i < 11; i++) await receipts.ForgetAsync(bench.Tenant, "shop", isForEver: false, now.AddDays(31), default);
        (await receipts.ListAsync(bench.Tenant, "shop", null, 1000)).Should().BeEmpty();
    }

    [Fact]
    public async Task No_secret_stands_in_any_row()
    {
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddSourceAsync("shop");
        await bench.DeliverAsync("shop", WebhookBench.Signed("msg_1", Body, "shop-secret"), Body);
        var canary = Convert.ToBase64String("shop-secret"u8);
        await using var command = database.Source.CreateCommand($"select count(*) from (select t::text line from aios.mt_events t union all select t::text from aios.hook_receipts t union all select t::text from aios.outbox t) all_rows where line like '%{canary}%'");
        (await command.ExecuteScalarAsync()).Should().Be(0L);
    }
}
