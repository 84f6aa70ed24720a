using OrleansAiOs.Testing.Simulation;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Schedules;
using Xunit.Abstractions;

namespace OrleansAiOs.Testing.Tests.Simulation;

/// <summary>
/// The protocol with one thing wrong, in what the engine is handed: its store, its clock, the keys and answers of its receivers.
/// Each must be found, or finding nothing proves nothing.
/// </summary>
public sealed class MutantTests(ITestOutputHelper output)
{
    private const int SeedsMax = 20_000;

    private static readonly Dictionary<string, (SimSeams Seams, string Breaks)> Mutants = new()
    {
        ["the expected version is ignored"] = (new() { Store = store => new NoFence(store) }, "I1 I2 I3 I4 I5"),
        ["a second append after an unknown outcome"] = (new() { Store = store => new BlindSecondAppend(store) }, "I1 I2 I4 I12"),
        ["acknowledged before the commit"] = (new() { Store = store => new AcknowledgedBeforeTheCommit(store) }, "I1 I2 I3 I12"),
        ["a conflict is reported as appended"] = (new() { Store = store => new ConflictReportedAsAppended(store) }, "I1 I2 I3 I5 I12"),
        ["an unknown outcome is reported as appended"] = (new() { Store = store => new UnknownReportedAsAppended(store) }, "I1 I3 I4 I12"),
        ["an unknown outcome is reported as a conflict"] = (new() { Store = store => new UnknownReportedAsConflict(store) }, "I12"),
        ["the wake-up row is dropped"] = (new() { Store = store => new WakeUpDropped(store) }, "I5 I8 I12"),
        ["the busy flag is lost"] = (new() { Store = store => new BusyFlagLost(store) }, "I5 I12"),
        ["row and wake-up do not commit with the events"] = (new() { Store = store => new RowNotInTheTransaction(store) }, "I5 I12"),
        ["reading back misses the tail"] = (new() { Store = store => new ReadBackMissesTheTail(store) }, "I12"),
        ["a dead host's runs are forgotten"] = (new() { Store = store => new OrphansForgotten(store) }, "I12"),
        ["a dead host's word to parents and children is forgotten"] = (new() { Store = store => new EndedOrphansForgotten(store) }, "I12 I13"),
        ["runs are taken over while their owner lives"] = (new() { Store = store => new TheLivingCalledDead(store) }, "I8"),
        ["timers fire early"] = (new() { Store = store => new StoreClockAhead(store) }, "I4"),
        ["the outcome row is not unique"] = (new() { Store = store => new OutcomeRowNotUnique(store) }, "I3"),
        ["a fresh key for each attempt"] = (new() { Key = call => $"{call.Key}-{call.Attempt}" }, "I3"),
        ["a key without the redo epoch"] = (new() { Key = call => IdempotencyKey.Of(call.Tenant, call.Run, call.Step, 0).Value }, "I3"),
        ["a key shared between steps"] = (new() { Key = call => IdempotencyKey.Of(call.Tenant, call.Run, 0, 0).Value }, "I3"),
        ["a key shared between runs"] = (new() { Key = call => IdempotencyKey.Of(call.Tenant, "", call.Step, 0).Value }, "I3"),
        ["a lost reply taken for a refusal"] = (new() { Failure = failure => failure is IOException ? new RefusedException(failure.Message, retry: true) : failure }, "I3"),
        ["never will, said without a void"] = (new() { Voids = false }, "I3"),
        ["never will, said before the settle time"] = (new() { Settle = TimeSpan.Zero }, "I3"),
        ["no dispatch window"] = (new() { DispatchWindow = TimeSpan.FromHours(1) }, "I3"),
        ["receipts forgotten at a checkpoint"] = (new() { Store = store => new CheckpointMaimed(store, checkpoint => checkpoint with { Receipts = null }) }, "I1"),
        ["signals forgotten at a checkpoint"] = (new() { Store = store => new CheckpointMaimed(store, checkpoint => checkpoint with { Signals = null }) }, "I6 I12"),
        ["steps counted anew behind a checkpoint"] = (new() { Store = store => new CheckpointMaimed(store, checkpoint => checkpoint with { Steps = checkpoint.Steps - 1 }) }, "I2 I3 I4 I12"),
        ["a reset that keeps the old redo epoch"] = (new() { Key = call => ResetForgotten(call) }, "I3"),
        ["what was chosen for an effect is stored as a redo"] = (new() { Store = store => new StoredOtherwise<RunReset>(store, Redone) }, "I1"),
        ["an outcome that was to be reused is sought anew"] = (new() { Store = store => new ReadOtherwise<RunReset>(store, Redone) }, "I2 I3 I4 I6 I13"),
        ["signals of a dead branch are shown though they were dropped"] = (new() { Store = store => new ReadOtherwise<RunReset>(store, reset => reset with { DropSignals = false }) }, "I6 I12"),
        ["a fork that knows nothing of its effects' choices"] = (new() { Store = store => new StoredOtherwise<RunForked>(store, fork => fork with { Effects = [] }) }, "I1 I3 I6"),
        ["an update is answered before the commit"] = (new() { Store = store => new UpdateAnsweredBeforeTheCommit(store) }, "I1 I3 I12 I14"),
        ["an update's receipt is forgotten"] = (new() { Store = store => new ReadOtherwise<UpdateAccepted>(store, update => update with { Key = null }) }, "I1 I14"),
        ["an update is answered with another's answer"] = (new() { Store = store => new StoredOtherwise<UpdateCompleted>(store, update => update with { Answer = JsonText.From(0) }) }, "I6 I14"),
        ["questions are answered from a copy that lags"] = (new() { Store = store => new LoadsLagBehind(store) }, "I1 I12 I14"),
        ["a schedule starts under a fresh id what it finds started"] = (new() { Store = store => new StartedUnderAFreshId(store) }, "I15 I12"),
        ["a schedule takes what is open for over"] = (new() { Store = store => new OpenTakenForOver(store) }, "I15"),
        ["a schedule starts its times under other times"] = (new() { Store = store => new StoredOtherwise<ValueRecorded>(store, Later) }, "I4 I6 I15"),
        ["a run is moved to another version than it was tried on"] = (new() { Store = store => new StoredOtherwise<RunMigrated>(store, moved => moved with { To = "3" }) }, "I1 I5 I6"),
        ["what a person gave a skipped step is lost"] = (new() { Store = store => new ReadOtherwise<StepSkipped>(store, skipped => skipped with { Result = JsonText.From(8) }) }, "I6 I14"),
        ["open runs are deleted"] = (new() { Store = store => new DeletesTheOpen(store, alsoOfKin: false) }, "I16"),
        ["a run is deleted while its parent is open"] = (new() { Store = store => new DeletesTheOpen(store, alsoOfKin: true) }, "I16"),
        ["runs are deleted before their time"] = (new() { Store = store => new DeletedBeforeItsTime(store) }, "I16"),
        ["an undo that does nothing"] = (new() { Compensates = false }, "I3"),
        ["a clock that does not notice pauses"] = (new() { Time = time => new PausesUnnoticed(time) }, "I3 I8 I12"),
        ["a clock that goes back"] = (new() { Time = time => new GoesBack(time) }, "I3 I4 I8 I12"),
    };

