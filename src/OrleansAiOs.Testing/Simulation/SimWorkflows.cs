using OrleansAiOs.Workflows;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>The tools of the simulated world: one for each effect class, and for each way in which a receiver can tell what happened.</summary>
internal static class SimTools
{
    private static readonly ActivityOptions Soon = new() { StartToClose = TimeSpan.FromSeconds(5) };

    public static readonly Activity<int, int> Read = Activity.Pure<SimOutside, int, int>("sim.read", (outside, value, _) => outside.ReadAsync(value), Soon);

    public static readonly Activity<int, int> WorkLong = Activity.Pure<SimOutside, int, int>("sim.work-long", (outside, seconds, call) =>
        {
            call.Heartbeat(call.HeartbeatDetails<int>() + 1);
            return outside.WorkLongAsync(seconds);
        },
        new ActivityOptions { StartToClose = TimeSpan.FromMinutes(5) });

    public static readonly Activity<int, int> Put = Activity.Idempotent<SimOutside, int, int>("sim.put", (outside, value, call) => outside.PutAsync(call, value), Soon);

    public static readonly Activity<int, int> Post = Activity.Keyed<SimOutside, int, int>("sim.post", (outside, value, _, call) => outside.PostAsync(call, value), Soon);

    public static readonly Activity<int, int> Reverse = Activity.Keyed<SimOutside, int, int>("sim.reverse", (outside, value, _, call) => outside.ReverseAsync(call, value), Soon);

    public static readonly Activity<int, int> Book = Activity.Transactional<int, int>("sim.book", (value, transaction, call) =>
    {
        ((SimTransaction)transaction).Writes.Add((call.Key.Value, value));
        return Task.FromResult(value + 1);
    }, Soon);

    public static readonly Activity<int, int> Pay = Activity.AtMostOnce<SimOutside, int, int>("sim.pay",
        (outside, value, _, call) => outside.PayAsync(call, value), (outside, value, _, call) => outside.InquireAsync(call, value), Soon);

    public static readonly Activity<int, int> PaySlowly = Activity.AtMostOnce<SimOutside, int, int>("sim.pay-slowly",
        (outside, value, _, call) => outside.PaySlowlyAsync(call, value), (outside, value, _, call) => outside.InquireUntilSettledAsync(call, value), Soon);

    public static readonly Activity<int, int> Wire = Activity.AtMostOnce<SimOutside, int, int>("sim.wire", (outside, value, _, call) => outside.WireAsync(call, value), options: Soon);
}

/// <summary>What every workflow of the simulation can be asked: the last value its code has seen.</summary>
internal static class SimValue
{
    public static readonly Query<int> Query = new("value");
}

/// <summary>One step of every effect class, one after the other.</summary>
[Workflow("sim-sequence")]
internal sealed class SimSequence : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int value)
    {
        Answers(SimValue.Query, () => value);
        value = await Call(SimTools.Read, value);
        value = await Call(SimTools.Post, value);
        value = await Call(SimTools.Pay, value);
        value = await Call(SimTools.Book, value);
        value = await Call(SimTools.Put, value);
        return await Call(SimTools.PaySlowly, value);
    }
}

/// <summary>All at once, and a refusal in one branch is no end of the others.</summary>
[Workflow("sim-fan-out")]
internal sealed class SimFanOut : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int value)
    {
        var results = await Task.WhenAll(Try(SimTools.Post, value), Try(SimTools.Pay, value), Try(SimTools.Put, value), Try(SimTools.Post, value), Try(SimTools.PaySlowly, value));
        return results.Sum() + Record(() => 1);

        async Task<int> Try(Activity<int, int> tool, int with)
        {
            try
            {
                return await Call(tool, with);
            }
            catch (ActivityFailedException)
            {
                return 0;
            }
        }
    }
}

/// <summary>Timers, a signal against a timer, and a person's approval.</summary>
[Workflow("sim-waits")]
internal sealed class SimWaits : Workflow<int, int>
{
    public static readonly Signal<int> Go = new("go");

    protected override async Task<int> RunAsync(int value)
    {
        Answers(SimValue.Query, () => value);
        await Sleep(TimeSpan.FromSeconds(1 + value % 5));
        var go = Receive(Go);
        await Task.WhenAny(go, Task.Delay(TimeSpan.FromSeconds(6), Time));
        value += await go;
        var decision = await Approval("Post it", new { Value = value }, by: "controller", notBy: [StartedBy], within: TimeSpan.FromSeconds(30));
        if (!decision.Granted) return await Call(SimTools.Put, value);
        value += await Receive(Go);
        await Until(Now + TimeSpan.FromSeconds(3));
        return await Call(SimTools.Post, value);
    }
}

