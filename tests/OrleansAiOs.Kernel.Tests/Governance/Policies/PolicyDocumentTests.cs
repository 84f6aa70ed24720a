using System.Runtime.CompilerServices;
using OrleansAiOs.Kernel.Governance.Policies;

namespace OrleansAiOs.Kernel.Tests.Governance.Policies;

/// <summary>What docs/policies.md shows is so.</summary>
public sealed class PolicyDocumentTests
{
    [Fact]
    public void The_examples_are_read_and_the_cases_in_it_hold()
    {
        var document = File.ReadAllText(Path.Combine(Path.GetDirectoryName(Here())!, "../../../../docs/policies.md"));
        var texts = Blocks(document, "cedar").Select(PolicyText.Parse).ToList();
        texts.Should().HaveCount(2);
        PolicyCases.Parse(Blocks(document, "json").Single()).Run([("payments", texts[0])]).Should().HaveCount(3).And.OnlyContain(result => result.Holds);
    }

    private static List<string> Blocks(string document, string language) => [.. document.Split($"```{language}\n").Skip(1).Select(block => block[..block.IndexOf("```", StringComparison.Ordinal)])];

    private static string Here([CallerFilePath] string file = "") => file;
}
