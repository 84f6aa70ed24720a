using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tests.Streams;

namespace OrleansAiOs.Kernel.Tests.Governance;

public sealed class KillSwitchTests(KernelDatabase database) : IClassFixture<KernelDatabase>
{
    private readonly EventStreams streams = new(database.Source);
    private readonly KillSwitchView view = new();

    [Fact]
    public async Task A_switch_stops_its_target_for_its_tenant_until_it_is_released()
    {
        var switches = new KillSwitches(streams);
        var catalogue = new Catalogue(streams, [view], TimeProvider.System);
        (await switches.ThrowAsync("a", KillTarget.Principal, "agent/x", "runs wild", "user/ana")).Should().BeTrue();
        (await switches.ThrowAsync("a", KillTarget.Principal, "agent/x", "again", "user/ben")).Should().BeFalse();
        await catalogue.FreshAsync();
        view.Stops("a", ["user/ana", "agent/x"], "bank.pay").Should().Match<ThrownSwitch>(s => s.Why == "runs wild" && s.By == "user/ana");
        view.Stops("b", ["user/ana", "agent/x"], "bank.pay").Should().BeNull();
        view.Stops("a", ["user/ana"], "bank.pay").Should().BeNull();

        (await switches.ReleaseAsync("a", KillTarget.Principal, "agent/x", "mended", "user/ana")).Should().BeTrue();
        (await switches.ReleaseAsync("a", KillTarget.Principal, "agent/x", "mended", "user/ana")).Should().BeFalse();
        await catalogue.FreshAsync();
        view.Stops("a", ["user/ana", "agent/x"], "bank.pay").Should().BeNull();
    }

    [Theory]
    [InlineData(KillTarget.Principal, "ana", "user/ana")]
    [InlineData(KillTarget.Principal, "user/ana", "ana")]
    [InlineData(KillTarget.Tool, "crm/update", "tool:crm/update")]
    [InlineData(KillTarget.Tool, "tool:crm/update", "crm/update")]
    [InlineData(KillTarget.Tool, "bank.pay/limited", "bank.pay/limited")]
    public async Task A_switch_stops_what_is_meant_however_it_is_named_and_is_released_by_the_other_name(KillTarget target, string named, string otherwise)
    {
        var (switches, tenant) = (new KillSwitches(streams), $"t{Guid.NewGuid():N}");
        var catalogue = new Catalogue(streams, [view], TimeProvider.System);
        await switches.ThrowAsync(tenant, target, named, "why", "user/ben");
        await catalogue.FreshAsync();
        var tool = target is KillTarget.Principal ? "bank.pay" : named.StartsWith("bank", StringComparison.Ordinal) ? named : "tool:crm/update";
        view.Stops(tenant, target is KillTarget.Principal ? ["user/ana"] : ["user/carl"], tool).Should().NotBeNull();
        view.Stops(tenant, ["user/carl"], "tool:crm/other").Should().BeNull();
        (await switches.ThrowAsync(tenant, target, otherwise, "why", "user/ben")).Should().BeFalse("it is thrown already");

        (await switches.ReleaseAsync(tenant, target, otherwise, "mended", "user/ben")).Should().BeTrue();
        await catalogue.FreshAsync();
        view.List(tenant).Should().BeEmpty();
    }

    [Theory]
    [InlineData(KillTarget.Principal, "ana", "user/ana")]
    [InlineData(KillTarget.Tool, "crm/update", "tool:crm/update")]
    public async Task A_switch_from_before_that_was_stored_as_typed_can_be_released(KillTarget target, string typed, string name)
    {
        var tenant = $"t{Guid.NewGuid():N}";
        await streams.AppendAsync(tenant, $"kill/{target.ToString().ToLowerInvariant()}/{typed}", 0, [new KillSwitchThrown(target, typed, "why")], "user/ben");
        (await new KillSwitches(streams).ReleaseAsync(tenant, target, name, "mended", "user/ben")).Should().BeTrue();
        await new Catalogue(streams, [view], TimeProvider.System).FreshAsync();
        view.List(tenant).Should().BeEmpty();
    }

    [Theory]
    [InlineData(KillTarget.Principal, "role/clerk", "why")]
    [InlineData(KillTarget.Principal, "user/", "why")]
    [InlineData(KillTarget.Principal, "an a", "why")]
    [InlineData(KillTarget.Tool, "tool:crm", "why")]
    [InlineData(KillTarget.Tool, "tool:/update", "why")]
    [InlineData(KillTarget.Tool, "", "why")]
    [InlineData(KillTarget.Tool, "t", " ")]
    [InlineData(KillTarget.Tenant, "b", "why")]
    public async Task A_switch_without_a_reason_or_for_another_tenant_or_for_what_the_gate_never_sees_is_refused(KillTarget target, string id, string why)
    {
        var thrown = () => new KillSwitches(streams).ThrowAsync("a", target, id, why, "user/ana");
        await thrown.Should().ThrowAsync<ArgumentException>();
    }
}
