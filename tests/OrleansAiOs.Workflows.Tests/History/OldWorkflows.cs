using OrleansAiOs.Workflows.Tests.Engine;

namespace OrleansAiOs.Workflows.Tests.History;

/// <summary>The code whose histories are kept in Histories/. It is never changed: what changes is the engine that replays it.</summary>
internal static class OldWorkflows
{
    private static readonly Signal<int> Number = new("number");

    [Workflow("old-steps", Version = "1")]
    private sealed class Steps : Workflow<int, string>
    {
        protected override async Task<string> RunAsync(int width)
        {
            var all = await Task.WhenAll(Enumerable.Range(0, width).Select(i => Call(Tools.Pure, $"p{i}")));
            return string.Join(' ', all) + " " + await Call(Tools.Keyed, "k");
        }
    }

    [Workflow("old-retries")]
    private sealed class Retries : Workflow<int, string>
    {
        protected override Task<string> RunAsync(int input) => Call(Tools.Pure, "fails", new CallOptions { Retry = RetryPolicy.UpTo(3) });
    }

    [Workflow("old-saga")]
    private sealed class Cancelled : Workflow<int, string>
    {
        protected override async Task<string> RunAsync(int input)
        {
            await using var saga = Saga();
            await saga.Call(Tools.Keyed, "a", undo: Tools.Undo);
            await saga.Call(Tools.Keyed, "b", undo: Tools.Undo);
            await Sleep(TimeSpan.FromDays(1));
            return saga.Complete("done");
        }
    }

    [Workflow("old-approval")]
    private sealed class Approved : Workflow<int, bool>
    {
        protected override async Task<bool> RunAsync(int input) =>
            (await Approval("Pay", new { Amount = 1.50m }, by: "controller", notBy: [StartedBy], within: TimeSpan.FromHours(1))).Granted
            && (await Approval("Really?", 1, by: "controller", within: TimeSpan.FromHours(1))).Expired;
    }

    [Workflow("old-unknown")]
    private sealed class Unknown : Workflow<int, string>
    {
        protected override async Task<string> RunAsync(int input) => await Call(Tools.Once, "once") + " " + await Call(Tools.OnceWithoutHook, "by hand");
    }

    [Workflow("old-values")]
    private sealed class Values : Workflow<int, string>
    {
        protected override async Task<string> RunAsync(int input)
        {
            SetAttributes(("run", RunId), ("guid", NewGuid().ToString()));
            var value = Record(() => 42);
            if (Patched("first")) await Task.Delay(TimeSpan.FromMinutes(1), Time);
            using var limit = new CancellationTokenSource(TimeSpan.FromHours(1), Time);
            var sum = value;
            while (sum < 100) sum += await Receive(Number, limit.Token);
            return $"{sum}";
        }
    }

    [Workflow("old-waiting")]
    private sealed class Waiting : Workflow<int, string>
    {
        protected override async Task<string> RunAsync(int input)
        {
            var approval = Approval("Pay", 1, by: "controller");
            var timer = Sleep(TimeSpan.FromDays(300));
            var signal = Receive(Number);
            await Task.WhenAny(approval, timer, signal);
            return await Call(Tools.Pure, "never reached");
        }
    }
}
