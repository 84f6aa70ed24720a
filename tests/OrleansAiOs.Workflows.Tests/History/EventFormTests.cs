using System.Text;
using System.Text.Json;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Tests.History;

/// <summary>Stored events are for ever: a line that changes here is a history that an older or newer build cannot read.</summary>
public sealed class EventFormTests
{
    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, 678, 901, TimeSpan.Zero);
    private static readonly JsonText Value = JsonText.Parse("""{"amount":1.50}""");
    private static readonly Failure Failed = new("IOException", "gone", FailureKind.NoAnswerInTime);
    private static readonly Dictionary<string, string> Attributes = new() { ["supplier"] = "ACME" };

    private static readonly EffectChoice Choice = new(2, "a.b", Effect.Keyed, EffectAction.Compensate, "k", Value, Value, Failed, "a.c", Value, Effect.Idempotent);

    private static readonly GateRecord Gated = new(GateAnswer.Hold, ["user/ana", "agent/x"], "base#3", ["pay-large"], "approve", new Charge(new Dictionary<string, decimal> { ["calls"] = 1, ["amount:EUR"] = 12.50m }, "c-1"), "why",
        new HoldTerms("Pay", "d1935", "n", At, [new HoldDemand(["controller"], 2, ["paula"], true)], At, 1), ["carl"], At);

    private static readonly EffectChoice Kept = new(2, "w", Effect.Keyed, EffectAction.Reuse, "r.2", Value, Child: new ChildChoice("r.2", ParentClose.Terminate, true));

    private static readonly EffectChoice Left = new(2, "w", Effect.Keyed, EffectAction.Redo, "r.2", Value, Child: new ChildChoice("r.2", ParentClose.Abandon, false, ParentClose.RequestCancel));

    private static readonly WorkflowEvent[] Full =
    [
        new RunStarted("w", Value, "host-1", "v1", "INV-1", "paula", Attributes, 7, new ParentRun("p", 3), "run-1", ["user/ana", "agent/x"]), new HostChanged("host-2"), new SignalReceived("go", Value, "paula", "key", "digest"),
        new CancelRequested("why", "paula", "key", "digest"), new RunParked("reason", "detail", 2), new RunUnparked("paula", "key", "digest"), new RunImported(At, "0.1.0", "paula"), new RunPaused("why", "paula", "key", "digest"), new RunResumed("paula", "key", "digest"),
        new RunReset(4, "why", [Choice], true, "paula", "key", "digest"), new RunForked("run-1", 4, 9, [Choice], "2", "why", "paula"), new BranchBegun(), new OutcomeReused(1, "k", Value, Failed),
        new RunMigrated("1", "2", new MigrationCertificate(7, 3, "d1935"), true, "paula", "key", "digest"),
        new RunTerminated("why", "paula", "key", "digest"), new UpdateAccepted(1, "add", Value, "paula", "key", "digest"), new UpdateCompleted(1, Value), new UpdateFailed(1, Failed), new AttributesSet(Attributes), new PatchMarked("p"),
        new RunCompleted(Value), new RunFailed(Failed), new RunCancelled("why"), new StepScheduled(1, "a.b", Effect.AtMostOnce, Value, Gated), new AttemptStarted(1, 2, Gated), new EffectSigned(1, true, new Decider("carl", ["controller"], "key"), new DecisionSignature("d1935", "k1", "c2ln", At, "dora"), "fine", "key", "digest"), new AttemptHeartbeat(1, 2, Value), new AttemptPrepared(1, 2, Value), new AttemptFailed(1, 2, Failed, At, true),
        new StepCompleted(1, 2, Value, new Dictionary<string, decimal> { ["tokens"] = 12.50m }), new StepFailed(1, 2, Failed), new StepCancelled(1), new StepCancelAsked(1), new OutcomeUnknown(1, 2, Failed), new OutcomeStillUnknown(1, 2, "why", At),
        new InquiryStarted(1, 2), new OutcomeNeverWill(1, "why", "paula", "key", "digest"), new OutcomeHappened(1, Value, "paula", "key", "digest"), new RetryAsked(1, "paula", "key", "digest"), new StepSkipped(1, Value, "why", "paula", "key", "digest"), new TimerSet(1, At), new RunSettled(), new ChildScheduled(1, "w", "r.1", Value, ParentClose.Terminate, "INV-1"),
        new ChildCancelAsked(1), new ChildReached(1, true), new ChildCompleted(1, Value), new ChildFailed(1, Failed), new ChildEndAsked(-1), new ChildReplaced(1, "r.1:1"), new TimerFired(1), new TimerCancelled(1),
        new ApprovalRequested(1, "Pay", Value, "d1935", "controller", ["paula"], At), new ApprovalDecided(1, true, new Decider("carl", ["controller"], "key"), "fine", "key", "digest"),
        new ApprovalExpired(1), new ApprovalWithdrawn(1), new ValueRecorded(1, Value),
        new LoopCheckpoint(Value, [1, 4], 7, 3, 2, "host-1", Attributes, new Dictionary<string, bool> { ["p"] = true }, [new EarlySignals("go", [Value])], [new KeptReceipt("key", "digest", 3, At)],
            new KeptUpdates(2, [new KeptUpdate(1, "add", 3, At, Value), new KeptUpdate(2, "add", 5, At, null, Failed)]), "v1", 2,
            new RunSpending(new Dictionary<string, ToolSpending> { ["a.b"] = new(new Dictionary<string, decimal> { ["calls"] = 1 }, ["c-1"]) }), ["dora"]),
    ];

    private static readonly WorkflowEvent[] Spare =
    [
        new RunStarted("w", default, "host-1"), new SignalReceived("go", default), new CancelRequested("why"), new RunParked("reason", "detail"), new RunUnparked(), new RunImported(At, "0.1.0"), new RunPaused("why"), new RunResumed(), new RunTerminated("why"), new ChildScheduled(1, "w", "r.1", default, ParentClose.RequestCancel), new UpdateAccepted(1, "add", default),
        new RunMigrated(null, "2", new MigrationCertificate(7, 3, "d")), new RunReset(0, "why", []), new RunReset(4, "why", [Kept, Left]),
        new RunForked("run-1", 4, 9, [new EffectChoice(2, "a.b", Effect.Pure, EffectAction.Redo, "k")]), new OutcomeReused(1, "k"), new RunCompleted(default),
        new AttemptFailed(1, 1, new Failure("T", "m"), At), new OutcomeStillUnknown(1, 1, "why", null), new OutcomeNeverWill(1, "why"), new OutcomeHappened(1, default),
        new RetryAsked(1), new StepSkipped(1, default, "why"), new StepScheduled(1, "a.b", Effect.Pure, default), new AttemptStarted(1, 2), new StepCompleted(1, 2, default), new EffectSigned(1, false, new Decider("c", [], "key"), new DecisionSignature("d", "k", "c", At)),
        new StepScheduled(1, "a.b", Effect.Pure, default, new GateRecord(GateAnswer.Allow)), new StepScheduled(1, "a.b", Effect.AtMostOnce, Value), new StepCompleted(1, 2, Value),
        new RunStarted("w", Value, "host-1", "v1", "INV-1", "paula", Attributes, 7, new ParentRun("p", 3), "run-1"),
        new LoopCheckpoint(Value, [1, 4], 7, 3, 2, "host-1", Attributes, new Dictionary<string, bool> { ["p"] = true }, [new EarlySignals("go", [Value])], [new KeptReceipt("key", "digest", 3, At)],
            new KeptUpdates(2, [new KeptUpdate(1, "add", 3, At, Value), new KeptUpdate(2, "add", 5, At, null, Failed)]), "v1", 2),
        new ApprovalRequested(1, "Pay", default, "d", "r", [], null), new ApprovalDecided(1, false, new Decider("c", [], "key")), new LoopCheckpoint(default, [1, 1], 1, 0, 0, "host-1"),
        new SignalReceived("aios.schedule", Value, "ben", Joins: true),
    ];

    [Fact]
    public void Every_event_is_stored_in_the_form_that_was_reviewed()
    {
        Full.Select(EventNames.Of).Should().BeEquivalentTo(EventNames.Names, "every event has an example here");
        var text = new StringBuilder();
        foreach (var e in Full.Concat(Spare))
        {
            var (name, body) = EventNames.Write(e);
            text.AppendLine($"{name} {Encoding.UTF8.GetString(body)}");
        }
        Verified.Text("Events.verified.txt", text.ToString(), "What is stored is read for ever. To version it: add an optional member (old lines stay as they are, a new one shows the member), "
            + "or an event with a name of its own, and keep reading the old; never rename, retype or take away. A line that is new is well; a line that changed or went is a history nobody can read.");
    }

    [Fact]
    public void Every_event_has_its_members_in_the_order_in_which_the_audit_trail_hashes_them()
    {
        foreach (var e in Full.Concat(Spare))
        {
            using var body = JsonDocument.Parse(EventNames.Write(e).Body);
            body.RootElement.EnumerateObject().Select(member => member.Name).Should().BeInAscendingOrder(StringComparer.Ordinal, EventNames.Of(e));
        }
    }

    [Fact]
    public void Every_event_that_holds_a_commands_key_gives_its_receipt()
    {
        foreach (var e in Full)
            if (e.GetType().GetProperty("Body") is not null) EventNames.ReceiptOf(e).Should().Be(("key", "digest"), $"a {EventNames.Of(e)} of a dead branch still answers");
    }

    [Fact]
    public void Every_line_of_the_reviewed_file_can_be_read_and_is_written_back_the_same()
    {
        foreach (var line in File.ReadAllLines(Path.Combine(Folder(), "Events.verified.txt")))
        {
            var (name, body) = (line.Split(' ')[0], line[(line.IndexOf(' ') + 1)..]);
            var e = EventNames.Read(1, name, Encoding.UTF8.GetBytes(body));
            Encoding.UTF8.GetString(EventNames.Write(e).Body).Should().Be(body);
        }
    }

    [Fact]
    public void A_member_that_a_later_build_adds_is_passed_over_and_an_event_it_adds_is_named()
    {
        EventNames.Read(1, "timer-fired", """{"step":3,"later":{"a":1}}"""u8).Should().Be(new TimerFired(3));
        var unknown = () => EventNames.Read(7, "from-the-future", "{}"u8);
        unknown.Should().Throw<UnreadableHistoryException>().WithMessage("*7*from-the-future*newer build*");
        var broken = () => EventNames.Read(7, "timer-fired", "{\"step\":\"x\"}"u8);
        broken.Should().Throw<UnreadableHistoryException>().WithMessage("*7*timer-fired*");
    }

    internal static string Folder([System.Runtime.CompilerServices.CallerFilePath] string here = "") => Path.GetDirectoryName(here)!;
}
