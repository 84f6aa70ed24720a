using System.Text.Json;

namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>A file of cases that is none: where, and what to write.</summary>
public sealed class PolicyCasesException(string message) : Exception(message);

/// <summary>How one case came out.</summary>
/// <param name="Difference">What was expected and what came; empty if the case holds.</param>
public sealed record PolicyCaseResult(string Case, string Difference, PolicyVerdict Verdict)
{
    public bool Holds => Difference == "";
}

/// <summary>
/// Tests of policies: requests, and what is expected of them. A file is
/// <c>{ "base": true, "entities": […], "cases": [{ "name", "principal" or "chain", "action", "resource", "context", "expect", "by", "approvals", "fault" }] }</c>;
/// docs/policies.md describes it. It is read strictly: what is not known is refused, since a misspelt expectation would expect nothing.
/// </summary>
public sealed class PolicyCases
{
    public const int CharsMax = 262_144;
    public const int CasesMax = 2_000;

    private readonly IReadOnlyList<PolicyCase> cases;

    private PolicyCases(bool withBase, IReadOnlyList<PolicyCase> cases) => (WithBase, this.cases) = (withBase, cases);

    /// <summary>The built-in base is in force as well.</summary>
    public bool WithBase { get; }

    public int Count => cases.Count;

    /// <exception cref="PolicyCasesException">It is no file of cases.</exception>
    public static PolicyCases Parse(string json)
    {
        if (json.Length > CharsMax) throw new PolicyCasesException($"The cases have {json.Length:N0} characters, and at most {CharsMax:N0} are read. Split them over several policies.");
        try
        {
            return Read(JsonElement.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = PolicyLimits.ArgumentsDepthMax, CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true }));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new PolicyCasesException($"The cases are not JSON as it should be: {e.Message}");
        }
    }

    private static PolicyCases Read(JsonElement root)
    {
        var file = new CaseReader(root, "the file").Object("base", "entities", "cases");
        var entities = CaseEntities.Read(file.Find("entities"));
        var items = file.Need("cases").Items();
        if (items.Count is 0 or > CasesMax) throw new PolicyCasesException($"cases: there are {items.Count}, and there must be 1 to {CasesMax}.");
        var cases = new List<PolicyCase>();
        foreach (var item in items)
        {
            var read = PolicyCase.Read(item, entities);
            if (cases.Any(other => other.Name == read.Name)) throw new PolicyCasesException($"{item.Path}: a case named '{read.Name}' stands above; give this one a name of its own.");
            cases.Add(read);
        }
        return new PolicyCases(file.Find("base")?.Bool() ?? false, cases);
    }

    /// <summary>Judges every case by these texts, and by the built-in base if the file asks for it and none of them is named so.</summary>
    public IReadOnlyList<PolicyCaseResult> Run(IReadOnlyList<(string Name, PolicyText Text)> texts, PolicyCoverage? coverage = null)
    {
        var numbered = texts.Select(text => (text.Name, Number: 1L, Text: coverage?.Watched(text.Name, text.Text) ?? text.Text)).ToList();
        if (WithBase && texts.All(text => text.Name != BasePolicy.Name)) numbered.Add((BasePolicy.Name, 0, BasePolicy.Text));
        var policies = ActivePolicies.Of(0, numbered);
        return [.. cases.Select(test => test.Run(policies, coverage))];
    }
}

/// <summary>One request, and what is expected of it.</summary>
internal sealed record PolicyCase(string Name, IReadOnlyList<PolicyEntity> Chain, PolicyRequest Request, string Expect, IReadOnlyList<string>? By, IReadOnlyList<string>? Approvals, string? Fault)
{
    private static readonly string[] Expectations = ["allow", "hold", "suggest", "deny"];

