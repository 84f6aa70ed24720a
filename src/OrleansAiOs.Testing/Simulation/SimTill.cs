using OrleansAiOs.Workflows;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>An entity: nobody starts it, several speak to it first, and it lasts until it is told to close.</summary>
[Workflow(Name)]
internal sealed class SimTill : Entity<SimTill.Cash>
{
    public const string Name = "sim-till";
    public static readonly Update<int, int> Take = new("take");
    public static readonly Update<int, int> Count = new("count");
    public static readonly Update<int, int> Close = new("close");

    public static readonly Update<Move, Move> Out = new("out");
    public static readonly Update<Move, Move> In = new("in");

    internal sealed record Cash(int Amount);

    // In another order than jsonb keeps it.
    internal sealed record Move(string Purpose, int Amount);

    protected override Cash New() => new(0);

    protected override void Serve()
    {
        Handles(Take, TakeAsync, refuse: amount => amount == 0 ? "nothing is not taken" : null);
        Handles(Count, amount => (State = new Cash(amount)).Amount, refuse: amount => amount < 0 ? "a till is not below nothing" : null);
        Handles(Out, async move =>
        {
            if (move.Amount % 2 == 1) await Call(SimTools.Read, move.Amount, cancellation: CancellationToken.None);
            State = new Cash(State.Amount - move.Amount);
            return move;
        });
        Handles(In, move =>
        {
            State = new Cash(State.Amount + move.Amount);
            return move;
        });
        Handles(Close, _ =>
        {
            End();
            return State.Amount;
        });
        Answers(SimValue.Query, () => State.Amount);
    }

    private async Task<int> TakeAsync(int amount)
    {
        if (amount % 5 == 4) throw new WorkflowFailedException("Such amounts are not taken.");
        var before = State.Amount;
        var posted = await Call(SimTools.Post, amount);
        if (State.Amount != before) throw new InvalidOperationException("Another update was carried out meanwhile.");
        return (State = new Cash(before + posted)).Amount;
    }
}
