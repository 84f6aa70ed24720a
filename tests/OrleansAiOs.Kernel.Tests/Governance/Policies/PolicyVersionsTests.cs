using Npgsql;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tests.Streams;

namespace OrleansAiOs.Kernel.Tests.Governance.Policies;

public sealed class PolicyVersionsTests : IClassFixture<KernelDatabase>
{
    private const string Forbid = "@id(\"never\") forbid (principal, action, resource == Tool::\"bank.pay\");";
    private const string Permit = "@id(\"always\") permit (principal, action, resource);";

    private readonly NpgsqlDataSource source;
    private readonly PolicyView view = new();
    private readonly Catalogue catalogue;
    private readonly PolicyVersions policies;
    private readonly string tenant = $"t{Guid.NewGuid():N}";

    public PolicyVersionsTests(KernelDatabase database)
    {
        source = database.Source;
        var streams = new EventStreams(source);
        catalogue = new Catalogue(streams, [view], TimeProvider.System);
        policies = new PolicyVersions(streams, catalogue, view);
    }

    private async Task<PolicyVerdict> Ask(string? of = null)
    {
        await catalogue.FreshAsync();
        return view.ActiveFor(of ?? tenant).Evaluate(new Asked().Request());
    }

    [Fact]
    public async Task A_text_comes_into_force_when_it_is_activated_without_a_restart_and_is_on_every_verdict()
    {
        (await Ask()).Should().Match<PolicyVerdict>(v => v.Decision == PolicyDecision.Deny && v.Version.Number == 0);
        var one = await policies.PutAsync(tenant, "own", Permit, null, "first", "user/ana");
        (await Ask()).Decision.Should().Be(PolicyDecision.Deny, "what was only put is not in force");

        (await policies.ActivateAsync(tenant, "own", one, 0, "user/ana")).Should().BeTrue();
        var permitted = await Ask();
        permitted.Should().Match<PolicyVerdict>(v => v.Decision == PolicyDecision.Allow && v.Version.Number == 1 && v.Policies.Single() == "own/always");
        (await policies.ActivateAsync(tenant, "own", one, null, "user/ana")).Should().BeFalse("it is in force already");

        await policies.ActivateAsync(tenant, "other", await policies.PutAsync(tenant, "other", Forbid, null, null, "user/ana"), null, "user/ana");
        (await Ask()).Should().Match<PolicyVerdict>(v => v.Decision == PolicyDecision.Deny && v.Version.Number == 2 && v.Version.Hash != permitted.Version.Hash && v.Policies.Single() == "other/never");
        (await Ask("somebody-else")).Version.Number.Should().Be(0, "another tenant's policies are its own");

        (await policies.RetireAsync(tenant, "other", "no longer needed", "user/ana")).Should().BeTrue();
        (await policies.RetireAsync(tenant, "other", "no longer needed", "user/ana")).Should().BeFalse();
        (await Ask()).Should().Match<PolicyVerdict>(v => v.Decision == PolicyDecision.Allow && v.Version.Number == 3 && v.Version.Hash == permitted.Version.Hash);
        var history = await policies.GetAsync(tenant, "own");
        history.Put.Should().ContainSingle().Which.Should().Match<PutPolicy>(put => put.Text == Permit && put.By == "user/ana" && put.Note == "first" && put.Hash == PolicyText.HashOf(Permit));
        view.List(tenant).Select(standing => (standing.Name, standing.Latest, standing.Active)).Should().Equal(("base", 0, 0), ("other", 1, null), ("own", 1, 1));
    }

    [Fact]
    public async Task A_tenants_own_base_takes_the_place_of_the_built_in_one_and_retiring_it_brings_that_back()
    {
        await policies.ActivateAsync(tenant, "base", await policies.PutAsync(tenant, "base", "@id(\"nothing\") forbid (principal, action, resource);", null, null, "user/ana"), 0, "user/ana");
        (await Ask()).Policies.Should().Equal("base/nothing");
        view.List(tenant).Should().ContainSingle().Which.Active.Should().Be(1);
        await policies.RetireAsync(tenant, "base", "too strict", "user/ana");
        (await Ask()).Policies.Should().BeEmpty();
        view.List(tenant).Should().ContainSingle().Which.Should().Match<PolicyStanding>(s => s.Name == "base" && s.Active == 0 && s.Latest == 1);
    }

