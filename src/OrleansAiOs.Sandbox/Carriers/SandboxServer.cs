using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace OrleansAiOs.Sandbox;

/// <summary>Carries requests to a sandbox over HTTP on 127.0.0.1.</summary>
public sealed class SandboxServer : IAsyncDisposable
{
    private readonly WebApplication app;

    private SandboxServer(WebApplication app, Sandbox sandbox)
    {
        this.app = app;
        Sandbox = sandbox;
    }

    public Uri BaseAddress { get; private set; } = null!;

    public Sandbox Sandbox { get; }

    /// <summary>Serves until cancelled.</summary>
    public static async Task RunAsync(SandboxOptions options, CancellationToken ct)
    {
        await using var server = await StartAsync(options, ct);
        await Task.Delay(Timeout.InfiniteTimeSpan, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Returns when requests are taken; serves until disposed.</summary>
    public static async Task<SandboxServer> StartAsync(SandboxOptions options, CancellationToken ct = default)
    {
        var server = new SandboxServer(Build(options.Port), new Sandbox(options));
        try
        {
            server.app.Run(server.Carry);
            await server.app.StartAsync(ct);
            var addresses = server.app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>();
            server.BaseAddress = new Uri(addresses.Addresses.Single());
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
        Sandbox.Dispose();
    }

    // The empty builder, not the slim one: no setting, variable or file around us can open another port or log.
    private static WebApplication Build(int port)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, port);
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = StrictJson.BodyBytesMax;
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(2));

        // Signals belong to the program, which may hold more than a sandbox.
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        return builder.Build();
    }

    private async Task Carry(HttpContext http)
    {
        var reply = await Answer(http);
        switch (reply.Kind)
        {
            case SandboxReplyKind.AbortConnection:
                http.Abort();
                return;
            case SandboxReplyKind.Hang:
                await Hang(http);
                return;
        }

        http.Response.StatusCode = reply.Status;
        http.Response.ContentType = reply.ContentType;
        http.Response.ContentLength = reply.Body.Length;
        foreach (var (name, value) in reply.Headers)
        {
            http.Response.Headers[name] = value;
        }

        await http.Response.Body.WriteAsync(reply.Body);
    }

    private async Task<SandboxReply> Answer(HttpContext http)
    {
        if (IsFromBrowser(http.Request))
        {
            return new Refusal(403, "not-for-browsers", "Requests of web pages, or by another name than this machine's, are refused.").ToReply();
        }

        try
        {
            return await Sandbox.HandleAsync(await Read(http));
        }
        catch (BadHttpRequestException e)
        {
            return e.StatusCode == StatusCodes.Status413PayloadTooLarge
                ? Routes.TooLarge().ToReply()
                : new Refusal(e.StatusCode, "bad-request", "The request broke off or is no proper HTTP.").ToReply();
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The caller left in the middle of the body: nothing arrived.
            return SandboxReply.AbortConnection;
        }
    }

    // A web page can reach loopback by a name of its own (DNS rebinding); no caller of ours sends an origin.
    private static bool IsFromBrowser(HttpRequest request) =>
        request.Headers.Origin.Count > 0 || request.Host.Host is not ("127.0.0.1" or "localhost");

    private static async Task<SandboxRequest> Read(HttpContext http)
    {
        var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body, http.RequestAborted);
        var keys = http.Request.Headers["Idempotency-Key"];
        return new SandboxRequest(http.Request.Method, http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget)
        {
            // Two keys are joined by a line break, which no key may hold, and so refused.
            IdempotencyKey = keys.Count == 0 ? null : string.Join('\n', (IEnumerable<string?>)keys),
            ContentType = http.Request.ContentType,
            Body = body.GetBuffer().AsMemory(0, (int)body.Length),
        };
    }

    private async Task Hang(HttpContext http)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, app.Lifetime.ApplicationStopping);
        await Task.Delay(Timeout.InfiniteTimeSpan, over.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        http.Abort();
    }

    private sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
