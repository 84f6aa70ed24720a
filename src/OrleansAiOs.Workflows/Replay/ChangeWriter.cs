using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>Puts the differences of a lenient replay into words, and into patches: what was asked for and what was recorded, side by side.</summary>
internal sealed class ChangeWriter(LenientReplay replay, List<(RecordedCommand? Recorded, AskedCommand? Asked)> pairs, List<(WorkflowEvent Event, DateTimeOffset At)> events, CodeNames names)
{
    private readonly HashSet<string> taken = [.. replay.Recorded.Select(r => (r.Event as PatchMarked)?.Patch).OfType<string>()];
    private readonly Dictionary<object, string> patchNames = [];
    private readonly HashSet<RecordedCommand> movedFrom = [];
    private readonly Dictionary<RecordedCommand, RecordedCommand> undoneBy = [];
    private readonly HashSet<RecordedCommand> undoings = [];
    private readonly Dictionary<(string?, int, string), (int Since, int Times)> rounds = [];

    public IReadOnlyList<CommandChange> Write(FirstDifference first)
    {
        var changes = new List<CommandChange>();
        var moved = Moved();
        movedFrom.UnionWith(moved.Values);
        FindUndoings();
        // Behind a throw nothing is known, and behind a loop that never ended not what is missing.
        var last = replay.Fault is null && !replay.IsRunaway ? pairs.Count : pairs.FindLastIndex(pair => pair.Asked is not null) + 1;
        var lastKnown = replay.IsRunaway ? pairs.FindLastIndex(pair => pair is (not null, not null)) : last;
        for (var i = 0; i < last; i++)
        {
            switch (pairs[i])
            {
                case ({ } recorded, { } asked) when CommandIdentity.IsAlike(recorded.Event, asked.Command!):
                    Count(asked);
                    if (!CommandIdentity.IsByteEqual(CommandIdentity.At(0, recorded.Event), CommandIdentity.At(0, asked.Command!)))
                        changes.Add(Diagnosis.ArgumentsChanged(recorded.Version, recorded.Event, asked.Command!, asked.Place));
                    break;
                case ({ } recorded, { } asked):
                    changes.Add(Replaced(recorded, asked));
                    break;
                case (null, { } asked):
                    if (moved.TryGetValue(asked, out var from)) changes.Add(Reordered(from, asked));
                    else changes.Add(Inserted(asked, i));
                    break;
                case ({ } recorded, null):
                    if (!movedFrom.Contains(recorded) && i <= lastKnown) changes.Add(Removed(recorded, i));
                    break;
            }
        }
        if (changes.TrueForAll(change => change.Kind is ChangeKind.Arguments)) changes.AddRange(Timing(first));
        return changes;
    }

    // What is missing in one place and new in another.
    private Dictionary<AskedCommand, RecordedCommand> Moved()
    {
        var moved = new Dictionary<AskedCommand, RecordedCommand>();
        var free = pairs.Where(pair => pair.Asked is null).Select(pair => pair.Recorded!).ToList();
        foreach (var asked in pairs.Where(pair => pair.Recorded is null).Select(pair => pair.Asked!))
        {
            if (asked.Command is null || free.Find(r => CommandIdentity.IsAlike(r.Event, asked.Command) && (asked.Of is null || asked.Of == r)) is not { } from) continue;
            free.Remove(from);
            moved.Add(asked, from);
        }
        return moved;
    }

    // A saga hands what undoes a step the step's result: that is how it is told in a history whose code no longer has it.
    private void FindUndoings()
    {
        foreach (var done in pairs.Where(pair => pair.Asked is null).Select(pair => pair.Recorded!))
        {
            if (done.Event is not StepScheduled scheduled || events.Find(e => e.Event is StepCompleted completed && completed.Step == scheduled.Step).Event is not StepCompleted { Result: var result }) continue;
            var undo = pairs.Where(pair => pair.Asked is null).Select(pair => pair.Recorded!)
                .LastOrDefault(r => r.Version > done.Version && r.Event is StepScheduled u && !undoings.Contains(r) && u.Activity != scheduled.Activity && CanonicalJson.Digest(u.Input) == CanonicalJson.Digest(result));
            if (undo is null || names.Saga is null || !pairs.Exists(pair => pair.Asked?.Undoes is not null)) continue;
            undoneBy[done] = undo;
            undoings.Add(undo);
        }
    }

