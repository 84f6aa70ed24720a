using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Schedules;

namespace OrleansAiOs.Workflows.Retention;

/// <summary>How long runs are kept once they are over. Of the rules that fit a run, the first counts.</summary>
/// <param name="Workflow">Runs of this workflow; null: of any.</param>
/// <param name="Status">Runs that ended so; null: however.</param>
/// <param name="Keep">From their end; null: for ever.</param>
public sealed record RetentionRule(string? Workflow, RunStatus? Status, TimeSpan? Keep)
{
    /// <summary>As a setting has it.</summary>
    public override string ToString() => $"{Workflow ?? "*"}{(Status is { } status ? $":{status.ToString().ToLowerInvariant()}" : "")}={(Keep is { } keep ? SpanText.Write(keep) : "for-ever")}";

    internal bool Fits(RunRow row) => (Workflow is null || Workflow == row.Workflow) && (Status is null || Status == row.Status);

    /// <summary>Reads rules as a setting has them: <c>invoice-to-pay:failed=365d; *:completed=90d; *=for-ever</c>.</summary>
    /// <exception cref="FormatException">It names the rule and the cure.</exception>
    public static IReadOnlyList<RetentionRule> Parse(string text)
    {
        var rules = new List<RetentionRule>();
        foreach (var part in text.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (part.Split('=', StringSplitOptions.TrimEntries) is not [{ Length: > 0 } which, var keep])
                throw new FormatException($"RETENTION: '{part}' is not WORKFLOW[:STATUS]=SPAN. Write, say, invoice-to-pay:failed=365d; *=90d.");
            var (workflow, status) = which.Split(':') switch
            {
                [var name] => (name, null),
                [var name, var word] => (name, word),
                _ => throw new FormatException($"RETENTION: '{which}' holds more than one ':'. Write WORKFLOW or WORKFLOW:STATUS."),
            };
            RunStatus? ended = status is null ? null
                : Enum.TryParse<RunStatus>(status, ignoreCase: true, out var parsed) && status.All(char.IsAsciiLetter) && parsed is not (RunStatus.Running or RunStatus.Parked or RunStatus.Paused) ? parsed
                : throw new FormatException($"RETENTION: '{status}' in '{part}' is no way to end. Write completed, failed, cancelled or terminated.");
            TimeSpan? span = keep == "for-ever" ? null
                : SpanText.TryParse(keep, out var given) && given > TimeSpan.Zero ? given
                : throw new FormatException($"RETENTION: '{keep}' in '{part}' is no span. Write one such as 90d or 12h, or for-ever.");
            rules.Add(new RetentionRule(workflow == "*" ? null : workflow, ended, span));
        }
        return rules;
    }
}
