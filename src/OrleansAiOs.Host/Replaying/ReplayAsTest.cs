using System.Text;
using System.Text.RegularExpressions;

namespace OrleansAiOs.Host.Replaying;

/// <summary>Writes an export as an xunit test that replays it: one file, the history in it, nothing to be edited.</summary>
internal static partial class ReplayAsTest
{
    // Past it a source file is a burden to whoever opens it.
    public const int BytesMax = 4 << 20;

    public static (string ClassName, string Code) Write(string name, ReadOnlySpan<byte> export)
    {
        var history = Encoding.UTF8.GetString(export).TrimEnd('\n');
        // One quote more than stand together anywhere in it.
        var quotes = new string('"', Math.Max(3, QuoteRuns().Matches(history).Select(run => run.Length).DefaultIfEmpty().Max() + 1));
        var className = ClassNameOf(name);
        return (className, $$"""
            using OrleansAiOs.Testing;
            using Xunit;

            // Written by `aios replay {{name.ReplaceLineEndings(" ")}} --as-test`: this run of the past must ask for the same with the code of now.
            public sealed class {{className}}
            {
                [Fact]
                public Task It_replays() => PastRuns.ReplayAsync(History);

                private const string History = {{quotes}}

            """.ReplaceLineEndings("\n") + $"{history}\n\n{quotes};\n}}\n");
    }

    private static string ClassNameOf(string name)
    {
        var words = NotOfNames().Split(Path.GetFileNameWithoutExtension(name)).Where(word => word.Length > 0).Select(word => char.ToUpperInvariant(word[0]) + word[1..]);
        return $"ReplayOf{string.Concat(words)}";
    }

    [GeneratedRegex("\"+", RegexOptions.NonBacktracking)]
    private static partial Regex QuoteRuns();

    [GeneratedRegex("[^A-Za-z0-9]+", RegexOptions.NonBacktracking)]
    private static partial Regex NotOfNames();
}
