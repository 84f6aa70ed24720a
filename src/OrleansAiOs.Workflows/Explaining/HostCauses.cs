using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Explaining;

/// <summary>What the host and its database have to do with it.</summary>
internal static class HostCauses
{
    private static readonly TimeSpan Slow = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Late = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SkewMax = TimeSpan.FromSeconds(5);

    /// <summary>Nothing of the run could be read.</summary>
    public static IEnumerable<Cause> WithoutHistory(RunKey run, Surroundings around)
    {
        if (around.StoreTrouble is { } trouble)
            yield return new Cause(CauseCodes.DatabaseUnreachable, $"The database does not answer, so nothing can be recorded, and what is not recorded is not done: {trouble}", Urgency.Host)
            {
                Detail = around.Mailbox is { } box ? Mailbox(box) : null,
                Unblockers = ["the database, when it answers again: the host goes on by itself", "`aios doctor` looks for what is wrong with it"],
            };
        else
            yield return new Cause(CauseCodes.NoSuchRun, $"There is no run '{run}'.", Urgency.Person) { Unblockers = ["whoever starts it: aios start WORKFLOW --id " + run.Id] };
        foreach (var cause in Standing(around)) yield return cause;
        if (around.ActiveRunsMax > 0 && around.ActiveRuns >= around.ActiveRunsMax)
            yield return new Cause(CauseCodes.HostFull, $"Host {around.HostId} has {Words.Count(around.ActiveRuns, "run")} under way, the most it takes: starts are refused until some of them rest.", Urgency.Limited)
            {
                Unblockers = ["runs that rest or end; a refused start is safe to repeat under the same id"],
            };
    }

    public static IEnumerable<Cause> Of(Subject subject)
    {
        var around = subject.Around;
        if (subject.State.IsClosed) yield break;
        foreach (var cause in Standing(around)) yield return cause;
        if (around.Mailbox is { } box)
        {
            if (box.Doing is MailboxActivity.RunningCode && subject.Now - box.Since > Late || around.CodeDoesNotRest)
                yield return new Cause(CauseCodes.CodeRuns, $"The run's code has been running since {Words.Until(around.Mailbox.Value.Since, subject.Now)} without awaiting anything. A loop that never awaits keeps its run for ever.",
                    Urgency.Stopped, box.Since)
                {
                    Unblockers = ["the code, if it comes to an await", "a build in which it does: deploy it and restart the host; nothing of this turn was recorded"],
                };
            if (box.Doing is MailboxActivity.Appending or MailboxActivity.Reading && (subject.Now - box.Since > Slow || box.Tries > 1))
                yield return new Cause(CauseCodes.DatabaseSlow, $"What the run did last is not recorded yet: the host {(box.Doing is MailboxActivity.Appending ? "appends" : "reads its history")} since {Words.Until(box.Since, subject.Now)}, try {box.Tries}.",
                    Urgency.Host, box.Since)
                {
                    Unblockers = ["the database: once it has answered, the run goes on by itself"],
                };
            if (box.Waiting >= around.MailboxMax && around.MailboxMax > 0)
                yield return new Cause(CauseCodes.QueueFull, $"{Words.Count(box.Waiting, "input")} wait for the run, the most one run takes: further commands are refused with a retry-after.", Urgency.Limited)
                {
                    Detail = Mailbox(box),
                    Unblockers = ["the run, as it takes what waits", "senders that send less: what was refused is safe to repeat under its key"],
                };
        }
        if (around.CodeDoesNotRest && around.Mailbox is null)
            yield return new Cause(CauseCodes.CodeRuns, "The run's code does not come to an await when it is run over its history. A loop that never awaits keeps its run for ever.", Urgency.Stopped)
            {
                Unblockers = ["a build in which it awaits: deploy it and restart the host"],
            };
        if (around.StoreTook > Slow)
            yield return new Cause(CauseCodes.DatabaseSlow, $"The database took {Words.Span(around.StoreTook)} to answer a short question.", Urgency.Limited) { Unblockers = ["the database: aios doctor"] };
        if (!subject.State.IsHeld)
            foreach (var step in subject.State.InOrder<OpenStep>().Where(step => step.Due < subject.Now - Late))
                yield return new Cause(CauseCodes.Overdue, $"Step {step.Number} was due at {Words.Until(step.Due!.Value, subject.Now)}, and host {around.HostId} has not got to it.", Urgency.Host, step.Due, step.Number)
                {
                    Unblockers = ["a host: at its start it wakes all that is due", "the database, if it is slow to answer"],
                };
        if (around.Skew.Duration() > SkewMax)
            yield return new Cause(CauseCodes.ClockSkew, $"The clock of host {around.HostId} is {Words.Span(around.Skew)} {(around.Skew > TimeSpan.Zero ? "behind" : "ahead of")} the database's. Timers follow the database's; logs do not.",
                Urgency.Note)
            {
                Unblockers = ["whoever keeps the machines' clocks"],
            };
    }

    private static IEnumerable<Cause> Standing(Surroundings around)
    {
        if (around.IsFenced)
            yield return new Cause(CauseCodes.HostFenced, $"Host {around.HostId} was declared dead by another host of the database, which took over its runs. It does nothing more.", Urgency.Host)
            {
                Unblockers = ["the other host: ask it", "a restart of this one"],
            };
        else if (around.IsHalted)
            yield return new Cause(CauseCodes.HostStopped, $"Host {around.HostId} has stopped: it records and sends nothing any more.", Urgency.Host) { Unblockers = ["the next host on this database: aios serve"] };
    }

    private static string Mailbox(MailboxView box) => box.Doing is MailboxActivity.Nothing
        ? $"{Words.Count(box.Waiting, "input")} wait in memory."
        : $"The host is {box.Doing switch { MailboxActivity.Appending => "appending", MailboxActivity.Reading => "reading", _ => "running the code" }} since {Words.Time(box.Since)} (try {box.Tries}); {Words.Count(box.Waiting, "input")} wait behind.";
}
