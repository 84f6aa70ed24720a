using OrleansAiOs.Testing.Simulation;

namespace OrleansAiOs.Workflows.Tests.Replay;

/// <summary>The workflows of the held-out corpus: other shapes of code than <see cref="SampleCode"/> has.</summary>
internal static class HeldOutCode
{
    public const string Source = """
        using System;
        using System.Collections.Generic;
        using System.Linq;
        using System.Threading;
        using System.Threading.Tasks;
        using OrleansAiOs.Workflows;

        namespace Samples;

        public static class Desk
        {
            public static readonly Activity<int, int> Score = Activity.Pure<int, int>("desk.score", (x, _) => Task.FromResult(x * 5));
            public static readonly Activity<string, bool> Note = Activity.Pure<string, bool>("desk.note", (_, _) => Task.FromResult(true));
            public static readonly Activity<int, int> Pay = Activity.Pure<int, int>("desk.pay", (x, _) => Task.FromResult(x));
            public static readonly Activity<int, int> Probe = Activity.Pure<int, int>("desk.probe", (x, _) => Task.FromResult(x * 2));
            public static readonly Activity<int, int> Weigh = Activity.Pure<int, int>("desk.weigh", (x, _) => Task.FromResult(x + 1));
            public static readonly Activity<int, int> Store = Activity.Pure<int, int>("desk.store", (x, _) => Task.FromResult(x + 100));
            public static readonly Activity<string, bool> Ring = Activity.Pure<string, bool>("desk.ring", (_, _) => Task.FromResult(true));
            public static readonly Activity<string, bool> File = Activity.Pure<string, bool>("desk.file", (_, _) => Task.FromResult(true));
            public static readonly Activity<int, int> Archive = Activity.Pure<int, int>("desk.archive", (x, _) => Task.FromResult(x));
            public static readonly Activity<int, int> Rest = Activity.Pure<int, int>("desk.rest", (x, _) => Task.FromResult(x));
            public static readonly Activity<int, int> Hotel = Activity.Pure<int, int>("desk.hotel", (x, _) => Task.FromResult(x + 1000));
            public static readonly Activity<int, int> Flight = Activity.Pure<int, int>("desk.flight", (x, _) => Task.FromResult(x + 2000));
            public static readonly Activity<int, int> HotelBack = Activity.Pure<int, int>("desk.hotel-back", (x, _) => Task.FromResult(x));
            public static readonly Activity<int, int> FlightBack = Activity.Pure<int, int>("desk.flight-back", (x, _) => Task.FromResult(x));
            public static readonly Activity<int, int> Insure = Activity.Pure<int, int>("desk.insure", (_, _) => throw new RefusedException("not insurable"));
            public static readonly Signal<string> Letter = new("letter");
        }

        [Workflow("claim")]
        public sealed class Claim : Workflow<int, string>
        {
            protected override async Task<string> RunAsync(int amount)
            {
                var risk = await Call(Desk.Score, amount);
                if (amount > 10)
                {
                    if (risk > 50)
                    {
                        var seen = await Approval("Look at the claim", amount, by: "clerk");
                        if (seen.Granted)
                        {
                            await Call(Desk.Note, "seen");
                        }
                    }
                    else
                    {
                        await Call(Desk.Note, "low risk");
                    }
                    await Sleep(TimeSpan.FromDays(1));
                }
                var paid = await Call(Desk.Pay, amount);
                return $"paid {paid}";
            }
        }

        [Workflow("poll")]
        public sealed class Poll : Workflow<int, int>
        {
            protected override async Task<int> RunAsync(int id)
            {
                var tries = 0;
                var state = 0;
                while (true)
                {
                    tries++;
                    state = await Call(Desk.Probe, tries);
                    if (state >= 6) break;
                    await Sleep(TimeSpan.FromMinutes(tries));
                }
                await Call(Desk.Note, $"after {tries}");
                return state;
            }
        }

        [Workflow("harvest")]
        public sealed class Harvest : Workflow<int, int>
        {
            protected override async Task<int> RunAsync(int fields)
            {
                var plan = await Call(Desk.Score, fields);
                var results = await Task.WhenAll(Enumerable.Range(1, fields).Select(Field));
                await Call(Desk.Note, $"{results.Sum()}");
                return results.Sum() + plan;

                async Task<int> Field(int n)
                {
                    var weighed = await Call(Desk.Weigh, n);
                    return await Call(Desk.Store, weighed);
                }
            }
        }

        [Workflow("journey")]
        public sealed class Journey : Workflow<int, string>
        {
            protected override async Task<string> RunAsync(int id)
            {
                try
                {
                    await using var saga = Saga();
                    var hotel = await saga.Call(Desk.Hotel, id, undo: Desk.HotelBack);
                    var flight = await saga.Call(Desk.Flight, id, undo: Desk.FlightBack);
                    await Call(Desk.Insure, hotel + flight);
                    return saga.Complete("booked");
                }
                catch (ActivityFailedException)
                {
                    await Call(Desk.Note, "gave up");
                    return "undone";
                }
            }
        }

        [Workflow("part")]
        public sealed class PartOf : Workflow<int, int>
        {
            protected override async Task<int> RunAsync(int n) => await Call(Desk.Weigh, n);
        }

        [Workflow("final")]
        public sealed class FinalOf : Workflow<int, int>
        {
            protected override async Task<int> RunAsync(int n) => await Call(Desk.Store, n);
        }

        [Workflow("report")]
        public sealed class Report : Workflow<int, int>
        {
            private static readonly Child<int, int> Part = Child<int, int>.Of<PartOf>();
            private static readonly Child<int, int> Final = Child<int, int>.Of<FinalOf>();

            protected override async Task<int> RunAsync(int parts)
            {
                SetAttributes(("parts", $"{parts}"));
                var sum = 0;
                for (var i = 0; i < parts; i++)
                {
                    sum += await Call(Part, i);
                }
                var last = await Call(Final, sum);
                await Call(Desk.Note, "done");
                return last;
            }
        }

        [Workflow("inbox")]
        public sealed class Inbox : Workflow<int, string>
        {
            protected override async Task<string> RunAsync(int id)
            {
                var letters = new List<string>();
                for (var left = 2; left > 0; left--)
                {
                    var letter = await Receive(Desk.Letter);
                    letters.Add(letter);
                    if (letter.StartsWith("urgent")) await Call(Desk.Ring, letter);
                    else await Call(Desk.File, letter);
                }
                var signature = await Approval("Sign", letters.Count, by: "boss", within: TimeSpan.FromDays(2));
                await Call(Desk.Note, signature.Granted ? "signed" : "unsigned");
                var stamp = Record(() => 42);
                await Call(Desk.Archive, stamp);
                return string.Join(",", letters);
            }
        }

        [Workflow("ladder")]
        public sealed class Ladder : Workflow<int, int>
        {
            protected override async Task<int> RunAsync(int floors)
            {
                var total = 0;
                foreach (var floor in Enumerable.Range(1, floors))
                {
                    total += await Climb(floor);
                }
                await Tell(total);
                return total;
            }

            private async Task<int> Climb(int floor)
            {
                var steps = 0;
                for (var s = 0; s < 2; s++)
                {
                    steps += await Call(Desk.Weigh, floor * 10 + s);
                }
                switch (floor % 2)
                {
                    case 0:
                        await Call(Desk.Rest, floor);
                        break;
                    default:
                        await Sleep(TimeSpan.FromSeconds(30));
                        break;
                }
                return steps;
            }

            private async Task Tell(int total)
            {
                if (total > 0)
                {
                    await Call(Desk.Note, $"{total}");
                    SetAttributes(("total", $"{total}"));
                }
            }
        }

        [Workflow("race")]
        public sealed class Race : Workflow<int, string>
        {
            protected override async Task<string> RunAsync(int id)
            {
                using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
                var answer = Receive(Desk.Letter, stop.Token);
                var late = Sleep(TimeSpan.FromHours(2), stop.Token);
                var first = await Task.WhenAny(answer, late);
                stop.Cancel();
                if (first == answer)
                {
                    await Call(Desk.File, await answer);
                    return "answered";
                }
                await Call(Desk.Ring, "late");
                var again = await Call(Desk.Score, id);
                return again > 0 ? "rung" : "lost";
            }
        }
        """;

    /// <summary>What the runs need from outside.</summary>
    public static async Task DriveAsync(VirtualHost world, RunKey run, string workflow)
    {
        switch (workflow)
        {
            case "claim":
                await Corpus.DecideAsync(world, run, "clerk");
                break;
            case "inbox":
                foreach (var letter in new[] { "urgent: a", "plain b" }) await Corpus.SignalAsync(world, run, "letter", letter);
                await Corpus.DecideAsync(world, run, "boss");
                break;
        }
    }
}
