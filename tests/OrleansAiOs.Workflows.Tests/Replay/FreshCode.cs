using OrleansAiOs.Testing.Simulation;

namespace OrleansAiOs.Workflows.Tests.Replay;

/// <summary>
/// A third corpus, written when the diagnosis had been mended with <see cref="HeldOutEdits"/>, and before it was run on any of these: what it
/// says of code it was not made with. It was not mended with these.
/// </summary>
internal static class FreshCode
{
    public const string Source = """
        using System;
        using System.Collections.Generic;
        using System.Linq;
        using System.Threading.Tasks;
        using OrleansAiOs.Workflows;

        namespace Samples;

        public sealed record Line(string Article, int Count);

        public static class Mill
        {
            public static readonly Activity<string, List<Line>> Load = Activity.Pure<string, List<Line>>("mill.load", (_, _) => Task.FromResult(new List<Line> { new("oak", 2), new("fir", 5), new("elm", 1) }));
            public static readonly Activity<Line, bool> Saw = Activity.Pure<Line, bool>("mill.saw", (line, _) => Task.FromResult(line.Count > 1));
            public static readonly Activity<string, string> Dry = Activity.Pure<string, string>("mill.dry", (s, _) => Task.FromResult($"dry {s}"));
            public static readonly Activity<string, string> Plane = Activity.Pure<string, string>("mill.plane", (s, _) => Task.FromResult($"flat {s}"));
            public static readonly Activity<string, bool> Tell = Activity.Pure<string, bool>("mill.tell", (_, _) => Task.FromResult(true));
            public static readonly Activity<int, int> Count = Activity.Pure<int, int>("mill.count", (n, _) => Task.FromResult(n));
            public static readonly Activity<int, int> Burn = Activity.Pure<int, int>("mill.burn", (_, _) => throw new RefusedException("no fire today"));
            public static readonly Signal<bool> Ready = new("ready");
        }

        [Workflow("mill")]
        public sealed class Milling : Workflow<int, int>
        {
            private int waste;

            protected override async Task<int> RunAsync(int id)
            {
                var lines = await Call(Mill.Load, $"order {id}");
                foreach (var line in lines)
                {
                    if (await Call(Mill.Saw, line)) await Finish(line);
                    else waste++;
                }
                await Task.WhenAll(Report("north"), Report("south"));
                if (waste > 0) await Clear();
                return waste;
            }

            private async Task Finish(Line line)
            {
                var dried = await Call(Mill.Dry, line.Article);
                if (line.Count > 3)
                {
                    await Sleep(TimeSpan.FromHours(line.Count));
                    dried = await Call(Mill.Dry, dried);
                }
                await Call(Mill.Plane, dried);
            }

            private Task<bool> Report(string side) => Call(Mill.Tell, side);

            private async Task Clear()
            {
                try
                {
                    await Call(Mill.Burn, waste);
                }
                catch (ActivityFailedException)
                {
                    await Call(Mill.Count, waste);
                }
                finally
                {
                    SetAttributes(("waste", $"{waste}"));
                }
            }
        }

        [Workflow("gate")]
        public sealed class Gatekeeping : Workflow<int, string>
        {
            protected override async Task<string> RunAsync(int id)
            {
                var opened = 0;
                do
                {
                    var ready = await Receive(Mill.Ready);
                    if (!ready) continue;
                    opened++;
                    await Call(Mill.Tell, $"open {opened}");
                    await Sleep(TimeSpan.FromMinutes(1));
                } while (opened < 2);
                var closing = await Approval("Close the gate?", opened, by: "keeper");
                var closed = closing.Granted ? await Call(Mill.Count, opened) : 0;
                var id2 = Record(() => id * 7);
                await Task.Delay(TimeSpan.FromSeconds(id2), Time);
                await Call(Mill.Tell, $"closed {closed}");
                return "closed";
            }
        }
        """;

