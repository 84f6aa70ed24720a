using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Workflows.History;
using ProtocolTool = ModelContextProtocol.Protocol.Tool;

namespace OrleansAiOs.Kernel.Tools.Mcp;

/// <summary>A conversation with one MCP server, from its start to its end. What the server says is data.</summary>
internal sealed class McpSession : IAsyncDisposable
{
    private const int PagesMax = 20;

    private static readonly TimeSpan ConnectWithin = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan GoodbyeWithin = TimeSpan.FromSeconds(2);

    private readonly McpServer server;
    private readonly McpClient client;
    private readonly ServerProcess? process;
    private readonly MessageStream? messages;
    private readonly Redactor redactor;
    private readonly HttpClientTransport? transport;
    private int hasNews;

    private McpSession(McpServer server, McpClient client, ServerProcess? process, MessageStream? messages, HttpClientTransport? transport, Redactor redactor) =>
        (this.server, this.client, this.process, this.messages, this.transport, this.redactor) = (server, client, process, messages, transport, redactor);

    public McpServer Server => server;

    /// <summary>The revision of the protocol that both speak.</summary>
    public string? Revision => client.NegotiatedProtocolVersion;

    public bool IsOver => client.Completion.IsCompleted;

    /// <summary>Why it is over, if the server went too far.</summary>
    public string? EndedBy => messages?.Objection;

    /// <summary>What the server has offered at the last look: the pins of its tools, by name.</summary>
    public IReadOnlyDictionary<string, string> Offered { get; private set; } = new Dictionary<string, string>();

    /// <summary>What of its offers could not be kept, and why.</summary>
    public IReadOnlyList<(string Tool, string Why)> Refused { get; private set; } = [];

    /// <summary>True once after the server has said that its list is another.</summary>
    public bool TakeNews() => Interlocked.Exchange(ref hasNews, 0) == 1;

