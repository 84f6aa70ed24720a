using System.Text.Json;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Workflows.Gating;

namespace OrleansAiOs.Kernel.Tools.Comparing;

/// <summary>What a call has changed, by reading its target before it and after it. The values are data from outside.</summary>
/// <param name="By">Which definition of which tool has read it: its id, '@', and the first 12 digits of its pin.</param>
/// <param name="Before">The fields that are another now, as they were, in the target's shape; null if there were none.</param>
/// <param name="After">The same fields as they are; null if there are none. Long values are their hash.</param>
/// <param name="Changed">The paths of these fields; at most 200.</param>
/// <param name="Unasked">Those of them that the call did not ask for, and that the receiver is not known to set by itself.</param>
/// <param name="Unmet">Fields that were asked for, and are not what was asked for.</param>
/// <param name="Trouble">Why there is no comparison; the call has been made all the same.</param>
/// <param name="ReadBefore">When it was read before, as what the gate allowed it.</param>
/// <param name="ReadAfter">The same, of the reading behind the call.</param>
public sealed record WriteComparison(string By, JsonElement? Before, JsonElement? After, IReadOnlyList<string> Changed, IReadOnlyList<string> Unasked, IReadOnlyList<string> Unmet, string? Trouble = null,
    TargetReading? ReadBefore = null, TargetReading? ReadAfter = null)
{
    private const int ListedMax = 200;

    /// <summary>What a person has to be told of it; null if it is as it should be.</summary>
    internal string? Loud
    {
        get
        {
            List<string> said = [];
            if (Trouble is not null) said.Add($"What it changed is not known: {Trouble}");
            if (Unasked.Count > 0) said.Add($"It changed what was not asked for: {Names(Unasked)}.");
            if (Unmet.Count > 0) said.Add($"It is not as it was asked to be: {Names(Unmet)}.");
            return said.Count == 0 ? null : string.Join(' ', said);
        }
    }

    internal static WriteComparison Unknown(string by, string trouble) => new(by, null, null, [], [], [], trouble);

    /// <param name="input">What the writing tool was called with.</param>
    /// <exception cref="FormatException">The input is too large to be compared.</exception>
    internal static WriteComparison Of(ToolComparison terms, JsonElement input, TargetFields before, TargetFields after, string by)
    {
        var asked = Asked(terms, TargetFields.All(input));
        var changed = before.Paths.Union(after.Paths, StringComparer.Ordinal).Where(path => !Same(before.Find(path), after.Find(path))).Order(StringComparer.Ordinal).ToList();
        var unasked = changed.Where(path => !asked.Keys.Any(field => Touch(field, path)) && terms.Own?.Any(own => own == path || path.StartsWith(own + ".", StringComparison.Ordinal)) is not true).ToList();
        var unmet = asked.Where(field => !Same(field.Value, after.Find(field.Key))).Select(field => field.Key).Order(StringComparer.Ordinal).ToList();
        var shown = unasked.Union(changed, StringComparer.Ordinal).Take(ListedMax).ToList(); // what was not asked for is not what is left out
        return new WriteComparison(by, before.Tree(shown), after.Tree(shown.Union(unmet.Take(ListedMax), StringComparer.Ordinal)), [.. changed.Where(shown.Contains)], [.. unasked.Take(ListedMax)], [.. unmet.Take(ListedMax)]);
    }

    // The arguments by which the target is found set nothing, unless it is said that they do.
    private static Dictionary<string, JsonElement?> Asked(ToolComparison terms, TargetFields arguments)
    {
        var asked = new Dictionary<string, JsonElement?>(StringComparer.Ordinal);
        foreach (var path in arguments.Paths)
        {
            var named = terms.Fields?.Where(pair => pair.Key == path || path.StartsWith(pair.Key + ".", StringComparison.Ordinal)).OrderByDescending(pair => pair.Key.Length).Select(pair => (Key: pair.Key, Value: pair.Value)).FirstOrDefault();
            if (named is { Key: { } argument, Value: { } field })
            {
                if (field.Length > 0) asked[field + path[argument.Length..]] = arguments.Find(path);
            }
            else if (!terms.With.Values.Any(argument => argument == path))
            {
                asked[path] = arguments.Find(path);
            }
        }
        return asked;
    }

    private static bool Touch(string asked, string path) => asked == path || path.StartsWith(asked + ".", StringComparison.Ordinal) || asked.StartsWith(path + ".", StringComparison.Ordinal);

    private static bool Same(JsonElement? a, JsonElement? b) => a is { } x && b is { } y ? JsonElement.DeepEquals(x, y) : a is null && b is null;

    private static string Names(IReadOnlyList<string> paths) => Answers.Visible(string.Join(", ", paths), 500);
}

/// <param name="At">When it was read.</param>
/// <param name="Gate">What the gate said to it; null on a host without one.</param>
public sealed record TargetReading(DateTimeOffset At, GateRecord? Gate);
