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

    /// <summary>Of two letters, so that the parts of a pattern overlap in the text.</summary>
    [Fact]
    public void On_every_text_of_up_to_six_letters_a_pattern_fits_as_the_reference_says()
    {
        var texts = Enumerable.Range(0, 7).SelectMany(length => Enumerable.Range(0, 1 << length).Select(bits => string.Concat(Enumerable.Range(0, length).Select(i => (bits >> i & 1) == 0 ? 'a' : 'b')))).ToList();
        var random = new Random(20261129);
        var fits = 0;
        for (var i = 0; i < 300; i++)
        {
            string?[] pattern = [.. Enumerable.Range(0, random.Next(7)).Select(_ => random.Next(3) switch { 0 => null, 1 => "a", _ => "b" })];
            var written = string.Concat(pattern.Select(part => part ?? "*"));
            var active = ActivePolicies.Of(1, [("like", 1, PolicyText.Parse($"@id(\"p\") permit (principal, action, resource) when {{ context.text like \"{written}\" }};"))]);
            foreach (var text in texts)
            {
                var expected = ReferenceEvaluator.Matches(text, ReferenceEvaluator.Flat(pattern));
                var said = active.Evaluate(new Asked { Context = [("text", PolicyValue.From(text))] }.Request()).Decision is PolicyDecision.Allow;
                if (said != expected) Assert.Fail($"\"{text}\" like \"{written}\" is {expected}.");
                if (expected) fits++;
            }
        }
        fits.Should().BeInRange(3_000, 30_000);
    }
}
