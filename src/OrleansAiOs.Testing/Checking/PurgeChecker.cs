using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Retention;

namespace OrleansAiOs.Testing.Checking;

/// <summary>
/// I16: what was deleted was over, its time to be kept too, and so were its parent and its children. Judged at the moment of the deletion, on what was
/// stored before it: afterwards nothing tells.
/// </summary>
public static class PurgeChecker
{
    private static readonly TimeSpan ClocksDifferBy = TimeSpan.FromSeconds(1);

    /// <param name="before">All runs, as they were just before.</param>
    /// <param name="gone">Those that were deleted.</param>
    /// <param name="rules">How long runs were to be kept.</param>
    /// <param name="at">When, by the store's clock.</param>
    public static IEnumerable<Violation> Check(IReadOnlyList<RunFacts> before, IReadOnlyCollection<RunKey> gone, IReadOnlyList<RetentionRule> rules, DateTimeOffset at)
    {
        var runs = before.Select(facts => Past.Of(facts)).ToDictionary(past => past.Run);
        foreach (var run in gone.Where(runs.ContainsKey).Select(run => runs[run]))
        {
            if (run.EndedAt is not { } ended)
            {
                yield return new Violation("I16", run.Run, "it was deleted, and had not ended");
                continue;
            }
            if (run.Row is null || rules.FirstOrDefault(rule => rule.Fits(run.Row))?.Keep is not { } keep) yield return new Violation("I16", run.Run, "it was deleted, and no rule says so");
            else if (ended + keep > at + ClocksDifferBy) yield return new Violation("I16", run.Run, $"it was deleted at {at:O}, and ended at {ended:O}: it was to be kept for {keep}");
            foreach (var kin in runs.Values.Where(other => other.EndedAt is null && run.Kin.Contains(other.Run.Id) && other.Run.Tenant == run.Run.Tenant))
                yield return new Violation("I16", run.Run, $"it was deleted while its kin, run {kin.Run}, was open");
        }
    }

    private sealed record Past(RunKey Run, RunRow? Row, DateTimeOffset? EndedAt, HashSet<string> Kin)
    {
        // The last word counts: what ended may have been reset since.
        public static Past Of(RunFacts facts)
        {
            DateTimeOffset? ended = null;
            var kin = new HashSet<string>(StringComparer.Ordinal);
            foreach (var stored in facts.History)
                switch (stored.Read())
                {
                    case RunStarted { Parent: { } parent }:
                        kin.Add(parent.Run);
                        break;
                    case ChildScheduled child:
                        kin.Add(child.Run);
                        break;
                    case ChildReplaced child:
                        kin.Add(child.Run);
                        break;
                    case RunClosed or RunImported:
                        ended = stored.At;
                        break;
                    case RunReset:
                        ended = null;
                        break;
                }
            return new Past(facts.Run, facts.Row, ended, kin);
        }
    }
}
