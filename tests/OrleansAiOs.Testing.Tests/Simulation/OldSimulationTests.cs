using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Testing.Tests.Simulation;

/// <summary>Histories of simulated worlds, with their kills, retries, unknown outcomes and take-overs, replayed for ever.</summary>
public sealed class OldSimulationTests
{
    private const int Seeds = 8;
    private const int Schedules = 30;

    [Fact]
    public Task Histories_of_simulated_faults_replay_byte_for_byte() => StoredHistories.ReplayAsync(Path.Combine(Folder(), "Histories", "simulated.ndjson"), Testing.Simulation.Simulation.Registry, () =>
        Enumerable.Range(1, Seeds).SelectMany(seed =>
        {
            var simulation = new Testing.Simulation.Simulation((ulong)seed);
            simulation.Run();
            return simulation.Histories.ToList();
        }));

    [Fact]
    public Task Histories_of_schedules_replay_byte_for_byte() => StoredHistories.ReplayAsync(Path.Combine(Folder(), "Histories", "schedules.ndjson"), Testing.Simulation.Simulation.Registry, () =>
        Enumerable.Range(1, 1000).SelectMany(seed =>
        {
            var simulation = new Testing.Simulation.Simulation((ulong)seed);
            simulation.Run();
            return simulation.Histories.Where(run => run.Run.Id.StartsWith("schedule:", StringComparison.Ordinal)).ToList();
        }).Take(Schedules));

    private static string Folder([System.Runtime.CompilerServices.CallerFilePath] string here = "") => Path.GetDirectoryName(here)!;
}
