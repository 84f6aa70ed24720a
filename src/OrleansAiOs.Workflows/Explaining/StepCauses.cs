using OrleansAiOs.Workflows.Entities;
using OrleansAiOs.Workflows.Steps;
using OrleansAiOs.Workflows.Turns;
using static OrleansAiOs.Workflows.Steps.ActivityStep.Phase;

namespace OrleansAiOs.Workflows.Explaining;

/// <summary>The open steps, one by one.</summary>
internal static class StepCauses
{
    private const int RunsThatOpenTheBreaker = 3;
    private static readonly TimeSpan Far = TimeSpan.FromDays(1);

    public static IEnumerable<Cause> Of(Subject subject) => (subject.State.IsClosed ? [] : subject.State.InOrder<OpenStep>()).Select(step => step switch
    {
        ActivityStep activity => Activity(subject, activity),
        TimerStep timer => Timer(subject, timer),
        ApprovalStep approval => Approval(subject, approval),
        ChildStep child => Child(child),
        // A kind that has nothing to say of itself here says what it says in lists.
        _ => new Cause(CauseCodes.Waiting, $"Step {step.Number} is open: {step.Describe().Kind} {step.Describe().Name}".TrimEnd() + ".", Urgency.Waiting, step.Describe().Since, step.Number),
    });

    // ---- activities ----

    private static Cause Activity(Subject subject, ActivityStep step)
    {
        var (name, held) = ($"{step.Scheduled.Activity} (step {step.Number})", subject.State.IsHeld);
        Repair[] once = held ? [] : [new("retry now", $"aios retry-now {subject.Id} {step.Number}")];
        Repair[] skip = [new("go on without it, with a result you give", $"aios skip {subject.Id} {step.Number} --value JSON --why TEXT")];
        Repair[] resolve =
        [
            new("say that it took effect, with its result", $"aios resolve {subject.Id} {step.Number} --happened JSON"),
            new("say that it did not and never will: it is tried again under a new key", $"aios resolve {subject.Id} {step.Number} --never"),
        ];
        Cause Make(string code, string says, Urgency urgency, IReadOnlyList<string> unblockers, params Repair[] repairs) =>
            new(code, says, held && urgency > Urgency.Person ? Urgency.Note : urgency, step.At, step.Number) { Detail = step.LastFailure is { } f ? $"{f.Type}: {f.Message}" : null, Unblockers = unblockers, Repairs = repairs };

        if (step.UnderWay && step.Owner != subject.Around.HostId) return OfAnotherHost(subject, step, name, Make);
        switch (step.Now)
        {
            case Attempting:
                return UnderWay(subject, step, name, Make);
            case AwaitingSignature:
                return Signature(subject, step, name);
            case Denied or Pausing when step.NeverLeft:
                return Make(CauseCodes.GateWaits, $"The gate lets {name} wait: {step.Gate?.Why} It is asked again {Next(subject, step)}.", Urgency.Limited, ["whoever takes that away; the pause ends by itself"], [.. once, .. skip]);
            case Pausing when Declared(subject, step)?.Activity.Service is { } service && subject.Around.Lacks(service):
                return Make(CauseCodes.ToolUnknown, $"{name} works with the service {service.Name}, which host {subject.Around.HostId} does not have: every attempt fails there. Next attempt {Next(subject, step)}.", Urgency.Failing,
                    [$"a host whose pack registers {service.Name} (IPack.AddServices)"], [.. once, .. skip]);
            case Pausing when Alike(subject, step) is { Count: >= RunsThatOpenTheBreaker } others:
                return Make(CauseCodes.BreakerOpen, $"{step.Scheduled.Activity} fails for {Words.Count(others.Count + 1, "run")} at once, this one among them: it is the receiver, not the run. {Attempts(step)} failed; next attempt {Next(subject, step)}.", Urgency.Failing,
                    [$"the receiver of {step.Scheduled.Activity}, when it is well again; each run then goes on by itself", $"others that wait for it: {string.Join(", ", others.Take(5))}{(others.Count > 5 ? ", …" : "")}"], [.. once, .. skip]);
            case Pausing:
                return Make(CauseCodes.RetryPause, $"{Attempts(step)} of {name} failed; the next is {Next(subject, step)}{Deadline(subject, step)}.", Urgency.Failing, ["the receiver, when it answers; the pause ends by itself"], [.. once, .. skip]);
            case Inquiring:
                return Make(CauseCodes.InquiryUnderWay, $"What became of {name} is unknown, and its receiver is being asked (inquiry {step.Inquiry}).", Urgency.Working, ["the receiver's answer"], [.. resolve, .. skip]);
            case PausingToInquire:
                return Make(CauseCodes.InquiryPause, $"What became of {name} is unknown; its receiver could not tell, and is asked again {Next(subject, step)} (inquiry {step.Inquiry + 1}). It is not sent again meanwhile.", Urgency.Failing,
                    ["the receiver, when it can tell", "whoever has made sure"], [.. once, .. resolve, .. skip]);
            default:
                return Make(CauseCodes.OutcomeUnknown, $"Nobody knows whether {name} took effect: its answer was lost, and it has no hook to ask the receiver. It is never sent again by itself.", Urgency.Person,
                    ["whoever has made sure at the receiver"], [.. resolve, .. skip]);
        }
    }

