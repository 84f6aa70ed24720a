using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.EndToEnd;

/// <summary>The host is killed while it tells a receiver, which fails now and then: everything arrives, in the order of its run, and what comes twice has one id.</summary>
public sealed class WebhookKillTests(PostgresFixture postgres) : IClassFixture<PostgresFixture>
{
    private const int Kills = 3;
    private const int RunsEach = 12;

    private sealed record Told(string Id, string Run, long Version, string Body);

    [Fact]
    public async Task Three_kills_of_the_host_lose_no_message_and_keep_the_order()
    {
        using var giveUp = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        var folder = Directory.CreateTempSubdirectory("aios-hook-kill-").FullName;
        using var listener = new HttpListener();
        var port = FreePort();
        listener.Prefixes.Add($"http://127.0.0.1:{port}/");
        listener.Start();
        var (taken, refused, reached) = (new ConcurrentQueue<Told>(), new ConcurrentDictionary<string, bool>(), 0);
        var serving = Task.Run(async () =>
        {
            while (listener.IsListening)
            {
                HttpListenerContext context;
                try
                {
                    context = await listener.GetContextAsync();
                }
                catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
                {
                    return;
                }
                using var reader = new StreamReader(context.Request.InputStream);
                var body = await reader.ReadToEndAsync();
                var (id, seconds, signature) = (context.Request.Headers["webhook-id"]!, context.Request.Headers["webhook-timestamp"], context.Request.Headers["webhook-signature"]);
                Interlocked.Increment(ref reached);
                var mac = Convert.ToBase64String(HMACSHA256.HashData("a-secret-of-ours"u8, Encoding.UTF8.GetBytes($"{id}.{seconds}.{body}")));
                var data = JsonDocument.Parse(body).RootElement.GetProperty("data");
                // Every sixteenth is refused once; what is not signed is refused for ever.
                var isRefused = signature != $"v1,{mac}" || id[^1] is '0' && refused.TryAdd(id, true);
                if (!isRefused) taken.Enqueue(new Told(id, data.GetProperty("run").GetString()!, data.GetProperty("version").GetInt64(), body));
                context.Response.StatusCode = isRefused ? 503 : 200;
                try
                {
                    context.Response.Close();
                }
                catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
                {
                    // The host was killed while it waited.
                }
            }
        });
        var setup = new HostSetup(folder, postgres.ConnectionString);
        var host = await HostProcess.StartAsync(setup);
        try
        {
            using var owner = new HostClient(() => host.Address, HostClient.OwnerKey(setup), giveUp.Token);
            await owner.SendAsync(HttpMethod.Put, "/api/v1/secrets/out", new { value = "a-secret-of-ours", hosts = new[] { "127.0.0.1" } });
            await owner.SendAsync(HttpMethod.Post, "/api/v1/webhooks", new { name = "crm", url = $"http://127.0.0.1:{port}/in", kinds = new[] { "*" }, secrets = new[] { "out" }, reach = new[] { $"127.0.0.1:{port}" } });
            var random = new Random(11);
            var starts = new List<Task>();
            for (var leg = 0; leg <= Kills; leg++)
            {
                for (var i = 0; i < RunsEach; i++)
                {
                    var n = leg * RunsEach + i;
                    starts.Add(owner.SendAsync(HttpMethod.Post, "/api/v1/runs", new { workflow = "invoice-to-pay", id = $"run-{n}", input = new { sha256 = $"{n:x64}", size = 1 } }));
                }
                if (leg == Kills) break;
                var (before, more, watch) = (reached, random.Next(1, RunsEach), System.Diagnostics.Stopwatch.StartNew());
                while (reached < before + more && watch.Elapsed < TimeSpan.FromSeconds(2)) await Task.Delay(2, giveUp.Token);
                await host.KillAsync();
                var dead = host;
                host = await HostProcess.StartAsync(setup);
                await dead.DisposeAsync();
            }
            await Task.WhenAll(starts);
            while (await NumberAsync("select count(*) from aios.runs where closed_at is null and workflow = 'invoice-to-pay' and status <> 1") > 0 || await NumberAsync("select count(*) from aios.outbox where state = 0") > 0)
            {
                if (giveUp.IsCancellationRequested) throw new TimeoutException($"Not all was told:\n{host.Said}");
                await Task.Delay(100, CancellationToken.None);
            }
        }
        finally
        {
            await host.DisposeAsync();
            listener.Stop();
            await serving;
            Directory.Delete(folder, recursive: true);
        }

        (await NumberAsync("select count(*) from aios.outbox where state <> 1")).Should().Be(0);
        var messages = await NumberAsync("select count(*) from aios.outbox");
        messages.Should().Be(await NumberAsync("select count(*) from aios.mt_events e where stream_id like 'run/run-%' and type in ('run-started', 'run-completed', 'run-failed', 'run-parked', 'step-completed', 'step-failed', 'outcome-unknown')"));
        messages.Should().BeGreaterThanOrEqualTo((Kills + 1) * RunsEach * 2);
        taken.Select(told => told.Id).Distinct().Should().HaveCount((int)messages, "each has arrived");
        taken.GroupBy(told => told.Id).Should().OnlyContain(same => same.Select(told => told.Body).Distinct().Count() == 1, "what comes twice is the same");
        foreach (var run in taken.GroupBy(told => told.Run))
            run.DistinctBy(told => told.Id).Select(told => told.Version).Should().BeInAscendingOrder($"{run.Key} is told of in its order");
        refused.Should().NotBeEmpty("else the receiver never failed");
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private async Task<long> NumberAsync(string sql)
    {
        await using var command = postgres.DataSource.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
