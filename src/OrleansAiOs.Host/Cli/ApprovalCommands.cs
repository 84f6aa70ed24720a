using System.CommandLine;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios approvals: what awaits a person's decision.</summary>
internal static class ApprovalsCommand
{
    public static Command Create(ClientOptions client) =>
        client.Query("approvals", "List what awaits a decision.").Does(call => client.ShowAsync<PageDocument<ApprovalDocument>>(call, ApiPaths.Approvals, page => Tell(call.Terminal, page.Items)));

    private static void Tell(Terminal terminal, List<ApprovalDocument> approvals)
    {
        if (approvals.Count == 0)
        {
            terminal.Note("nothing awaits a decision");
            return;
        }
        terminal.Table(["run", "step", "business key", "what", "role", "not by", "deadline", "since"], approvals.Select(a => (IEnumerable<Cell>)
        [
            a.Run, a.Step.ToString(null, null), a.BusinessKey, a.Title, a.Role, Human.Names(a.NotBy), Human.Time(a.Deadline), Human.Time(a.Since),
        ]));
        terminal.Note("to look: aios show RUN; to decide: aios approve RUN STEP, aios reject RUN STEP");
    }
}

/// <summary>aios approve, aios reject: a decision, bound to what was to be decided on when it was looked at.</summary>
internal static class DecideCommand
{
    public static Command CreateApprove(ClientOptions client) => Create(client, "approve", "Grant an approval, in the name of the key that is used.", granted: true);

    public static Command CreateReject(ClientOptions client) => Create(client, "reject", "Refuse an approval, in the name of the key that is used.", granted: false);

    private static Command Create(ClientOptions client, string name, string description, bool granted)
    {
        var id = ClientOptions.Run();
        var step = new Argument<int?>("STEP") { Description = "The step's number; not needed when the run awaits one decision.", Arity = ArgumentArity.ZeroOrOne };
        var comment = new Option<string?>("--comment") { Description = "What the decider says; kept in the history.", HelpName = "TEXT" };
        var digest = new Option<string?>("--digest") { Description = "The digest of what was looked at. Default: of what stands there now.", HelpName = "SHA256" };
        var forWhom = new Option<string?>("--for") { Description = "Sign in the place of somebody who has handed that on to you.", HelpName = "PRINCIPAL" };
        return client.Change(name, description, id, step, comment, digest, forWhom).Does(async call =>
        {
            using var api = client.Connect(call);
            var run = await api.GetAsync<RunDocument>(ApiPaths.Run(call.Get(id)), call.Cancellation);
            var open = run.OpenWaits.Where(wait => wait.Kind is "approval" or "signature").ToList();
            var number = call.Parsed.GetValue(step) ?? Only(run, open);
            var wait = open.Find(wait => wait.Step == number);
            // A decision that is no longer open is sent all the same: the host says what became of it, or that it was already ours.
            var json = wait is { Kind: "signature" }
                ? await Signing.SendAsync(api, call.Terminal, call.Get(id), number, granted, call.Get(comment), call.Get(forWhom), call.Cancellation)
                : await api.CommandAsync(HttpMethod.Post, $"{ApiPaths.Run(call.Get(id))}/approvals/{number}",
                    new { granted, comment = call.Get(comment), digest = call.Get(digest) ?? wait?.Digest }, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else call.Terminal.Note($"{(granted ? wait is { Kind: "signature" } ? "signed" : "approved" : "rejected")}: {wait?.Name ?? $"step {number}"} of {run.Id}");
            return ExitCode.Done;
        });
    }

    private static int Only(RunDocument run, List<WaitDocument> open) => open is [{ Step: { } step }]
        ? step
        : throw new CliException(open.Count == 0 ? ExitCode.Conflict : ExitCode.Usage,
            open.Count == 0 ? $"The run {run.Id} ({run.Status}) awaits no decision." : $"The run {run.Id} awaits {open.Count} decisions; say which step:",
            open.Count == 0 ? null : string.Join('\n', open.Select(wait => $"{wait.Step}  {wait.Name}")));
}
