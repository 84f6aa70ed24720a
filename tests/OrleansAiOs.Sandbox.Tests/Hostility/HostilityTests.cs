using System.Net;
using static OrleansAiOs.Sandbox.Tests.SandboxClient;

namespace OrleansAiOs.Sandbox.Tests;

public sealed class HostilityTests : IDisposable
{
    private readonly ManualTime time = new();
    private readonly Sandbox sandbox;
    private readonly SandboxClient caller;

    public HostilityTests()
    {
        sandbox = new Sandbox(new SandboxOptions { Time = time });
        caller = Of(sandbox);
    }

    public void Dispose()
    {
        caller.Dispose();
        sandbox.Dispose();
    }

    [Fact]
    public async Task A_request_held_back_arrives_after_the_void_and_is_refused()
    {
        Script(new ScriptedFault { Operation = SandboxOperation.BankPay, Fault = Fault.Hold, Hold = new Hold { For = TimeSpan.FromSeconds(5) } });
        await Broken(caller.Pay(Payment()));
        sandbox.Books().Held.Should().Be(1);
        sandbox.Books().Bank.References.Should().BeEmpty("it has reached nobody yet");

        (await caller.Void("INV-1")).Status.Should().Be(HttpStatusCode.OK);
        time.Advance(TimeSpan.FromSeconds(5));

        sandbox.Books().Held.Should().Be(0);
        sandbox.Books().Bank.References.Should()
            .Equal(new BankReferenceBooks("INV-1", Reached: 1, Payments: 0, Inquiries: 0, VoidRequests: 1, Voids: 1));
    }

    [Fact]
    public async Task A_request_held_back_without_a_void_is_paid_after_the_inquiry_saw_nothing()
    {
        Script(new ScriptedFault { Operation = SandboxOperation.BankPay, Fault = Fault.Hold, Hold = new Hold { For = TimeSpan.FromSeconds(5) } });
        await Broken(caller.Pay(Payment()));
        time.Advance(TimeSpan.FromSeconds(4.999));
        (await caller.Inquire("INV-1")).Json.GetProperty("payments").GetArrayLength().Should().Be(0);

        time.Advance(TimeSpan.FromMilliseconds(1));

        var inquiry = await caller.Inquire("INV-1");
        inquiry.Json.GetProperty("payments").GetArrayLength().Should().Be(1);
    }

    [Fact]
    public async Task A_request_held_until_told_is_delivered_by_release_in_order_and_by_key()
    {
        Script([.. Enumerable.Repeat(new ScriptedFault { Operation = SandboxOperation.BankPay, Fault = Fault.Hold }, 3)]);
        foreach (var reference in new[] { "A", "B", "A" })
        {
            await Broken(caller.Pay(Payment(reference)));
        }

        time.Advance(TimeSpan.FromDays(1));
        (await caller.Get("/hostility")).Json.GetProperty("held").GetArrayLength().Should().Be(3);
        (await caller.Send(HttpMethod.Post, "/hostility/release", """{"key":"A"}""")).Text("delivered").Should().Be("2");
        (await caller.Send(HttpMethod.Post, "/hostility/release", null)).Text("delivered").Should().Be("1");
        sandbox.Books().Bank.References.Select(r => (r.Reference, r.Payments)).Should().Equal(("A", 2), ("B", 1));
    }

    [Fact]
    public async Task A_request_released_just_when_it_falls_due_arrives_once()
    {
        var racing = new RacingTime();
        using var raced = new Sandbox(new SandboxOptions
        {
            Time = racing,
            Hostility = new Hostility
            {
                Script = [new ScriptedFault { Operation = SandboxOperation.BankPay, Fault = Fault.Hold, Hold = new Hold { For = TimeSpan.FromSeconds(1) } }],
            },
        });
        await Broken(Of(raced).Pay(Payment()));
        raced.ReleaseHeld().Should().Be(1);
        racing.Fire!();

        raced.Books().Bank.References.Single().Payments.Should().Be(1);
    }

    [Fact]
    public async Task A_held_posting_and_its_retry_are_one_posting()
    {
        Script(new ScriptedFault { Operation = SandboxOperation.LedgerPost, Fault = Fault.Hold });
        await Broken(caller.Post("key", Posting()));
        await caller.Post("key", Posting());
        sandbox.ReleaseHeld();

        sandbox.Books().Ledger.Keys.Should().Equal(new LedgerKeyBooks("key", Reached: 2, Postings: 1, Reversals: 0));
    }

