using System.Text;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>
/// From a first difference to all of them: a lenient replay, an alignment, and a sentence and a patch for each difference. An operation
/// that no history knows is either new or stands for a recorded one (it was renamed, or another was called instead); each such guess is
/// tried, and the one that leaves the least to explain is kept.
/// </summary>
internal static class Diagnosis
{
    private const int GuessesMax = 6;

    public static ReplayVerdict Of(ReplayVerdict verdict, RunKey run, List<(WorkflowEvent Event, DateTimeOffset At)> events, WorkflowType type, WorkflowRegistry registry,
        FirstDifference? first, Patience patience)
    {
        if (first is null) return verdict; // it threw before it asked for anything else
        var hasEnded = events.Exists(e => e.Event is RunClosed);
        HashSet<string> renamed = new(StringComparer.Ordinal);
        var best = Try(renamed);
        var tried = 0;
        foreach (var candidate in best.Replay.Candidates.Order(StringComparer.Ordinal).ToList())
        {
            if (++tried > GuessesMax) break;
            var guess = Try([.. renamed, candidate]);
            if (guess.Cost >= best.Cost) continue;
            best = guess;
            renamed.Add(candidate);
        }

        var writer = new ChangeWriter(best.Replay, best.Pairs, events, new CodeNames(type));
        var changes = writer.Write(first);
        var note = best.Replay.Fault is { } fault
            ? $"Behind the difference the code was shown made-up outcomes and threw {fault.GetType().Name}{(CodePlace.Of(fault) is { } at ? $" at {at}" : "")}; what it would ask for after that is not known."
            : null;
        return verdict with { Changes = changes, Note = note };

        (LenientReplay Replay, List<(RecordedCommand? Recorded, AskedCommand? Asked)> Pairs, double Cost) Try(HashSet<string> names)
        {
            var replay = new LenientReplay(events, names);
            var loaded = WorkflowRun.Load(run, events, Replayer.Sealed(registry, lenient: replay, patience: patience));
            if (hasEnded) replay.End();
            var (pairs, cost) = Alignment.Of(replay.Recorded, [.. replay.Asked.Where(asked => asked.IsReal)]);
            return (replay, pairs, cost + (replay.Fault is null ? 0 : 2) + (hasEnded && !loaded.State.IsClosed ? 1 : 0));
        }
    }

    public static CommandChange ArgumentsChanged(long version, WorkflowEvent recorded, WorkflowEvent asked, CodePlace? at) =>
        new(ChangeKind.Arguments, version, (recorded as StepEvent)?.Step, Body(recorded), Body(asked), at,
            $"{CommandIdentity.Name(recorded)} of event {version} would now be asked for with other arguments{(at is null ? "" : $" at {at}")}: {Body(recorded)} was recorded and is carried out, {Body(asked)} is asked for");

    private static string Body(WorkflowEvent e)
    {
        var text = Encoding.UTF8.GetString(EventNames.Write(e).Body);
        return text.Length <= 200 ? text : text[..200] + "…";
    }

    private sealed class ChangeWriter(LenientReplay replay, List<(RecordedCommand? Recorded, AskedCommand? Asked)> pairs, List<(WorkflowEvent Event, DateTimeOffset At)> events, CodeNames names)
    {
        private readonly HashSet<string> taken = [.. replay.Recorded.Select(r => (r.Event as PatchMarked)?.Patch).OfType<string>()];
        private readonly Dictionary<object, string> patchNames = [];
        private readonly HashSet<RecordedCommand> movedFrom = [];

