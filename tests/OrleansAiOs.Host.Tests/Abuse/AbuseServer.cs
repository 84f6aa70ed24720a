using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using OrleansAiOs.Host.Serving;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Host.Tests.Abuse;

[CollectionDefinition(Name)]
public sealed class AbuseCollection : ICollectionFixture<AbuseServer>
{
    public const string Name = "abuse";
}

/// <summary>The real server, in this process, on a port of its own over a fresh database, with the workflows of AbuseWorkflows.cs.</summary>
public class AbuseServer : IAsyncLifetime
{
    private readonly PostgresFixture database = new();
    private readonly string folder = Directory.CreateTempSubdirectory("aios-abuse-").FullName;

    internal AiosServer Server { get; private set; } = null!;

    /// <summary>What the environment says to it.</summary>
    public Func<string, string?> Setting { get; init; } = new ServeOptions().Setting;

    /// <summary>How long a command is waited for.</summary>
    public TimeSpan AnswerWithin { get; init; } = new ServeOptions().AnswerWithin;

    public HttpClient Http { get; } = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false });

    public string ConnectionString => database.ConnectionString;

    public string OwnerKey { get; private set; } = "";

    /// <summary>The key of carl, who holds the role controller.</summary>
    public string CarlsKey { get; private set; } = "";

    public async Task InitializeAsync()
    {
        await database.InitializeAsync();
        Server = await AiosServer.StartAsync(new ServeOptions
        {
            DataFolder = folder,
            ConnectionString = database.ConnectionString,
            Urls = "http://127.0.0.1:0",
            Packs = [typeof(AbuseServer).Assembly],
            Quiet = true,
            Setting = Setting,
            AnswerWithin = AnswerWithin,
        }, default);
        Http.BaseAddress = Server.Address;
        OwnerKey = new HostFolder(folder).OwnerKey!;
        CarlsKey = await NewKey("carl", "controller", "operator");
    }

    public async Task DisposeAsync()
    {
        Http.Dispose();
        await Server.DisposeAsync();
        await database.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    public async Task<string> NewKey(string name, params string[] roles) =>
        (await Post("/api/v1/keys", new { name, roles })).Json.GetProperty("key").GetString()!;

    public Task<Answer> Get(string path, string? key = null) => Send(HttpMethod.Get, path, null, key);

    public Task<Answer> Post(string path, object? body, string? key = null, string? idempotencyKey = null) =>
        Send(HttpMethod.Post, path, new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json"), key, idempotencyKey);

    public Task<Answer> PostRaw(string path, string body, string contentType = "application/json", string? idempotencyKey = null)
    {
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        return Send(HttpMethod.Post, path, content, null, idempotencyKey);
    }

    public async Task<Answer> Send(HttpMethod method, string path, HttpContent? content, string? key = null, string? idempotencyKey = null, Action<HttpRequestMessage>? change = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        if (key is not "") request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key ?? OwnerKey}");
        if (idempotencyKey is not null) request.Headers.TryAddWithoutValidation("Idempotency-Key", idempotencyKey);
        change?.Invoke(request);
        using var response = await Http.SendAsync(request);
        return new Answer((int)response.StatusCode, await response.Content.ReadAsStringAsync(), response.Content.Headers.ContentType?.MediaType,
            response.Headers.Concat(response.Content.Headers).ToDictionary(h => h.Key, h => string.Join(", ", h.Value), StringComparer.OrdinalIgnoreCase));
    }

    /// <summary>What no HTTP client would send: bytes as they are. The answer is everything until the server closes.</summary>
    public async Task<string> Raw(string request, bool halfClose = false)
    {
        using var socket = new TcpClient { NoDelay = true };
        await socket.ConnectAsync(Server.Address.Host, Server.Address.Port);
        await using var stream = socket.GetStream();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        try
        {
            await stream.WriteAsync(Encoding.Latin1.GetBytes(request), limit.Token);
            if (halfClose) socket.Client.Shutdown(SocketShutdown.Send);
            using var reader = new StreamReader(stream, Encoding.UTF8);
            return await reader.ReadToEndAsync(limit.Token);
        }
        catch (IOException)
        {
            return ""; // reset: the server did not care to answer
        }
    }

    /// <summary>Starts a run and answers its id.</summary>
    public async Task<string> Start(string workflow, object? input, string? id = null, int? wait = null)
    {
        id ??= Guid.CreateVersion7().ToString();
        var path = "/api/v1/runs" + (wait is null ? "" : $"?wait={wait}");
        var started = await Post(path, new { workflow, input, id });
        // A machine that is busy with other tests: "whether it was taken is not known: send it again with the same id".
        while (started.Status == 503) started = await Post(path, new { workflow, input, id });
        started.Status.Should().BeOneOf([200, 201], started.Body);
        return started.Json.GetProperty("id").GetString()!;
    }

    /// <summary>Waits until the run's view is as the test wants it.</summary>
    public async Task<JsonElement> Until(string id, Func<JsonElement, bool> condition)
    {
        var deadline = DateTime.UtcNow.AddSeconds(30);
        while (true)
        {
            var run = (await Get($"/api/v1/runs/{Uri.EscapeDataString(id)}")).Json;
            if (condition(run)) return run;
            if (DateTime.UtcNow > deadline) throw new TimeoutException($"Run {id} did not come to the state awaited: {run}");
            await Task.Delay(5);
        }
    }

    public Task<JsonElement> UntilStatus(string id, string status) => Until(id, run => run.GetProperty("status").GetString() == status);

    public async Task<long> Count(string table) => long.Parse(await Text($"select count(*)::text from aios.{table}"));

    public async Task<string> Text(string sql)
    {
        await using var command = database.DataSource.CreateCommand(sql);
        return (string)(await command.ExecuteScalarAsync())!;
    }

    public async Task Execute(string sql)
    {
        await using var command = database.DataSource.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}

public sealed record Answer(int Status, string Body, string? ContentType, IReadOnlyDictionary<string, string> Headers)
{
    // Nothing of the inside: a frame of a stack, a source file, SQL, a table, the driver, a credential.
    private static readonly string[] Inside = ["   at ", ".cs:line", "StackTrace", "Npgsql", "select ", "insert ", "aios.runs", "mt_events", "Password", "Host=127", "SqlState", "/work/"];

    public JsonElement Json => JsonDocument.Parse(Body).RootElement;

    /// <summary>It is a problem document (RFC 9457) with this status that says what to do and nothing of the inside.</summary>
    public Answer ShouldBeProblem(params int[] statuses) => ShouldBeProblemAbout("", statuses);

    /// <param name="sent">What the caller himself sent; saying it back to him gives nothing away.</param>
    /// <param name="statuses">One of these.</param>
    public Answer ShouldBeProblemAbout(string sent, params int[] statuses)
    {
        Status.Should().BeOneOf(statuses, Body);
        ContentType.Should().Be("application/problem+json", $"{Status} has a body: '{Body}'");
        Json.GetProperty("status").GetInt32().Should().Be(Status);
        Json.GetProperty("title").GetString().Should().NotBeNullOrWhiteSpace();
        Json.GetProperty("detail").GetString().Should().NotBeNullOrWhiteSpace();
        Body.Should().NotContainAny(Inside.Where(inside => !sent.Contains(inside)));
        return this;
    }
}

/// <summary>One that does not wait for long, where what is waited for does not come.</summary>
public sealed class HastyServer : AbuseServer
{
    public HastyServer() => AnswerWithin = TimeSpan.FromSeconds(3);
}