    private static Cause Signature(Subject subject, ActivityStep step, string name)
    {
        var hold = step.Hold!;
        var signed = step.Signatures.Select(signature => signature.By.Id).ToList();
        var entitled = subject.Around.Keyholders is { } holders ? hold.Demands.Select(demand => holders.Where(k => k.Roles.Intersect(demand.Roles, StringComparer.Ordinal).Any()).Select(k => k.Name)
            .Except(demand.NotBy ?? [], StringComparer.Ordinal).ToList()).ToList() : null;
        var absent = entitled is not null && hold.Demands.Zip(entitled).Any(pair => pair.Second.Count < pair.First.Quorum && !pair.First.Delegable);
        var notBy = hold.Demands.SelectMany(demand => demand.NotBy ?? []).Distinct(StringComparer.Ordinal).ToList();
        var except = notBy.Count == 0 ? "" : $" other than {string.Join(", ", notBy)}";
        var then = hold.EscalatesAt is { } escalates ? $"It is asked of others {Words.Until(escalates, subject.Now)}." : $"It can be signed until {Words.Until(hold.Expires, subject.Now)}; then it is refused.";
        return new Cause(absent ? CauseCodes.ApproverAbsent : CauseCodes.GateHolds,
            $"{name} is held until '{hold.Title}' is signed by {hold.Who}{except}{(signed.Count > 0 ? $"; {string.Join(", ", signed)} signed" : "")}{(absent ? "; too few hold a key with that role" : "")}. Nothing was sent. {then}", Urgency.Person, step.At, step.Number)
        {
            Detail = $"on {step.Scheduled.Input}; digest {hold.Digest}",
            Unblockers = entitled?.SelectMany(e => e).Except(signed, StringComparer.Ordinal).Distinct(StringComparer.Ordinal).ToList() is { Count: > 0 } could ? could : [$"whoever holds the role {hold.Who}{except}"],
            Repairs = [new("sign it", $"aios approve {subject.Id} {step.Number}"), new("refuse it", $"aios reject {subject.Id} {step.Number}")],
        };
    }

    private delegate Cause Maker(string code, string says, Urgency urgency, IReadOnlyList<string> unblockers, params Repair[] repairs);

    private static Cause OfAnotherHost(Subject subject, ActivityStep step, string name, Maker make)
    {
        var what = step.Now is Inquiring ? $"Inquiry {step.Inquiry}" : $"Attempt {step.Attempt}";
        var then = step.Scheduled.Effect is Effect.AtMostOnce ? "its outcome is unknown and is asked for" : "it is started again, under the same key";
        return subject.Around.IsLiving(step.Owner)
            ? make(CauseCodes.AttemptElsewhere, $"{what} of {name} is under way on host {step.Owner} since {Words.Until(step.At, subject.Now)}.", Urgency.Working,
                [$"host {step.Owner}; if it is not heard of for {Words.Span(subject.Around.DeadAfter)} it is declared dead, and {then}"])
            : make(CauseCodes.HostLost, $"{what} of {name} was under way on host {step.Owner}, which is dead. {(subject.State.IsHeld ? "It is taken over when the run goes on" : "Nobody has taken it over yet")}: then {then}.", Urgency.Host,
                [subject.State.IsHeld ? "whoever lets the run go on" : $"host {subject.Around.HostId}, at its next look for what dead hosts left"]);
    }

