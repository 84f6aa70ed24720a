using System.Data.Common;
using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Host.Serving;

/// <summary>What the kernel keeps in a host: its streams, one catalogue of them, the slices' views and services.</summary>
internal static class KernelServices
{
    public static IServiceCollection AddKernel(this IServiceCollection services, DbDataSource source) => services
        .AddSingleton(new EventStreams(source))
        .AddSingleton<PolicyView>().AddSingleton<IKernelView>(provider => provider.GetRequiredService<PolicyView>())
        .AddSingleton<KillSwitchView>().AddSingleton<IKernelView>(provider => provider.GetRequiredService<KillSwitchView>())
        .AddSingleton<Catalogue>()
        .AddSingleton<KillSwitches>()
        .AddSingleton<PolicyVersions>();
}