        public IReadOnlyList<CommandChange> Write(FirstDifference first)
        {
            var changes = new List<CommandChange>();
            var moved = Moved();
            movedFrom.UnionWith(moved.Values);
            var last = replay.Fault is null ? pairs.Count : pairs.FindLastIndex(pair => pair.Asked is not null) + 1; // behind a throw nothing is known
            for (var i = 0; i < last; i++)
            {
                switch (pairs[i])
                {
                    case ({ } recorded, { } asked) when CommandIdentity.IsAlike(recorded.Event, asked.Command!):
                        if (!CommandIdentity.IsByteEqual(CommandIdentity.At(0, recorded.Event), CommandIdentity.At(0, asked.Command!)))
                            changes.Add(ArgumentsChanged(recorded.Version, recorded.Event, asked.Command!, asked.Place));
                        break;
                    case ({ } recorded, { } asked):
                        changes.Add(Replaced(recorded, asked));
                        break;
                    case (null, { } asked):
                        if (moved.TryGetValue(asked, out var from)) changes.Add(Reordered(from, asked));
                        else changes.Add(Inserted(asked, i));
                        break;
                    case ({ } recorded, null):
                        if (!movedFrom.Contains(recorded)) changes.Add(Removed(recorded, i));
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
            if (asked.Command is RunClosed or PatchMarked) return null;
            var before = pairs.Take(at).Count(pair => pair.Asked is { } other && pair.Recorded is not null && asked.Place is not null && asked.Place.IsSameLine(other.Place) && SameCall(other, asked));
            var name = NameOf("added", Subject(asked), asked.Place ?? (object)asked);
            if (asked.Place is not { Line: > 0 } place)
                return new SuggestedPatch(name, PatchForm.ByHand, asked.Place, $"Ask for {Subject(asked)} only where Patched(\"{name}\") is true.");
            return before == 0
                ? new SuggestedPatch(name, PatchForm.Guard, place, $"{place}: put the call under  if (Patched(\"{name}\")) {{ … }}")
                : new SuggestedPatch(name, PatchForm.GuardRepeats, place,
                    $"{place}: this call was made {before} times before. From then on make it only where Patched(\"{name}\") is true; in a loop:  if (n >= {before} && !Patched(\"{name}\")) break;", Times: before);
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
            var (from, to) = (at, at);
            while (from > 0 && IsGone(from - 1)) from--;
            while (to + 1 < pairs.Count && IsGone(to + 1)) to++;
            var (previous, next) = (Previous(from), Next(to));
            if (recorded.Event is PatchMarked marked)
                return new SuggestedPatch(marked.Patch, previous?.Place is null ? PatchForm.ByHand : PatchForm.KeepBehind, previous?.Place,
                    $"This run recorded the patch '{marked.Patch}': leave its Patched(\"{marked.Patch}\") in the code until no history holds it.", $"_ = Patched(\"{marked.Patch}\");");

            var gone = pairs.GetRange(from, to - from + 1).Select(pair => pair.Recorded!).Where(IsOpening).ToList();
            if (gone[0] != recorded) return null; // told with the first of them
            var calls = gone.ConvertAll(r => names.Call(r.Event, events[r.Input].At));
            var subject = CommandIdentity.Subject(recorded.Event) ?? EventNames.Of(recorded.Event);
            var (form, place, second) = (previous?.Place, next?.Place) switch
            {
                ({ Line: > 0 } behind, { Line: > 0 } front) when !front.IsSameLine(behind) && !IsInsideLoop(previous!, recorded) => (PatchForm.KeepBetween, behind, front),
                ({ Line: > 0 } behind, _) when !IsRepeated(behind) || IsInsideLoop(previous!, recorded) => (PatchForm.KeepBehind, behind, null),
                (_, { Line: > 0 } front) when previous is null => (PatchForm.KeepInFront, front, null),
                ({ Line: > 0 } inside, _) => (PatchForm.KeepAtEnd, inside, null),
                _ => (PatchForm.ByHand, previous?.Place ?? next?.Place, (CodePlace?)null),
            };
            var name = NameOf("removed", subject, (place, string.Join(';', calls)));
            if (calls.Contains(null)) return new SuggestedPatch(name, PatchForm.ByHand, place, $"Ask for {string.Join(", ", gone.Select(r => CommandIdentity.Name(r.Event)))} again where Patched(\"{name}\") is false.");
            var statement = $"if (!Patched(\"{name}\")) {Statements(calls!)}";
            var where = form switch
            {
                PatchForm.KeepBehind => $"behind {place}",
                PatchForm.KeepInFront => $"in front of {place}",
                PatchForm.KeepBetween => $"between {place} and {second}",
                PatchForm.KeepAtEnd => $"at the end of {place?.Method}, in front of its return",
                _ => "where it stood",
            };
            return new SuggestedPatch(name, form, place, $"Keep the call for the runs that made it; {where}:  {statement}", statement, second);
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
            if (recorded.Event is not StepScheduled || then is null || now is null) return null; // the run, or an update, ends otherwise: a consequence
            if (names.Call(recorded.Event, events[recorded.Input].At) is { } call && names.IsKnown(then))
            {
                var name = NameOf("replaced", then, (object?)asked.Place ?? asked);
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
            var front = old is null && next?.Place is { Line: > 0 } ahead && next != asked ? ahead : null;
            var canMove = asked.Place is { Line: > 0 } && (old ?? front) is not null && IsOpening(asked);
            var where = old is not null ? $"behind {old}" : front is not null ? $"in front of {front}" : "where it stood";
            return new CommandChange(ChangeKind.Reordered, recorded.Version, (recorded.Event as StepEvent)?.Step, CommandIdentity.Name(recorded.Event), CommandIdentity.Name(asked.Command!), asked.Place,
                $"{CommandIdentity.Name(recorded.Event)} of event {recorded.Version} is now asked for {(earlier ? "earlier" : "later")}{At(asked.Place)}",
                IsOpening(asked)
                    ? new SuggestedPatch(name, canMove ? PatchForm.Move : PatchForm.ByHand, asked.Place,
                        $"{asked.Place}: put the call under  if (Patched(\"{name}\"))  and keep it {where} under  if (!Patched(\"{name}\"))", old is null ? "front" : "behind", old ?? front)
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
}
