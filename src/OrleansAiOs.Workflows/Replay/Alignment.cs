using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>
/// Recorded and asked commands side by side: the cheapest way from the one sequence to the other by leaving out, putting in and
/// exchanging (Needleman and Wunsch). What is the same at both ends is not looked at twice; between those ends at most
/// <see cref="WindowMax"/> a side are compared, and what is beyond them stands unpaired.
/// </summary>
internal static class Alignment
{
    private const int WindowMax = 1500;
    private const double Exchange = 1.5;
    private const double Never = 1e9;

    public static (List<(RecordedCommand? Recorded, AskedCommand? Asked)> Pairs, double Cost) Of(IReadOnlyList<RecordedCommand> recorded, IReadOnlyList<AskedCommand> asked)
    {
        var (start, end) = (0, 0);
        while (start < recorded.Count && start < asked.Count && recorded[start].By == asked[start] && Price(recorded[start], asked[start]) == 0) start++;
        while (end < recorded.Count - start && end < asked.Count - start && recorded[^(end + 1)].By == asked[^(end + 1)] && Price(recorded[^(end + 1)], asked[^(end + 1)]) == 0) end++;
        var (n, m) = (Math.Min(WindowMax, recorded.Count - start - end), Math.Min(WindowMax, asked.Count - start - end));

        // A call that is matched elsewhere on its line is that call again, in a loop, and stands for nothing else.
        var lines = asked.Where(a => a.Of is not null && a.Place is { Line: > 0 } && CommandIdentity.IsAlike(a.Of.Event, a.Command!)).Select(Line).ToHashSet();
        var cost = new double[n + 1, m + 1];
        for (var i = 0; i <= n; i++)
            for (var j = 0; j <= m; j++)
            {
                if (i == 0 || j == 0) cost[i, j] = i + j;
                else cost[i, j] = Math.Min(Math.Min(cost[i - 1, j], cost[i, j - 1]) + 1, cost[i - 1, j - 1] + Priced(start + i - 1, start + j - 1));
            }

        var pairs = new List<(RecordedCommand?, AskedCommand?)>();
        for (var (i, j) = (n, m); i > 0 || j > 0;)
        {
            if (i > 0 && j > 0 && cost[i, j] == cost[i - 1, j - 1] + Priced(start + i - 1, start + j - 1)) pairs.Add((recorded[start + --i], asked[start + --j]));
            else if (j > 0 && cost[i, j] == cost[i, j - 1] + 1) pairs.Add((null, asked[start + --j]));
            else pairs.Add((recorded[start + --i], null));
        }
        pairs.Reverse();
        for (var i = n; i < recorded.Count - start - end; i++) pairs.Add((recorded[start + i], null));
        for (var j = m; j < asked.Count - start - end; j++) pairs.Add((null, asked[start + j]));
        pairs.InsertRange(0, Enumerable.Range(0, start).Select(i => ((RecordedCommand?)recorded[i], (AskedCommand?)asked[i])));
        pairs.AddRange(Enumerable.Range(0, end).Reverse().Select(i => ((RecordedCommand?)recorded[^(i + 1)], (AskedCommand?)asked[^(i + 1)])));
        return (pairs, cost[n, m]);

        double Priced(int i, int j) => Price(recorded[i], asked[j]) is var price && price > 0.2 && lines.Contains(Line(asked[j])) ? Never : price;

        static (string?, int, Type?, string?) Line(AskedCommand a) => (a.Place?.File, a.Place?.Line ?? 0, a.Command?.GetType(), a.Command is null ? null : CommandIdentity.Subject(a.Command));
    }

    // What was given this one's outcome is rather the same than one that merely looks like it.
    private static double Price(RecordedCommand recorded, AskedCommand asked) => asked.Command switch
    {
        null => Never,
        { } command when CommandIdentity.IsAlike(recorded.Event, command) => recorded.By == asked ? 0 : 0.2,
        { } command when recorded.Event.GetType() == command.GetType() || recorded.Event is RunClosed && command is RunClosed => recorded.By == asked ? 1 : Exchange,
        _ => Never,
    };
}
