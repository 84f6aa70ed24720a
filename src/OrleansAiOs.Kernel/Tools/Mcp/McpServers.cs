using System.Collections.Concurrent;
using System.Text.Json;
using ModelContextProtocol;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tools.Mcp;

/// <summary>How a host stands with an MCP server.</summary>
/// <param name="State">idle (nobody has asked for it yet), connected, or failing.</param>
/// <param name="Revision">Of the protocol, while it is connected.</param>
/// <param name="Refused">What it offers that could not be kept, and why.</param>
public sealed record McpServerView(McpServer Server, string State, string? Revision, string? Trouble, IReadOnlyList<string> Refused);

/// <summary>
/// The MCP servers of a host. Each tenant's server has one session, started when it is first needed, and started anew, with growing pauses,
/// when it ends. A tool is called only in a session whose list was looked at, and only if its definition there is the pinned one. The list
/// is looked at again when the server says it changed (at most every five seconds, however often it says so) and once a minute of use.
/// </summary>
public sealed class McpServers : IAsyncDisposable
{
    /// <summary>The member of a call's _meta that holds its idempotency key.</summary>
    public const string IdempotencyMeta = "com.orleansaios/idempotency-key";

    private static readonly TimeSpan NewsEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan PauseMax = TimeSpan.FromMinutes(1);
    private const int SilencesMax = 3;

    private readonly ConcurrentDictionary<(string Tenant, string Name), Link> links = new();
    private readonly ToolRegistry registry;
    private readonly EgressClient egress;
    private readonly SecretStore? secrets;
    private readonly TimeProvider time;

    internal McpServers(ToolRegistry registry, EgressClient egress, SecretStore? secrets, TimeProvider time)
    {
        (this.registry, this.egress, this.secrets, this.time) = (registry, egress, secrets, time);
        registry.View.ServerChanged += OnServerChanged;
    }

    /// <summary>Looks at what a server offers now, and tells the registry.</summary>
    /// <exception cref="WithheldException">It cannot be spoken to.</exception>
    public Task LookAsync(string tenant, string name, CancellationToken cancellation = default) => SessionAsync(LinkTo(tenant, name), tenant, name, mustLook: true, cancellation);

    public IReadOnlyList<McpServerView> List(string tenant) => [.. registry.View.Servers(tenant).Select(server => links.GetValueOrDefault((tenant, server.Name)) is { } link
        ? new McpServerView(server, link.Session is { IsOver: false } ? "connected" : link.Why is null ? "idle" : "failing", link.Session?.Revision, link.Why, [.. (link.Session?.Refused ?? []).Select(refused => $"{refused.Tool}: {refused.Why}")])
        : new McpServerView(server, "idle", null, null, []))];

