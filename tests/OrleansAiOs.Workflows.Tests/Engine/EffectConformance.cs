using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.Engine;

/// <summary>What may be run again, under which key, and what is known of an answer that was lost.</summary>
public abstract class EffectConformance(IStoreFixture stores) : EngineConformance(stores)
{
    [Workflow("effect")]
    private sealed class OneEffect : Workflow<string, string>
    {
        protected override Task<string> RunAsync(string tool) => Call(tool switch
        {
            "keyed" => Tools.Keyed,
            "once" => Tools.Once,
            "once-no-hook" => Tools.OnceWithoutHook,
            _ => Tools.Pure,
        }, tool);
    }

    private void LoseFirst(int answers = 1) => Outside.Answer = (name, c) => c.Attempt <= answers ? throw new IOException("the answer was lost") : Task.FromResult($"{name} #{c.Attempt}");

    private IEnumerable<string> Keys => Outside.Calls.Where(c => !c.Name.EndsWith('?')).Select(c => c.Key);

    [Fact]
    public async Task Every_attempt_of_a_keyed_step_carries_the_same_key_also_after_a_crash()
    {
        LoseFirst(3);
        var run = await Start("effect", "keyed");
        await PassTimeUntil(() => Outside.Calls.Count >= 2);
        await KillAndRestart();
        await PassTimeUntilEnd(run);
        Outside.Calls.Count.Should().BeGreaterThanOrEqualTo(4);
        Keys.Distinct().Should().Equal(IdempotencyKey.Of(run.Tenant, run.Id, 1, 0).Value);
    }

    [Fact]
    public async Task Steps_and_runs_have_keys_of_their_own()
    {
        var keys = from tenant in new[] { "a", "ab" } from run in new[] { "b", "bb", "" } from step in new[] { 1, 2 } from epoch in new[] { 0, 1 } select IdempotencyKey.Of(tenant, run, step, epoch).Value;
        keys.Should().OnlyHaveUniqueItems().And.OnlyContain(key => key.Length == 32);
        await Task.CompletedTask;
    }

    [Fact]
    public async Task A_lost_answer_that_the_receiver_knows_of_is_found_by_asking_and_never_sent_again()
    {
        LoseFirst();
        Outside.Inquiry = name => Task.FromResult(Reconciled<string>.Happened("paid", "found by reference"));
        var run = await Start("effect", "once");
        (await Result<string>(run)).Should().Be("paid");
        Outside.Names.Should().Equal("once", "once?");
        Outside.Calls.Select(c => c.Key).Distinct().Should().HaveCount(1, "the receiver is asked for the key that was sent");
        (await History(run)).Select(e => e.GetType().Name).Should().ContainInOrder("StepScheduled", "OutcomeUnknown", "OutcomeHappened", "RunCompleted");
    }

    [Fact]
    public async Task What_certainly_never_happened_is_sent_again_under_a_new_key()
    {
        LoseFirst();
        Outside.Inquiry = name => Task.FromResult(Reconciled<string>.NeverWill("voided"));
        var run = await Start("effect", "once");
        (await Result<string>(run)).Should().Be("once #2");
        Outside.Names.Should().Equal("once", "once?", "once");
        Keys.Should().Equal(IdempotencyKey.Of(run.Tenant, run.Id, 1, 0).Value, IdempotencyKey.Of(run.Tenant, run.Id, 1, 1).Value);
    }

    [Fact]
    public async Task What_is_still_unknown_is_asked_again_later_and_nothing_is_sent_meanwhile()
    {
        LoseFirst();
        var asked = 0;
        Outside.Inquiry = name => Task.FromResult(++asked < 3 ? Reconciled<string>.StillUnknown("not booked yet") : Reconciled<string>.Happened("paid"));
        var run = await Start("effect", "once");
        var row = await UntilWaits(run, "outcome-unknown");
        row.Waits.Single().Why.Should().Contain("not booked yet");
        await PassTimeUntilEnd(run);
        (await Result<string>(run)).Should().Be("paid");
        Outside.Names.Should().Equal("once", "once?", "once?", "once?");
    }

    [Fact]
    public async Task An_inquiry_that_fails_itself_tells_nothing()
    {
        LoseFirst();
        var asked = 0;
        Outside.Inquiry = _ => ++asked == 1 ? throw new IOException("bank down") : Task.FromResult(Reconciled<string>.Happened("paid"));
        var run = await Start("effect", "once");
        (await UntilWaits(run, "outcome-unknown")).Waits.Single().Why.Should().Contain("bank down");
        await PassTimeUntilEnd(run);
        (await Result<string>(run)).Should().Be("paid");
        Outside.Names.Count(n => n == "once").Should().Be(1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Without_a_hook_a_person_says_what_became_of_it(bool happened)
    {
        LoseFirst();
        var run = await Start("effect", "once-no-hook");
        var row = await Until(run, r => r.Waits.Any(w => w.Kind == "outcome-unknown"));
        (row.Waits.Single().Until, row.Busy).Should().Be((null, false));
        await KillAndRestart();
        Time.Advance(TimeSpan.FromDays(3));
        await Refused(() => Host.ResolveAsync(run, 2, true, default, "no such step", "paula"), Refusal.Conflict);
        await Host.ResolveAsync(run, 1, happened, JsonText.From("paid by hand"), "seen on the statement", "paula", "k");
        (await Result<string>(run)).Should().Be(happened ? "paid by hand" : "once-no-hook #2");
        Keys.Should().HaveCount(happened ? 1 : 2).And.OnlyHaveUniqueItems();
    }

    [Fact]
    public async Task A_definite_no_may_be_followed_by_another_attempt_without_asking()
    {
        Outside.Answer = (name, c) => c.Attempt == 1 ? throw new RefusedException("too many requests", retry: true) : Task.FromResult("paid");
        var run = await Start("effect", "once");
        await PassTimeUntilEnd(run);
        (await Result<string>(run)).Should().Be("paid");
        Outside.Names.Should().Equal("once", "once");
    }

    [Theory]
    [InlineData("pure", 2)]
    [InlineData("keyed", 2)]
    [InlineData("once", 1)]
    public async Task A_host_that_dies_under_way_leaves_the_next_to_repeat_or_to_ask(string tool, int sent)
    {
        Outside.Answer = (name, _) => Outside.Calls.Count == 1 ? Outside.Hang() : Task.FromResult("again");
        Outside.Inquiry = _ => Task.FromResult(Reconciled<string>.Happened("asked"));
        var run = await Start("effect", tool);
        await Eventually(() => Task.FromResult(Outside.Calls.Count == 1), () => "nothing was sent");
        await KillAndRestart();
        (await Result<string>(run)).Should().Be(tool == "once" ? "asked" : "again");
        Keys.Should().HaveCount(sent);
        Keys.Distinct().Should().HaveCount(1);
    }
}

public sealed class EffectsInMemory(InMemory store) : EffectConformance(store), IClassFixture<InMemory>;

public sealed class EffectsOnPostgres(OnPostgres store) : EffectConformance(store), IClassFixture<OnPostgres>;
