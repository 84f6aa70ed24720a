using OrleansAiOs.Workflows;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>Money from one till into another, by a saga: whatever happens, what is in both together stays the same.</summary>
[Workflow(Name)]
internal sealed class SimTransfer : Workflow<int, int>
{
    public const string Name = "sim-transfer";

    public static string From(string run) => $"{run}.from";

    public static string To(string run) => $"{run}.to";

    protected override async Task<int> RunAsync(int value)
    {
        await using var saga = Saga();
        var move = new SimTill.Move($"m{value}", 1 + value % 7);
        await saga.Call(new EntityKey(SimTill.Name, From(RunId)), SimTill.Out, move, undo: SimTill.In);
        if (value % 3 == 0) await Sleep(TimeSpan.FromSeconds(value % 5));
        await saga.Call(new EntityKey(SimTill.Name, To(RunId)), SimTill.In, move, undo: SimTill.Out);
        if (value % 4 == 1) throw new WorkflowFailedException("Not today.");
        return saga.Complete(move.Amount);
    }
}
