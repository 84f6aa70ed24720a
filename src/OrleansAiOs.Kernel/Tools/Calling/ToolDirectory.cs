using System.Globalization;
using OrleansAiOs.Kernel.Tools.Comparing;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tools.Calling;

/// <summary>Tells the engine what a tool's approval says, at the moment a workflow calls it.</summary>
public sealed class ToolDirectory(ToolView view) : IActivityDirectory
{
    internal static readonly TimeSpan TimeoutDefault = TimeSpan.FromSeconds(30);

    private const int ConcurrencyDefault = 16;

    public ActivityDeclaration? Find(string tenant, string activity)
    {
        if (!activity.StartsWith(Tool.Prefix, StringComparison.Ordinal) || view.Find(tenant, activity[Tool.Prefix.Length..]) is not { Status: ToolStatus.Approved, Terms: { } terms } tool) return null;
        var limits = terms.Limits ?? new ToolLimits();
        return new ActivityDeclaration(terms.Effect, new ActivityOptions
        {
            Concurrency = limits.Concurrency ?? ConcurrencyDefault,
            PerSecond = limits.PerSecond,
            Burst = limits.Burst ?? 1,
            // The tool's own time-out ends the call; this one is for a host that hangs. What reads the target after it has its own time.
            StartToClose = Timeout(terms) + TimeSpan.FromSeconds(15) + (terms.Comparison is null ? TimeSpan.Zero : ComparedCalls.ReadingMax),
        }, tool.Version.ToString(CultureInfo.InvariantCulture));
    }

    internal static TimeSpan Timeout(ToolTerms terms) => terms.Limits?.TimeoutSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : TimeoutDefault;
}
