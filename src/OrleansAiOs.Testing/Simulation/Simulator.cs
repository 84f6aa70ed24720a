using System.Diagnostics;
using OrleansAiOs.Testing.Checking;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>Which seeds to simulate. Without <see cref="Count"/> and <see cref="Duration"/>, one.</summary>
public sealed record SimOptions
{
    /// <summary>The first seed.</summary>
    public ulong Seed { get; init; }

    /// <summary>So many seeds, one after the other.</summary>
    public int? Count { get; init; }

    /// <summary>Or as many as fit into this time.</summary>
    public TimeSpan? Duration { get; init; }

    /// <summary>Stop once this many seeds have failed.</summary>
    public int FailuresMax { get; init; } = 10;

    /// <summary>Called for each seed that fails, as soon as it does.</summary>
    public Action<SimFailure>? OnFailure { get; init; }

    /// <summary>Keep what happened in each world, to be read by people. For single seeds.</summary>
    public bool TellStory { get; init; }
}

/// <summary>A seed whose world broke an invariant.</summary>
/// <param name="Repeat">The command that shows it again.</param>
public sealed record SimFailure(ulong Seed, IReadOnlyList<Violation> Violations, string Repeat, IReadOnlyList<string> Story);

/// <summary>What a number of simulated worlds were made to bear, and what broke.</summary>
public sealed record SimReport(long Seeds, TimeSpan Took, long Runs, long Kills, long Pauses, long DualActivations, long UnknownCommits, long Conflicts,
    long EffectsExpected, long EffectsApplied, IReadOnlyList<SimFailure> Failures, ulong ScheduleHash)
{
    public double SeedsPerSecond => Seeds / Took.TotalSeconds;
}

/// <summary>Deterministic simulation of the engine: what is behind <c>aios sim</c>.</summary>
public static class Simulator
{
    public static SimReport Run(SimOptions options) => Run(options, null);

    internal static SimReport Run(SimOptions options, SimSeams? seams)
    {
        var watch = Stopwatch.StartNew();
        var count = options.Count ?? (options.Duration is null ? 1 : int.MaxValue);
        var failures = new List<SimFailure>();
        var sum = new SimReport(0, TimeSpan.Zero, 0, 0, 0, 0, 0, 0, 0, 0, failures, 0);
        for (var i = 0; i < count && failures.Count < options.FailuresMax && !(watch.Elapsed > options.Duration); i++)
        {
            var seed = options.Seed + (ulong)i;
            var simulation = new Simulation(seed, seams, options.TellStory);
            var violations = simulation.Run();
            sum = Add(sum, simulation);
            if (violations.Count == 0) continue;
            var failure = new SimFailure(seed, violations, $"aios sim --seed {seed}", simulation.Story);
            failures.Add(failure);
            options.OnFailure?.Invoke(failure);
        }
        return sum with { Took = watch.Elapsed };
    }

    private static SimReport Add(SimReport sum, Simulation simulation)
    {
        var more = simulation.Count;
        return sum with
        {
            Seeds = sum.Seeds + 1,
            Runs = sum.Runs + more.Runs,
            Kills = sum.Kills + more.Kills,
            Pauses = sum.Pauses + more.Pauses,
            DualActivations = sum.DualActivations + more.DualActivations,
            UnknownCommits = sum.UnknownCommits + more.Unknown,
            Conflicts = sum.Conflicts + more.Conflicts,
            EffectsExpected = sum.EffectsExpected + more.EffectsExpected,
            EffectsApplied = sum.EffectsApplied + more.EffectsApplied,
            ScheduleHash = (sum.ScheduleHash ^ simulation.Hash) * 1099511628211,
        };
    }
}
