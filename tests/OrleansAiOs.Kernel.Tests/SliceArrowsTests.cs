using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace OrleansAiOs.Kernel.Tests;

/// <summary>
/// Which slice of the kernel uses which: Streams, under Identity, under Governance, under Tools and Webhooks; Audit beside them. Webhooks use of
/// Tools what is not about tools: the one way out, and the secrets.
/// </summary>
public sealed partial class SliceArrowsTests
{
    private static readonly Dictionary<string, string[]> MayUse = new()
    {
        ["Streams"] = [],
        ["Identity"] = ["Streams"],
        ["Governance"] = ["Streams", "Identity"],
        ["Tools"] = ["Streams", "Identity", "Governance"],
        ["Webhooks"] = ["Streams", "Identity", "Governance", "Tools.Egress", "Tools.Secrets"],
        ["Audit"] = ["Streams", "Identity"],
    };

    private static string Kernel([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "src", "OrleansAiOs.Kernel");

    [Fact]
    public void A_slice_uses_those_it_stands_on_and_no_other()
    {
        var offenders = new List<string>();
        var arrows = 0;
        foreach (var folder in Directory.EnumerateDirectories(Kernel()).Where(folder => Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories).Any()))
        {
            var slice = Path.GetFileName(folder);
            MayUse.Should().ContainKey(slice, "a new slice says here what it stands on");
            foreach (var file in Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories))
                foreach (var used in Used(File.ReadAllText(file)).Where(used => used.Split('.')[0] != slice).Distinct())
                {
                    arrows++;
                    if (!MayUse[slice].Any(allowed => used == allowed || used.StartsWith(allowed + ".", StringComparison.Ordinal))) offenders.Add($"{Path.GetRelativePath(Kernel(), file)} uses {used}");
                }
        }
        offenders.Should().BeEmpty();
        arrows.Should().BeGreaterThan(40, "else nothing was looked at");
    }

    [Fact]
    public void The_search_finds_what_it_is_for() =>
        Used("using OrleansAiOs.Kernel.Tools.Calling;\nglobal::OrleansAiOs.Kernel.Audit.Chain x; Kernel.Governance.Gate.KernelGate y; // OrleansAiOs.Kernel.Memory").Should().Equal("Tools.Calling", "Audit", "Governance.Gate");

    private static IEnumerable<string> Used(string code) => Name().Matches(Comment().Replace(code, "")).Select(match => match.Groups[2].Success ? $"{match.Groups[1].Value}.{match.Groups[2].Value}" : match.Groups[1].Value);

    [GeneratedRegex(@"//[^\n]*|/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comment();

    // A second part is a folder only if something follows it, or the statement ends.
    [GeneratedRegex(@"(?<!namespace OrleansAiOs\.)\bKernel\.([A-Z]\w+)(?:\.([A-Z]\w+)(?=[;.]))?")]
    private static partial Regex Name();
}
