using OrleansAiOs.Workflows.Replay;
using Xunit.Abstractions;

namespace OrleansAiOs.Workflows.Tests.Replay;

/// <summary>
/// Edits as people make them, applied to the samples one at a time. Whether each is safe for the histories of before is known from what
/// was edited. The replay must say the same; and where it asks for a patch, the patch it suggests must make the history replay.
/// </summary>
public sealed class MutationTests(ITestOutputHelper output)
{
    [Fact]
    public void What_was_not_edited_replays_byte_for_byte()
    {
        foreach (var corpus in new[] { Corpus.Samples })
        {
            var replayer = new Replayer(SampleBuild.Build(corpus.Source));
            foreach (var (workflow, history) in corpus.Histories)
                replayer.Replay(new RunKey("default", workflow), history).Should().Match<ReplayVerdict>(v => v.Result == ReplayResult.Same && v.ByteEqual && v.Commands >= 2 && v.Changes.Count == 0);
        }
    }

    [Fact]
    public void Edits_are_told_apart_and_the_patches_suggested_replay() => Judge(Corpus.Samples, 60);

    private void Judge(Corpus corpus, int atLeast)
    {
        var edits = corpus.Edits;
        edits.Should().HaveCountGreaterThanOrEqualTo(atLeast);
        edits.Select(edit => (edit.Workflow, edit.What)).Should().OnlyHaveUniqueItems();
        int right = 0, patched = 0;
        var needing = new List<(Edit Edit, ReplayVerdict Verdict, string? Source)>();
        foreach (var (edit, built) in edits.Zip(corpus.BuildEdited()))
        {
            built.Objection.Should().BeNull($"'{edit.Workflow}: {edit.What}' compiles");
            var verdict = corpus.Replay(edit, built.Code!);
            if (verdict.Result == (edit.Safe ? ReplayResult.Same : ReplayResult.Different)) right++;
            else output.WriteLine($"WRONG      {edit.Workflow}: {edit.What}: {verdict.Result} {verdict.Why}");
            if (!edit.Safe && verdict.Result is ReplayResult.Different) needing.Add((edit, verdict, PatchApplier.Apply(corpus.Edited(edit), verdict.Patches)));
        }
        var applied = needing.FindAll(one => one.Source is not null);
        var mended = applied.Zip(SampleBuild.BuildAll(applied.ConvertAll(one => one.Source!))).ToDictionary(pair => pair.First.Edit, pair =>
            pair.Second.Code is not { } code ? pair.Second.Objection : corpus.Replay(pair.First.Edit, code) is { Result: not ReplayResult.Same } still ? still.Why : null);
        foreach (var (edit, verdict, source) in needing)
        {
            if (mended.TryGetValue(edit, out var objection) && objection is null)
            {
                patched++;
                continue;
            }
            output.WriteLine($"NO PATCH   {edit.Workflow}: {edit.What}: {objection ?? "a person has to find the place"}");
            foreach (var change in verdict.Changes) output.WriteLine($"           {change.Kind}: {change.Text} → {change.Patch?.Form} {change.Patch?.Text}");
        }
        output.WriteLine($"{right} of {edits.Length} edits classified rightly; {patched} of {needing.Count} suggested patches replay.");
        ((double)right / edits.Length).Should().BeGreaterThanOrEqualTo(0.95);
        ((double)patched / needing.Count).Should().BeGreaterThanOrEqualTo(0.80);
    }
}
