using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Steps;

namespace OrleansAiOs.Workflows.Explaining;

/// <summary>Signals the code awaits, and signals nobody awaits.</summary>
internal static class SignalCauses
{
    public static IEnumerable<Cause> Of(Subject subject)
    {
        if (subject.Loaded?.Execution is not { } code || subject.State.IsClosed || subject.State.IsHeld) yield break;
        var stray = code.Signals.Where(signal => !signal.IsAwaited && signal.Arrived.Count > 0).OrderBy(signal => signal.Name, StringComparer.Ordinal).ToList();
        foreach (var awaited in code.Signals.Where(signal => signal.IsAwaited).OrderBy(signal => signal.AwaitedSince).ThenBy(signal => signal.Name, StringComparer.Ordinal).ToList())
            yield return Awaited(subject, awaited, stray);
        foreach (var signal in stray)
            yield return new Cause(CauseCodes.SignalNotAwaited, $"{Words.Count(signal.Arrived.Count, "signal")} '{signal.Name}' came, and the code has not asked for {(signal.Arrived.Count == 1 ? "it" : "them")}. {(signal.Arrived.Count == 1 ? "It is" : "They are")} kept.", Urgency.Note)
            {
                Unblockers = ["the code, if it comes to receive it"],
            };
    }

    private static Cause Awaited(Subject subject, SignalWait signal, List<SignalWait> stray)
    {
        Repair Send(string value) => new("send it", $"aios signal {subject.Id} {Words.Shell(signal.Name)} {value}");
        Cause Make(string code, string says, IReadOnlyList<string> unblockers, Repair repair, Urgency urgency = Urgency.Waiting) =>
            new(code, says, urgency, signal.AwaitedSince) { Unblockers = unblockers, Repairs = [repair] };
        var type = Readable(signal.Awaited!);

        if (signal.PassedOver > 0)
            return Make(CauseCodes.SignalUnreadable, $"The code awaits the signal '{signal.Name}' as {type}. {Words.Count(signal.PassedOver, "one", "of that name")} came before it asked and could not be read as that, the last {Cut(signal.LastPassedOver.ToString())}: passed over.",
                ["its sender, with a value that can be read"], Send("JSON"), Urgency.Person);
        if (stray.Find(other => Words.LooksLike(other.Name, signal.Name)) is { } misnamed)
            return Make(CauseCodes.SignalMisnamed, $"The code awaits the signal '{signal.Name}', which was never sent; '{misnamed.Name}' was, which nobody awaits.",
                ["its sender, under the right name"], Send(Words.Shell(Cut(misnamed.Arrived.First().ToString(), "JSON"))), Urgency.Person);
        var before = subject.Events.Count(e => e.Event is SignalReceived received && received.Signal == signal.Name);
        return before == 0
            ? Make(CauseCodes.SignalNeverSent, $"The code awaits the signal '{signal.Name}' ({type}), and none was ever sent.", ["whoever sends it"], Send("JSON"))
            : Make(CauseCodes.SignalAwaited, $"The code awaits another signal '{signal.Name}' ({type}); {Words.Count(before, "came", "came")} before.", ["whoever sends it"], Send("JSON"));
    }

    private static string Readable(Type type) => type.IsGenericType ? $"{type.Name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(Readable))}>" : type.Name;

    private static string Cut(string json, string? otherwise = null) => json.Length <= 200 ? json : otherwise ?? json[..199] + "…";
}
