using OrleansAiOs.EndToEnd;

namespace OrleansAiOs.LoadTests;

/// <summary>How long what a member of a cluster had in hand takes to get on elsewhere, when the member is drained, killed or cut off, and when all are killed.</summary>
internal static class MemberRecovery
{
    private const int BetweenTwo = 40; // acknowledged commands
    private static readonly TimeSpan AtMost = TimeSpan.FromHours(2);

    public static async Task MeasureAsync()
    {
        var members = Bench.Num("RECOVERY_HOSTS", 3);
        await using (var cluster = await ClusterUnderLoad.StartAsync(Bench.Connection(Bench.Database), members, AtMost))
        {
            await RepeatAsync("drained", Bench.Num("RECOVERY_DRAINS", 10), cluster, async which =>
            {
                var recovery = await cluster.LoseAsync(which, host => host.StopAsync());
                await cluster.ReplaceAsync(which);
                return recovery;
            });
            await RepeatAsync("killed", Bench.Num("RECOVERY_KILLS", 20), cluster, cluster.KillAsync);
            await RepeatAsync("all killed", Bench.Num("RECOVERY_DEATHS", 3), cluster, _ => cluster.KillAllAsync());
            Tell(await cluster.EndAsync());
        }
        if (Bench.Num("RECOVERY_CUTS", 10) is > 0 and var cuts)
        {
            if (Machines.WhyNot is { } why)
            {
                Console.Error.WriteLine(why);
                return;
            }
            await Bench.CreateDatabaseAsync(); // an invoice that was paid there is not paid again
            await using var machines = await Machines.MakeAsync(members);
            await using var cluster = await ClusterUnderLoad.StartAsync(Bench.Connection(Bench.Database), members, AtMost, machines);
            await RepeatAsync("cut off", cuts, cluster, cluster.CutAsync);
            Tell(await cluster.EndAsync());
        }
    }

    private static async Task RepeatAsync(string what, int times, ClusterUnderLoad cluster, Func<int, Task<TakeOver>> end)
    {
        var (several, random) = (new List<TakeOver>(), new Random(1));
        for (var i = 0; i < times; i++)
        {
            await cluster.MoreAsync(BetweenTwo);
            several.Add(await end(random.Next(cluster.Hosts.Count)));
            Console.Error.WriteLine($"{what}: {several[^1]}");
        }
        if (times == 0) return;
        var all = TakeOver.Of(several);
        Bench.Emit("recovery", new Dictionary<string, object> { ["what"] = what, ["times"] = times }.Concat(Shares("command", all.Commands)).Concat(Shares("effect", all.Effects)).ToDictionary());
    }

    private static IEnumerable<KeyValuePair<string, object>> Shares(string of, IReadOnlyList<double> sorted) =>
        new Dictionary<string, object> { [$"{of}s"] = sorted.Count }.Concat(new[] { .5, .95, .99, 1 }.Select(share => KeyValuePair.Create($"{of}_p{share * 100:0}_ms", (object)Math.Round(TakeOver.Share(sorted, share)))));

    private static void Tell(LoadVerdict verdict)
    {
        Console.Error.WriteLine(verdict);
        foreach (var violation in verdict.Lost.Concat(verdict.Doubled)) Console.Error.WriteLine(violation);
        if (verdict.Lost.Count + verdict.Doubled.Count > 0) Environment.ExitCode = 1;
    }
}