    [Theory]
    [InlineData(Fault.LoseRequest, 0, 0)]
    [InlineData(Fault.LoseReply, 1, 1)]
    [InlineData(Fault.Hold, 0, 0)]
    [InlineData(Fault.HangBefore, 1, 0)]
    [InlineData(Fault.HangAfter, 1, 1)]
    [InlineData(Fault.TooManyRequests, 1, 0)]
    [InlineData(Fault.FailBefore, 1, 0)]
    [InlineData(Fault.FailAfter, 1, 1)]
    [InlineData(Fault.GarbageBefore, 1, 0)]
    [InlineData(Fault.GarbageAfter, 1, 1)]
    public async Task Each_fault_falls_before_or_after_the_booking(Fault fault, int reached, int paid)
    {
        Script(new ScriptedFault { Operation = SandboxOperation.BankPay, Fault = fault });
        using var patience = new CancellationTokenSource();
        var call = caller.Pay(Payment(), patience.Token);
        patience.Cancel();
        await call.ContinueWith(_ => { }, TaskScheduler.Default);

        var row = sandbox.Books().Bank.References.SingleOrDefault();
        (row?.Reached ?? 0, row?.Payments ?? 0).Should().Be((reached, paid));
        sandbox.HostilityNow().Dealt[SandboxOperation.BankPay].Should().ContainSingle().Which.Should().Be(KeyValuePair.Create(fault, 1L));
    }

