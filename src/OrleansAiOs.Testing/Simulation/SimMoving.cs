using OrleansAiOs.Workflows;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>A workflow in three versions, between which its runs are moved. The second does more behind a patch; the third does something else from its third step on.</summary>
internal static class SimMoving
{
    public const string Name = "sim-moving";

    public static readonly string[] Versions = ["1", "2", "3"];
}

[Workflow(SimMoving.Name, Version = "1")]
internal sealed class SimMovingFirst : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int value)
    {
        Answers(SimValue.Query, () => value);
        value = await Call(SimTools.Read, value);
        await Sleep(TimeSpan.FromSeconds(1 + value % 4));
        value = await Call(SimTools.Post, value);
        await Sleep(TimeSpan.FromSeconds(1 + value % 4));
        return await Call(SimTools.Pay, value);
    }
}

[Workflow(SimMoving.Name, Version = "2")]
internal sealed class SimMovingSecond : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int value)
    {
        Answers(SimValue.Query, () => value + 1000);
        value = await Call(SimTools.Read, value);
        await Sleep(TimeSpan.FromSeconds(1 + value % 4));
        value = await Call(SimTools.Post, value);
        if (Patched("book")) value = await Call(SimTools.Book, value);
        await Sleep(TimeSpan.FromSeconds(1 + value % 4));
        return await Call(SimTools.Pay, value);
    }
}

[Workflow(SimMoving.Name, Version = "3")]
internal sealed class SimMovingThird : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int value)
    {
        Answers(SimValue.Query, () => value + 2000);
        value = await Call(SimTools.Read, value);
        await Sleep(TimeSpan.FromSeconds(1 + value % 4));
        value = await Call(SimTools.PaySlowly, value);
        return await Call(SimTools.Put, value);
    }
}
