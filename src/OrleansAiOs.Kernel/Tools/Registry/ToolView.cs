using System.Collections.Concurrent;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tools.Registry;

/// <summary>The tools and servers that a host knows, of all tenants. What the code of this build offers is every tenant's, and stands under the default one.</summary>
public sealed class ToolView : IKernelView
{
    private readonly ConcurrentDictionary<(string Tenant, string Id), ToolState> tools = new();
    private readonly ConcurrentDictionary<(string Tenant, string Name), McpServer> servers = new();

    /// <summary>An MCP server was added or removed: its tenant, and its name. Whoever reads the events waits for what is done here.</summary>
    internal event Action<string, string>? ServerChanged;

    public void Apply(RecordedEvent e)
    {
        switch (e.Event)
        {
            case ToolRegistered or ToolApproved or ToolDrifted or ToolQuarantined when e.Stream.StartsWith("tool/", StringComparison.Ordinal):
                var key = (e.Tenant, e.Stream["tool/".Length..]);
                if (ToolState.Apply(tools.GetValueOrDefault(key), e) is { } state) tools[key] = state;
                break;
            case ToolServerAdded added:
                servers[(e.Tenant, added.Server.Name)] = added.Server;
                ServerChanged?.Invoke(e.Tenant, added.Server.Name);
                break;
            case ToolServerRemoved removed:
                servers.TryRemove((e.Tenant, removed.Name), out _);
                ServerChanged?.Invoke(e.Tenant, removed.Name);
                break;
        }
    }

    public ToolState? Find(string tenant, string id) => tools.GetValueOrDefault((tenant, id))
        ?? (tools.GetValueOrDefault((RunKey.DefaultTenant, id)) is { Definition.Kind: ToolKind.Code } code ? code : null);

    public McpServer? FindServer(string tenant, string name) => servers.GetValueOrDefault((tenant, name));

    public IReadOnlyList<ToolState> List(string tenant) => [.. tools.Where(pair => pair.Key.Tenant == tenant || pair.Value.Definition.Kind is ToolKind.Code && pair.Key.Tenant == RunKey.DefaultTenant)
        .Select(pair => pair.Value).OrderBy(state => state.Definition.Id, StringComparer.Ordinal)];

    public IReadOnlyList<McpServer> Servers(string tenant) => [.. servers.Where(pair => pair.Key.Tenant == tenant).Select(pair => pair.Value).OrderBy(server => server.Name, StringComparer.Ordinal)];
}
