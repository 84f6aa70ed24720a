namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>What cases have shown of one condition: a part of a when or an unless that is true or false by itself.</summary>
/// <param name="Text">As it stands in the policy.</param>
/// <param name="True">How often it was true.</param>
/// <param name="False">How often it was false.</param>
public sealed record ConditionCoverage(int Line, string Text, long True, long False);

/// <summary>What cases have shown of one policy.</summary>
/// <param name="Policy"><c>name/id</c>.</param>
/// <param name="Matched">In how many judgements it matched.</param>
/// <param name="Unmatched">In how many it did not, its scope not fitting among them.</param>
/// <param name="AlwaysMatches">It has neither scope nor condition, so that it cannot but match.</param>
public sealed record PolicyCoverageOf(string Policy, long Matched, long Unmatched, bool AlwaysMatches, IReadOnlyList<ConditionCoverage> Conditions)
{
    /// <summary>What there is to be seen: that it matches, that it does not, and each condition true and false.</summary>
    public int Points => (AlwaysMatches ? 1 : 2) + 2 * Conditions.Count;

    public int Seen => (Matched > 0 ? 1 : 0) + (Unmatched > 0 && !AlwaysMatches ? 1 : 0) + Conditions.Sum(condition => (condition.True > 0 ? 1 : 0) + (condition.False > 0 ? 1 : 0));
}

/// <summary>Watches policies while cases are judged by them.</summary>
public sealed class PolicyCoverage
{
    private readonly OrderedDictionary<string, Tally> tallies = new(StringComparer.Ordinal);

    private sealed class Tally(bool alwaysMatches)
    {
        public List<Condition> Conditions { get; } = [];

        public long Judged, Matched, Faulted;

        public PolicyCoverageOf Told(string id) => new(id, Matched, Judged - Matched - Faulted, alwaysMatches, [.. Conditions.Select(seen => new ConditionCoverage(seen.Line, seen.Text, seen.True, seen.False))]);
    }

    private sealed class Condition(int line, string text)
    {
        public int Line => line;

        public string Text => text;

        public long True, False;
    }

    /// <summary>The share of what there is to be seen that was seen, in percent, rounded down.</summary>
    public int Percent => tallies.Count == 0 ? 100 : 100 * Told.Sum(policy => policy.Seen) / Told.Sum(policy => policy.Points);

    /// <summary>Every policy that was watched, in the order of the texts.</summary>
    public IReadOnlyList<PolicyCoverageOf> Told => [.. tallies.Select(pair => pair.Value.Told(pair.Key))];

    internal PolicyText Watched(string name, PolicyText text) => text.With([.. text.Policies.Select(policy => Watch(name, text.Text, policy))]);

    internal PolicyVerdict Judge(ActivePolicies active, in PolicyRequest request)
    {
        foreach (var id in active.Policies)
            if (tallies.TryGetValue(id, out var tally)) tally.Judged++;
        return active.Evaluate(request, (id, matches) =>
        {
            if (!tallies.TryGetValue(id, out var tally)) return;
            if (matches is null) tally.Faulted++;
            else if (matches is true) tally.Matched++;
        });
    }

    private Policy Watch(string name, string text, Policy policy)
    {
        // A text that several files of cases try is one text still.
        if (!tallies.TryGetValue($"{name}/{policy.Id}", out var tally))
        {
            tally = new Tally(policy.Conditions.Count == 0 && policy.Principal == PolicyScope.Any && policy.Action == PolicyScope.Any && policy.Resource == PolicyScope.Any);
            tallies.Add($"{name}/{policy.Id}", tally);
        }
        var place = 0;
        return policy with { Conditions = [.. policy.Conditions.Select(condition => condition with { Test = Watch(condition.Test) })] };

        PolicyExpression Watch(PolicyExpression test)
        {
            switch (test)
            {
                case ChainTest chain:
                    return new ChainTest(chain.IsAnd, [.. chain.Operands.Select(Watch)]);
                case NotTest not:
                    return new NotTest(Watch(not.Operand), not.At);
                case ChoiceTerm choice:
                    return new ChoiceTerm(Watch(choice.Condition), Watch(choice.Then), Watch(choice.Otherwise), choice.At);
                case LiteralTerm:
                    return test;
                default:
                    if (place == tally.Conditions.Count) tally.Conditions.Add(new Condition(PolicyText.Place(text, test.At).Line, text[test.At..test.End]));
                    var seen = tally.Conditions[place++];
                    return new WatchedTest(test, value => _ = value ? seen.True++ : seen.False++);
            }
        }
    }
}
