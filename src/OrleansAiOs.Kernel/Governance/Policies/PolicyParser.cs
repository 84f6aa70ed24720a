namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>
/// Reads policies: <c>{@name("…")} permit|forbid ( principal …, action …, resource … ) { when {…} | unless {…} } ;</c>. The grammar is Cedar's,
/// less templates, tags, the types ip, datetime and duration; every policy has an @id, and only the annotations named here may stand.
/// </summary>
internal sealed class PolicyParser
{
    private const int ErrorsMax = 20;
    private const int NoteCharsMax = 1_000;

    private readonly string text;
    private readonly List<PolicySyntaxError> errors = [];
    private readonly HashSet<string> ids = new(StringComparer.Ordinal);

    public PolicyParser(string text) => this.text = text;

    public (IReadOnlyList<Policy> Policies, IReadOnlyList<PolicySyntaxError> Errors) Read()
    {
        var policies = new List<Policy>();
        if (text.Length > PolicyLimits.TextCharsMax)
        {
            errors.Add(new PolicySyntaxError(1, 1, $"a text of {text.Length:N0} characters", $"at most {PolicyLimits.TextCharsMax:N0}", "Split it into several policies, each put under a name of its own."));
            return (policies, errors);
        }
        int? at = 0;
        while (at is { } start && errors.Count < ErrorsMax)
        {
            try
            {
                var words = new PolicyReader(text, start);
                if (words.Current.Kind is PolicyTokenKind.End)
                {
                    if (policies.Count == 0 && errors.Count == 0)
                        throw words.Refuse("a policy", "An empty text permits nothing and forbids nothing. Write, for example: @id(\"reading\") permit (principal, action == Action::\"read\", resource);");
                    break;
                }
                if (policies.Count == PolicyLimits.PoliciesPerTextMax)
                    throw words.Refuse($"at most {PolicyLimits.PoliciesPerTextMax} policies", "Split the text into several, each put under a name of its own.");
                policies.Add(ReadPolicy(words, out var end));
                at = end;
            }
            catch (PolicyUnreadableException e)
            {
                var (line, column) = PolicyText.Place(text, e.At);
                errors.Add(new PolicySyntaxError(line, column, e.Found, e.Expected, e.Cure));
                at = NextPolicy(e.At);
            }
        }
        return (policies, errors);
    }

    // Behind an error, reading goes on where a policy seems to begin: what is in between would only be told to be wrong as well.
    private int? NextPolicy(int from)
    {
        for (var at = text.IndexOf(';', from); at >= 0; at = text.IndexOf(';', at + 1))
        {
            var next = at + 1;
            while (next < text.Length && char.IsWhiteSpace(text[next])) next++;
            if (next < text.Length && (text[next] == '@' || Begins(next, "permit") || Begins(next, "forbid") || Begins(next, "//"))) return next;
        }
        return null;
    }

    private bool Begins(int at, string word) => string.CompareOrdinal(text, at, word, 0, word.Length) == 0;

    private Policy ReadPolicy(PolicyReader words, out int end)
    {
        var begin = words.Current.At;
        var annotations = ReadAnnotations(words);
        var effect = words.Current;
        if (!effect.IsWord("permit") && !effect.IsWord("forbid"))
        {
            throw words.Refuse("permit or forbid", effect.Raw switch
            {
                "allow" => "Write permit.",
                "deny" => "Write forbid.",
                _ => "A policy begins with its annotations, or with permit or forbid.",
            });
        }
        if (annotations.Id is null) throw words.Refuse("@id(\"…\")", "Every policy has a name that verdicts show; put @id(\"small-payments\") before it.");
        words.Move();
        var isPermit = effect.Raw == "permit";
        if (!isPermit && annotations.Demand is { } demand)
            throw new PolicyUnreadableException(demand.At, $"@{demand.Raw}", "nothing but @id and @note on a forbid", "A forbid is never lifted by a signature. Demand it on the permit.");

        words.Take("(", "the scope follows in brackets: (principal, action, resource)");
        var principal = ReadScope(words, "principal");
        words.Take(",", "the action follows: (principal, action, resource)");
        var action = ReadScope(words, "action");
        words.Take(",", "the resource follows: (principal, action, resource)");
        var resource = ReadScope(words, "resource");
        words.Take(")", "principal, action and resource are all; other tests stand in when { … }");

        var conditions = new List<PolicyCondition>();
        while (words.Current.IsWord("when") || words.Current.IsWord("unless"))
        {
            var isWhen = words.Move().Raw == "when";
            words.Take("{", "the condition stands in braces: when { … }");
            if (words.Current.Is("}")) throw words.Refuse("a condition", "Write what has to hold, or leave the clause out.");
            conditions.Add(new PolicyCondition(isWhen, words.ReadExpression()));
            words.Take("}", "a condition is one expression; join two by && or ||");
        }
        end = words.Current.End;
        words.TakeLast(";", "a policy ends with ';', behind at most some when { … } and unless { … }");
        return new Policy(annotations.Id, annotations.Note, isPermit, principal, action, resource, conditions, annotations.Autonomy ?? (annotations.Approval is null ? Autonomy.Auto : Autonomy.Approve), annotations.Approval, begin, end);
    }

