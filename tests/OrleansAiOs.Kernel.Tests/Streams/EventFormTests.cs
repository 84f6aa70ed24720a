using System.Text;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Governance.Quotas;
using OrleansAiOs.Kernel.Governance.RunLimits;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Kernel.Webhooks;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Streams;

/// <summary>Stored events are for ever: a line that changes here is a stream that an older or newer build cannot read.</summary>
public sealed class EventFormTests
{
    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    internal static readonly KernelEvent[] Examples =
    [
        new KillSwitchThrown(KillTarget.Principal, "agent/x", "why"), new KillSwitchReleased(KillTarget.Tenant, "default", "why"),
        new PolicyProposed(3, "permit …", "0a1b", "{}", "note"), new PolicyProposed(4, "permit …", "0a1b", null, null), new PolicyActivated(3, "permit …", "0a1b"), new PolicyRetired("why"),
        new SecretSet("crm-key", ["crm.example.com", "mcp:files"]), new SecretRemoved("crm-key"), new SecretDenied("crm-key", "evil.example", "tool crm/update", "it is for crm.example.com"),
        new ToolRegistered(Definition, "5f", ["unevaluatedProperties"]), new ToolApproved("5f", new ToolTerms(Effect.Keyed, ["crm.internal:8443"], new ToolLimits(4, 2.5, 10, 60), ["customer.email"]), "read it"),
        new ToolApproved("5f", new ToolTerms(Effect.Keyed, Comparison: new ToolComparison("crm/get", new Dictionary<string, string> { ["id"] = "customer.id" }, "data", new Dictionary<string, string> { ["mail"] = "contact.email" }, ["updatedAt"])), "read it"),
        new ToolDrifted(Definition with { Kind = ToolKind.Mcp, Http = null, Hints = JsonText.Parse("{\"annotations\":{\"readOnlyHint\":true}}") }, "6a", ["description"]), new ToolQuarantined("why"),
        new ToolServerAdded(new McpServer("files", ["npx", "server"], new Dictionary<string, string> { ["TOKEN"] = "secret://files" }, "/srv", null, null, null, ["read"]), "why"),
        new ToolServerAdded(new McpServer("web", Url: "https://mcp.example.com/", Headers: new Dictionary<string, string> { ["Authorization"] = "Bearer secret://web" }, Reach: ["mcp.example.com:8443"]), "why"),
        new ToolServerRemoved("files", "why"),
        new SigningKeyRegistered("0011223344556677", "user/ana", "MFkw…", "Ana Müller", "8899aabbccddeeff"), new SigningKeyRegistered("0011223344556677", "user/ana", "MFkw…"), new SigningKeyRevoked("0011223344556677", "lost"),
        new ApprovalDelegated("user/ana", "user/ben", At, "on leave"), new ApprovalDelegationEnded("user/ana", "user/ben", "back"),
        new TenantAdded("acme"), new TenantDisabled("why"), new TenantEnabled("why"),
        new PrincipalAdded("user/ana", ["controller", "operator"]), new PrincipalRolesChanged([]), new PrincipalDisabled("why"), new PrincipalEnabled("why"),
        new KeyIssued("ana", "00112233aabbccdd", At, "receipt"), new KeyIssued("ana", "00112233aabbccdd"), new KeyRevoked("ana", "00112233aabbccdd", "receipt"),
        new GrantGiven("g-1", "service/crm", ["act-for"], "user/ana", At, "why", "receipt"), new GrantGiven("g-2", "role/clerk", ["run.start", "run.*"], "workflow/refunds"), new GrantTaken("g-1", "why"), new KeysAdopted(2),
        new BudgetSet("refunds", Units("amount:EUR", 1000.50m), BudgetPeriod.Month, "agent/refunds", "bank.pay", WhenSpent.Approve, ["controller"]), new BudgetSet("tenant", Units("calls", 1), BudgetPeriod.Total), new BudgetRemoved("refunds"),
        new EscrowOpened("refunds", "2026-11", Units("amount:EUR", 12.30m)), new EscrowCarried([Holding with { At = DateTimeOffset.UnixEpoch }]),
        new EscrowMoved([Holding], [Holding], [new EscrowReturn("r2", Units("amount:EUR", 5))]), new EscrowMoved([Holding with { SignedBy = ["carl"] }]), new EscrowClosed(),
        new QuotaSet("agents", 10, 200, "agent/refunds"), new QuotaSet("tenant", 10), new QuotaSet("tenant", Runs: 0), new QuotaSet("tenant", Bytes: 20_000_000_000), new QuotaRemoved("agents"), new QuotaPlacesMoved([new HostPlaces("h1", 3, 8)]),
        new QuotaRunsMoved([new OpenRun("r1", "h1"), new OpenRun("r2", "h1", WasOver: true, At)], ["r3"], 7), new QuotaRunsMoved(),
        new StoredBytesMeasured(123_456, 7, At), new StoredBytesMeasured(1, 7), new StoredBytesMoved(-5),
        new RunLimitSet("bank.pay", Units("amount:EUR", 500), 3, OnHit.Approve, ["controller"]), new RunLimitSet("*", Units("calls", 100)), new RunLimitRemoved("bank.pay"),
        new WebhookAdded(new Webhook("p", "https://crm.example.com/in", ["run.completed", "approval.*"], ["crm-key", "crm-key-2"], ["user/ana", "service/crm"], "refunds", true, ["crm.internal:8443"], 5)), new WebhookAdded(new Webhook("p", "https://crm.example.com/in", ["*"], ["crm-key"], ["user/ana"])), new WebhookRemoved("q", "why"),
        new HookSourceAdded(new HookSource("p", HookScheme.GitHub, ["hub"], "service/crm", HookEffect.Signal, "refunds", "paid", "/data/order", "/data")), new HookSourceAdded(new HookSource("p", HookScheme.Standard, ["hub"], "service/crm", HookEffect.Sign)), new HookSourceRemoved("q", "why"),
    ];

