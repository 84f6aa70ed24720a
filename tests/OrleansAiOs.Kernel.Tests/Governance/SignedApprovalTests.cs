using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Governance;

/// <summary>Rows 17 to 21 of the abuse cases: what is signed is what is sent, by somebody who may, once.</summary>
public sealed class SignedApprovalTests
{
    private const string FourEyes = "@approval(\"controller, not=initiator, within=PT24H, escalate=director, delegate=yes\") permit (principal, action, resource);";
    private const string TwoOfThem = "@approval(\"controller|director, quorum=2, not=initiator\") permit (principal, action, resource);";

    [Fact]
    public async Task What_a_controller_signs_is_done_once_and_the_record_names_who_signed()
    {
        await using var world = new GateWorld(FourEyes);
        var run = await world.StartAsync(250, payee: "ACME");
        var held = await world.HeldAsync(run);
        (held.Name, held.Role).Should().Be(("Pay 250 EUR to ACME", "controller"));
        world.Books.Paid.Should().BeEmpty();
        await world.SignAsync(run, "user/carl");
        (await world.ResultAsync(run)).Should().Be("paid");
        world.Books.Paid.Should().ContainSingle();
        (await world.EventsAsync<AttemptStarted>(run)).Single().Gate!.SignedBy.Should().Equal("user/carl");
    }

    public static TheoryData<string> Forgeries =>
    [
        "another run", "another digest", "another key", "nobody's key", "a revoked key", "garbage", "no role", "the initiator", "the initiator's second account", "an agent", "disabled since", "after the deadline",
        "refusal turned into a grant", "another comment", "for somebody who handed nothing on", "for the initiator", "a role that was taken away",
    ];

    [Theory, MemberData(nameof(Forgeries))]
    public async Task A_signature_that_is_not_what_it_says_moves_nothing(string how)
    {
        await using var world = new GateWorld(FourEyes);
        var run = await world.StartAsync(250);
        var held = await world.HeldAsync(run);
        var (who, signature, comment) = ("user/carl", world.Sign("user/carl", held.Digest!), (string?)null);
        switch (how)
        {
            case "another run":
                var other = await world.StartAsync(250);
                var theirs = world.Sign("user/carl", (await world.HeldAsync(other)).Digest!);
                signature = theirs with { Digest = held.Digest! };
                break;
            case "another digest":
                signature = world.Sign("user/carl", new string('0', 64)) with { Digest = held.Digest! };
                break;
            case "another key":
                signature = world.Sign("user/carl", held.Digest!, key: "user/dora");
                break;
            case "nobody's key":
                signature = signature with { Key = "0123456789abcdef" };
                break;
            case "a revoked key":
                world.Show("signing-key/x", new SigningKeyRevoked(world.KeyOf("user/carl"), "lost"));
                break;
            case "garbage":
                signature = signature with { Value = "AAAA" };
                break;
            case "no role":
                (who, signature) = ("user/ben", world.Sign("user/ben", held.Digest!));
                break;
            case "the initiator":
                world.Show("principal/user/ana", new PrincipalRolesChanged(["controller", "operator"]));
                (who, signature) = ("user/ana", world.Sign("user/ana", held.Digest!));
                break;
            case "the initiator's second account":
                world.Show("principal/user/ana2", new PrincipalAdded("user/ana2", ["controller"]));
                world.RegisterKey("user/ana2", person: "Ana Müller");
                world.RegisterKey("user/ana", person: "Ana Müller");
                (who, signature) = ("user/ana2", world.Sign("user/ana2", held.Digest!));
                break;
            case "an agent":
                world.Show("principal/agent/refunds", new PrincipalRolesChanged(["controller"]));
                (who, signature) = ("agent/refunds", world.Sign("agent/refunds", held.Digest!));
                break;
            case "disabled since":
                world.Show("principal/user/carl", new PrincipalDisabled("left"));
                break;
            case "after the deadline":
                signature = world.Sign("user/carl", held.Digest!, at: world.Now + TimeSpan.FromDays(30));
                break;
            case "refusal turned into a grant":
                signature = world.Sign("user/carl", held.Digest!, granted: false);
                break;
            case "another comment":
                (signature, comment) = (world.Sign("user/carl", held.Digest!, comment: "only this once"), "always");
                break;
            case "for somebody who handed nothing on":
                (who, signature) = ("user/ben", world.Sign("user/ben", held.Digest!, forWhom: "user/carl"));
                break;
            case "for the initiator":
                world.Show("principal/user/ana", new PrincipalRolesChanged(["controller", "operator"]));
                world.Show("delegation/user/ana", new ApprovalDelegated("user/ana", "user/dora", world.Now + TimeSpan.FromDays(1), "away"));
                (who, signature) = ("user/dora", world.Sign("user/dora", held.Digest!, forWhom: "user/ana"));
                break;
            case "a role that was taken away":
                world.Show("principal/user/carl", new PrincipalRolesChanged(["clerk"]));
                break;
        }
        await world.SendAsync(run, held.Step!.Value, who, signature, comment: comment);
        await world.Host.AdvanceAsync(TimeSpan.FromMinutes(1));
        world.Books.Paid.Should().BeEmpty();
        (await world.EventsAsync<AttemptStarted>(run)).Should().NotContain(a => a.Gate!.Answer == GateAnswer.Allow);

        if (how is "a revoked key" or "disabled since" or "a role that was taken away" or "an agent" or "no role" or "the initiator" or "the initiator's second account") return;
        await world.SignAsync(run, "user/dora" == who ? "user/carl" : "user/dora");
        (await world.ResultAsync(run)).Should().Be("paid", "a worthless signature takes nothing from a good one");
    }

