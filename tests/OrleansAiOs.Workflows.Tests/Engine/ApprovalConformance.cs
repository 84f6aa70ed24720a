using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.Engine;

public abstract class ApprovalConformance(IStoreFixture stores) : EngineConformance(stores)
{
    private static readonly Decider Carl = new("carl", ["controller", "clerk"], "key");
    private static readonly Signal<string> Withdraw = new("withdraw");

    [Workflow("approve")]
    private sealed class Approve : Workflow<string, string>
    {
        protected override async Task<string> RunAsync(string title)
        {
            using var withdrawn = new CancellationTokenSource();
            var asked = Approval(title, new { Amount = 100.50m, To = "ACME" }, by: "controller", notBy: [StartedBy, "tom"], within: TimeSpan.FromHours(1), cancellation: withdrawn.Token);
            if (await Task.WhenAny(asked, Receive(Withdraw)) != asked)
            {
                withdrawn.Cancel();
                return "withdrawn";
            }
            var decision = await asked;
            return decision switch { { Expired: true } => "expired", { Granted: true } => $"granted by {decision.By!.Id}: {decision.Comment}", _ => $"refused by {decision.By!.Id}" };
        }
    }

    private async Task<(RunKey Run, RunWait Asked)> Ask(string title = "Pay 100.50")
    {
        var run = await Start("approve", title);
        return (run, (await Until(run, row => row.AwaitsApproval)).Waits.Single(w => w.Kind == "approval"));
    }

    [Fact]
    public async Task One_who_is_entitled_decides_once_on_what_was_shown_also_after_a_crash()
    {
        var (run, asked) = await Ask();
        (asked.Name, asked.Role, asked.Step).Should().Be(("Pay 100.50", "controller", 1));
        asked.NotBy.Should().Equal("paula", "tom");
        asked.Digest.Should().Be(CanonicalJson.Digest(JsonText.Parse("""{"to":"ACME","amount":100.50}""")));
        await KillAndRestart();
        await Host.DecideAsync(run, 1, true, Carl, "fine", asked.Digest);
        (await Result<string>(run)).Should().Be("granted by carl: fine");
        await Refused(() => Host.DecideAsync(run, 1, false, Carl), Refusal.Conflict);
        (await Store.FindAsync(run, default))!.AwaitsApproval.Should().BeFalse();
    }

    [Theory]
    [InlineData("paula", "controller", Refusal.Forbidden)]
    [InlineData("tom", "controller", Refusal.Forbidden)]
    [InlineData("carl", "clerk", Refusal.Forbidden)]
    [InlineData("carl", "Controller", Refusal.Forbidden)]
    [InlineData("carl", "", Refusal.Forbidden)]
    public async Task One_who_took_part_or_lacks_the_role_does_not_decide(string who, string role, Refusal refusal)
    {
        var (run, asked) = await Ask();
        await Refused(() => Host.DecideAsync(run, 1, true, new Decider(who, role == "" ? [] : [role], "key"), null, asked.Digest), refusal);
        (await Events<ApprovalDecided>(run)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_decision_on_something_else_than_what_stands_is_refused()
    {
        var (run, asked) = await Ask();
        await Refused(() => Host.DecideAsync(run, 1, true, Carl, null, CanonicalJson.Digest(JsonText.Parse("""{"to":"ACME","amount":100.5}"""))), Refusal.Conflict, "*not what was shown*");
        await Refused(() => Host.DecideAsync(run, 2, true, Carl, null, asked.Digest), Refusal.Conflict);
    }

    [Fact]
    public async Task Of_many_who_decide_at_once_one_does()
    {
        var (run, asked) = await Ask();
        var decided = 0;
        await Task.WhenAll(Enumerable.Range(0, 30).Select(async i =>
        {
            try
            {
                await Host.DecideAsync(run, 1, i % 2 == 0, Carl with { Id = $"c{i}" }, null, asked.Digest);
                Interlocked.Increment(ref decided);
            }
            catch (CommandRefusedException e)
            {
                e.Refusal.Should().Be(Refusal.Conflict);
            }
        }));
        decided.Should().Be(1);
        await End(run);
    }

    [Fact]
    public async Task A_deadline_that_passes_decides_no_and_nobody_decides_after_it()
    {
        var (run, asked) = await Ask();
        await KillAndRestart();
        await PassTimeUntilEnd(run, 300);
        (await Result<string>(run)).Should().Be("expired");
        (await Events<ApprovalExpired>(run)).Should().HaveCount(1);
        await Refused(() => Host.DecideAsync(run, 1, true, Carl, null, asked.Digest), Refusal.Conflict);
    }

    [Fact]
    public async Task A_request_that_was_withdrawn_cannot_be_decided()
    {
        var (run, _) = await Ask();
        await Signal(run, "withdraw", "");
        (await Result<string>(run)).Should().Be("withdrawn");
        (await Events<ApprovalWithdrawn>(run)).Should().HaveCount(1);
        await Refused(() => Host.DecideAsync(run, 1, true, Carl), Refusal.Conflict);
    }

    [Workflow("bad-title")]
    private sealed class BadTitle : Workflow<int, bool>
    {
        protected override async Task<bool> RunAsync(int bad) => (await Approval(bad == 0 ? "Pay \0 100" : "Pay \ud800 100", 1, by: "controller")).Granted;
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_title_or_comment_that_cannot_be_stored_as_it_is_does_not_break_the_run(int bad)
    {
        var run = await Start("bad-title", bad);
        (await Until(run, row => row.AwaitsApproval)).Waits.Single().Name.Should().StartWith("Pay ").And.EndWith(" 100").And.NotContain("\0");
        await Host.DecideAsync(run, 1, true, Carl, "f\0ine");
        (await Result<bool>(run)).Should().BeTrue();
    }
}

public sealed class ApprovalsInMemory(InMemory store) : ApprovalConformance(store), IClassFixture<InMemory>;

public sealed class ApprovalsOnPostgres(OnPostgres store) : ApprovalConformance(store), IClassFixture<OnPostgres>;