/// <summary>Steps that are undone when a later one fails, or when the run is cancelled.</summary>
[Workflow("sim-saga")]
internal sealed class SimSaga : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int value)
    {
        Answers(SimValue.Query, () => value);
        await using var saga = Saga();
        var posted = await saga.Call(SimTools.Post, value, SimTools.Reverse);
        var paid = await saga.Call(SimTools.Pay, posted, SimTools.Reverse);
        await Sleep(TimeSpan.FromSeconds(2 + value % 7));
        var put = await Call(SimTools.Put, paid);
        if (value % 3 == 0) throw new WorkflowFailedException("Thought better of it.");
        return saga.Complete(await Call(SimTools.PaySlowly, put));
    }
}

/// <summary>Timers that fall due one after the other while an activity takes its time.</summary>
[Workflow("sim-meanwhile")]
internal sealed class SimMeanwhile : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int value)
    {
        Answers(SimValue.Query, () => value);
        var work = Call(SimTools.WorkLong, 40);
        for (var i = 0; i < 3; i++) await Sleep(TimeSpan.FromSeconds(2 + value % 3));
        value = await Call(SimTools.Post, value);
        await work;
        return await Call(SimTools.Pay, value);
    }
}

/// <summary>A loop with a checkpoint as often as can be, which signals reach before, between and after its iterations.</summary>
[Workflow("sim-loop")]
internal sealed class SimLoopWorkflow : Workflow<int, int>
{
    private sealed record Round(int Value, int Left);

    protected override async Task<int> RunAsync(int value)
    {
        value = await Call(SimTools.Read, value);
        var first = await Loop(new Round(value, 4), async state =>
        {
            Answers(SimValue.Query, () => 100 * state.Left + state.Value);
            var value = await Call(state.Left % 2 == 0 ? SimTools.Post : SimTools.Pay, state.Value);
            if (state.Left == 3) value += await Receive(SimWaits.Go);
            await Sleep(TimeSpan.FromSeconds(1 + value % 3));
            return state.Left == 1 ? Iteration.Done(new Round(value, 0)) : Iteration.Next(new Round(value, state.Left - 1));
        }, checkpointAfter: 1);
        value = await Call(SimTools.Book, first.Value);
        return await Loop(value, async state => state % 4 == 3 ? Iteration.Done(state + await Receive(SimWaits.Go)) : Iteration.Next(await Call(SimTools.Put, state)), checkpointAfter: 1);
    }
}

/// <summary>A step of which only a person can say whether it happened.</summary>
[Workflow("sim-person")]
internal sealed class SimPerson : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int value)
    {
        Answers(SimValue.Query, () => value);
        value = await Call(SimTools.Post, value);
        value = await Call(SimTools.Wire, value);
        value = await Call(SimTools.Read, value);
        value = await Call(SimTools.Book, value);
        return await Call(SimTools.Wire, value);
    }
}

/// <summary>Children of every policy, awaited and not, and a parent that may end, fail or be cancelled before them.</summary>
[Workflow("sim-family")]
internal sealed class SimFamily : Workflow<int, int>
{
    private static readonly Child<int, int> Child = Child<int, int>.Of<SimChild>();
    private static readonly Child<int, int> Nested = Child<int, int>.Of<SimNested>();

    protected override async Task<int> RunAsync(int value)
    {
        var first = Call(Child, value, new ChildOptions { OnParentClose = ParentClose.Terminate });
        _ = Call(Child, value + 1, new ChildOptions { OnParentClose = ParentClose.Abandon });
        var nested = Try(Call(Nested, value));
        var claimed = Try(Call(Child, value, new ChildOptions { Id = $"{RunId}.1" })); // is the first one's already
        if (value % 5 == 0) return value;
        await Sleep(TimeSpan.FromSeconds(value % 3));
        var sum = await nested + await claimed;
        if (value % 7 == 0) throw new WorkflowFailedException("Thought better of it.");
        return await Call(SimTools.Post, sum + await Try(first));

        async Task<int> Try(Task<int> child)
        {
            try
            {
                return await child;
            }
            catch (ChildFailedException)
            {
                return 0;
            }
        }
    }
}

/// <summary>A child with a child.</summary>
[Workflow("sim-nested")]
internal sealed class SimNested : Workflow<int, int>
{
    private static readonly Child<int, int> Child = Child<int, int>.Of<SimChild>();

    protected override async Task<int> RunAsync(int value) => await Call(Child, value + 2) + await Call(SimTools.Put, value);
}

[Workflow("sim-child")]
internal sealed class SimChild : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int value)
    {
        if (value % 4 == 0) return value; // it may have ended before its parent hears that it began
        await using var saga = Saga();
        var posted = await saga.Call(SimTools.Post, value, SimTools.Reverse);
        await Sleep(TimeSpan.FromSeconds(value % 6));
        if (value % 3 == 0) throw new WorkflowFailedException("Not today.");
        return saga.Complete(await Call(SimTools.Pay, posted));
    }
}