    private static (string?, int, string) LineOf(AskedCommand asked) => (asked.Place?.File, asked.Place?.Line ?? 0, Subject(asked));

    // How often the call on this line was matched since it was last made once more than before: that is a round of its loop.
    private void Count(AskedCommand asked)
    {
        if (asked.Place is not { Line: > 0 }) return;
        var (since, times) = rounds.GetValueOrDefault(LineOf(asked));
        rounds[LineOf(asked)] = (since + 1, times);
    }

    // ---- one kind of change each ----

    private CommandChange Inserted(AskedCommand asked, int at)
    {
        var what = asked.Command is null ? $"a signal '{asked.Signal}'" : CommandIdentity.Name(asked.Command);
        var text = asked.Command is null
            ? $"the code now waits for {what}{At(asked.Place)}, which never came in this run"
            : $"the code now asks for {what}{At(asked.Place)}, which was not recorded";
        return new CommandChange(ChangeKind.Inserted, null, (asked.Command as StepEvent)?.Step, null, what, asked.Place, text, IsOpening(asked) ? Guard(asked, at) : null);
    }

    private SuggestedPatch? Guard(AskedCommand asked, int at)
    {
        if (asked.Signal is { } awaited && events.Select(e => (e.Event as SignalReceived)?.Signal).OfType<string>().FirstOrDefault(came => !replay.Asked.Any(a => a.Signal == came)) is { } untaken)
            return new SuggestedPatch(untaken, PatchForm.KeepName, asked.Place,
                $"Nobody takes the signal '{untaken}' that came. Was it only renamed to '{awaited}'? Give the signal its name '{untaken}' back: callers and histories know it by that.", awaited);
        if (asked.Command is RunClosed or PatchMarked || asked.Undoes is not null) return null; // what undoes a new step of a saga comes and goes with it
        var name = NameOf("added", Subject(asked), asked.Place ?? (object)asked);
        if (asked.Place is not { Line: > 0 } place)
            return new SuggestedPatch(name, PatchForm.ByHand, asked.Place, $"Ask for {Subject(asked)} only where Patched(\"{name}\") is true.");
        var nothing = asked.Command is StepScheduled scheduled ? names.Nothing(scheduled.Activity) : null;
        var (since, times) = rounds.GetValueOrDefault(LineOf(asked));
        if (asked.Signal is not null && times == 0) since = replay.Asked.Count(other => !other.IsReal && other.Signal == asked.Signal && place.IsSameLine(other.Place)); // the waits that ended are no pairs
        if (since > 0 || times > 0)
        {
            times = since > 0 && times == 0 ? since : times;
            rounds[LineOf(asked)] = (0, times);
            return new SuggestedPatch(name, PatchForm.GuardRepeats, place,
                $"{place}: this call was made {times} times before. From then on make it only where Patched(\"{name}\") is true; in a loop, in front of it:  if (n++ >= {times} && !Patched(\"{name}\")) break;", nothing, Times: times);
        }
        var later = pairs.Skip(at + 1).Any(pair => pair.Asked is { } other && pair.Recorded is not null && place.IsSameLine(other.Place) && SameCall(other, asked));
        if (!later) return new SuggestedPatch(name, PatchForm.Guard, place, $"{place}: put the call under  if (Patched(\"{name}\")) {{ … }}");
        var first = pairs.Skip(at).TakeWhile(pair => pair.Recorded is null || pair.Asked is null || !(place.IsSameLine(pair.Asked.Place) && SameCall(pair.Asked, asked)))
            .Count(pair => pair is (null, { } other) && place.IsSameLine(other.Place) && SameCall(other, asked));
        first += pairs.Take(at).Count(pair => pair is (null, { } other) && place.IsSameLine(other.Place) && SameCall(other, asked));
        return new SuggestedPatch(name, PatchForm.GuardFirst, place,
            $"{place}: this call comes earlier in its loop than it did. Make the first {(first == 1 ? "one" : $"{first}")} only where Patched(\"{name}\") is true:  if (n++ >= {first} || Patched(\"{name}\")) {{ … }}", Times: first);
    }

    private static bool SameCall(AskedCommand a, AskedCommand b) => a.Command is null ? a.Signal == b.Signal : b.Command is not null && CommandIdentity.IsAlike(a.Command, b.Command);

