using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tests.Identity;

/// <summary>Who may do what, alone and along a chain. Row 32 of the abuse cases: an agent that delegates, swaps or outlives what it was given.</summary>
public sealed class RightsTests : IClassFixture<KernelDatabase>
{
    private readonly string tenant = $"t-{Guid.NewGuid():N}";
    private readonly ManualTime time = new();
    private readonly IdentityView view = new();
    private readonly Catalogue catalogue;
    private readonly Principals principals;
    private readonly Grants grants;
    private readonly Tenants tenants;
    private readonly Rights rights;
    private readonly GrantUses uses;

    public RightsTests(KernelDatabase database)
    {
        var streams = new EventStreams(database.Source);
        catalogue = new Catalogue(streams, [view], TimeProvider.System);
        uses = new GrantUses(database.Source, time, NullLogger<GrantUses>.Instance);
        (principals, grants, tenants, rights) = (new Principals(streams), new Grants(streams, view), new Tenants(streams), new Rights(view, time, uses));
    }

    private async Task There(params (string Id, string[] Roles)[] who)
    {
        if (view.FindTenant(tenant) is null) await tenants.AddAsync(tenant, "user/root");
        foreach (var (id, roles) in who) await principals.AddAsync(tenant, id, roles, "user/root");
        await catalogue.FreshAsync();
    }

    private async Task<string> Grant(string to, string action, string on, TimeSpan? within = null)
    {
        var id = await grants.GiveAsync(tenant, new NewGrant(to, [action], on, within is { } span ? time.GetUtcNow() + span : null), "user/root");
        await catalogue.FreshAsync();
        return id;
    }

    private bool May(string action, string on, params string[] chain) => rights.Permits(tenant, chain, action, on);

    [Theory]
    // read, start, steer, delete, decide, call, manage, the audit trail over all tenants, other tenants
    [InlineData("owner", "yes yes yes yes yes yes yes no no")]
    [InlineData("operator", "yes yes yes no yes yes no no no")]
    [InlineData("viewer", "yes no no no no no no no no")]
    [InlineData("auditor", "yes no no no no no no no no")]
    [InlineData("controller", "yes no no no yes no no no no")]
    [InlineData("", "no no no no no no no no no")]
    public async Task A_role_may_what_it_is_for_and_no_more(string role, string may)
    {
        await There(("user/ana", role == "" ? [] : [role]));
        var actions = new[] { "run.read", "run.start", "run.cancel", "run.purge", "approval.decide", Rights.CallTool, "identity.write", "audit.read", "tenant.write" };
        string.Join(' ', actions.Select(action => May(action, "x/*", "user/ana") ? "yes" : "no")).Should().Be(may);
        May("api.read", "api/*", "user/ana").Should().BeTrue("who is somebody may ask who they are");
    }

    [Fact]
    public async Task Only_the_first_tenants_people_manage_tenants_and_see_the_trail_over_all_of_them()
    {
        var name = $"user/{Guid.NewGuid():N}";
        await principals.AddAsync(Tenants.Platform, name, [BuiltInRole.Owner], null);
        await There((name, [BuiltInRole.Owner]));
        foreach (var (role, sees, signs) in new[] { (BuiltInRole.Owner, true, true), (BuiltInRole.Auditor, true, false), (BuiltInRole.Operator, false, false) })
        {
            var one = $"user/{Guid.NewGuid():N}";
            await principals.AddAsync(Tenants.Platform, one, [role], null);
            await catalogue.FreshAsync();
            rights.Permits(Tenants.Platform, [one], "audit.read", "audit/*").Should().Be(sees, $"the trail is over all tenants; {role}");
            rights.Permits(Tenants.Platform, [one], "audit.sign", "audit/*").Should().Be(signs, role);
        }
        rights.Permits(Tenants.Platform, [name], "tenant.write", "tenant/*").Should().BeTrue();
        rights.Permits(tenant, [name], "tenant.write", "tenant/*").Should().BeFalse();
        await grants.GiveAsync(tenant, new NewGrant(name, ["tenant.write"], "*"), name);
        await catalogue.FreshAsync();
        rights.Permits(tenant, [name], "tenant.write", "tenant/*").Should().BeFalse("no grant within a tenant reaches beyond it");
    }