    private sealed record Annotations(string? Id, string? Note, Autonomy? Autonomy, ApprovalDemand? Approval, PolicyToken? Demand);

    private Annotations ReadAnnotations(PolicyReader words)
    {
        var found = new Annotations(null, null, null, null, null);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (words.Current.Is("@"))
        {
            words.Move();
            var name = words.TakeName("an annotation's name", "There are @id, @note, @autonomy and @approval.");
            if (!seen.Add(name.Raw)) throw new PolicyUnreadableException(name.At, $"@{name.Raw} twice", "it once", "Take one away.");
            words.Take("(", "an annotation has a text: @id(\"small-payments\")");
            var (token, value) = words.TakeString("the annotation's text", "It stands in double quotes: @id(\"small-payments\").");
            words.Take(")", "an annotation has one text");
            found = name.Raw switch
            {
                "id" => found with { Id = CheckId(token, value) },
                "note" when value.Length > NoteCharsMax => throw new PolicyUnreadableException(token.At, $"a note of {value.Length} characters", $"at most {NoteCharsMax}", "Shorten it."),
                "note" => found with { Note = value },
                "autonomy" => found with { Autonomy = ReadAutonomy(token, value), Demand = name },
                "approval" => found with { Approval = ReadApproval(token, value), Demand = name },
                _ => throw new PolicyUnreadableException(name.At, $"@{name.Raw}", "@id, @note, @autonomy or @approval", "An annotation that nobody knows would be passed over; one that demands something must not be. Correct it, or write a comment: // …"),
            };
        }
        // A level without those who sign, or the other way round, is a mistake that would be noticed too late.
        if (found is { Autonomy: Autonomy.Approve, Approval: null, Demand: { } bare })
            throw new PolicyUnreadableException(bare.At, "@autonomy(\"approve\") without @approval", "both", "Say who signs: @approval(\"controller\"). It alone is enough.");
        if (found is { Autonomy: Autonomy.Auto or Autonomy.Suggest, Autonomy: { } level, Approval: not null, Demand: { } both })
            throw new PolicyUnreadableException(both.At, $"@approval with @autonomy(\"{level.ToString().ToLowerInvariant()}\")", "one of them", level is Autonomy.Auto ? "What needs a signature is not done automatically; take @autonomy away." : "What is only suggested is never done, so nobody can sign for it; take one away.");
        return found;
    }

    private string CheckId(PolicyToken token, string id)
    {
        if (id.Length is 0 or > 100 || id.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.')))
            throw new PolicyUnreadableException(token.At, token.ToString(), "1 to 100 letters, digits, '-', '_' and '.'", "Name what the policy is for: @id(\"small-payments\").");
        return ids.Add(id) ? id : throw new PolicyUnreadableException(token.At, $"@id(\"{id}\") a second time", "an id of its own", "Verdicts name policies by their ids; give this one another.");
    }

    private static Autonomy ReadAutonomy(PolicyToken token, string level) => level switch
    {
        "suggest" => Autonomy.Suggest,
        "approve" => Autonomy.Approve,
        "auto" => Autonomy.Auto,
        _ => throw new PolicyUnreadableException(token.At, token.ToString(), "\"suggest\", \"approve\" or \"auto\"", "suggest records the proposal, approve waits for signatures, auto does it."),
    };

    private static ApprovalDemand ReadApproval(PolicyToken token, string demand)
    {
        try
        {
            return ApprovalDemand.Parse(demand);
        }
        catch (FormatException e)
        {
            throw new PolicyUnreadableException(token.At, token.ToString(), "who signs, and how, as in \"controller, quorum=2, not=initiator, within=PT24H, escalate=director\"", e.Message);
        }
    }

    private static PolicyScope ReadScope(PolicyReader words, string variable)
    {
        if (!words.Current.IsWord(variable)) throw words.Refuse(variable, $"The scope names all three in order: (principal, action, resource). To mean every {variable}, write {variable} alone.");
        words.Move();
        if (words.Current.Is("=")) throw words.Refuse("==", "Equality is written ==.");
        EntityUid Entity()
        {
            var at = words.Current;
            var uid = words.TakeEntity();
            if (variable == "action" && uid.Type.Split("::")[^1] != "Action")
                throw new PolicyUnreadableException(at.At, $"an action of the type {uid.Type}", "the type Action", "Actions are of the type Action: Action::\"call\". One of another type would never match.");
            return uid;
        }

        if (words.Current.Is("=="))
        {
            words.Move();
            return new PolicyScope(Equal: Entity());
        }
        string? type = null;
        if (variable != "action" && words.Current.IsWord("is"))
        {
            words.Move();
            type = words.TakeType();
        }
        if (!words.Current.IsWord("in")) return type is null ? PolicyScope.Any : new PolicyScope(Type: type);
        words.Move();
        return variable == "action" && words.Current.Is("[")
            ? new PolicyScope(In: words.TakeList("[", "]", Entity), Type: type)
            : new PolicyScope(In: [Entity()], Type: type);
    }
}
