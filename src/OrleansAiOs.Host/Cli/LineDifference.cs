namespace OrleansAiOs.Host.Cli;

/// <summary>The lines of two texts, with "-" before what is only in the first and "+" before what is only in the second.</summary>
internal static class LineDifference
{
    public static IReadOnlyList<string> Between(string first, string second)
    {
        var (a, b) = (first.ReplaceLineEndings("\n").TrimEnd('\n').Split('\n'), second.ReplaceLineEndings("\n").TrimEnd('\n').Split('\n'));
        // common[i, j]: how many lines the ends from i and from j have in common, in order.
        var common = new int[a.Length + 1, b.Length + 1];
        for (var i = a.Length - 1; i >= 0; i--)
            for (var j = b.Length - 1; j >= 0; j--)
                common[i, j] = a[i] == b[j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);
        var lines = new List<string>();
        for (int i = 0, j = 0; i < a.Length || j < b.Length;)
        {
            if (i < a.Length && j < b.Length && a[i] == b[j])
            {
                lines.Add($"  {a[i++]}");
                j++;
            }
            else if (j == b.Length || (i < a.Length && common[i + 1, j] >= common[i, j + 1])) lines.Add($"- {a[i++]}");
            else lines.Add($"+ {b[j++]}");
        }
        return lines;
    }
}
