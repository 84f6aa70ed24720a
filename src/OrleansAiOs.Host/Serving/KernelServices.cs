using System.Data.Common;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Host.Serving;

/// <summary>The kernel's slices in the host: what they keep in memory is one catalogue's, read from one place in the order of commits.</summary>
internal static class KernelServices
{
    public static void AddKernel(this IServiceCollection services, DbDataSource source)
    {
        services.AddSingleton(new EventStreams(source));
        // By the wall clock, whatever clock the workflows are shown.
        services.AddSingleton(provider => new Catalogue(provider.GetRequiredService<EventStreams>(), provider.GetServices<IKernelView>(), TimeProvider.System));

        services.AddView(new IdentityView());
        services.AddSingleton(provider => new Keys(provider.GetRequiredService<EventStreams>(), source, TimeProvider.System));
        services.AddSingleton(provider => new Rights(provider.GetRequiredService<IdentityView>(), TimeProvider.System));
        services.AddSingleton<PolicyVersions>().AddSingleton<Principals>().AddSingleton<Grants>().AddSingleton<Tenants>();
    }

    /// <summary>A slice's view: fed by the catalogue, and found by its own type.</summary>
    public static void AddView<TView>(this IServiceCollection services, TView view) where TView : class, IKernelView => services.AddSingleton(view).AddSingleton<IKernelView>(view);
}