    [Fact]
    public async Task Whatever_the_digest_binds_a_change_of_it_makes_another_digest()
    {
        var terms = new HoldTerms("Pay", "", "n", DateTimeOffset.UnixEpoch, [new HoldDemand(["controller"])]);
        var intent = new EffectIntent(new RunKey("t", "r"), "w", 1, 0, 1, "tool", Effect.Keyed, JsonText.Parse("""{"amount":1000,"payee":"ACME"}"""), null, null, ["user/ana"], DateTimeOffset.UnixEpoch, false, false, null, [], RunSpending.None);
        string Digest(EffectIntent i, string tool = "v", string policy = "p", HoldTerms? t = null) => ApprovalStatement.Digest(ApprovalStatement.Of(i, tool, policy, t ?? terms));
        string[] all =
        [
            Digest(intent), Digest(intent with { Run = new RunKey("t2", "r") }), Digest(intent with { Run = new RunKey("t", "r2") }), Digest(intent with { Workflow = "w2" }), Digest(intent with { Step = 2 }), Digest(intent with { Epoch = 1 }),
            Digest(intent with { Activity = "tool2" }), Digest(intent with { Effect = Effect.AtMostOnce }), Digest(intent, tool: "v2"), Digest(intent, policy: "p2"), Digest(intent, t: terms with { Nonce = "n2" }),
            Digest(intent, t: terms with { Expires = DateTimeOffset.UnixEpoch + TimeSpan.FromSeconds(1) }), Digest(intent, t: terms with { Title = "Pay all" }), Digest(intent with { Chain = ["user/ana", "agent/x"] }),
            Digest(intent with { Input = JsonText.Parse("""{"amount":1000.00,"payee":"ACME"}""") }), Digest(intent with { Input = JsonText.Parse("""{"amount":1000,"payee":"ACME "}""") }),
            Digest(intent with { Input = JsonText.Parse("""{"amount":1000,"payee":"\u0410CME"}""") }), Digest(intent with { Input = JsonText.Parse("""{"amount":1000,"payee":"AC\u200bME"}""") }),
            Digest(intent with { Input = JsonText.Parse("""{"amount":1000,"payee":"ACME","extra":null}""") }), Digest(intent with { Input = JsonText.Parse("""{"amount":"1000","payee":"ACME"}""") }),
        ];
        all.Should().OnlyHaveUniqueItems();
        Digest(intent with { Input = JsonText.Parse("""{ "payee" : "ACME", "amount" : 1e3 }""") }).Should().Be(Digest(intent), "space, the order of members and how 1000 is written say nothing");
        await Task.CompletedTask;
    }

    [Fact]
    public async Task A_signature_given_under_one_policy_is_void_under_the_next()
    {
        await using var world = new GateWorld(FourEyes);
        var run = await world.StartAsync(250);
        var held = await world.HeldAsync(run);
        world.Activate(FourEyes + "forbid (principal, action, resource == Tool::\"other\");");
        await world.SendAsync(run, 1, "user/carl", world.Sign("user/carl", held.Digest!));
        world.Books.Paid.Should().BeEmpty();
        var anew = await world.HeldAsync(run);
        anew.Digest.Should().NotBe(held.Digest);
        await world.SignAsync(run, "user/carl");
        (await world.ResultAsync(run)).Should().Be("paid");
    }