    [Fact]
    public async Task A_grant_covers_its_actions_on_its_resources_until_it_ends()
    {
        await There(("service/crm", []));
        await Grant("service/crm", "run.start", "workflow/refunds");
        await Grant("service/crm", "tool.*", "tool/crm.*", within: TimeSpan.FromDays(1));
        May("run.start", "workflow/refunds", "service/crm").Should().BeTrue();
        May("run.start", "workflow/refunds2", "service/crm").Should().BeFalse();
        May("run.start", "workflow/*", "service/crm").Should().BeFalse("one of them is not all of them");
        May("run.cancel", "workflow/refunds", "service/crm").Should().BeFalse();
        May(Rights.CallTool, "tool/crm.lookup", "service/crm").Should().BeTrue();
        May(Rights.CallTool, "tool/crmx", "service/crm").Should().BeFalse();
        time.Advance(TimeSpan.FromDays(1));
        May(Rights.CallTool, "tool/crm.lookup", "service/crm").Should().BeFalse("it has expired");
        May("run.start", "workflow/refunds", "service/crm").Should().BeTrue();
    }

    [Fact]
    public async Task A_grant_to_a_role_is_for_all_who_hold_it_and_its_use_is_known()
    {
        await There(("service/a", ["importer"]), ("service/b", []));
        var used = await Grant("role/importer", "run.start", "workflow/import");
        var unused = await Grant("role/importer", "run.cancel", "run/*");
        May("run.start", "workflow/import", "service/a").Should().BeTrue();
        May("run.start", "workflow/import", "service/b").Should().BeFalse();
        (await Used(used)).Should().Equal(new Dictionary<string, DateTimeOffset> { ["run.start"] = time.GetUtcNow() });
        (await Used(unused)).Should().BeEmpty();
        await grants.TakeAsync(tenant, used, null, "user/root");
        await catalogue.FreshAsync();
        May("run.start", "workflow/import", "service/a").Should().BeFalse();
    }

    [Fact]
    public async Task A_grant_was_of_use_only_where_all_of_a_chain_may_and_something_is_done()
    {
        await There(("user/ana", []), ("service/crm", []), ("user/root", ["owner"]));
        var (acting, starting) = (await Grant("service/crm", Rights.ActFor, "user/ana"), await Grant("service/crm", "run.start", "*"));
        May("run.start", "workflow/x", "user/ana", "service/crm").Should().BeFalse("ana may not");
        (await Used(acting)).Should().BeEmpty();
        (await Used(starting)).Should().BeEmpty();
        rights.ObjectionToGiving(tenant, ["service/crm"], [], [new Grant("", "user/ana", ["run.start"], "*", null, null, default, null)]).Should().BeNull();
        (await Used(starting)).Should().BeEmpty("what somebody could do is no use of it");
        var hers = await Grant("user/ana", "run.*", "workflow/x");
        May("run.start", "workflow/x", "user/ana", "service/crm").Should().BeTrue();
        (await Used(acting)).Keys.Should().Equal(Rights.ActFor);
        (await Used(starting)).Keys.Should().Equal("run.start");
        (await Used(hers)).Keys.Should().Equal(["run.start"], "what it is used for is less than what it gives");
        var needless = await Grant("user/root", "run.start", "*");
        May("run.start", "workflow/x", "user/root").Should().BeTrue();
        (await Used(needless)).Should().BeEmpty("a role of theirs gives it");
    }

    private async Task<IReadOnlyDictionary<string, DateTimeOffset>> Used(string grant) => (await uses.ReportAsync(tenant)).Of(view.GrantsOf(tenant).Single(given => given.Id == grant));

    [Fact]
    public async Task A_chain_may_only_what_each_in_it_may()
    {
        await There(("user/ana", ["viewer"]), ("service/crm", ["operator"]));
        await Grant("service/crm", Rights.ActFor, "user/ana");
        May("run.start", "workflow/x", "service/crm").Should().BeTrue("by itself");
        May("run.read", "run/x", "user/ana", "service/crm").Should().BeTrue();
        May("run.start", "workflow/x", "user/ana", "service/crm").Should().BeFalse("ana may not, and so nobody may for her");
        May("run.read", "run/x", "service/crm", "user/ana").Should().BeFalse("a chain that is turned round is another chain");
    }

