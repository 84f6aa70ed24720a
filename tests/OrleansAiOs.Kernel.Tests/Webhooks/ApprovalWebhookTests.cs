using System.Text.Json;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Kernel.Tests.Tools.Egress;
using OrleansAiOs.Kernel.Webhooks;
using OrleansAiOs.Kernel.Webhooks.Inbound;
using OrleansAiOs.Kernel.Webhooks.Outbound;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Webhooks;

/// <summary>Approvals are asked for by webhook; a webhook alone approves nothing.</summary>
public sealed class ApprovalWebhookTests(KernelDatabase database) : IClassFixture<KernelDatabase>
{
    private static async Task<(RunKey Run, JsonElement Asked)> AskAsync(WebhookBench bench, RawServer receiver)
    {
        bench.Policies = ActivePolicies.Of(1, [("main", 1, PolicyText.Parse("@id(\"eyes\") @approval(\"controller, not=initiator, within=PT24H\") permit (principal, action, resource);"))]);
        await bench.AddAsync("desk", receiver, ["approval.requested"]);
        var run = await bench.StartRunAsync("hook-pays", new HookPayment("AC\u200bME", 250));
        await bench.UntilAsync("desk", all => all.Any(d => d.State is DeliveryState.Delivered));
        return (run, WebhookBench.BodyOf(receiver.Requests.Single()).GetProperty("data").GetProperty("approval"));
    }

    private static object Decision(WebhookBench bench, RunKey run, DecisionSignature signature, string approver = "user/carl", bool granted = true) =>
        new { run = run.Id, step = 1, granted, approver, digest = signature.Digest, key = signature.Key, signature = signature.Value, at = signature.At };

    private static Task<HookTaken?> DeliverAsync(WebhookBench bench, object decision, string id = "msg_1")
    {
        var body = JsonSerializer.Serialize(decision);
        return bench.DeliverAsync("phone", WebhookBench.Signed(id, body, "phone-secret"), body);
    }

    [Fact]
    public async Task Who_is_asked_reads_what_would_be_done_the_digest_and_where_to_answer()
    {
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database);
        var (run, asked) = await AskAsync(bench, receiver);
        var held = (await bench.Host.HeldAsync(run, 1))!.Hold!;
        asked.GetProperty("digest").GetString().Should().Be(held.Digest);
        asked.GetProperty("summary").EnumerateArray().Select(line => line.GetString()).Should().Equal("payee = \"AC\\u{200b}ME\"", "amount = 250");
        asked.GetProperty("isSigned").GetBoolean().Should().BeTrue();
        asked.GetProperty("by").GetString().Should().Be("controller");
        asked.GetProperty("answer").GetString().Should().Be($"/api/v1/runs/{run.Id}/holds/1");
        asked.GetProperty("command").GetString().Should().Be($"aios approve {run.Id} 1");
    }

    [Fact]
    public async Task An_approval_in_code_is_asked_for_too()
    {
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database);
        await bench.AddAsync("desk", receiver, ["approval.*"]);
        var run = await bench.StartRunAsync("hook-asks", new HookPayment("ACME", 250));
        await bench.UntilAsync("desk", all => all.Any(d => d.State is DeliveryState.Delivered));
        var asked = WebhookBench.BodyOf(receiver.Requests.Single()).GetProperty("data").GetProperty("approval");
        (asked.GetProperty("title").GetString(), asked.GetProperty("by").GetString(), asked.GetProperty("isSigned").GetBoolean()).Should().Be(("Pay it", "controller", false));
        asked.GetProperty("summary").EnumerateArray().Select(line => line.GetString()).Should().Equal("payee = \"ACME\"", "amount = 250");
        asked.GetProperty("answer").GetString().Should().Be($"/api/v1/runs/{run.Id}/approvals/1");
    }

    [Theory]
    [InlineData("what the receiver answers")]
    [InlineData("no signature")]
    [InlineData("another digest")]
    [InlineData("a refusal turned")]
    [InlineData("in another's name")]
    [InlineData("by the source's own service")]
    [InlineData("as a signal")]
    public async Task A_webhook_without_an_approvers_good_signature_approves_nothing(string how)
    {
        var answer = """{"granted":true,"approved":true}""";
        await using var receiver = new RawServer(_ => RawServer.Http(200, answer));
        await using var bench = await WebhookBench.StartAsync(database);
        var (run, asked) = await AskAsync(bench, receiver);
        var digest = asked.GetProperty("digest").GetString()!;
        await bench.AddSourceAsync("phone", does: HookEffect.Sign, workflow: null);
        var good = bench.SignAsCarl(digest);
        object? decision = how switch
        {
            "no signature" => new { run = run.Id, step = 1, granted = true, approver = "user/carl", digest, key = good.Key, signature = "", at = good.At },
            "another digest" => Decision(bench, run, bench.SignAsCarl(new string('0', 64))),
            "a refusal turned" => Decision(bench, run, bench.SignAsCarl(digest, granted: false)),
            "in another's name" => Decision(bench, run, good, "user/ana"),
            "by the source's own service" => Decision(bench, run, good, "service/crm"),
            "as a signal" => new { run = run.Id, step = 1, granted = true },
            _ => null,
        };
        if (decision is not null)
        {
            var deliver = () => DeliverAsync(bench, decision);
            await deliver.Should().ThrowAsync<CommandRefusedException>();
        }
        (await bench.Host.HeldAsync(run, 1)).Should().NotBeNull("it still waits for a signature");
        bench.Get<HookBooks>().Paid.Should().Be(0);
        (await bench.Store.ReadAsync(run, 1, default)).Should().NotContain(e => e.Type == "effect-signed");
    }

    [Fact]
    public async Task A_decision_that_carries_an_approvers_signature_counts_once_whatever_brought_it()
    {
        await using var receiver = new RawServer();
        await using var bench = await WebhookBench.StartAsync(database);
        var (run, asked) = await AskAsync(bench, receiver);
        await bench.AddSourceAsync("phone", does: HookEffect.Sign, workflow: null);
        var decision = Decision(bench, run, bench.SignAsCarl(asked.GetProperty("digest").GetString()!));
        (await DeliverAsync(bench, decision)).Should().Be(new HookTaken(run.Id, Again: false));
        (await bench.Host.WaitAsync(run, default)).Should().BeOfType<RunCompleted>();
        (await DeliverAsync(bench, decision)).Should().Be(new HookTaken(run.Id, Again: true));
        bench.Get<HookBooks>().Paid.Should().Be(1);
        var signed = (EffectSigned)(await bench.Store.ReadAsync(run, 1, default)).Single(e => e.Type == "effect-signed").Read();
        (signed.By.Id, signed.By.Verified).Should().Be(("carl", "signature, by webhook phone"));
        var again = () => DeliverAsync(bench, decision, "msg_2");
        await again.Should().ThrowAsync<CommandRefusedException>();
    }
}