    internal async Task<ToolResult> CallAsync(ToolState tool, JsonElement input, ActivityContext context, CancellationToken cancellation)
    {
        var (id, name) = (tool.Definition.Id, tool.Definition.Server);
        var link = LinkTo(context.Tenant, name);
        McpSession session;
        try
        {
            session = await SessionAsync(link, context.Tenant, name, mustLook: false, cancellation);
        }
        catch (Exception e) when (e is not WithheldException)
        {
            // A server that does not even tell what it offers is silent too, if the call's time ran out and not the run was cancelled.
            if (e is OperationCanceledException && !context.Cancellation.IsCancellationRequested && link.Session is { } silent) await WasSilentAsync(link, silent);
            // Whatever it is, nothing has left yet.
            throw new WithheldException($"tool {id} was not called: {(e is OperationCanceledException ? $"MCP server {name} was not ready when the call was given up." : e.Message)}", retry: true);
        }
        if (registry.View.Find(context.Tenant, id)?.Objection is { } objection) throw new WithheldException(objection);
        if (!session.Offered.TryGetValue(tool.Definition.Name, out var pin)) throw new WithheldException($"tool {id}: its server does not offer it any more.");
        if (pin != tool.Pin) throw new WithheldException($"tool {id}: its server offers another definition than the one that was approved.");
        try
        {
            var (content, isError) = await session.CallAsync(tool.Definition.Name, input, context.Key.Value, cancellation);
            link.Silences = 0;
            return Answers.OfJson(tool, content, isError);
        }
        catch (McpProtocolException e) when (e.ErrorCode is McpErrorCode.InvalidParams or McpErrorCode.MethodNotFound or McpErrorCode.InvalidRequest)
        {
            throw new RefusedException($"tool {id}: its server refused the call: \"{e.Message}\"");
        }
        catch (McpUnsentException e)
        {
            throw new WithheldException($"tool {id} was not called: {e.Message}", e.MayComeRight);
        }
        catch (McpAnsweredException e)
        {
            throw e.Status is 429 ? new RefusedException($"tool {id}: {e.Message}", retry: true) : new HttpRequestException($"tool {id}: {e.Message}", null, (System.Net.HttpStatusCode)e.Status);
        }
        catch (Exception e) when (e is McpProtocolException or McpFailedException)
        {
            throw new ToolFailedException(e is McpProtocolException ? $"tool {id}: its server answered with an error: \"{e.Message}\"" : $"tool {id}: {e.Message}");
        }
        catch (OperationCanceledException) when (!context.Cancellation.IsCancellationRequested)
        {
            // Whose run was cancelled says nothing of the server. About the call the engine decides.
            await WasSilentAsync(link, session);
            throw;
        }
    }

    // Who never answers is started anew after a while.
    private async Task WasSilentAsync(Link link, McpSession session)
    {
        if (Interlocked.Increment(ref link.Silences) >= SilencesMax) await EndAsync(link, session, "it did not answer three calls one after the other");
    }

    public async ValueTask DisposeAsync()
    {
        registry.View.ServerChanged -= OnServerChanged;
        foreach (var link in links.Values) await EndAllButAsync(link, static () => null);
    }

    // A program that was removed, or replaced, has its secrets no longer than until this host hears of it. Who reads the events does not wait for its end.
    private void OnServerChanged(string tenant, string name)
    {
        if (links.TryGetValue((tenant, name), out var link)) _ = Task.Run(() => EndAllButAsync(link, () => registry.View.FindServer(tenant, name)));
    }

    private static async Task EndAllButAsync(Link link, Func<McpServer?> server)
    {
        await link.One.WaitAsync();
        try
        {
            await link.EndAllButAsync(server());
        }
        finally
        {
            link.One.Release();
        }
    }

    private Link LinkTo(string tenant, string name) => links.GetOrAdd((tenant, name), _ => new Link());

    private async Task<McpSession> SessionAsync(Link link, string tenant, string name, bool mustLook, CancellationToken cancellation)
    {
        await link.One.WaitAsync(cancellation);
        try
        {
            return await HeldSessionAsync(link, tenant, name, mustLook, cancellation);
        }
        finally
        {
            link.One.Release();
        }
    }

