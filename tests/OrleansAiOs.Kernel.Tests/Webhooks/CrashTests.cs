using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Kernel.Tests.Tools.Egress;
using OrleansAiOs.Kernel.Webhooks.Outbound;

namespace OrleansAiOs.Kernel.Tests.Webhooks;

/// <summary>A host that is gone behind each line of the sender's protocol (WebhookSender.cs): nothing is lost, the order stays, and what comes twice has one id.</summary>
public sealed class CrashTests(KernelDatabase database) : IClassFixture<KernelDatabase>
{
    private static readonly TimeSpan Lease = TimeSpan.FromMinutes(1);

    [Theory]
    [InlineData("behind the append", 2)]
    [InlineData("behind the claim", 2)]
    [InlineData("behind the send", 3)]
    [InlineData("behind the settling", 2)]
    public async Task Whatever_the_host_was_at_when_it_died_the_next_one_tells_the_rest(string where, int requests)
    {
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database, sending: false);
        await bench.AddAsync("crm", receiver);
        await bench.EndAsync(await bench.StartRunAsync("hook-echo", 1));
        if (where != "behind the append")
        {
            var claimed = await bench.Outbox.ClaimAsync(bench.Tenant, "crm", bench.Host.Now, Lease, bench.Host.Options.HostId, 10, default);
            claimed.Should().ContainSingle("the end waits for the start").Which.Kind.Should().Be("run.started");
            (await bench.Outbox.ClaimAsync(bench.Tenant, "crm", bench.Host.Now, Lease, "another", 10, default)).Should().BeEmpty("it is claimed");
            if (where is "behind the send" or "behind the settling") await bench.Get<Deliverer>().SendAsync(bench.Get<Kernel.Webhooks.WebhookView>().Find(bench.Tenant, "crm")!.Webhook, claimed[0], bench.Host.Now, default);
            if (where is "behind the settling") await bench.Outbox.SettleAsync(claimed[0], DeliveryState.Delivered, 200, null, bench.Host.Now, default);
        }
        await bench.CrashAsync();
        bench.Send();
        await bench.UntilAsync("crm", all => all.Count == 2 && all.All(d => d.State is DeliveryState.Delivered));
        receiver.Requests.Should().HaveCount(requests);
        var told = receiver.Requests.Select(request => (WebhookBench.BodyOf(request).GetProperty("type").GetString(), WebhookBench.Parse(request).Headers["webhook-id"])).ToList();
        told.Distinct().Select(t => t.Item1).Should().Equal("run.started", "run.completed");
        told[^1].Item1.Should().Be("run.completed");
    }

    [Fact]
    public async Task At_whichever_question_to_the_database_the_sender_dies_the_next_one_tells_the_rest()
    {
        var died = 0;
        for (var at = 1; ; at++)
        {
            await using var receiver = new RawServer();
            await using var bench = await WebhookBench.StartAsync(database, sending: false);
            await bench.AddAsync("crm", receiver);
            await bench.EndAsync(await bench.StartRunAsync("hook-echo", 1));
            var source = new DyingSource(database.Source, at);
            var dying = new WebhookSender(new Outbox(source), bench.Get<Deliverer>(), bench.Get<Kernel.Webhooks.WebhookView>(), bench.Get<Kernel.Streams.Catalogue>(), bench.Get<Kernel.Identity.Rights>(),
                bench.Get<Kernel.Governance.KillSwitches.KillSwitchView>(), Microsoft.Extensions.Logging.Abstractions.NullLogger<WebhookSender>.Instance);
            dying.Start(bench.Host);
            await WebhookBench.UntilAsync(async () => source.IsDead || (await bench.DeliveriesAsync("crm")).All(d => d.State is DeliveryState.Delivered));
            var hasDied = source.IsDead;
            await dying.DisposeAsync();
            await bench.CrashAsync();
            bench.Send();
            await bench.UntilAsync("crm", all => all.Count == 2 && all.All(d => d.State is DeliveryState.Delivered));
            var told = receiver.Requests.Select(request => (WebhookBench.BodyOf(request).GetProperty("type").GetString(), WebhookBench.Parse(request).Headers["webhook-id"])).ToList();
            told.Distinct().Select(t => t.Item1).Should().Equal(["run.started", "run.completed"], $"it died at {at}");
            receiver.Requests.Count.Should().BeLessThanOrEqualTo(3);
            if (!hasDied) break;
            died++;
        }
        died.Should().BeGreaterThan(8, "else nothing was tried");
    }

    [Fact]
    public async Task A_sender_that_comes_back_late_settles_nothing_that_another_has_claimed_since()
    {
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database, sending: false);
        await bench.AddAsync("crm", receiver, ["run.started"]);
        await bench.EndAsync(await bench.StartRunAsync("hook-echo", 1));
        var late = (await bench.Outbox.ClaimAsync(bench.Tenant, "crm", bench.Host.Now, Lease, "late", 10, default)).Single();
        var now = (await bench.Outbox.ClaimAsync(bench.Tenant, "crm", bench.Host.Now + Lease, Lease, "quick", 10, default)).Single();
        (late.Id == now.Id, late.Attempts, now.Attempts).Should().Be((true, 1, 2));
        (await bench.Outbox.SettleAsync(late, DeliveryState.Dead, null, "late", bench.Host.Now, default)).Should().BeFalse();
        (await bench.Outbox.SettleAsync(now, DeliveryState.Delivered, 200, null, bench.Host.Now, default)).Should().BeTrue();
        (await bench.DeliveriesAsync("crm")).Single().State.Should().Be(DeliveryState.Delivered);
    }

    [Fact]
    public async Task Of_two_senders_at_once_each_message_has_one_and_the_order_stays()
    {
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database, sending: false);
        await bench.AddAsync("crm", receiver);
        for (var i = 0; i < 20; i++) await bench.EndAsync(await bench.StartRunAsync("hook-echo", i));
        await using var second = new WebhookSender(bench.Outbox, bench.Get<Deliverer>(), bench.Get<Kernel.Webhooks.WebhookView>(), bench.Get<Kernel.Streams.Catalogue>(), bench.Get<Kernel.Identity.Rights>(),
            bench.Get<Kernel.Governance.KillSwitches.KillSwitchView>(), Microsoft.Extensions.Logging.Abstractions.NullLogger<WebhookSender>.Instance);
        bench.Send();
        second.Start(bench.Host);
        await bench.UntilAsync("crm", all => all.Count == 40 && all.All(d => d.State is DeliveryState.Delivered));
        receiver.Requests.Should().HaveCount(40);
        foreach (var run in receiver.Requests.Select(WebhookBench.BodyOf).GroupBy(body => body.GetProperty("data").GetProperty("run").GetString()))
            run.Select(body => body.GetProperty("type").GetString()).Should().Equal("run.started", "run.completed");
    }

    [Fact]
    public async Task An_event_and_its_message_are_there_together_or_not_at_all()
    {
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database, sending: false);
        await bench.AddAsync("crm", receiver);
        var run = await bench.StartRunAsync("hook-echo", 1);
        await bench.EndAsync(run);
        var end = (await bench.Store.ReadAsync(run, 1, default))[^1];
        var loser = await bench.Store.AppendAsync(new Workflows.History.RunAppend(run, 1, [new Workflows.History.NewEvent(Guid.NewGuid(), "run-paused", "{\"reason\":\"x\"}"u8.ToArray(), end.At)], null, null, [new("crm", 0, "run.paused")]));
        loser.Should().Be(Workflows.History.AppendResult.Conflict);
        (await bench.DeliveriesAsync("crm")).Select(d => d.Kind).Should().Equal("run.started", "run.completed");
    }
}
