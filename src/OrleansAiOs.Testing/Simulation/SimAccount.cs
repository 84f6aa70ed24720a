using OrleansAiOs.Workflows;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>
/// A loop that is sent updates while it goes: answered at once or after a step, refused by their validator, failed by their handler, or overtaken by
/// the run's end.
/// </summary>
[Workflow("sim-account")]
internal sealed class SimAccount : Workflow<int, int>
{
    public static readonly Update<int, int> Deposit = new("deposit");
    public static readonly Update<int, int> Set = new("set");

    private int balance;

    private sealed record Round(int Balance, int Left);

    protected override async Task<int> RunAsync(int value)
    {
        var last = await Loop(new Round(value, 4), async round =>
        {
            balance = round.Balance;
            Answers(SimValue.Query, () => 100 * round.Left + balance);
            Handles(Set, to => balance = to, to => to < 0 ? "an account is not below nothing" : null);
            Handles(Deposit, DepositAsync, amount => amount == 0 ? "nothing is no deposit" : null);
            await Sleep(TimeSpan.FromSeconds(1 + value % 3));
            return round.Left == 1 ? Iteration.Done(new Round(balance, 0)) : Iteration.Next(new Round(balance, round.Left - 1));
        }, checkpointAfter: 1);
        return await Call(SimTools.Pay, last.Balance);
    }

    private async Task<int> DepositAsync(int amount)
    {
        if (amount % 5 == 4) throw new WorkflowFailedException("Such amounts are not taken.");
        var posted = await Call(SimTools.Post, amount);
        return balance += posted;
    }
}