    // The caller holds the link.
    private async Task<McpSession> HeldSessionAsync(Link link, string tenant, string name, bool mustLook, CancellationToken cancellation)
    {
        var server = registry.View.FindServer(tenant, name);
        await link.EndAllButAsync(server);
        if (server is null) throw new WithheldException($"There is no MCP server '{name}'. `aios tools add-mcp` makes one known.");
        if (link.Session is { IsOver: true } over)
        {
            (link.Session, link.Trouble) = (null, over.EndedBy ?? "its session ended");
            await over.DisposeAsync();
        }
        if (link.Session is null)
        {
            if (link.Starting is null && link.RetryIn(time) is { } pause && !mustLook) throw new WithheldException($"MCP server {name} is left alone after it failed: {link.Trouble}", retry: true, pause);
            var starting = link.Starting ??= new Start(server, end => McpSession.StartAsync(tenant, server, egress, secrets, time, end));
            try
            {
                // Who gives up leaves it to whoever comes next: a start for each of them would come to no end with a server that takes its time.
                link.Session = await starting.Session.WaitAsync(cancellation);
            }
            catch (McpFailedException e)
            {
                link.Starting = null;
                throw Failed(link, e);
            }
            (link.Starting, link.LookedAt) = (null, null);
        }
        if (!mustLook && link.LookedAt is { } at && time.GetElapsedTime(at) is var since && (since < NewsEvery || since < LookEvery && !link.Session.TakeNews())) return link.Session;
        try
        {
            // Until this look has come to its end, nobody knows what is offered: behind one that was given up, the next call looks.
            link.LookedAt = null;
            link.Session.TakeNews();
            var now = time.GetTimestamp();
            foreach (var definition in await link.Session.LookAsync(cancellation)) await registry.SeeAsync(tenant, definition, $"mcp/{name}", cancellation);
            await registry.StopUnkeptAsync(tenant, name, link.Session.Refused, cancellation);
            (link.LookedAt, link.Failures, link.Trouble) = (now, 0, null);
            return link.Session;
        }
        catch (Exception e) when (e is McpFailedException or CommandRefusedException)
        {
            await link.Session.DisposeAsync();
            link.Session = null;
            throw Failed(link, e);
        }
    }

    private WithheldException Failed(Link link, Exception e)
    {
        link.Trouble = e.Message;
        link.FailedAt = time.GetTimestamp();
        link.Failures++;
        return new WithheldException(e.Message, retry: true, link.RetryIn(time));
    }

    private async Task EndAsync(Link link, McpSession session, string why)
    {
        await link.One.WaitAsync();
        try
        {
            if (link.Session != session) return;
            (link.Session, link.Trouble, link.Silences) = (null, why, 0);
            await session.DisposeAsync();
        }
        finally
        {
            link.One.Release();
        }
    }

    /// <summary>What a host has with one server.</summary>
    private sealed class Link
    {
        public SemaphoreSlim One { get; } = new(1);

        public McpSession? Session { get; set; }

        /// <summary>The session to come; nobody has taken it up yet.</summary>
        public Start? Starting { get; set; }

        public string? Trouble { get; set; }

        public string? Why => Session is { IsOver: true } over ? over.EndedBy ?? "its session ended" : Trouble;

        public int Failures { get; set; }

        public long FailedAt { get; set; }

        /// <summary>Null while the session's offer is not known.</summary>
        public long? LookedAt { get; set; }

        /// <summary>Calls one after the other that were given up.</summary>
        public int Silences;

        /// <summary>Ends what is not with this server, as it is now: everything, if there is none. The caller holds the link.</summary>
        public async Task EndAllButAsync(McpServer? server)
        {
            if (Session is { } session && !ReferenceEquals(session.Server, server))
            {
                (Session, Trouble) = (null, null);
                await session.DisposeAsync();
            }
            if (Starting is { } starting && !ReferenceEquals(starting.Server, server))
            {
                Starting = null;
                await starting.DisposeAsync();
            }
        }

        public TimeSpan? RetryIn(TimeProvider time)
        {
            if (Failures == 0) return null;
            var pause = TimeSpan.FromSeconds(Math.Min(Math.Pow(2, Math.Min(Failures - 1, 10)), PauseMax.TotalSeconds)) - time.GetElapsedTime(FailedAt);
            return pause > TimeSpan.Zero ? pause : null;
        }
    }

    /// <summary>A session that is being started.</summary>
    private sealed class Start : IAsyncDisposable
    {
        private readonly CancellationTokenSource end = new();

        public Start(McpServer server, Func<CancellationToken, Task<McpSession>> start) => (Server, Session) = (server, start(end.Token));

        public McpServer Server { get; }

        public Task<McpSession> Session { get; }

        /// <summary>Ends it, and the session if it stands by then.</summary>
        public async ValueTask DisposeAsync()
        {
            await end.CancelAsync();
            try
            {
                await (await Session).DisposeAsync();
            }
            catch (McpFailedException)
            {
                // Nothing came of it.
            }
            end.Dispose();
        }
    }
}
