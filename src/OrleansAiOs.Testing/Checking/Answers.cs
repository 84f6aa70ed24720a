using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Testing.Checking;

/// <summary>
/// I14: what a run's code answered is what its history says. A query is asked again of the history as it was: at one of the moments between
/// what its sender knew and what was there when he had the answer, it answers the same. An update has one outcome behind its acceptance, and
/// every sender was told that one.
/// </summary>
internal static class Answers
{
    public static IEnumerable<string> Check(RunFacts facts, List<(WorkflowEvent Event, DateTimeOffset At)> events, CheckerOptions options, RunContext context)
    {
        foreach (var asked in options.Asked?[facts.Run] ?? [])
            if (!Moments(events, asked).Any(version => Says(facts.Run, events.GetRange(0, version), asked, context)))
                yield return $"query '{asked.Query}' was answered {asked.Answer}, which the run did not say at any moment from version {asked.From} to {asked.To}";
        foreach (var answered in options.Answered?[facts.Run] ?? [])
            if (Objection(events, answered) is { } objection) yield return $"update {answered.Key} was told to be {Told(answered.Outcome.Answer, answered.Outcome.Failure)}: {objection}";
    }

    // The last first: that is what most are answered from. Between an input and what the code asked for behind it nobody is answered.
    private static IEnumerable<int> Moments(List<(WorkflowEvent Event, DateTimeOffset At)> events, Asked asked)
    {
        for (var version = (int)Math.Min(asked.To, events.Count); version >= Math.Max(1, asked.From); version--)
            if (version == events.Count || !events[version].Event.IsCommand) yield return version;
    }

    private static bool Says(RunKey run, List<(WorkflowEvent Event, DateTimeOffset At)> then, Asked asked, RunContext context) =>
        WorkflowRun.Load(run, then, context).Execution?.Queries is { } queries && queries.Knows(asked.Query)
        && queries.Ask(asked.Query, null) is { Thrown: null } answer && CanonicalJson.Write(answer.Value).AsSpan().SequenceEqual(CanonicalJson.Write(asked.Answer));

    private static string? Objection(List<(WorkflowEvent Event, DateTimeOffset At)> events, Answered answered)
    {
        var outcome = answered.Outcome;
        if (outcome.Version < 1 || outcome.Version > events.Count || events[(int)outcome.Version - 1].Event is not UpdateAccepted accepted || accepted.Key != answered.Key)
            return $"event {outcome.Version} does not accept it";
        foreach (var (e, _) in events.Skip((int)outcome.Version))
            switch (e)
            {
                case RunReset reset when reset.To < outcome.Version:
                    return "a reset left the branch that had accepted it";
                case UpdateCompleted completed when completed.Update == accepted.Update:
                    return outcome.Answer is { } answer && CanonicalJson.Write(answer).AsSpan().SequenceEqual(CanonicalJson.Write(completed.Answer)) ? null : $"the history says {Told(completed.Answer, null)}";
                case UpdateFailed failed when failed.Update == accepted.Update:
                    return outcome.Failure == failed.Failure ? null : $"the history says {Told(null, failed.Failure)}";
            }
        return "the history has no outcome of it";
    }

    private static string Told(JsonText? answer, Failure? failure) => answer is { } value ? $"answered {value}" : $"failed with {failure?.Message}";
}