    [Fact]
    public async Task Nobody_acts_for_whom_it_was_not_granted_to_whatever_else_it_holds()
    {
        await There(("user/ana", ["owner"]), ("user/ben", ["owner"]), ("service/crm", ["owner"]), ("agent/x", ["owner"]));
        await Grant("service/crm", "*", "*");
        May("run.read", "run/x", "user/ana", "service/crm").Should().BeFalse("'*' does not mean it");
        await Grant("service/crm", Rights.ActFor, "user/ana");
        May("run.read", "run/x", "user/ana", "service/crm").Should().BeTrue();
        May("run.read", "run/x", "user/ben", "service/crm").Should().BeFalse();
        May("run.read", "run/x", "user/ana", "service/crm", "agent/x").Should().BeFalse("each link is granted by itself");
        await Grant("agent/x", Rights.ActFor, "service/crm");
        May("run.read", "run/x", "user/ana", "service/crm", "agent/x").Should().BeTrue();
        May("run.read", "run/x", "user/ana", "agent/x").Should().BeFalse("a link that is left out is not jumped over");
    }

    [Fact]
    public async Task What_is_taken_away_is_gone_at_the_next_question_also_for_who_was_given_it_a_month_ago()
    {
        await There(("user/ana", ["operator"]), ("service/crm", ["operator"]));
        var link = await Grant("service/crm", Rights.ActFor, "user/ana");
        string[] chain = ["user/ana", "service/crm"]; // as a run that began then carries it
        May(Rights.CallTool, "tool/bank.pay", chain).Should().BeTrue();
        time.Advance(TimeSpan.FromDays(30));
        May(Rights.CallTool, "tool/bank.pay", chain).Should().BeTrue();

        await principals.DisableAsync(tenant, "user/ana", "left the company", "user/root");
        await catalogue.FreshAsync();
        May(Rights.CallTool, "tool/bank.pay", chain).Should().BeFalse();
        rights.Objection(tenant, chain, Rights.CallTool, "tool/bank.pay").Should().Contain("user/ana is disabled");
        await principals.EnableAsync(tenant, "user/ana", "came back", "user/root");
        await principals.SetRolesAsync(tenant, "user/ana", ["viewer"], "user/root");
        await catalogue.FreshAsync();
        May(Rights.CallTool, "tool/bank.pay", chain).Should().BeFalse("she has another job");
        await principals.SetRolesAsync(tenant, "user/ana", ["operator"], "user/root");
        await catalogue.FreshAsync();
        May(Rights.CallTool, "tool/bank.pay", chain).Should().BeTrue();
        await grants.TakeAsync(tenant, link, "no longer", "user/root");
        await catalogue.FreshAsync();
        May(Rights.CallTool, "tool/bank.pay", chain).Should().BeFalse();
    }

    [Fact]
    public async Task A_chain_with_a_cycle_a_stranger_or_too_many_hops_may_nothing()
    {
        var hops = Enumerable.Range(0, 21).Select(i => $"agent/hop-{i}").ToArray();
        await There([.. hops.Select(id => (id, new[] { "operator" }))]);
        for (var i = 1; i < hops.Length; i++) await Grant(hops[i], Rights.ActFor, hops[i - 1]);
        await Grant(hops[0], Rights.ActFor, hops[1]);
        May("run.read", "run/x", hops[..20]).Should().BeTrue("twenty are the most");
        May("run.read", "run/x", hops).Should().BeFalse("one more is none");
        May("run.read", "run/x", hops[1], hops[0]).Should().BeTrue();
        May("run.read", "run/x", hops[0], hops[1], hops[0]).Should().BeFalse("a cycle");
        May("run.read", "run/x", "user/nobody", hops[0]).Should().BeFalse();
        May("run.read", "run/x", "user/nobody").Should().BeFalse();
        May("run.read", "run/x").Should().BeFalse("nobody acts");
        rights.Permits("no-such-tenant", [hops[0]], "run.read", "run/x").Should().BeFalse();
    }

    [Fact]
    public async Task Nobody_in_a_disabled_tenant_may_anything()
    {
        await There(("user/ana", ["owner"]));
        await tenants.DisableAsync(tenant, "unpaid", "user/root");
        await catalogue.FreshAsync();
        May("run.read", "run/x", "user/ana").Should().BeFalse();
        await tenants.EnableAsync(tenant, "paid", "user/root");
        await catalogue.FreshAsync();
        May("run.read", "run/x", "user/ana").Should().BeTrue();
    }

