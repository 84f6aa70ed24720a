using Microsoft.Extensions.DependencyInjection;

namespace OrleansAiOs.Workflows.Hosting;

/// <summary>
/// An assembly of workflows as a host loads it (<c>aios serve --pack DIR</c>). Workflows are found by themselves; a pack only says
/// which services its activities need. It needs a constructor without parameters.
/// </summary>
public interface IPack
{
    /// <param name="services">Where to register what activities ask for.</param>
    /// <param name="setting">A setting of the host by name (environment AIOS_name, or configuration); null if it is not set.</param>
    void AddServices(IServiceCollection services, Func<string, string?> setting);
}
