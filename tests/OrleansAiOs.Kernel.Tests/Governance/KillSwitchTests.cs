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
    [InlineData(KillTarget.Tool, "", "why")]
    [InlineData(KillTarget.Tool, "t", " ")]
    [InlineData(KillTarget.Tenant, "b", "why")]
    public async Task A_switch_without_a_name_or_a_reason_or_for_another_tenant_is_refused(KillTarget target, string id, string why)
    {
        var thrown = () => new KillSwitches(streams).ThrowAsync("a", target, id, why, "user/ana");
        await thrown.Should().ThrowAsync<ArgumentException>();
    }
}
