using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OrleansAiOs.Testing.Simulation;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios sim: the real engine in simulated worlds that fail in every way a seed can think of.</summary>
internal static class SimCommand
{
    private static readonly TimeSpan WhenNothingIsSaid = TimeSpan.FromSeconds(10);

    public static Command Create()
    {
        var seed = new Option<ulong?>("--seed") { Description = "The first seed; alone, this one only, and its story is told if it fails. Default: a random one.", HelpName = "N" };
        var count = new Option<int?>("--count") { Description = "So many seeds.", HelpName = "N" };
        var duration = new Option<int?>("--for") { Description = "As many seeds as fit into this time. Default, without --seed: 10.", HelpName = "SECONDS" };
        var json = new Option<bool>("--json") { Description = "Print the report as JSON." };
        return new Command("sim", "Simulate the engine under faults; one seed is one schedule.").With(seed, count, duration, json).Does(async call =>
        {
            if (call.Get(count) is < 1 || call.Get(duration) is < 1) throw CliException.Usage("--count and --for begin at 1.");
            var one = call.Get(seed) is not null && call.Get(count) is null && call.Get(duration) is null;
            var options = new SimOptions
            {
                Seed = call.Get(seed) ?? (ulong)Random.Shared.NextInt64(),
                Count = one ? 1 : call.Get(count),
                Duration = call.Get(duration) is { } seconds ? TimeSpan.FromSeconds(seconds) : one || call.Get(count) is not null ? null : WhenNothingIsSaid,
                TellStory = one,
                OnFailure = failure => call.Terminal.Note($"seed {failure.Seed} broke {failure.Violations.Count} invariant(s): {failure.Repeat}"),
            };
            // A simulation is one long computation; an interrupt does not wait for it.
            var report = await Task.Run(() => Simulator.Run(options), call.Cancellation).WaitAsync(call.Cancellation);
            if (call.Get(json)) call.Terminal.Json(JsonSerializer.Serialize(report, ApiClient.Json));
            else Tell(call.Terminal, options.Seed, report);
            return report.Failures.Count == 0 ? ExitCode.Done : ExitCode.Failed;
        });
    }

    private static void Tell(Terminal terminal, ulong first, SimReport report)
    {
        foreach (var failure in report.Failures)
        {
            foreach (var line in failure.Story) terminal.Line(line);
            foreach (var violation in failure.Violations) terminal.Line(violation.ToString());
            terminal.Line($"again: {failure.Repeat}");
        }
        terminal.Line(string.Create(CultureInfo.InvariantCulture,
            $"{report.Seeds} seeds from {first}, {report.SeedsPerSecond:0}/s: {report.Runs} runs, {report.Kills} kills, {report.Pauses} pauses, {report.DualActivations} double activations, {report.UnknownCommits} unknown commits, {report.Conflicts} conflicts"));
        terminal.Line($"{report.EffectsExpected} effects expected, {report.EffectsApplied} applied; {(report.Failures.Count == 0 ? "every invariant held" : $"{report.Failures.Count} seeds failed")}");
    }
}