    public static readonly Edit[] Edits =
    [
        new("mill", "insert in front of the loop", "        foreach (var line in lines)", "        await Call(Mill.Count, lines.Count);\n        foreach (var line in lines)", false),
        new("mill", "insert into the loop's end", "            else waste++;", "            else waste++;\n            await Call(Mill.Count, waste);", false),
        new("mill", "insert where the saw says no", "            else waste++;", "            else { waste++; await Call(Mill.Tell, \"waste\"); }", false),
        new("mill", "remove the second drying", "            dried = await Call(Mill.Dry, dried);\n", "", false),
        new("mill", "remove the pause", "            await Sleep(TimeSpan.FromHours(line.Count));\n", "", false),
        new("mill", "remove the planing", "        await Call(Mill.Plane, dried);\n", "", false),
        new("mill", "plane before drying", "        var dried = await Call(Mill.Dry, line.Article);", "        await Call(Mill.Plane, line.Article);\n        var dried = await Call(Mill.Dry, line.Article);", false),
        new("mill", "a limit that still parts them", "line.Count > 3", "line.Count > 4", true),
        new("mill", "a limit that parts them otherwise", "line.Count > 3", "line.Count > 1", false),
        new("mill", "the lines in another order", "foreach (var line in lines)", "foreach (var line in lines.OrderByDescending(l => l.Count))", false),
        new("mill", "the same order in other words", "foreach (var line in lines)", "foreach (var line in lines.Where(l => l.Count > 0))", true),
        new("mill", "only some of the lines", "foreach (var line in lines)", "foreach (var line in lines.Take(2))", false),
        new("mill", "report to one more side", "Report(\"south\"));", "Report(\"south\"), Report(\"west\"));", false),
        new("mill", "report to one side", "await Task.WhenAll(Report(\"north\"), Report(\"south\"));", "await Report(\"north\");", false),
        new("mill", "report to other sides", "Report(\"north\")", "Report(\"east\")", true),
        new("mill", "no longer count what did not burn", "            await Call(Mill.Count, waste);\n", "            waste = 0;\n", false),
        new("mill", "tell of what burned", "            await Call(Mill.Burn, waste);", "            await Call(Mill.Burn, waste);\n            await Call(Mill.Tell, \"burned\");", true),
        new("mill", "count in place of burning", "            await Call(Mill.Burn, waste);", "            await Call(Mill.Count, waste);", false),
        new("mill", "set nothing", "            SetAttributes((\"waste\", $\"{waste}\"));", "            waste += 0;", false),
        new("mill", "never clear", "        if (waste > 0) await Clear();\n", "", false),
        new("gate", "open once more", "opened < 2", "opened < 3", false),
        new("gate", "open once", "opened < 2", "opened < 1", false),
        new("gate", "insert behind the signal", "            if (!ready) continue;", "            await Call(Mill.Count, opened);\n            if (!ready) continue;", false),
        new("gate", "take a no for a yes", "            if (!ready) continue;\n", "", false),
        new("gate", "no pause", "            await Sleep(TimeSpan.FromMinutes(1));\n", "", false),
        new("gate", "a longer pause", "TimeSpan.FromMinutes(1)", "TimeSpan.FromMinutes(3)", true),
        new("gate", "count whatever was decided", "closing.Granted ? await Call(Mill.Count, opened) : 0", "await Call(Mill.Count, opened)", true),
        new("gate", "count no more", "closing.Granted ? await Call(Mill.Count, opened) : 0", "closing.Granted ? opened : 0", false),
        new("gate", "tell in front of the delay", "        await Task.Delay(TimeSpan.FromSeconds(id2), Time);\n        await Call(Mill.Tell, $\"closed {closed}\");", "        await Call(Mill.Tell, $\"closed {closed}\");\n        await Task.Delay(TimeSpan.FromSeconds(id2), Time);", false),
        new("gate", "no delay", "        await Task.Delay(TimeSpan.FromSeconds(id2), Time);\n", "", false),
        new("gate", "sleep in place of the delay", "await Task.Delay(TimeSpan.FromSeconds(id2), Time);", "await Sleep(TimeSpan.FromSeconds(id2));", true),
        new("gate", "a second keeper", "        var closed = closing", "        await Approval(\"Really?\", opened, by: \"keeper\");\n        var closed = closing", false),
    ];

    /// <summary>What the runs need from outside.</summary>
    public static async Task DriveAsync(VirtualHost world, RunKey run, string workflow)
    {
        if (workflow != "gate") return;
        foreach (var ready in new[] { false, true, true }) await Corpus.SignalAsync(world, run, "ready", ready);
        await Corpus.DecideAsync(world, run, "keeper");
    }
}