    private static ToolDefinition Definition => new()
    {
        Kind = ToolKind.Http,
        Server = "crm",
        Name = "update",
        Title = "Update",
        Description = "Updates a customer",
        InputSchema = JsonText.Parse("{\"type\":\"object\"}"),
        OutputSchema = JsonText.Parse("{}"),
        Http = new HttpCall("POST", "https://crm.example.com/{id}", new Dictionary<string, string> { ["Authorization"] = "Bearer secret://crm-key" }, "X-Key"),
    };

    private static EscrowHolding Holding => new("r1", new Dictionary<string, Held> { ["amount:EUR"] = new(100.00m, 3, 7.5m) });

    private static Dictionary<string, decimal> Units(string unit, decimal amount) => new() { [unit] = amount };

    [Fact]
    public void Every_event_is_stored_in_the_form_that_was_reviewed()
    {
        Examples.Select(EventTable.Of).Distinct().Should().BeEquivalentTo(EventTable.Names, "every event has an example here");
        var text = new StringBuilder();
        foreach (var e in Examples)
        {
            var (name, body) = EventTable.Write(e, null);
            text.AppendLine($"{name} {body}");
            EventTable.Write(EventTable.Read("s", 1, name, body).Event, null).Body.Should().Be(body);
        }
        Verified.Text("Events.verified.txt", text.ToString(), "What is stored is read for ever: add an optional member, or an event with a name of its own; never rename, retype or take away.");
    }

    [Fact]
    public void An_event_of_a_later_build_is_named_and_a_broken_one_too()
    {
        var unknown = () => EventTable.Read("kill/x", 7, "from-the-future", "{}");
        unknown.Should().Throw<UnreadableHistoryException>().WithMessage("*7*kill/x*from-the-future*newer build*");
        var broken = () => EventTable.Read("kill/x", 7, "kill-switch-thrown", """{"target":5}""");
        broken.Should().Throw<UnreadableHistoryException>().WithMessage("*7*kill-switch-thrown*kill/x*");
    }
}
