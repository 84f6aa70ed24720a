using System.Data.Common;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Governance.Quotas;
using OrleansAiOs.Kernel.Governance.RunLimits;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Serving;

/// <summary>The kernel's slices in the host: what they keep in memory is one catalogue's, read from one place in the order of commits.</summary>
internal static class KernelServices
{
    /// <param name="host">The incarnation.</param>
    /// <param name="shared">Other hosts may serve the database.</param>
    public static void AddKernel(this IServiceCollection services, DbDataSource source, StreamSeal seal, string host, bool shared)
    {
        services.AddSingleton(provider =>
        {
            var streams = new EventStreams(source, seal);
            var log = provider.GetRequiredService<ILogger<EventStreams>>();
            streams.Forged += forged => KernelLog.Forged(log, forged.Message);
            return streams;
        });
        // By the wall clock, whatever clock the workflows are shown.
        services.AddSingleton(provider => new Catalogue(provider.GetRequiredService<EventStreams>(), provider.GetServices<IKernelView>(), TimeProvider.System));

        services.AddView(new IdentityView());
        services.AddSingleton(provider => new Keys(provider.GetRequiredService<EventStreams>(), source, TimeProvider.System));
        services.AddSingleton(provider => new GrantUses(source, TimeProvider.System, provider.GetRequiredService<ILogger<GrantUses>>()));
        services.AddSingleton(provider => new Rights(provider.GetRequiredService<IdentityView>(), TimeProvider.System, provider.GetRequiredService<GrantUses>()));
        services.AddSingleton<PolicyVersions>().AddSingleton<Principals>().AddSingleton<Grants>().AddSingleton<Tenants>();

        services.AddView(new PolicyView());
        services.AddView(new KillSwitchView());
        services.AddView(new SigningKeyView());
        services.AddView(new DelegationView());
        services.AddView(new BudgetView());
        services.AddView(new RunLimitView());
        services.AddView(new QuotaView());
        services.AddSingleton<Budgets>().AddSingleton<RunLimits>().AddSingleton<Quotas>();
        services.AddSingleton(provider => new Places(provider.GetRequiredService<EventStreams>(), source, provider.GetRequiredService<QuotaView>(), provider.GetRequiredService<Catalogue>().FreshAsync, host,
            shared ? WorkflowHostOptions.DeadAfterDefault : null, TimeProvider.System));
        services.AddSingleton(provider => new StoredBytes(provider.GetRequiredService<EventStreams>(), source, provider.GetRequiredService<QuotaView>(), provider.GetRequiredService<Catalogue>().FreshAsync, TimeProvider.System));
        services.AddSingleton(provider => new OpenRuns(provider.GetRequiredService<EventStreams>(), source, provider.GetRequiredService<IRunStore>(), provider.GetRequiredService<QuotaView>(),
            provider.GetRequiredService<Catalogue>().FreshAsync, host, TimeProvider.System)).AddSingleton<QuotaParts>();
        services.AddSingleton(provider => new Escrow(provider.GetRequiredService<EventStreams>(), source, provider.GetRequiredService<IRunStore>(), provider.GetRequiredService<BudgetView>(), TimeProvider.System));
        services.AddSingleton<KillSwitches>().AddSingleton<SigningKeys>().AddSingleton<SignatureCheck>();
        services.AddSingleton(provider => new Delegations(provider.GetRequiredService<EventStreams>(), TimeProvider.System));
        services.AddSingleton(provider =>
        {
            var (catalogue, policies) = (provider.GetRequiredService<Catalogue>(), provider.GetRequiredService<PolicyView>());
            var (escrow, limits) = (provider.GetRequiredService<Escrow>(), provider.GetRequiredService<RunLimits>());
            return new KernelGate(new KernelGateParts
            {
                Fresh = catalogue.FreshAsync,
                Identity = provider.GetRequiredService<IdentityView>(),
                Rights = provider.GetRequiredService<Rights>(),
                Switches = provider.GetRequiredService<KillSwitchView>(),
                Signatures = provider.GetRequiredService<SignatureCheck>(),
                Policies = policies.ActiveFor,
                Tool = (tenant, activity) => FactsOf(provider.GetRequiredService<ToolView>(), tenant, activity),
                Limits = limits.Objection,
                Covers = escrow.CoverAsync,
                Overdrafts = escrow.Signers,
                Ended = escrow.Release,
                Quotas = provider.GetRequiredService<QuotaParts>(),
                Log = provider.GetRequiredService<ILogger<KernelGate>>(),
            });
        });
    }

    // A tool's call is an activity named after it; every other activity is deployed code's.
    private static ToolFacts? FactsOf(ToolView tools, string tenant, string activity)
    {
        if (!activity.StartsWith(Tool.Prefix, StringComparison.Ordinal)) return null;
        var id = activity[Tool.Prefix.Length..];
        var tool = tools.Find(tenant, id) ?? (tools.Find(RunKey.DefaultTenant, id) is { Definition.Kind: ToolKind.Code } code ? code : null);
        return tool is null ? new ToolFacts("unknown", "", null, $"There is no tool {id}.") : new ToolFacts(tool.Definition.Kind.ToString().ToLowerInvariant(), tool.Pin, tool.Definition.Server, tool.Objection, tool.Terms?.Comparison is null ? 0 : 2);
    }

    /// <summary>A slice's view: fed by the catalogue, and found by its own type.</summary>
    public static void AddView<TView>(this IServiceCollection services, TView view) where TView : class, IKernelView => services.AddSingleton(view).AddSingleton<IKernelView>(view);
}

internal static partial class KernelLog
{
    [LoggerMessage(Level = LogLevel.Error, Message = "ALARM: {What}")]
    public static partial void Forged(ILogger log, string what);
}
