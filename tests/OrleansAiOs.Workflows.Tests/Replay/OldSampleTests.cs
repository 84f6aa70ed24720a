using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Workflows.Tests.Replay;

/// <summary>The sample workflows' histories, for ever. (The engine's own, turn by turn, are in History/Histories.)</summary>
public sealed class OldSampleTests
{
    [Fact]
    public Task Histories_of_the_sample_workflows_replay_byte_for_byte() =>
        StoredHistories.ReplayAsync(Path.Combine(Folder(), "Histories", "samples.ndjson"), SampleBuild.Build(SampleCode.Source), () => Corpus.Samples.Histories.Select(one => (new RunKey("default", one.Key), one.Value)));

    private static string Folder([System.Runtime.CompilerServices.CallerFilePath] string here = "") => Path.GetDirectoryName(here)!;
}