    /// <summary>Starts a conversation, within a time of its own: it is for all who come, and not for the one call that was the first.</summary>
    /// <exception cref="McpFailedException">There is no conversation to be had. What was started for it has ended.</exception>
    public static async Task<McpSession> StartAsync(string tenant, McpServer server, EgressClient egress, SecretStore? secrets, TimeProvider time, CancellationToken end)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(end);
        limit.CancelAfter(ConnectWithin);
        ServerProcess? process = null;
        MessageStream? messages = null;
        HttpClientTransport? overHttp = null;
        var redactor = new Redactor();
        var news = new News();
        try
        {
            IClientTransport transport;
            if (server.Argv is not null)
            {
                process = await ServerProcess.StartAsync(server, async name => secrets is null ? throw new McpFailedException("this host keeps no secrets")
                    : await secrets.RevealAsync(tenant, name, $"mcp:{server.Name}", $"MCP server {server.Name}", limit.Token));
                (redactor, messages) = (process.Redactor, new MessageStream(process.Output, time));
                transport = new StreamClientTransport(process.Input, messages);
            }
            else
            {
                var handler = new EgressHandler(egress, new EgressRequest
                {
                    Tenant = tenant,
                    For = $"MCP server {server.Name}",
                    Method = HttpMethod.Post,
                    Url = new Uri(server.Url!),
                    Headers = [.. server.Headers ?? new Dictionary<string, string>()],
                    Reach = Reach.Of(server.Reach),
                }, MessageStream.MessageBytesMax);
                redactor = handler.Redactor;
                transport = overHttp = new HttpClientTransport(new HttpClientTransportOptions
                {
                    Endpoint = new Uri(server.Url!),
                    TransportMode = HttpTransportMode.StreamableHttp,
                    // Whether its list is another is looked at again and again; nothing else of what it would push is wanted.
                    EnableStandaloneGetStream = false,
                    // A call is sent once. What became of it is the engine's question.
                    MaxReconnectionAttempts = 0,
                    ConnectionTimeout = ConnectWithin,
                }, handler.Client(), NullLoggerFactory.Instance, ownsHttpClient: true);
            }
            var client = await McpClient.CreateAsync(transport, new McpClientOptions
            {
                ClientInfo = new Implementation { Name = "aios", Version = typeof(McpSession).Assembly.GetName().Version?.ToString(3) ?? "0" },
                InitializationTimeout = ConnectWithin,
                Handlers = new McpClientHandlers { NotificationHandlers = [new(NotificationMethods.ToolListChangedNotification, (_, _) => news.Told())] },
            }, NullLoggerFactory.Instance, limit.Token);
            var session = new McpSession(server, client, process, messages, overHttp, redactor);
            news.Session = session;
            return session;
        }
        catch (Exception e)
        {
            var why = Said(e, redactor, messages, process);
            if (process is not null) await process.DisposeAsync();
            if (overHttp is not null) await overHttp.DisposeAsync();
            throw new McpFailedException($"MCP server {server.Name} cannot be spoken to: {why}");
        }
    }

    /// <summary>Looks at what the server offers now. Bounded in pages, tools, bytes and time, whatever it sends.</summary>
    /// <exception cref="McpFailedException">It does not tell, or tells too much.</exception>
    public async Task<IReadOnlyList<ToolDefinition>> LookAsync(CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(ConnectWithin);
        var (definitions, refused, offered) = (new List<ToolDefinition>(), new List<(string, string)>(), new Dictionary<string, string>(StringComparer.Ordinal));
        try
        {
            var request = new ListToolsRequestParams();
            for (var page = 1; ; page++)
            {
                var listed = await client.ListToolsAsync(request, limit.Token);
                foreach (var tool in listed.Tools.Where(tool => server.Tools is null || server.Tools.Contains(tool.Name, StringComparer.Ordinal)))
                {
                    if (offered.Count + refused.Count >= DefinitionRules.ToolsPerServerMax)
                        throw new McpFailedException($"MCP server {server.Name} offers more than {DefinitionRules.ToolsPerServerMax} tools. Name those that are wanted: \"tools\": [\"…\"] where the server is added.");
                    try
                    {
                        var definition = Definition(tool);
                        DefinitionRules.Check(definition);
                        if (!offered.TryAdd(tool.Name, definition.Pin())) throw new DefinitionException("its server offers two of this name");
                        client.AddKnownTools([tool]); // for parameters that are repeated in headers
                        definitions.Add(definition);
                    }
                    catch (Exception e) when (e is DefinitionException or ArgumentException or JsonException)
                    {
                        offered.Remove(tool.Name);
                        definitions.RemoveAll(definition => definition.Name == tool.Name);
                        refused.Add((Answers.Visible(redactor.Clean(tool.Name), 64), Answers.Visible(redactor.Clean(e.Message), 300)));
                    }
                }
                if (listed.NextCursor is null) break;
                if (page == PagesMax) throw new McpFailedException($"MCP server {server.Name} has a list of tools that does not end within {PagesMax} pages.");
                request.Cursor = listed.NextCursor;
            }
        }
        catch (Exception e) when (e is not McpFailedException && !cancellation.IsCancellationRequested)
        {
            throw new McpFailedException($"MCP server {server.Name} does not tell what it offers: {Said(e, redactor, messages, process)}");
        }
        (Offered, Refused) = (offered, refused);
        return definitions;
    }

    /// <summary>Calls a tool.</summary>
    /// <returns>Its result as JSON, without the secrets that the server was given, and whether it says that it failed.</returns>
    /// <exception cref="McpProtocolException">The server answered with an error of the protocol.</exception>
    /// <exception cref="McpFailedException">It did not answer.</exception>
    public async Task<(byte[] Content, bool IsError)> CallAsync(string tool, JsonElement input, string idempotencyKey, CancellationToken cancellation)
    {
        try
        {
            var result = await client.CallToolAsync(new CallToolRequestParams
            {
                Name = tool,
                Arguments = input.EnumerateObject().ToDictionary(member => member.Name, member => member.Value, StringComparer.Ordinal),
                Meta = new JsonObject { [McpServers.IdempotencyMeta] = idempotencyKey },
            }, cancellation);
            var content = result.StructuredContent is { } structured ? JsonSerializer.SerializeToUtf8Bytes(structured)
                : result.Content is [TextContentBlock { Text: { } text }] ? JsonSerializer.SerializeToUtf8Bytes(text)
                : JsonSerializer.SerializeToUtf8Bytes(result.Content, McpJsonUtilities.DefaultOptions);
            return (redactor.Clean(content), result.IsError is true);
        }
        catch (McpProtocolException e)
        {
            throw new McpProtocolException(Answers.Visible(redactor.Clean(e.Message), 500), e.ErrorCode);
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            var said = $"MCP server {server.Name} did not answer: {Said(e, redactor, messages, process)}";
            // A call is one request. What kept that from leaving, and a status that came back for it, are as definite here as they are for a tool by HTTP.
            for (var cause = e; cause is not null; cause = cause.InnerException)
                switch (cause)
                {
                    case SecretDeniedException or EgressRefusedException { Redirects: 0 }: throw new McpUnsentException(said, mayComeRight: false);
                    case EgressFailedException { NeverArrived: true }: throw new McpUnsentException(said, mayComeRight: true);
                    case HttpRequestException { StatusCode: { } status } when (int)status is >= 400 and < 600: throw new McpAnsweredException(said, (int)status);
                }
            throw new McpFailedException(said);
        }
    }

    public async ValueTask DisposeAsync()
    {
        // Before the conversation is ended in order: a server that does not listen must not keep anybody waiting.
        if (process is not null) await process.DisposeAsync();
        // The SDK says goodbye to a server over HTTP, and has no limit for it: without one, a server that is silent would hold whoever waits here, the host's end among them.
        var goodbye = client.DisposeAsync().AsTask();
        await Task.WhenAny(goodbye, Task.Delay(GoodbyeWithin));
        if (transport is not null) await transport.DisposeAsync(); // ends what is under way
        if (goodbye.IsCompleted) await goodbye;
        else _ = goodbye.ContinueWith(static late => late.Exception, TaskScheduler.Default);
    }

    // A server may write the secrets that it was given into what it says of its tools, and that is kept for ever. So they are taken out before
    // it is pinned: the pin stays the same then when a secret is another.
    private ToolDefinition Definition(ProtocolTool tool) => new()
    {
        Kind = ToolKind.Mcp,
        Server = server.Name,
        Name = redactor.Clean(tool.Name),
        Title = tool.Title is { } title ? redactor.Clean(title) : null,
        Description = tool.Description is { } description ? redactor.Clean(description) : null,
        InputSchema = Cleaned(tool.InputSchema.GetRawText()),
        OutputSchema = tool.OutputSchema is { } output ? Cleaned(output.GetRawText()) : null,
        Hints = tool is { Annotations: null, Icons: null, Meta: null } ? null
            : Cleaned(JsonSerializer.Serialize(new { annotations = tool.Annotations, icons = tool.Icons, meta = tool.Meta }, McpJsonUtilities.DefaultOptions)),
    };

    // Written anew before it is cleaned: a server may escape what need not be (PHP does every slash), and no form of a secret is found in that.
    private JsonText Cleaned(string json)
    {
        var text = JsonText.Parse(json);
        return redactor.IsEmpty ? text : JsonText.Parse(redactor.Clean(JsonSerializer.Serialize(text.ToElement())));
    }

    private static string Said(Exception e, Redactor redactor, MessageStream? messages, ServerProcess? process)
    {
        var words = process?.LastWords;
        var why = messages?.Objection ?? e switch
        {
            EgressRefusedException or EgressFailedException or SecretDeniedException or McpFailedException => e.Message,
            TimeoutException or OperationCanceledException => "it does not answer",
            _ => e.InnerException is EgressRefusedException or EgressFailedException or SecretDeniedException ? e.InnerException.Message : e.Message,
        };
        return Answers.Visible(redactor.Clean($"{why}{(string.IsNullOrEmpty(words) ? "" : $" (on stderr: {words})")}"), 1500);
    }

    // A session can be told of before it stands.
    private sealed class News
    {
        private int early;

        public McpSession? Session
        {
            get;
            set
            {
                field = value;
                if (early == 1) value!.hasNews = 1;
            }
        }

        public ValueTask Told()
        {
            if (Session is { } session) Volatile.Write(ref session.hasNews, 1);
            else early = 1;
            return ValueTask.CompletedTask;
        }
    }
}

/// <summary>A server did not do what it was asked.</summary>
internal sealed class McpFailedException(string message) : Exception(message);

/// <summary>A call has not left this host, or never arrived.</summary>
internal sealed class McpUnsentException(string message, bool mayComeRight) : Exception(message)
{
    public bool MayComeRight => mayComeRight;
}

/// <summary>A call was answered with a status of HTTP in place of a result.</summary>
internal sealed class McpAnsweredException(string message, int status) : Exception(message)
{
    public int Status => status;
}
