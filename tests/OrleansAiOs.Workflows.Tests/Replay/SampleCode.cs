using OrleansAiOs.Testing.Simulation;

namespace OrleansAiOs.Workflows.Tests.Replay;

/// <summary>Workflows whose source is at hand as text, so that a test can edit it, build it in memory and replay old histories with it.</summary>
internal static class SampleCode
{
    /// <summary>Each run goes through every statement of its workflow, so an edit of any of them is an edit of what the run did.</summary>
    public const string Source = """
        using System;
        using System.Collections.Generic;
        using System.Linq;
        using System.Threading.Tasks;
        using OrleansAiOs.Workflows;

        namespace Samples;

        public static class Shop
        {
            public static readonly Activity<int, int> Reserve = Activity.Pure<int, int>("shop.reserve", (x, _) => Task.FromResult(x + 1));
            public static readonly Activity<int, int> Charge = Activity.Pure<int, int>("shop.charge", (x, _) => Task.FromResult(x * 10));
            public static readonly Activity<int, string> Ship = Activity.Pure<int, string>("shop.ship", (x, _) => Task.FromResult($"parcel-{x}"));
            public static readonly Activity<string, bool> Notify = Activity.Pure<string, bool>("shop.notify", (_, _) => Task.FromResult(true));
            public static readonly Activity<int, int> Audit = Activity.Pure<int, int>("shop.audit", (x, _) => Task.FromResult(x));
            public static readonly Activity<int, int> Release = Activity.Pure<int, int>("shop.release", (x, _) => Task.FromResult(x));
            public static readonly Signal<int> Count = new("count");
            public static readonly Signal<string> Word = new("word");
        }

        [Workflow("order", Version = "1")]
        public sealed class Order : Workflow<int, string>
        {
            protected override async Task<string> RunAsync(int id)
            {
                var reserved = await Call(Shop.Reserve, id);
                var charged = await Call(Shop.Charge, reserved);
                SetAttributes(("charged", $"{charged}"));
                var parcel = await Call(Shop.Ship, id);
                await Call(Shop.Notify, parcel);
                return parcel;
            }
        }

        [Workflow("batch")]
        public sealed class Batch : Workflow<int, int>
        {
            protected override async Task<int> RunAsync(int size)
            {
                var sum = 0;
                for (var i = 0; i < size; i++)
                {
                    sum += await Call(Shop.Reserve, i);
                    await Call(Shop.Audit, i);
                }
                for (var k = 0; k < 2; k++)
                {
                    await Call(Shop.Notify, $"round {k}");
                }
                await Call(Shop.Charge, sum);
                return sum;
            }
        }

        [Workflow("purchase")]
        public sealed class Purchase : Workflow<int, string>
        {
            protected override async Task<string> RunAsync(int quantity)
            {
                var price = await Call(Shop.Charge, quantity);
                if (price > 500)
                {
                    var decision = await Approval($"Buy for {price}", price, by: "manager", within: TimeSpan.FromHours(1));
                    if (!decision.Granted) return "refused";
                }
                await Sleep(TimeSpan.FromMinutes(5));
                var parcel = await Call(Shop.Ship, price);
                if (price > 100000) await Call(Shop.Audit, price);
                return parcel;
            }
        }

        [Workflow("trip")]
        public sealed class Trip : Workflow<int, int>
        {
            protected override async Task<int> RunAsync(int id)
            {
                await using var saga = Saga();
                var room = await saga.Call(Shop.Reserve, id, undo: Shop.Release);
                var seat = await saga.Call(Shop.Charge, id, undo: Shop.Release);
                var drawn = Record(() => 7);
                await Call(Shop.Notify, "booked");
                return saga.Complete(room + seat + drawn);
            }
        }

        [Workflow("listen")]
        public sealed class Listen : Workflow<int, string>
        {
            protected override async Task<string> RunAsync(int id)
            {
                var first = await Receive(Shop.Count);
                await Call(Shop.Reserve, first);
                var word = await Receive(Shop.Word);
                await Call(Shop.Notify, word);
                var more = new List<int>();
                while (more.Sum() < 10)
                {
                    more.Add(await Receive(Shop.Count));
                    await Call(Shop.Audit, more.Count);
                }
                return word;
            }
        }

        [Workflow("fan")]
        public sealed class Fan : Workflow<int, int>
        {
            protected override async Task<int> RunAsync(int width)
            {
                var one = Call(Shop.Reserve, 1);
                var two = Call(Shop.Charge, 2);
                var both = await Task.WhenAll(one, two);
                var all = await Task.WhenAll(Enumerable.Range(0, width).Select(i => Call(Shop.Audit, i)));
                using var limit = new System.Threading.CancellationTokenSource(TimeSpan.FromHours(1), Time);
                var last = await Call(Shop.Release, both.Sum(), cancellation: limit.Token);
                return all.Sum() + last;
            }
        }
        """;

    /// <summary>What the runs need from outside.</summary>
    public static async Task DriveAsync(VirtualHost world, RunKey run, string workflow)
    {
        switch (workflow)
        {
            case "purchase":
                await Corpus.DecideAsync(world, run, "manager");
                break;
            case "listen":
                foreach (var (name, value) in new (string, object)[] { ("count", 4), ("word", "hello"), ("count", 5), ("count", 6) }) await Corpus.SignalAsync(world, run, name, value);
                break;
        }
    }
}
