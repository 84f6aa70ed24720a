using System.CommandLine;
using System.Globalization;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios tools calls: what was called, by whom for whom, and what became of it.</summary>
internal static class CallsCommand
{
    private static readonly string[] Outcomes = ["underWay", "completed", "failed", "unknown", "denied", "held", "waiting", "notSent", "lost", "reused", "abandoned"];

    public static Command Create(ClientOptions client)
    {
        var tool = new Option<string?>("--tool") { Description = "Calls of this tool or activity only: crm/find, bank.pay." };
        var principal = new Option<string?>("--principal") { Description = "Only those that this principal made, or that were made on its behalf.", HelpName = "PRINCIPAL" };
        var target = new Option<string?>("--target") { Description = "Only those that reach, or would have reached, this account or customer, as the tool says." };
        var run = new Option<string?>("--run") { Description = "Only those of this run, whenever they were." };
        var outcome = new Option<string?>("--outcome") { Description = $"Only those that ended so: {string.Join(", ", Outcomes)}." };
        outcome.AcceptOnlyFromAmong(Outcomes);
        var from = new Option<DateTimeOffset?>("--from") { Description = "From this time on (UTC unless it says otherwise). Default: a day before --to.", HelpName = "TIME", CustomParser = ListCommand.Time };
        var to = new Option<DateTimeOffset?>("--to") { Description = "Before this time. Default: now. At most 31 days behind --from.", HelpName = "TIME", CustomParser = ListCommand.Time };
        var limit = new Option<int?>("--limit") { Description = "Calls on one page." };
        var cursor = new Option<string?>("--cursor") { Description = "Go on where the page before ended." };
        return client.Query("calls", "List what was called, the newest first: by whom for whom, what the gate said, and how it ended.", tool, principal, target, run, outcome, from, to, limit, cursor).Does(call => client.ShowAsync<PageDocument<CallDocument>>(call, ApiPaths.Query(ApiPaths.Calls, ("tool", call.Get(tool)), ("principal", call.Get(principal)), ("target", call.Get(target)), ("run", call.Get(run)), ("outcome", call.Get(outcome)),
                ("from", ListCommand.Stamp(call.Get(from))), ("to", ListCommand.Stamp(call.Get(to))), ("limit", call.Get(limit)?.ToString(CultureInfo.InvariantCulture)), ("cursor", call.Get(cursor))), page => Tell(call.Terminal, page)));
    }

    private static void Tell(Terminal terminal, PageDocument<CallDocument> page)
    {
        if (page.Items.Count == 0) terminal.Note(page.Next is null ? "no calls" : "none so far");
        else
            terminal.Table(["began", "tool", "outcome", "by", "target", "policy", "signed by", "run", "step", "took", "why"], page.Items.Select(call => (IEnumerable<Cell>)
            [
                Human.Time(call.BeganAt), $"{call.Tool}{(call.Undoes ? " (undoes)" : "")}{(call.Imported ? " (imported)" : "")}", new Cell(call.Outcome, Human.StyleOf(call.Outcome is "denied" or "unknown" ? "failed" : call.Outcome)), By(call.Chain),
                call.Charge?.Target, call.Verdict?.Policy, Human.Names(call.Verdict?.SignedBy), call.Run, string.Create(CultureInfo.InvariantCulture, $"{call.Step}.{call.Attempt}"),
                call.EndedAt is { } end ? Human.Span(end - call.BeganAt) : "", Human.Cut(call.Failure?.Message ?? (call.Outcome is "completed" or "underWay" ? null : call.Verdict?.Why) ?? ""),
            ]));
        if (page.Next is { } next) terminal.Note($"more: the same command with --cursor {next}");
    }

    // The last acts, for those before it.
    private static string By(List<string> chain) => chain.Count < 2 ? string.Concat(chain) : $"{chain[^1]} for {string.Join(", ", chain.Take(chain.Count - 1).Reverse())}";
}

internal sealed record CallDocument(string Run, string Workflow, int Step, int Attempt, string Tool, string Effect, List<string> Chain, string Outcome, DateTimeOffset BeganAt, DateTimeOffset? EndedAt = null,
    CallDocument.Judged? Verdict = null, CallDocument.Charged? Charge = null, FailureDocument? Failure = null, bool Undoes = false, bool Imported = false)
{
    internal sealed record Judged(string Answer, string? Policy = null, string? Why = null, List<string>? SignedBy = null);

    internal sealed record Charged(string? Target = null);
}