    [Fact]
    public async Task A_quorum_counts_people_not_accounts()
    {
        await using var world = new GateWorld(TwoOfThem);
        world.Show("principal/user/carl2", new PrincipalAdded("user/carl2", ["controller"]));
        world.RegisterKey("user/carl2", person: "Carl");
        world.RegisterKey("user/carl", person: "Carl");
        var run = await world.StartAsync(250);
        await world.SignAsync(run, "user/carl");
        await world.SignAsync(run, "user/carl2");
        world.Books.Paid.Should().BeEmpty();
        await world.SignAsync(run, "user/erik");
        (await world.ResultAsync(run)).Should().Be("paid");
        (await world.EventsAsync<AttemptStarted>(run)).Single().Gate!.SignedBy.Should().Equal("user/carl", "user/carl2", "user/erik");
    }

    [Fact]
    public async Task Who_signs_for_somebody_counts_as_that_somebody_and_only_while_it_lasts()
    {
        await using var world = new GateWorld(FourEyes);
        world.Show("delegation/user/carl", new ApprovalDelegated("user/carl", "user/ben", world.Now + TimeSpan.FromDays(1), "on leave"));
        var run = await world.StartAsync(250);
        await world.SignAsync(run, "user/ben", forWhom: "user/carl");
        (await world.ResultAsync(run)).Should().Be("paid");
        (await world.EventsAsync<AttemptStarted>(run)).Single().Gate!.SignedBy.Should().Equal("user/ben for user/carl");

        await world.Host.AdvanceAsync(TimeSpan.FromDays(2));
        var late = await world.StartAsync(251);
        await world.SignAsync(late, "user/ben", forWhom: "user/carl");
        world.Books.Paid.Should().ContainSingle();
    }

    [Fact]
    public async Task What_nobody_signs_is_asked_of_the_director_too_and_at_the_end_of_nobody_any_more()
    {
        await using var world = new GateWorld(FourEyes);
        var (first, second) = (await world.StartAsync(250), await world.StartAsync(251));
        var before = await world.HeldAsync(first);
        await world.Host.AdvanceAsync(TimeSpan.FromHours(25));
        var after = await world.HeldAsync(first);
        (after.Role, after.Digest).Should().Be(("controller or director", before.Digest), "what was signed before stays signed");
        await world.SignAsync(first, "user/erik");
        (await world.ResultAsync(first)).Should().Be("paid");
        await world.Host.AdvanceAsync(TimeSpan.FromHours(24));
        (await world.ResultAsync(second)).Should().Contain("Nobody signed");
        world.Books.Paid.Should().ContainSingle();
    }

    [Fact]
    public async Task Who_refuses_ends_it_and_fifty_who_sign_at_once_pay_once()
    {
        await using var world = new GateWorld(FourEyes);
        var refused = await world.StartAsync(250);
        await world.SignAsync(refused, "user/carl", granted: false);
        (await world.ResultAsync(refused)).Should().StartWith("denied: user/carl refused");

        var run = await world.StartAsync(251);
        var digest = (await world.HeldAsync(run)).Digest!;
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 50).Select(async i =>
        {
            try
            {
                await world.SendAsync(run, 1, "user/carl", world.Sign("user/carl", digest));
                return 1;
            }
            catch (CommandRefusedException)
            {
                return 0;
            }
        }));
        outcomes.Sum().Should().Be(1);
        (await world.ResultAsync(run)).Should().Be("paid");
        world.Books.Paid.Should().ContainSingle();
    }

    [Theory]
    [InlineData("AC\u202eME", "AC\\u{202e}ME")]
    [InlineData("\u0410CME", "\\u{410}CME")]
    [InlineData("Müller & Söhne", "Müller & Söhne")]
    [InlineData("a\u200bb", "a\\u{200b}b")]
    [InlineData("Москва", "Москва")]
    [InlineData("tab\there", "tab\\u{9}here")]
    public void What_misleads_the_eye_is_written_out(string text, string shown) => ArgumentText.Show(text).Should().Be(shown);

    [Fact]
    public void Arguments_are_read_line_by_line()
    {
        ArgumentText.Lines(JsonText.Parse("""{"payee":{"name":"ACME","iban":"DE89 "},"lines":[1.50,true],"none":[]}""")).Should()
            .Equal("payee.name = \"ACME\"", "payee.iban = \"DE89 \"", "lines[0] = 1.50", "lines[1] = true", "none = []");
        ArgumentText.Title("bank.pay", JsonText.Parse($"\"{new string('x', 1000)}\"")).Should().HaveLength(160).And.EndWith("…");
    }
}
