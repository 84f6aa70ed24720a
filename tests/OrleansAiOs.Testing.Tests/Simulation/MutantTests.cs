using OrleansAiOs.Testing.Simulation;
using OrleansAiOs.Workflows;
using Xunit.Abstractions;

namespace OrleansAiOs.Testing.Tests.Simulation;

/// <summary>
/// The protocol with one thing wrong, in what the engine is handed: its store, its clock, the keys and answers of its receivers.
/// Each must be found, or finding nothing proves nothing.
/// </summary>
public sealed class MutantTests(ITestOutputHelper output)
{
    private const int SeedsMax = 5000;

    private static readonly Dictionary<string, (SimSeams Seams, string Breaks)> Mutants = new()
    {
        ["the expected version is ignored"] = (new() { Store = store => new NoFence(store) }, "I2 I3 I4 I5"),
        ["a second append after an unknown outcome"] = (new() { Store = store => new BlindSecondAppend(store) }, "I1 I2 I4"),
        ["acknowledged before the commit"] = (new() { Store = store => new AcknowledgedBeforeTheCommit(store) }, "I1 I3 I12"),
        ["a conflict is reported as appended"] = (new() { Store = store => new ConflictReportedAsAppended(store) }, "I1 I3"),
        ["an unknown outcome is reported as appended"] = (new() { Store = store => new UnknownReportedAsAppended(store) }, "I1 I3 I12"),
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
        ["an undo that does nothing"] = (new() { Compensates = false }, "I3"),
        ["a clock that does not notice pauses"] = (new() { Time = time => new PausesUnnoticed(time) }, "I3 I8 I12"),
        ["a clock that goes back"] = (new() { Time = time => new GoesBack(time) }, "I3 I4 I8 I12"),
    };

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