    private static Cause UnderWay(Subject subject, ActivityStep step, string name, Maker make)
    {
        var limit = Declared(subject, step)?.Options.StartToClose ?? CallOptions.StartToCloseDefault;
        var took = subject.Now - step.At;
        return subject.Around.Attempt(step.Number) switch
        {
            { IsStarted: false, AwaitsPlace: { } quota } => make(CauseCodes.QuotaFull, $"{name} waits its turn: {quota}.", Urgency.Limited,
                ["the calls before it, as they end", "whoever may raise the quota"], new Repair("see how the quotas stand", "aios quota list")),
            { IsStarted: false, PausedUntil: { } until } gate => make(CauseCodes.RateLimited, $"{name} waits its turn: the activity begins at most {gate.PerSecond:0.###} attempts a second on a host, and {Words.Count(gate.Waiting, "wait", "wait")}.", Urgency.Limited,
                [$"time: the next one is let through {Words.Until(until, subject.Now)}", "a higher PerSecond in its ActivityOptions"]),
            { IsStarted: false, TenantsShare: { } share } gate => make(CauseCodes.TenantShareFull, $"{name} waits its turn: the tenant '{subject.Run.Tenant}' has its share of {Words.Count(share, "slot")} of the activity on host {subject.Around.HostId} under way, and {Words.Count(gate.Waiting, "attempt")} wait.", Urgency.Limited,
                [$"the tenant's attempts before it, as they end (each has at most {Words.Span(limit)})", "a higher ConcurrencyPerTenant in its ActivityOptions"]),
            { IsStarted: false } gate => make(CauseCodes.GateFull, $"{name} waits its turn: all {gate.Concurrency} slots of the activity on host {subject.Around.HostId} are taken, and {Words.Count(gate.Waiting, "attempt")} wait.", Urgency.Limited,
                [$"the attempts before it, as they end (each has at most {Words.Span(limit)})", "a higher Concurrency in its ActivityOptions"]),
            _ when EntityTools.AskedBy(step.Scheduled) is { } asked => make(CauseCodes.EntityAwaited, $"It awaits the answer of {asked.Workflow} '{asked.Id}' to the update '{asked.Update}' (step {step.Number}) since {Words.Until(step.At, subject.Now)}.", Urgency.Working,
                [$"the {asked.Workflow} '{asked.Id}'"], new Repair("see why it does not answer", $"aios explain {Words.Shell(asked.Id)}")),
            _ when took > limit / 2 && took > TimeSpan.FromSeconds(10) => make(CauseCodes.AttemptSlow, $"Attempt {step.Attempt} of {name} is under way since {Words.Until(step.At, subject.Now)}, and has no more than {Words.Span(limit)}.", Urgency.Working,
                ["the receiver's answer", $"its time-out at about {Words.Time(step.At + limit)}"]),
            _ => make(CauseCodes.AttemptUnderWay, $"Attempt {step.Attempt} of {name} is under way since {Words.Until(step.At, subject.Now)}{(step.CancelAsked ? "; it was asked to stop, and its outcome is awaited" : "")}.", Urgency.Working,
                ["the receiver's answer", $"its time-out at about {Words.Time(step.At + limit)}"]),
        };
    }

    private static ActivityStep.Declared? Declared(Subject subject, ActivityStep step) => subject.Loaded?.Execution?.Declaration(step.Number);

    // Open runs that list the same activity with a failed attempt.
    private static List<string> Alike(Subject subject, ActivityStep step) =>
    [
        .. subject.Around.Others.Where(row => row.Run != subject.Run && row.Waits.Any(wait => wait is { Kind: "activity", Until: not null } && wait.Name == step.Scheduled.Activity)).Select(row => row.Run.Id),
    ];

