using System.Globalization;
using System.Text;

namespace OrleansAiOs.Kernel.Audit;

/// <summary>
/// Which numbers of the sequence the trail knows: few ranges, since hosts leave out a number only where a transaction was rolled back.
/// Written as PostgreSQL writes an int8multirange: {[1,5),[7,9)}.
/// </summary>
internal sealed class SeqRanges
{
    private List<(long From, long To)> ranges = []; // To is the first that is not in it; in order, never touching

    public IReadOnlyList<(long From, long To)> All => ranges;

    /// <summary>Adds numbers in growing order.</summary>
    /// <returns>Those that were known already.</returns>
    public List<long> Add(ReadOnlySpan<long> sorted)
    {
        var news = new List<(long From, long To)>();
        RangesOf(sorted, news);
        return Add(news);
    }

    /// <summary>The ranges that numbers in growing order make; one that comes twice begins a range of its own.</summary>
    public static void RangesOf(ReadOnlySpan<long> sorted, List<(long From, long To)> into)
    {
        for (var i = 0; i < sorted.Length;)
        {
            var from = sorted[i];
            do i++;
            while (i < sorted.Length && sorted[i] == sorted[i - 1] + 1);
            into.Add((from, sorted[i - 1] + 1));
        }
    }

    /// <summary>Adds ranges, in any order.</summary>
    /// <returns>The numbers that were known already, or come twice.</returns>
    public List<long> Add(List<(long From, long To)> news)
    {
        var twice = new List<long>();
        if (news.Count == 0) return twice;
        // What is new lies mostly behind what is known: only the end is made anew.
        var (keep, least) = (ranges.Count, news.Min(range => range.From));
        while (keep > 0 && ranges[keep - 1].To >= least) keep--;
        var unsorted = news.Concat(ranges.Skip(keep)).ToList();
        ranges.RemoveRange(keep, ranges.Count - keep);
        // By keys of their own: comparing pairs takes longer than all else that is done to an event here.
        var (starts, ends) = (unsorted.Select(range => range.From).ToArray(), unsorted.Select(range => range.To).ToArray());
        Array.Sort(starts, ends);
        for (var i = 0; i < starts.Length; i++)
        {
            var (from, to) = (starts[i], ends[i]);
            if (ranges.Count == 0 || ranges[^1].To < from) ranges.Add((from, to));
            else
            {
                for (var seq = from; seq < Math.Min(to, ranges[^1].To); seq++) twice.Add(seq);
                ranges[^1] = (ranges[^1].From, Math.Max(ranges[^1].To, to));
            }
        }
        return twice;
    }

    /// <summary>What lies before, between and behind: hosts count from 1, but whoever writes by hand need not.</summary>
    public IEnumerable<(long From, long To)> Gaps()
    {
        var next = long.MinValue;
        foreach (var (from, to) in ranges)
        {
            if (from > next) yield return (next, from);
            next = to;
        }
        yield return (next, long.MaxValue);
    }

    public bool Contains(long seq)
    {
        var (low, high) = (0, ranges.Count - 1);
        while (low <= high)
        {
            var middle = (low + high) / 2;
            if (ranges[middle].To <= seq) low = middle + 1;
            else if (ranges[middle].From > seq) high = middle - 1;
            else return true;
        }
        return false;
    }

    public override string ToString()
    {
        var text = new StringBuilder("{");
        foreach (var (from, to) in ranges) text.Append(text.Length > 1 ? "," : "").Append(CultureInfo.InvariantCulture, $"[{from},{to})");
        return text.Append('}').ToString();
    }

    /// <exception cref="FormatException">This is no such text.</exception>
    public static SeqRanges Parse(string text)
    {
        var read = new SeqRanges();
        foreach (var part in text.Trim('{', '}').Split(")", StringSplitOptions.RemoveEmptyEntries))
        {
            var ends = part.TrimStart(',', '[').Split(',');
            if (ends.Length != 2) throw new FormatException($"'{part}' is no range of numbers.");
            read.ranges.Add((long.Parse(ends[0], CultureInfo.InvariantCulture), long.Parse(ends[1], CultureInfo.InvariantCulture)));
        }
        return read;
    }
}