    private CommandChange Removed(RecordedCommand recorded, int at)
    {
        var previous = Previous(at);
        return new CommandChange(ChangeKind.Removed, recorded.Version, (recorded.Event as StepEvent)?.Step, CommandIdentity.Name(recorded.Event), null, previous?.Place,
            $"event {recorded.Version} is {CommandIdentity.Name(recorded.Event)}, and the code no longer asks for it{(previous?.Place is { } place ? $" (it came behind {place})" : "")}",
            IsOpening(recorded) ? Keep(recorded, at) : null);
    }

    // What was removed together is kept together, in one place and under one name.
    private SuggestedPatch? Keep(RecordedCommand recorded, int at)
    {
        if (recorded.Event is RunClosed) return null; // a consequence
        var (from, to) = (at, at);
        while (from > 0 && IsGone(from - 1)) from--;
        while (to + 1 < pairs.Count && IsGone(to + 1)) to++;
        var (previous, next) = (Previous(from), Next(to));
        if (recorded.Event is PatchMarked marked)
            return new SuggestedPatch(marked.Patch, previous?.Place is null ? PatchForm.ByHand : PatchForm.KeepBehind, previous?.Place,
                $"This run recorded the patch '{marked.Patch}': leave its Patched(\"{marked.Patch}\") in the code until no history holds it.", $"_ = Patched(\"{marked.Patch}\");");

        var gone = pairs.GetRange(from, to - from + 1).Select(pair => pair.Recorded!).Where(IsOpening).ToList();
        gone.RemoveAll(undoings.Contains); // they come with the step of the saga that they undo
        if (Round(recorded) is { } round) return round;
        if (gone.Count == 0 || gone[0] != recorded) return null; // told with the first of them
        var calls = gone.ConvertAll(Call);
        if (events[recorded.Input].Event is SignalReceived { Signal: var signal } && IsUntaken(signal) && names.Receive(signal) is { } receive) calls.Insert(0, receive);
        var subject = CommandIdentity.Subject(recorded.Event) ?? EventNames.Of(recorded.Event);
        var (form, place, second) = (previous?.Place, next?.Place) switch
        {
            _ when Beside(recorded, previous) is { } beside => (beside.Form, beside.At, (CodePlace?)null),
            ({ Line: > 0 } behind, { Line: > 0 } front) when !front.IsSameLine(behind) && front.Method == behind.Method && !IsInsideLoop(previous!, recorded) => (PatchForm.KeepBetween, behind, front),
            ({ Line: > 0 } behind, { Line: > 0 } front) when front.Method != behind.Method && !IsRepeated(front) => (PatchForm.KeepInFront, front, null),
            ({ Line: > 0 } behind, _) when !IsRepeated(behind) || IsInsideLoop(previous!, recorded) => (PatchForm.KeepBehind, behind, null),
            (_, { Line: > 0 } front) when previous is null && !IsRepeated(front) && front.Method == names.Main => (PatchForm.KeepInFront, front, null),
            (null, _) => (PatchForm.KeepAtStart, next?.Place, null),
            ({ Line: > 0 } inside, _) when next is null || inside.Method == names.Main => (PatchForm.KeepAtEnd, inside, null),
            _ => (PatchForm.ByHand, previous?.Place ?? next?.Place, null),
        };
        if (form is PatchForm.KeepBehind or PatchForm.KeepInFront && Beside(recorded, previous) is not null) calls = calls.ConvertAll(call => call?.Replace("await ", "_ = ", StringComparison.Ordinal));
        var name = NameOf("removed", subject, (place, string.Join(';', calls)));
        if (calls.Contains(null)) return new SuggestedPatch(name, PatchForm.ByHand, place, $"Ask for {string.Join(", ", gone.Select(r => CommandIdentity.Name(r.Event)))} again where Patched(\"{name}\") is false.");
        var statement = $"if (!Patched(\"{name}\")) {Statements(calls!)}";
        var where = form switch
        {
            PatchForm.KeepBehind => $"behind {place}",
            PatchForm.KeepInFront => $"in front of {place}",
            PatchForm.KeepBetween => $"between {place} and {second}",
            PatchForm.KeepAtEnd => $"at the end of {names.Main}, in front of its return",
            PatchForm.KeepAtStart => $"at the start of {names.Main}",
            _ => "where it stood",
        };
        return new SuggestedPatch(name, form, place, $"Keep the call for the runs that made it; {where}:  {statement}", statement, second);
    }

