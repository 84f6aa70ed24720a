using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using OrleansAiOs.Host.Serving;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Host.Tests.Abuse;

/// <summary>Two hosts on one database: what is taken away on one is gone on the other within a second.</summary>
public sealed class TwoHostKeyTests : IAsyncLifetime
{
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(1);

    private readonly PostgresFixture database = new();
    private readonly List<string> folders = [];
    private readonly List<AiosServer> hosts = [];

    public async Task InitializeAsync()
    {
        await database.InitializeAsync();
        for (var i = 0; i < 2; i++)
        {
            folders.Add(Directory.CreateTempSubdirectory("aios-two-").FullName);
            hosts.Add(await AiosServer.StartAsync(new ServeOptions { DataFolder = folders[i], ConnectionString = database.ConnectionString, Urls = "http://127.0.0.1:0", Shared = true, Quiet = true, Setting = name => name == "KERNEL_SECRET" && folders.Count > 1 ? Path.Combine(folders[0], "kernel.secret") : null }, default));
        }
    }

    public async Task DisposeAsync()
    {
        foreach (var host in hosts) await host.DisposeAsync();
        await database.DisposeAsync();
        foreach (var folder in folders) Directory.Delete(folder, recursive: true);
    }

    private HttpClient Client(int host, string key)
    {
        var client = new HttpClient { BaseAddress = hosts[host].Address };
        client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        return client;
    }

    // Asks again and again: the last that was let through began within the time.
    private static async Task RefusedSoon(HttpClient client, int status)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var asked = clock.Elapsed;
            if ((int)(await client.GetAsync("/api/v1/runs")).StatusCode == status) return;
            asked.Should().BeLessThan(Within);
        }
    }

    [Fact]
    public async Task What_is_made_here_works_there_at_once_and_what_is_taken_away_is_gone_there_within_a_second()
    {
        using var owner = Client(0, new HostFolder(folders[0]).OwnerKey!);
        (await Client(1, new HostFolder(folders[0]).OwnerKey!).GetAsync("/api/v1/runs")).IsSuccessStatusCode.Should().BeTrue("the first host's owner is the other's too");

        var key = await NewKey("rita");
        using var there = Client(1, key);
        (await there.GetAsync("/api/v1/runs")).IsSuccessStatusCode.Should().BeTrue("it was made a moment ago, on another host");
        (await owner.DeleteAsync("/api/v1/keys/rita")).IsSuccessStatusCode.Should().BeTrue();
        await RefusedSoon(there, 401);

        using var dora = Client(1, await NewKey("dora"));
        (await dora.GetAsync("/api/v1/runs")).IsSuccessStatusCode.Should().BeTrue();
        (await owner.PostAsJsonAsync("/api/v1/principals/user/dora/disable", new { why = "left" })).IsSuccessStatusCode.Should().BeTrue();
        await RefusedSoon(dora, 403);

        using var vera = Client(1, await NewKey("vera"));
        (await vera.GetAsync("/api/v1/runs")).IsSuccessStatusCode.Should().BeTrue();
        (await owner.PutAsJsonAsync("/api/v1/principals/user/vera", new { roles = Array.Empty<string>() })).IsSuccessStatusCode.Should().BeTrue();
        await RefusedSoon(vera, 403);

        async Task<string> NewKey(string name) =>
            (await (await owner.PostAsJsonAsync("/api/v1/keys", new { name, roles = new[] { "viewer" } })).Content.ReadFromJsonAsync<JsonElement>()).GetProperty("key").GetString()!;
    }
}
