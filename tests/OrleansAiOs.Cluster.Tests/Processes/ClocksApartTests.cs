extern alias processes;
using OrleansAiOs.Workflows.Tests.Engine;
using processes::OrleansAiOs.EndToEnd;
using Xunit.Abstractions;

namespace OrleansAiOs.Cluster.Tests.Processes;

/// <summary>Three members whose whole process, Orleans included, takes it for another time: 7 minutes later, 5 minutes earlier, and what it is.</summary>
public sealed class ClocksApartTests(OnPostgres postgres, ITestOutputHelper output) : IClassFixture<OnPostgres>
{
    private static readonly string[] Clocks = ["+7m", "-5m", "+0"];

    [FactWithFaketime]
    public async Task Members_minutes_apart_of_which_one_is_killed_lose_and_double_nothing_and_take_no_other_for_dead()
    {
        await using var cluster = await ClusterUnderLoad.StartAsync(postgres.ConnectionString, members: 3, atMost: TimeSpan.FromMinutes(10), own: (which, common) => common with
        {
            Environment = new Dictionary<string, string>(common.Environment)
            {
                ["LD_PRELOAD"] = FactWithFaketimeAttribute.Library!,
                ["FAKETIME"] = Clocks[which],
                ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1",
                ["FAKETIME_FORCE_MONOTONIC_FIX"] = "0", // made for an old glibc; with a new one each wait with a time-out would end at once, and whoever waits would spin
            },
        });
        await cluster.MoreAsync(commands: 60);
        var recovery = await cluster.KillAsync(2);
        await cluster.MoreAsync(commands: 20);
        var verdict = await cluster.EndAsync();
        output.WriteLine($"{recovery}\n{verdict}");
        verdict.Lost.Should().BeEmpty();
        verdict.Doubled.Should().BeEmpty();
        recovery.Commands.Should().NotBeEmpty("else no run was on it");
        cluster.Hosts.Should().NotContain(host => host.HasExited);
    }
}

[AttributeUsage(AttributeTargets.Method)]
internal sealed class FactWithFaketimeAttribute : FactAttribute
{
    private static readonly string Libraries = "/usr/lib";

    public FactWithFaketimeAttribute()
    {
        if (Library is null) Skip = "No process can be given another time here: that takes libfaketime (Debian: apt-get install libfaketime).";
    }

    public static string? Library { get; } = Directory.Exists(Libraries)
        ? Directory.EnumerateDirectories(Libraries).Prepend(Libraries).Select(folder => Path.Combine(folder, "faketime", "libfaketimeMT.so.1")).FirstOrDefault(File.Exists)
        : null;
}