    private string? Call(RecordedCommand recorded)
    {
        if (undoneBy.TryGetValue(recorded, out var undo) && recorded.Event is StepScheduled { Activity: var done } && undo.Event is StepScheduled { Activity: var undone }
            && names.Activity(done) is { } activity && names.Activity(undone) is { } by) return $"await {names.Saga}.Call({activity}, default!, undo: {by})";
        return names.Call(recorded.Event, events[recorded.Input].At);
    }

    private bool IsUntaken(string signal) => replay.Asked.Count(asked => asked.Signal == signal && !asked.IsReal) < events.Count(e => e.Event is SignalReceived came && came.Signal == signal);

    // Gone behind every await of a line, as the histories tell by what each command stood behind: kept behind that line, once for all.
    private SuggestedPatch? Round(RecordedCommand recorded)
    {
        if (Awaited(recorded)?.Place is not { Line: > 0 } place || Call(recorded) is not { } call) return null;
        var awaits = replay.Asked.Count(asked => place.IsSameLine(asked.Place) && IsOpening(asked) && asked.Command is not null);
        var gone = pairs.Count(pair => pair is ({ } other, null) && CommandIdentity.IsAlike(other.Event, recorded.Event) && IsOpening(other) && Awaited(other)?.Place is { } its && place.IsSameLine(its));
        if (awaits < 2 || gone != awaits) return null;
        var name = NameOf("removed", CommandIdentity.Subject(recorded.Event) ?? EventNames.Of(recorded.Event), (place, call));
        var statement = $"if (!Patched(\"{name}\")) {call};";
        return new SuggestedPatch(name, PatchForm.KeepBehind, place, $"Keep the call for the runs that made it; behind {place}:  {statement}", statement);
    }

    // The call of now whose outcome the command stood behind: it was asked for when that call's await came back.
    private AskedCommand? Awaited(RecordedCommand recorded) => events[recorded.Input].Event is StepEvent { Step: var step }
        ? replay.Recorded.FirstOrDefault(r => r.Event is StepCommand opening && opening.Step == step)?.By : null;

    // Asked for together with the one before, not behind its await.
    private (PatchForm Form, CodePlace At)? Beside(RecordedCommand recorded, AskedCommand? previous)
    {
        if (recorded.Event is not (StepScheduled or ChildScheduled) || previous is not { Command: StepScheduled or ChildScheduled, Of: { } before, Place: { Line: > 0 } place } || before.Input != recorded.Input) return null;
        return (CommandIdentity.IsAlike(before.Event, recorded.Event) ? PatchForm.KeepInFront : PatchForm.KeepBehind, place);
    }

    private bool IsGone(int at) => pairs[at] is ({ Event: not (PatchMarked or RunClosed) } recorded, null) && !movedFrom.Contains(recorded);

    private static string Statements(List<string> calls)
    {
        var text = new List<string>();
        for (var i = 0; i < calls.Count;)
        {
            var times = calls.Skip(i).TakeWhile(call => call == calls[i]).Count();
            text.Add(times == 1 ? $"{calls[i]};" : $"for (var kept = 0; kept < {times}; kept++) {calls[i]};");
            i += times;
        }
        return text.Count == 1 ? text[0] : $"{{ {string.Join(' ', text)} }}";
    }

    private bool IsRepeated(CodePlace place) => replay.Asked.Count(asked => place.IsSameLine(asked.Place)) > 1;

    // Gone behind every round, not only behind the last.
    private bool IsInsideLoop(AskedCommand previous, RecordedCommand gone)
    {
        var rounds = Enumerable.Range(0, pairs.Count).Where(i => pairs[i].Asked is { } asked && asked.Place is { } place && place.IsSameLine(previous.Place)).ToList();
        return rounds.Count > 1 && rounds.TrueForAll(i => i + 1 < pairs.Count && pairs[i + 1] is ({ } behind, null) && CommandIdentity.IsAlike(behind.Event, gone.Event));
    }