    [Fact]
    public async Task A_hang_lasts_until_the_caller_gives_up()
    {
        Script(new ScriptedFault { Operation = SandboxOperation.BankPay, Fault = Fault.HangAfter });
        using var patience = new CancellationTokenSource();
        var call = caller.Pay(Payment(), patience.Token);
        time.Advance(TimeSpan.FromDays(365));
        call.IsCompleted.Should().BeFalse();
        patience.Cancel();

        await FluentActions.Awaiting(() => call).Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task The_script_deals_the_nth_match_and_each_step_waits_for_the_one_before()
    {
        Script(
            new ScriptedFault { Operation = SandboxOperation.BankPay, Fault = Fault.FailBefore, Nth = 2 },
            new ScriptedFault { Operation = SandboxOperation.BankPay, Fault = Fault.TooManyRequests },
            new ScriptedFault { Operation = SandboxOperation.BankPay, Fault = Fault.FailAfter, Nth = 2 },
            new ScriptedFault { Operation = SandboxOperation.BankInquire, Fault = Fault.FailBefore });

        var statuses = new List<int>();
        for (var i = 0; i < 6; i++)
        {
            statuses.Add((int)(await caller.Pay(Payment())).Status);
        }

        statuses.Should().Equal(201, 500, 429, 201, 500, 201);
        sandbox.HostilityNow().Settings.Script.Should().ContainSingle().Which.Operation.Should().Be(SandboxOperation.BankInquire);
    }

    [Fact]
    public async Task A_scripted_key_leaves_others_alone()
    {
        Script(new ScriptedFault { Operation = SandboxOperation.BankPay, Fault = Fault.FailBefore, Key = "B" });

        (await caller.Pay(Payment("A"))).Status.Should().Be(HttpStatusCode.Created);
        (await caller.Pay(Payment("B"))).Status.Should().Be(HttpStatusCode.InternalServerError);
    }

    [Fact]
    public async Task The_same_seed_gives_each_key_the_same_faults_in_whatever_order_keys_arrive()
    {
        var references = Enumerable.Range(0, 200).Select(i => $"INV-{i}").ToList();
        var forth = await Statuses(references, seed: 7);
        var back = await Statuses(references.AsEnumerable().Reverse(), seed: 7);
        var other = await Statuses(references, seed: 8);

        back.Should().BeEquivalentTo(forth);
        other.Should().NotBeEquivalentTo(forth);
    }

    [Fact]
    public async Task Odds_are_met()
    {
        var statuses = await Statuses(Enumerable.Range(0, 4_000).Select(i => $"INV-{i}"), seed: 1);

        statuses.Values.Count(s => s == 500).Should().BeInRange(700, 900);
        statuses.Values.Count(s => s == 429).Should().BeInRange(330, 470);
    }

    [Fact]
    public async Task Hostility_shown_can_be_set_again()
    {
        await caller.BeHostile("""
            {"seed":42,"odds":{"bank.pay":{"loseReply":0.1,"hold":0.05},"ledger.post":{"failAfter":1}},
             "script":[{"operation":"bank.void","nth":3,"key":"INV-1","fault":"hold","hold":{"forMs":250,"caller":"hang"}}],
             "hold":{"forMs":500,"caller":"abort"},"retryAfterSeconds":2}
            """);
        var shown = (await caller.Get("/hostility")).Json.GetProperty("settings").GetRawText();
        var again = await caller.BeHostile(shown);

        again.Status.Should().Be(HttpStatusCode.OK);
        again.Json.GetProperty("settings").GetRawText().Should().Be(shown);
        var settings = sandbox.HostilityNow().Settings;
        settings.Odds[SandboxOperation.BankPay][Fault.LoseReply].Should().Be(0.1);
        settings.Script.Single().Hold!.For.Should().Be(TimeSpan.FromMilliseconds(250));
        settings.RetryAfter.Should().Be(TimeSpan.FromSeconds(2));
    }

    [Fact]
    public async Task An_empty_object_makes_it_friendly_again_and_so_it_starts()
    {
        sandbox.HostilityNow().Settings.Should().BeSameAs(Hostility.None);
        await caller.BeHostile("""{"odds":{"bank.pay":{"failBefore":1}}}""");
        (await caller.Pay(Payment())).Status.Should().Be(HttpStatusCode.InternalServerError);
        await caller.BeHostile("{}");
        (await caller.Pay(Payment())).Status.Should().Be(HttpStatusCode.Created);
    }

    [Theory]
    [InlineData("""{"odds":{"bank.pay":{"failBefore":0.6,"failAfter":0.6}}}""")]
    [InlineData("""{"odds":{"bank.pay":{"failBefore":-0.1}}}""")]
    [InlineData("""{"odds":{"bank.rob":{"failBefore":0.1}}}""")]
    [InlineData("""{"odds":{"bank.pay":null}}""")]
    [InlineData("""{"odds":null}""")]
    [InlineData("""{"script":[{"operation":"bank.pay","fault":"hold","nth":0}]}""")]
    [InlineData("""{"script":[{"operation":"bank.pay"}]}""")]
    [InlineData("""{"script":[null]}""")]
    [InlineData("""{"hold":{"forMs":-1}}""")]
    [InlineData("""{"hold":{"forMs":1.5}}""")]
    [InlineData("""{"retryAfterSeconds":-1}""")]
    public async Task Hostility_that_makes_no_sense_is_refused_and_changes_nothing(string json)
    {
        var answer = await caller.BeHostile(json);

        ((int)answer.Status).Should().BeOneOf(400, 422);
        answer.Text("cure").Should().Contain("seed");
        sandbox.HostilityNow().Settings.Should().BeSameAs(Hostility.None);
    }

    private async Task<Dictionary<string, int>> Statuses(IEnumerable<string> references, long seed)
    {
        sandbox.BeHostile(new Hostility
        {
            Seed = seed,
            Odds = new Dictionary<SandboxOperation, IReadOnlyDictionary<Fault, double>>
            {
                [SandboxOperation.BankPay] = new Dictionary<Fault, double> { [Fault.FailBefore] = 0.2, [Fault.TooManyRequests] = 0.1 },
            },
        });
        var statuses = new Dictionary<string, int>();
        foreach (var reference in references)
        {
            statuses.Add(reference, (int)(await caller.Pay(Payment(reference))).Status);
        }

        return statuses;
    }

    private void Script(params ScriptedFault[] script) => sandbox.BeHostile(new Hostility { Script = script });

    /// <summary>Its one timer can fire although disposed, as a real one's callback may already be running.</summary>
    private sealed class RacingTime : TimeProvider
    {
        public Action? Fire { get; private set; }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Fire = () => callback(state);
            return System.CreateTimer(_ => { }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    private static async Task Broken(Task call) =>
        (await FluentActions.Awaiting(() => call).Should().ThrowAsync<HttpRequestException>()).WithInnerException<IOException>();
}