    [Fact]
    public async Task A_neighbour_of_the_same_name_is_another()
    {
        await There(("user/ana", ["owner"]));
        var other = $"t-{Guid.NewGuid():N}";
        await tenants.AddAsync(other, "user/root");
        await principals.AddAsync(other, "user/ana", ["viewer"], "user/root");
        await grants.GiveAsync(tenant, new NewGrant("role/clerk", ["run.purge"], "*"), "user/root");
        await principals.AddAsync(other, "user/ben", ["clerk"], "user/root");
        await catalogue.FreshAsync();
        rights.Permits(tenant, ["user/ana"], "run.cancel", "run/x").Should().BeTrue();
        rights.Permits(other, ["user/ana"], "run.cancel", "run/x").Should().BeFalse();
        rights.Permits(other, ["user/ben"], "run.purge", "run/x").Should().BeFalse("a role of the same name there was granted nothing");
        view.PrincipalsOf(other).Select(principal => principal.Id).Should().Equal("user/ana", "user/ben");
        view.GrantsOf(other).Should().BeEmpty();
        var taken = () => grants.TakeAsync(other, view.GrantsOf(tenant).Single().Id, null, "user/ana");
        await taken.Should().ThrowAsync<CommandRefusedException>();
    }

    [Fact]
    public async Task Nobody_gives_what_they_do_not_hold()
    {
        await There(("user/owner", ["owner"]), ("user/desk", []));
        await Grant("user/desk", "identity.write", "*");
        await Grant("user/desk", "run.read", "run/*");
        await Grant("role/boss", "run.purge", "*");
        rights.ObjectionToGiving(tenant, ["user/owner"], ["owner", "auditor", "boss"], []).Should().BeNull();
        foreach (var role in new[] { "owner", "operator", "viewer", "controller", "boss" }) rights.ObjectionToGiving(tenant, ["user/desk"], [role], []).Should().Contain(role);
        Giving("run.read", "run/abc").Should().BeNull("it holds that itself");
        Giving("run.read", "*").Should().NotBeNull();
        Giving("run.*", "run/abc").Should().NotBeNull();
        Giving(Rights.ActFor, "user/owner").Should().NotBeNull("to act for somebody is given by who holds everything");

        string? Giving(string action, string on) => rights.ObjectionToGiving(tenant, ["user/desk"], [], [new Grant("g", "user/desk", [action], on, null, null, default, null)]);
    }

    [Theory]
    [InlineData("user/nobody", "run.read", "*")]
    [InlineData("role/owner", "run.read", "*")]
    [InlineData("role/", "run.read", "*")]
    [InlineData("machine/x", "run.read", "*")]
    [InlineData("user/ana", "read", "*")]
    [InlineData("user/ana", "*.*", "*")]
    [InlineData("user/ana", "Run.read", "*")]
    [InlineData("user/ana", "run.read", "")]
    [InlineData("user/ana", "run.read", "run/*x")]
    [InlineData("user/ana", "run.read", "run/\0")]
    [InlineData("user/ana", "act-for", "user/ben")]
    [InlineData("service/crm", "act-for", "*")]
    [InlineData("service/crm", "act-for", "user/*")]
    [InlineData("role/clerk", "act-for", "user/ana")]
    public async Task A_grant_that_says_too_much_or_nothing_is_refused(string to, string action, string on)
    {
        await There(("user/ana", []), ("service/crm", []));
        var giving = () => grants.GiveAsync(tenant, new NewGrant(to, [action], on), "user/root");
        (await giving.Should().ThrowAsync<CommandRefusedException>()).Which.Message.Length.Should().BeGreaterThan(20);
    }

    [Theory]
    [InlineData("user/")]
    [InlineData("user/...")]
    [InlineData("user/a b")]
    [InlineData("user/änä")]
    [InlineData("user/a/b")]
    [InlineData("User/ana")]
    [InlineData("/ana")]
    [InlineData("ana")]
    [InlineData("robot/ana")]
    [InlineData("user/a\u202eb")]
    [InlineData("user/12345678901234567890123456789012345678901234567890123456789012345")]
    public async Task What_is_no_name_is_no_principal(string id)
    {
        PrincipalId.TryParse(id, out _).Should().BeFalse();
        var adding = () => principals.AddAsync(tenant, id, [], null);
        await adding.Should().ThrowAsync<CommandRefusedException>();
    }
}