    private CommandChange Replaced(RecordedCommand recorded, AskedCommand asked)
    {
        var text = $"event {recorded.Version} is {CommandIdentity.Name(recorded.Event)}, and the code now asks for {CommandIdentity.Name(asked.Command!)}{At(asked.Place)}";
        return new CommandChange(ChangeKind.Replaced, recorded.Version, (recorded.Event as StepEvent)?.Step, CommandIdentity.Name(recorded.Event), CommandIdentity.Name(asked.Command!), asked.Place, text,
            Choose(recorded, asked));
    }

    private SuggestedPatch? Choose(RecordedCommand recorded, AskedCommand asked)
    {
        var (then, now) = (CommandIdentity.Subject(recorded.Event), CommandIdentity.Subject(asked.Command!));
        if (recorded.Event is not (StepScheduled or ChildScheduled) || then is null || now is null) return null; // the run, or an update, ends otherwise: a consequence
        if (names.Call(recorded.Event, events[recorded.Input].At) is { } call && names.IsKnown(then))
        {
            var name = NameOf("replaced", then, (object?)asked.Place ?? asked);
            if (asked.Undoes is not null && asked.Place is { Line: > 0 } && names.Activity(then) is { } undo)
                return new SuggestedPatch(name, PatchForm.ChooseUndo, asked.Place, $"{asked.Place}:  undo: Patched(\"{name}\") ? <the activity as it is> : {undo}", undo);
            return new SuggestedPatch(name, asked.Place is { Line: > 0 } ? PatchForm.Choose : PatchForm.ByHand, asked.Place, $"{asked.Place}:  Patched(\"{name}\") ? <the call as it is> : {call}", call);
        }
        return new SuggestedPatch(then, PatchForm.KeepName, asked.Place, $"Was '{then}' only renamed to '{now}'? Give the activity its name '{then}' back: names stand in histories for ever; rename the field instead. "
            + $"If it is another activity, keep '{then}' for the runs that called it:  Patched(\"{NameOf("replaced", then, then)}\") ? <the new call> : <the old one>", now);
    }

    private CommandChange Reordered(RecordedCommand recorded, AskedCommand asked)
    {
        var i = pairs.FindIndex(pair => pair.Recorded == recorded);
        var earlier = pairs.FindIndex(pair => pair.Asked == asked) < i;
        var (previous, next) = (Previous(i), Next(i));
        var name = NameOf("moved", Subject(asked), (object?)asked.Place ?? asked);
        var old = previous?.Place is { Line: > 0 } behind && previous != asked ? behind : null;
        var front = next?.Place is { Line: > 0 } ahead && next != asked ? ahead : null;
        // In the method of the call, if one of the two stands there.
        if (front is not null && front.Method == asked.Place?.Method && old?.Method != asked.Place.Method) old = null;
        if (old is not null) front = null;
        var canMove = asked.Place is { Line: > 0 } && (old ?? front) is not null && IsOpening(asked);
        var where = old is not null ? $"behind {old}" : front is not null ? $"in front of {front}" : "where it stood";
        return new CommandChange(ChangeKind.Reordered, recorded.Version, (recorded.Event as StepEvent)?.Step, CommandIdentity.Name(recorded.Event), CommandIdentity.Name(asked.Command!), asked.Place,
            $"{CommandIdentity.Name(recorded.Event)} of event {recorded.Version} is now asked for {(earlier ? "earlier" : "later")}{At(asked.Place)}",
            IsOpening(asked) && asked.Undoes is null // what undoes a saga's steps follows their order
                ? new SuggestedPatch(name, canMove ? PatchForm.Move : PatchForm.ByHand, asked.Place,
                    $"{asked.Place}: put the call under  if (Patched(\"{name}\"))  and keep it {where} under  if (!Patched(\"{name}\")); any argument does there: the recorded one is used", old is null ? "front" : "behind", old ?? front)
                : null);
    }