    private static string Attempts(ActivityStep step) => step.Failures <= 1 ? $"Attempt {step.Attempt}" : Words.Count(step.Failures, "attempt");

    private static string Next(Subject subject, ActivityStep step) => subject.State.IsHeld ? "when the run goes on" : Words.Until(step.PauseEnds!.Value, subject.Now);

    private static string Deadline(Subject subject, ActivityStep step) =>
        Declared(subject, step)?.Options.ScheduleToClose is { } limit && limit < TimeSpan.FromDays(3650) ? $", and none after {Words.Time(step.ScheduledAt + limit)}" : "";

    // ---- children ----

    private static Cause Child(ChildStep step) =>
        new(CauseCodes.ChildUnderWay, $"It awaits the child run {step.Scheduled.Run} ('{step.Scheduled.Workflow}', step {step.Number}){step.Now switch
        {
            ChildStep.Phase.Reusing => ", whose outcome is taken from before the cut",
            ChildStep.Phase.Replacing => ", in whose place another is started",
            _ when step.Number < 0 => ", which belongs to the branch that was left, and has to end before this one begins",
            ChildStep.Phase.Reaching => ", which is being started or told",
            _ => step.CancelAsked ? ", which was asked to end" : "",
        }}.",
            Urgency.Waiting, step.At, step.Number)
        {
            Unblockers = [$"the child: aios explain {step.Scheduled.Run}"],
        };

    // ---- timers ----

    private static Cause Timer(Subject subject, TimerStep timer)
    {
        var due = timer.Due!.Value;
        return new Cause(due - subject.Now > Far ? CauseCodes.TimerFar : CauseCodes.Timer, $"It waits until {Words.Until(due, subject.Now)} (step {timer.Number}). That costs nothing meanwhile.", Urgency.Waiting, timer.At, timer.Number)
        {
            Unblockers = ["time"],
        };
    }

    // ---- approvals ----

    private static Cause Approval(Subject subject, ApprovalStep step)
    {
        var (asked, id) = (step.Request, subject.Id);
        var except = asked.NotBy.Count == 0 ? "" : $" other than {string.Join(", ", asked.NotBy)}";
        var deadline = asked.Deadline is { } until ? $" The deadline is {Words.Until(until, subject.Now)}; then it counts as not granted." : "";
        Repair[] decide = [new("grant it", $"aios approve {id} {step.Number}"), new("refuse it", $"aios reject {id} {step.Number}")];
        var holders = subject.Around.Keyholders?.Where(k => k.Roles.Contains(asked.Role, StringComparer.Ordinal)).Select(k => k.Name).ToList();
        var entitled = holders?.Except(asked.NotBy, StringComparer.Ordinal).ToList();
        Cause Make(string code, string says, IReadOnlyList<string> unblockers, params Repair[] repairs) =>
            new(code, says + deadline, Urgency.Person, step.At, step.Number) { Detail = $"on {asked.Subject}", Unblockers = unblockers, Repairs = repairs };

        if (entitled is { Count: 0 })
            return Make(CauseCodes.ApproverAbsent, $"'{asked.Title}' (step {step.Number}) is for the role '{asked.Role}'{except}, and {(holders!.Count == 0 ? "nobody holds a key with that role" : $"only {string.Join(", ", holders)} hold{(holders.Count == 1 ? "s" : "")} it")}.",
                ["the owner, who can give somebody else the role"], [new("make a key with the role", $"aios keys add NAME --role {Words.Shell(asked.Role)}"), .. decide]);
        var who = entitled is null ? $"whoever holds the role '{asked.Role}'{except}" : string.Join(", ", entitled.Take(10));
        var near = asked.Deadline is { } last && (last - subject.Now < TimeSpan.FromHours(1) && last - step.At > TimeSpan.FromHours(1) || last - subject.Now < (last - step.At) / 10);
        return Make(near ? CauseCodes.ApprovalDeadlineNear : CauseCodes.Approval, $"'{asked.Title}' (step {step.Number}) awaits the decision of the role '{asked.Role}'{except}.", [who], decide);
    }
}