    // The epoch's upper half counts the resets.
    private static string ResetForgotten(ActivityContext call)
    {
        for (var resets = 1; resets < 8; resets++)
            for (var redos = 0; redos < 8; redos++)
                if (IdempotencyKey.Of(call.Tenant, call.Run, call.Step, (resets << 16) + redos) == call.Key) return IdempotencyKey.Of(call.Tenant, call.Run, call.Step, redos).Value;
        return call.Key.Value;
    }

    private static RunReset Redone(RunReset reset) =>
        reset with { Effects = [.. reset.Effects.Select(choice => choice.Action is EffectAction.Reuse ? choice with { Action = EffectAction.Redo, Input = default, Result = default, Failure = null } : choice)] };

    private static ValueRecorded Later(ValueRecorded value) =>
        value.Value.ToString().Contains("\"through\"", StringComparison.Ordinal) && value.Value.To<SchedulePlan>() is { Due: { } due } plan ? value with { Value = JsonText.From(plan with { Due = due.AddSeconds(1) }) } : value;

    public static TheoryData<string> Names => [.. Mutants.Keys];

    [Theory, MemberData(nameof(Names))]
    public void Each_mutant_of_the_protocol_is_found(string name)
    {
        var (seams, breaks) = Mutants[name];
        var report = Simulator.Run(new SimOptions { Seed = 0, Count = SeedsMax, FailuresMax = 1 }, seams);
        var failure = report.Failures.Should().ContainSingle($"a simulation that does not find '{name}' proves nothing").Subject;
        output.WriteLine($"found after {report.Seeds} seeds: {failure.Violations[0]}");
        breaks.Split(' ').Should().Contain(failure.Violations[0].Invariant);
    }
}