    [Fact]
    public async Task What_cannot_be_read_or_does_not_do_what_its_cases_say_does_not_come_into_force()
    {
        var broken = () => policies.PutAsync(tenant, "p", "permit everything;", null, null, "user/ana");
        (await broken.Should().ThrowAsync<PolicySyntaxException>()).Which.Errors[0].Line.Should().Be(1);
        var noCases = () => policies.PutAsync(tenant, "p", Permit, "{}", null, "user/ana");
        await noCases.Should().ThrowAsync<PolicyCasesException>();
        const string Case = """{ "cases": [{ "name": "bank", "principal": "P::x", "action": "call", "resource": "Tool::bank.pay", "expect": "EXPECTED" }] }""";
        var wrong = await policies.PutAsync(tenant, "p", Permit, Case.Replace("EXPECTED", "deny", StringComparison.Ordinal), null, "user/ana");
        var activate = () => policies.ActivateAsync(tenant, "p", wrong, null, "user/ana");
        await activate.Should().ThrowAsync<PolicyRefusedException>().Where(e => e.Refusal == PolicyRefusal.Invalid).WithMessage("*[bank] Expected deny, and it was allow*");
        (await Ask()).Version.Number.Should().Be(0);

        var right = await policies.PutAsync(tenant, "p", Permit, Case.Replace("EXPECTED", "allow", StringComparison.Ordinal), null, "user/ana");
        right.Should().Be(2);
        (await policies.PutAsync(tenant, "p", Permit, Case.Replace("EXPECTED", "allow", StringComparison.Ordinal), null, "user/ana")).Should().Be(2, "it is the same");
        await policies.ActivateAsync(tenant, "p", right, 0, "user/ana");
        (await Ask()).Decision.Should().Be(PolicyDecision.Allow);
    }

    [Fact]
    public async Task Activating_on_a_wrong_idea_of_what_is_in_force_is_refused()
    {
        await policies.PutAsync(tenant, "p", Permit, null, null, "user/ana");
        await policies.PutAsync(tenant, "p", Forbid, null, null, "user/ana");
        await policies.ActivateAsync(tenant, "p", 1, null, "user/ana");
        var late = () => policies.ActivateAsync(tenant, "p", 2, 0, "user/ben");
        await late.Should().ThrowAsync<PolicyRefusedException>().Where(e => e.Refusal == PolicyRefusal.Conflict).WithMessage("*number 1 is in force, and not nothing*");
        var unknown = () => policies.ActivateAsync(tenant, "p", 3, null, "user/ben");
        await unknown.Should().ThrowAsync<PolicyRefusedException>().Where(e => e.Refusal == PolicyRefusal.NotFound);
        var nowhere = () => policies.ActivateAsync(tenant, "q", 1, null, "user/ben");
        await nowhere.Should().ThrowAsync<PolicyRefusedException>().Where(e => e.Refusal == PolicyRefusal.NotFound);
        foreach (var name in new[] { "", "A", "../x", "a/b", ".", "-a", "ü", new string('a', 101) })
        {
            var bad = () => policies.PutAsync(tenant, name, Permit, null, null, "user/ana");
            await bad.Should().ThrowAsync<PolicyRefusedException>().Where(e => e.Refusal == PolicyRefusal.Invalid, name);
        }
    }

    [Fact]
    public async Task Of_many_who_put_and_activate_at_once_nothing_is_lost()
    {
        var numbers = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => policies.PutAsync(tenant, "p", Permit.Replace("always", $"a{i}", StringComparison.Ordinal), null, null, "user/ana")));
        numbers.Order().Should().Equal(Enumerable.Range(1, 12).Select(i => (long)i));
        await Task.WhenAll(numbers.Select(number => policies.ActivateAsync(tenant, "p", number, null, "user/ana")));
        await catalogue.FreshAsync();
        var active = (await policies.GetAsync(tenant, "p")).Active;
        view.List(tenant).Single(standing => standing.Name == "p").Active.Should().Be(active);
        view.ActiveFor(tenant).Version.Number.Should().Be(12);
    }

    [Theory]
    [InlineData("permit in words of a later build;", null, "cannot be read by this build")]
    [InlineData(Permit, "0000", "its hash differs")]
    public async Task What_is_in_force_and_cannot_be_read_denies_everything_and_says_so(string text, string? hash, string why)
    {
        await new EventStreams(source).AppendAsync(tenant, "policy/p", 0, [new PolicyProposed(1, text, hash ?? PolicyText.HashOf(text), null, null), new PolicyActivated(1, text, hash ?? PolicyText.HashOf(text))], null);
        await new EventStreams(source).AppendAsync(tenant, "policy/q", 0, [new PolicyProposed(1, Permit, PolicyText.HashOf(Permit), null, null), new PolicyActivated(1, Permit, PolicyText.HashOf(Permit))], null);
        // Another host's appends: seen when what is known is half a second old.
        var fresh = new Catalogue(new EventStreams(source), [view], TimeProvider.System);
        await fresh.FreshAsync();
        var verdict = view.ActiveFor(tenant).Evaluate(new Asked().Request());
        verdict.Should().Match<PolicyVerdict>(v => v.Decision == PolicyDecision.Deny && v.Fault!.Code == PolicyFaultCode.PoliciesUnavailable && v.Version.Number == 2);
        verdict.Fault!.Message.Should().Contain("'p'").And.Contain(why);
    }
}
