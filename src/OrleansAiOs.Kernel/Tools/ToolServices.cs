using System.Data.Common;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Kernel.Tools.Code;
using OrleansAiOs.Kernel.Tools.Comparing;
using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Mcp;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tools;

/// <summary>What tools need of a program. Beside it stand the event streams, their catalogue and a TimeProvider.</summary>
public static class ToolServices
{
    /// <param name="services">The program's.</param>
    /// <param name="source">The database that holds the secrets.</param>
    /// <param name="key">What they are sealed under.</param>
    /// <param name="code">The methods of this build that are tools.</param>
    /// <param name="egress">How it reaches out; the defaults if left out.</param>
    public static IServiceCollection AddTools(this IServiceCollection services, DbDataSource source, SecretKey key, CodeTools code, EgressOptions? egress = null) => services
        .AddSingleton<ToolView>().AddSingleton<IKernelView>(provider => provider.GetRequiredService<ToolView>())
        .AddSingleton(_ => key)
        .AddSingleton(provider => new SecretStore(source, provider.GetRequiredService<EventStreams>(), provider.GetRequiredService<SecretKey>(), provider.GetRequiredService<TimeProvider>()))
        .AddSingleton(provider => new EgressClient(egress ?? new EgressOptions(), provider.GetRequiredService<SecretStore>(), provider.GetRequiredService<TimeProvider>()))
        .AddSingleton<ToolRegistry>().AddSingleton<ToolDirectory>().AddSingleton<IActivityDirectory>(provider => provider.GetRequiredService<ToolDirectory>()).AddSingleton(code)
        .AddSingleton(provider => new ToolOverview(provider.GetRequiredService<ToolView>(), provider.GetRequiredService<Catalogue>(), provider.GetRequiredService<McpServers>(), provider.GetRequiredService<Breakers>()))
        .AddSingleton<HttpToolCall>().AddSingleton<Breakers>().AddSingleton<ToolCaller>().AddSingleton<ComparedCalls>()
        .AddSingleton(provider => new McpServers(provider.GetRequiredService<ToolRegistry>(), provider.GetRequiredService<EgressClient>(), provider.GetRequiredService<SecretStore>(), provider.GetRequiredService<TimeProvider>()));
}
