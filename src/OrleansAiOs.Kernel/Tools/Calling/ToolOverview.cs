using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tools.Mcp;
using OrleansAiOs.Kernel.Tools.Registry;

namespace OrleansAiOs.Kernel.Tools.Calling;

/// <summary>The tools and servers of a tenant, as this host knows them to the half second, for whoever looks.</summary>
public sealed class ToolOverview
{
    private readonly ToolView view;
    private readonly Catalogue catalogue;
    private readonly McpServers servers;
    private readonly Breakers breakers;

    internal ToolOverview(ToolView view, Catalogue catalogue, McpServers servers, Breakers breakers) => (this.view, this.catalogue, this.servers, this.breakers) = (view, catalogue, servers, breakers);

    /// <returns>Each with the state of its breaker: closed, open or halfOpen.</returns>
    public async Task<IReadOnlyList<(ToolState Tool, string Breaker)>> ListAsync(string tenant, CancellationToken cancellation = default)
    {
        await catalogue.FreshAsync(cancellation);
        return [.. view.List(tenant).Select(tool => (tool, breakers.StateOf(tenant, tool.Definition.Id)))];
    }

    public async Task<(ToolState Tool, string Breaker)?> FindAsync(string tenant, string id, CancellationToken cancellation = default)
    {
        await catalogue.FreshAsync(cancellation);
        return view.Find(tenant, id) is { } tool ? (tool, breakers.StateOf(tenant, id)) : null;
    }

    public async Task<IReadOnlyList<McpServerView>> ServersAsync(string tenant, CancellationToken cancellation = default)
    {
        await catalogue.FreshAsync(cancellation);
        return servers.List(tenant);
    }
}