    public static PolicyCase Read(CaseReader item, CaseEntities entities)
    {
        var fields = item.Object("name", "principal", "chain", "action", "resource", "context", "expect", "by", "approvals", "fault");
        var name = fields.Need("name").String();
        if (name == "") throw fields.Need("name").Wrong("say what the case shows");
        if (fields.Find("principal") is null == fields.Find("chain") is null) throw item.Wrong("say who acts: either \"principal\", or \"chain\" with the one it is done for first");
        IReadOnlyList<PolicyEntity> chain = fields.Find("chain") is { } several ? [.. several.Items().Select(entities.Entity)] : [entities.Entity(fields.Need("principal"))];
        if (chain.Count == 0) throw fields.Need("chain").Wrong("it has at least one principal");
        var expect = fields.Need("expect").String();
        if (!Expectations.Contains(expect)) throw fields.Need("expect").Wrong($"write one of {string.Join(", ", Expectations)}");
        if (fields.Find("approvals") is { } demanded && expect is not ("hold" or "suggest")) throw demanded.Wrong("signatures are demanded only where \"hold\" or \"suggest\" is expected");
        if (fields.Find("fault") is { } faulty && expect != "deny") throw faulty.Wrong("what cannot be judged is denied: expect \"deny\"");
        var request = new PolicyRequest(chain[^1], entities.Action(fields.Need("action")), entities.Entity(fields.Need("resource")), fields.Find("context") is { } context ? CaseEntities.Context(context) : PolicyRecord.Empty, entities.Known);
        return new PolicyCase(name, chain, request, expect, Strings(fields.Find("by")), Strings(fields.Find("approvals"))?.Select((text, i) => Demand(fields.Need("approvals").Items()[i], text)).ToList(), fields.Find("fault")?.String());
    }

    public PolicyCaseResult Run(ActivePolicies policies, PolicyCoverage? coverage)
    {
        var verdicts = new List<PolicyVerdict>();
        foreach (var principal in Chain) verdicts.Add(coverage is null ? policies.Evaluate(Request with { Principal = principal }) : coverage.Judge(policies, Request with { Principal = principal }));
        var verdict = PolicyVerdict.Together(verdicts);
        return new PolicyCaseResult(Name, Difference(verdict), verdict);
    }

    private string Difference(PolicyVerdict verdict)
    {
        var came = verdict switch
        {
            { Decision: PolicyDecision.Deny } => "deny",
            { Decision: PolicyDecision.Allow } => "allow",
            { Autonomy: Autonomy.Suggest } => "suggest",
            _ => "hold",
        };
        if (came != Expect) return $"Expected {Expect}, and it was {came}. {verdict.Reason}";
        // A deny that comes of a mistake looks like one that was meant.
        if (verdict.Fault is { } fault && !Names(fault.Policy, Fault)) return $"Expected {(Fault is null ? "no fault" : $"a fault in {Fault}")}, and there is one: {fault}";
        if (verdict.Fault is null && Fault is not null) return $"Expected a fault in {Fault}, and there is none. {verdict.Reason}";
        if (By is not null && (By.Count != verdict.Policies.Count || !By.All(wanted => verdict.Policies.Any(id => Names(id, wanted)))))
            return $"Expected it by {List(By)}, and it was by {List(verdict.Policies)}.";
        if (Approvals is not null && !Approvals.Order(StringComparer.Ordinal).SequenceEqual(verdict.Approvals.Select(demand => demand.ToString()).Order(StringComparer.Ordinal)))
            return $"Expected signatures {List(Approvals)}, and they are {List([.. verdict.Approvals.Select(demand => demand.ToString())])}.";
        return "";
    }

    // A policy is named with its text's name or without.
    private static bool Names(string? id, string? wanted) => id is not null && wanted is not null && (id == wanted || id.EndsWith($"/{wanted}", StringComparison.Ordinal));

    private static string List(IReadOnlyList<string> texts) => texts.Count == 0 ? "none" : $"[{string.Join("; ", texts)}]";

    private static List<string>? Strings(CaseReader? array) => array?.Items().Select(item => item.String()).ToList();

    private static string Demand(CaseReader at, string text)
    {
        try
        {
            return ApprovalDemand.Parse(text).ToString();
        }
        catch (FormatException e)
        {
            throw at.Wrong(e.Message);
        }
    }
}
