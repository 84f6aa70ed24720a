using FsCheck;
using FsCheck.Fluent;
using OrleansAiOs.Kernel.Governance.Policies;

namespace OrleansAiOs.Kernel.Tests.Governance.Policies;

public sealed class ReferenceAgreementTests
{
    private const int Sets = 2_500;
    private const int RequestsPerSet = 40;

    /// <summary>The one that is used and the one that is plain say the same, word by word: decision, autonomy, demands, policies, fault.</summary>
    [Fact]
    public void On_100_000_random_requests_the_evaluator_says_what_the_reference_says()
    {
        var outcomes = new Dictionary<string, int>();
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
        {
            var model = new RandomModel(seed);
            var policies = model.Policies();
            var text = ModelWriter.Text(policies);
            var active = ActivePolicies.Of(1, [("random", 1, PolicyText.Parse(text))]);
            for (var i = 0; i < RequestsPerSet; i++)
            {
                var request = model.Request();
                var expected = ReferenceEvaluator.Judge(policies, ModelBridge.Plain(request));
                var verdict = active.Evaluate(ModelBridge.Real(request));
                var said = ModelBridge.Plain(verdict).ToString();
                if (said != expected.ToString()) Assert.Fail($"Seed {seed}, request {i}: {said}\nThe reference says {expected}\n{verdict.Reason}\n{text}");
                var outcome = $"{expected.Decision} {expected.Fault}";
                outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(Sets).WithReplay(20261129, 7));

        // A generator that never comes to something proves nothing about it.
        outcomes.Values.Sum().Should().Be(Sets * RequestsPerSet);
        foreach (var wanted in new[] { "Allow None", "Hold None", "Deny None", "Deny MissingAttribute", "Deny MissingEntity", "Deny WrongType", "Deny Overflow", "Deny BadDecimal", "Deny Unreadable" })
            outcomes.GetValueOrDefault(wanted).Should().BeGreaterThan(200, "'{0}' has to occur; there were {1}", wanted, string.Join(", ", outcomes));
    }
}