    // The same commands, but not behind the same inputs: an await came or went.
    private IEnumerable<CommandChange> Timing(FirstDifference first)
    {
        foreach (var (recorded, asked) in pairs)
        {
            if (recorded is null || asked is null || recorded.Input == asked.Input) continue;
            var earlier = asked.Input < recorded.Input;
            SuggestedPatch? patch = null;
            if (earlier && events[recorded.Input].Event is SignalReceived signal)
            {
                var name = NameOf("removed", signal.Signal, signal.Signal);
                var statement = names.Receive(signal.Signal) is { } receive ? $"if (!Patched(\"{name}\")) {receive};" : null;
                patch = new SuggestedPatch(name, statement is null || asked.Place is not { Line: > 0 } ? PatchForm.ByHand : PatchForm.KeepInFront, asked.Place, $"The code no longer waits for the signal '{signal.Signal}'. Keep the wait for the runs that did, in front of {asked.Place}:  {statement}", statement);
            }
            else
            {
                var name = NameOf("moved", Subject(asked), (object?)asked.Place ?? asked);
                patch = new SuggestedPatch(name, PatchForm.ByHand, asked.Place, earlier
                    ? $"Something is no longer awaited in front of {asked.Place}: await it there where Patched(\"{name}\") is false."
                    : $"Something new is awaited in front of {asked.Place}: await it there only where Patched(\"{name}\") is true.");
            }
            yield return new CommandChange(ChangeKind.Reordered, recorded.Version, (recorded.Event as StepEvent)?.Step, CommandIdentity.Name(recorded.Event), CommandIdentity.Name(asked.Command!), asked.Place,
                $"{CommandIdentity.Name(recorded.Event)} of event {recorded.Version} is now asked for {(earlier ? "earlier" : "later")}{At(asked.Place)}: behind event {asked.Input + 1} ({EventNames.Of(events[asked.Input].Event)}), not behind event {recorded.Input + 1}",
                patch);
            yield break; // what follows is shifted with it
        }
        if (first.Recorded is { } missing && !pairs.Exists(pair => pair.Recorded?.Version == first.Version && pair.Asked is null))
            yield return new CommandChange(ChangeKind.Removed, first.Version, (missing as StepEvent)?.Step, CommandIdentity.Name(missing), null, null, first.ToString());
        else if (first.Asked is { } extra)
            yield return new CommandChange(ChangeKind.Inserted, null, (extra as StepEvent)?.Step, null, CommandIdentity.Name(extra), first.At, first.ToString());
    }

    // ---- parts ----

    // The nearest line in front of a place and behind it, waits for signals that came included: of those that lie between two commands,
    // the ones begun before the input of the command that is missing stood in front of it.
    private AskedCommand? Previous(int at) => Around(at).Front.LastOrDefault(asked => asked.Place is not null);

    private AskedCommand? Next(int at) => Around(at).Behind.FirstOrDefault(asked => asked.Place is not null);

    private (IEnumerable<AskedCommand> Front, IEnumerable<AskedCommand> Behind) Around(int at)
    {
        var front = pairs.Take(at).LastOrDefault(pair => pair.Asked is not null).Asked;
        var behind = pairs.Skip(at + 1).FirstOrDefault(pair => pair.Asked is not null).Asked;
        var all = replay.Asked;
        var from = front is null ? 0 : IndexOf(front) + 1;
        var to = behind is null ? all.Count : IndexOf(behind);
        var cut = from;
        while (cut < to && pairs[at].Recorded is { } missing && all[cut].Input < missing.Input) cut++;
        return (all.Take(cut), all.Skip(cut).Where(asked => asked != pairs[at].Asked));

        int IndexOf(AskedCommand asked)
        {
            for (var i = 0; i < all.Count; i++)
                if (all[i] == asked) return i;
            return all.Count;
        }
    }

    private bool IsOpening(AskedCommand asked) => asked.Command is not StepEvent step || replay.Asked.First(a => a.Command is StepEvent s && s.Step == step.Step) == asked;

    private bool IsOpening(RecordedCommand recorded) => recorded.Event is not StepEvent step || replay.Recorded.First(r => r.Event is StepEvent s && s.Step == step.Step) == recorded;

    private static string Subject(AskedCommand asked) => asked.Signal ?? CommandIdentity.Subject(asked.Command!) ?? EventNames.Of(asked.Command!);

    private static string At(CodePlace? place) => place is null ? "" : $" at {place}";

    private string NameOf(string verb, string subject, object key)
    {
        if (patchNames.TryGetValue((verb, key), out var known)) return known;
        var name = $"{verb}-{subject}";
        for (var n = 2; !taken.Add(name); n++) name = $"{verb}-{subject}-{n}";
        return patchNames[(verb, key)] = name;
    }
}
