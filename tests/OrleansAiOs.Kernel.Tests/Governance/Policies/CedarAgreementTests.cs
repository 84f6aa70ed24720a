using System.Runtime.CompilerServices;
using System.Text.Json;
using OrleansAiOs.Kernel.Governance.Policies;

namespace OrleansAiOs.Kernel.Tests.Governance.Policies;

/// <summary>
/// What Cedar itself said. cedar-4.13.0.jsonl holds texts and requests of RandomModel with the answers of @cedar-policy/cedar-wasm 4.13.0:
/// the decision, the policies that made it, and those that were in error, which Cedar passes over and we do not.
/// </summary>
public sealed class CedarAgreementTests
{
    [Fact]
    public void What_Cedar_says_without_an_error_we_say_and_where_it_has_an_error_we_deny()
    {
        var (cases, faults, permits) = (0, 0, 0);
        foreach (var line in File.ReadLines(Path.Combine(Path.GetDirectoryName(Here())!, "cedar-4.13.0.jsonl")))
        {
            var set = JsonElement.Parse(line);
            var policies = ActivePolicies.Of(1, [("cedar", 1, PolicyText.Parse(set.GetProperty("text").GetString()!))]);
            foreach (var (item, i) in set.GetProperty("cases").EnumerateArray().Select((item, i) => (item, i)))
            {
                var entities = CaseEntities.Read(new CaseReader(item.GetProperty("entities"), "entities"));
                PolicyEntity Entity(string name) => entities.Entity(new CaseReader(item.GetProperty(name), name));
                var verdict = policies.Evaluate(new PolicyRequest(Entity("principal"), Entity("action"), Entity("resource"), CaseEntities.Record(new CaseReader(item.GetProperty("context"), "context")), entities.Known));
                var (errors, reason, allows) = (Ids(item, "errors"), Ids(item, "reason"), item.GetProperty("decision").GetString() == "allow");
                var because = $"of case {i}, {verdict.Reason}\n{set.GetProperty("text").GetString()}";
                cases++;
                if (errors.Count > 0)
                {
                    faults++;
                    verdict.Decision.Should().Be(PolicyDecision.Deny, because);
                    verdict.Fault.Should().NotBeNull(because);
                    errors.Should().Contain(verdict.Fault!.Policy, because);
                }
                else
                {
                    if (allows) permits++;
                    verdict.Fault.Should().BeNull(because);
                    (verdict.Decision != PolicyDecision.Deny).Should().Be(allows, because);
                    verdict.Policies.Order(StringComparer.Ordinal).Should().Equal(reason, because);
                }
            }
        }
        (cases, faults, permits).Should().Be((121, 72, 33));
    }

    private static List<string> Ids(JsonElement item, string name) => [.. item.GetProperty(name).EnumerateArray().Select(id => $"cedar/{id.GetString()}").Order(StringComparer.Ordinal)];

    private static string Here([CallerFilePath] string file = "") => file;
}
