using System.Security.Cryptography;
using System.Text;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Kernel.Tests.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Secrets;

namespace OrleansAiOs.Kernel.Tests.Tools.Secrets;

/// <summary>Abuse cases 15 and 39: a secret goes where it is bound to, and stays nowhere.</summary>
public sealed class SecretStoreTests : IClassFixture<KernelDatabase>, IDisposable
{
    private readonly KernelDatabase database;
    private readonly EventStreams streams;
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("aios-secrets-");
    private readonly SecretStore store;
    private readonly string tenant = $"t-{Guid.NewGuid():N}";

    public SecretStoreTests(KernelDatabase database)
    {
        this.database = database;
        streams = new EventStreams(database.Source);
        store = StoreOf(Shared);
    }

    private static readonly byte[] Kernel = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    private static byte[] Shared => new StreamSeal(Kernel).KeyFor(SecretKey.Purpose);

    private SecretStore StoreOf(byte[] hosts, string? before = null) => new(database.Source, streams, new SecretKey(hosts, before), TimeProvider.System);

    private void WriteKeyFile(string text)
    {
        File.WriteAllText(KeyFile, text);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private string KeyFile => Path.Combine(folder.FullName, "secrets.key");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task A_secret_opens_for_its_hosts_and_for_no_other_and_that_it_was_asked_for_is_an_event()
    {
        await store.SetAsync(tenant, "crm-key", "correct horse", ["CRM.example.com.", "10.0.0.7"], "user/ana");
        (await store.RevealAsync(tenant, "crm-key", "crm.example.com", "tool crm/update", default)).Should().Be("correct horse");
        (await store.RevealAsync(tenant, "crm-key", "10.0.0.7", "tool crm/update", default)).Should().Be("correct horse");
        foreach (var host in new[] { "evil.example", "crm.example.com.evil.example", "sub.crm.example.com", "mcp:crm" })
        {
            var reveal = () => store.RevealAsync(tenant, "crm-key", host, "tool crm/update", default);
            (await reveal.Should().ThrowAsync<SecretDeniedException>()).Which.Message.Should().Contain(host).And.NotContain("horse");
        }
        var foreign = () => store.RevealAsync("another", "crm-key", "crm.example.com", "tool x/y", default);
        await foreign.Should().ThrowAsync<SecretDeniedException>();

        var events = await streams.ReadAsync(tenant, "secret/crm-key");
        events[0].Event.Should().BeEquivalentTo(new SecretSet("crm-key", ["10.0.0.7", "crm.example.com"]));
        events.Skip(1).Select(e => e.Event).OfType<SecretDenied>().Select(e => e.Host).Should().Equal("evil.example", "crm.example.com.evil.example", "sub.crm.example.com", "mcp:crm");
    }

    [Fact]
    public async Task Many_who_open_secrets_at_once_all_get_theirs()
    {
        for (var i = 0; i < 4; i++) await store.SetAsync(tenant, $"at-once-{i}", $"value number {i}", ["a.example"], "user/ana");
        var values = await Task.WhenAll(Enumerable.Range(0, 400).Select(i => Task.Run(() => store.RevealAsync(tenant, $"at-once-{i % 4}", "a.example", "tool a/b", default))));
        values.Should().Equal(Enumerable.Range(0, 400).Select(i => $"value number {i % 4}"));
    }

    [Fact]
    public async Task The_same_denial_over_and_over_does_not_fill_the_stream()
    {
        for (var i = 0; i < 20; i++)
        {
            var reveal = () => store.RevealAsync(tenant, "none", "evil.example", "tool a/b", default);
            await reveal.Should().ThrowAsync<SecretDeniedException>();
        }
        (await streams.ReadAsync(tenant, "secret/none")).Should().ContainSingle();
    }

    [Fact]
    public async Task A_secret_that_was_replaced_or_removed_is_gone_at_once()
    {
        await store.SetAsync(tenant, "turning", "first value", ["a.example"], "user/ana");
        await store.SetAsync(tenant, "turning", "second value", ["b.example"], "user/ben");
        var old = () => store.RevealAsync(tenant, "turning", "a.example", "tool a/b", default);
        await old.Should().ThrowAsync<SecretDeniedException>();
        (await store.RevealAsync(tenant, "turning", "b.example", "tool a/b", default)).Should().Be("second value");
        (await store.ListAsync(tenant)).Should().ContainSingle().Which.Should().Match<SecretView>(view => view.Name == "turning" && view.SetBy == "user/ben" && view.Hosts.Single() == "b.example");
        (await store.RemoveAsync(tenant, "turning", "user/ben")).Should().BeTrue();
        (await store.RemoveAsync(tenant, "turning", "user/ben")).Should().BeFalse();
        var gone = () => store.RevealAsync(tenant, "turning", "b.example", "tool a/b", default);
        await gone.Should().ThrowAsync<SecretDeniedException>();
    }

    [Fact]
    public async Task A_row_whose_hosts_or_name_were_changed_in_the_database_opens_no_more()
    {
        await store.SetAsync(tenant, "mine", "correct horse", ["a.example"], "user/ana");
        await using (var widen = database.Source.CreateCommand("update aios.secrets set hosts = '{evil.example}' where tenant_id = $1"))
        {
            widen.Parameters.AddWithValue(tenant);
            await widen.ExecuteNonQueryAsync();
        }
        var reveal = () => store.RevealAsync(tenant, "mine", "evil.example", "tool a/b", default);
        await reveal.Should().ThrowAsync<SecretDeniedException>().WithMessage("*row was changed*");
    }

    [Fact]
    public async Task What_is_set_at_one_host_opens_at_another_that_shares_the_kernels_secret_and_has_a_folder_of_its_own()
    {
        await store.SetAsync(tenant, "ours", "correct horse", ["a.example"], "user/ana");
        (await StoreOf(Shared).RevealAsync(tenant, "ours", "a.example", "tool a/b", default)).Should().Be("correct horse");
    }

    [Fact]
    public async Task What_was_sealed_under_a_hosts_own_file_before_opens_where_the_file_is_and_under_the_shared_key_once_it_is_set_anew()
    {
        await store.SetAsync(tenant, "older", "correct horse", ["a.example"], "user/ana");
        var old = RandomNumberGenerator.GetBytes(32);
        await using (var command = database.Source.CreateCommand("update aios.secrets set sealed = $2 where tenant_id = $1"))
        {
            command.Parameters.AddWithValue(tenant);
            command.Parameters.AddWithValue(SealedBefore(old, $"""["{tenant}","older","a.example"]""", "battery staple"));
            await command.ExecuteNonQueryAsync();
        }
        WriteKeyFile(Convert.ToBase64String(old));
        var having = StoreOf(Shared, KeyFile);
        (await having.RevealAsync(tenant, "older", "a.example", "tool a/b", default)).Should().Be("battery staple");
        var reveal = () => store.RevealAsync(tenant, "older", "a.example", "tool a/b", default);
        await reveal.Should().ThrowAsync<SecretDeniedException>().WithMessage("*set it anew*");
        await having.SetAsync(tenant, "older", "anew and shared", ["a.example"], "user/ana");
        (await reveal()).Should().Be("anew and shared");
    }

    // As it was stored then: form 1, nonce, tag, text.
    private static byte[] SealedBefore(byte[] key, string place, string value)
    {
        var (nonce, tag, text) = (RandomNumberGenerator.GetBytes(12), new byte[16], new byte[value.Length]);
        using var aes = new AesGcm(key, tag.Length);
        aes.Encrypt(nonce, Encoding.UTF8.GetBytes(value), text, tag, Encoding.UTF8.GetBytes(place));
        return [1, .. nonce, .. tag, .. text];
    }

    [Fact]
    public async Task Without_the_hosts_key_the_rows_are_noise_and_no_row_holds_a_value()
    {
        await store.SetAsync(tenant, "mine", "correct horse", ["a.example"], "user/ana");
        var other = StoreOf(RandomNumberGenerator.GetBytes(32));
        var reveal = () => other.RevealAsync(tenant, "mine", "a.example", "tool a/b", default);
        await reveal.Should().ThrowAsync<SecretDeniedException>().WithMessage("*sealed under another key*");
        await using var all = database.Source.CreateCommand("select string_agg(encode(sealed, 'escape'), '') || (select string_agg(data::text, '') from aios.mt_events) from aios.secrets");
        ((string)(await all.ExecuteScalarAsync())!).Should().NotContain("horse");
    }

    [Fact]
    public void A_key_that_others_can_read_is_refused()
    {
        if (OperatingSystem.IsWindows()) return; // where a file has no such mode
        WriteKeyFile(Convert.ToBase64String(new byte[32]));
        new SecretKey(new byte[32], KeyFile).Dispose();
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        var open = () => new SecretKey(new byte[32], KeyFile);
        open.Should().Throw<IOException>().WithMessage("*other users*");
        WriteKeyFile("no key");
        open.Should().Throw<IOException>().WithMessage("*holds no key*");
    }

    [Theory]
    [InlineData("Upper", "long enough", "a.example")]
    [InlineData("", "long enough", "a.example")]
    [InlineData("name", "short", "a.example")]
    [InlineData("name", "two\r\nlines, X-Evil: 1", "a.example")]
    [InlineData("name", "lüng enough", "a.example")]
    [InlineData("name", "long enough", "a.example:443")]
    [InlineData("name", "long enough", "https://a.example")]
    [InlineData("name", "long enough", "user@a.example")]
    [InlineData("name", "long enough", "mcp:../x")]
    [InlineData("name", "long enough", "*")]
    public async Task What_is_no_name_no_value_or_no_host_is_refused(string name, string value, string host)
    {
        var set = () => store.SetAsync(tenant, name, value, [host], "user/ana");
        await set.Should().ThrowAsync<ArgumentException>();
    }

    [Fact]
    public async Task Fifty_canaries_come_back_from_echoing_redirecting_and_failing_servers_and_none_is_kept()
    {
        await using var elsewhere = new RawServer(request => RawServer.Http(200, request));
        await using var server = new RawServer(request =>
        {
            var secret = request.Split("\r\n").First(line => line.StartsWith("Authorization: Bearer ", StringComparison.Ordinal))["Authorization: Bearer ".Length..];
            var bytes = Encoding.UTF8.GetBytes(secret);
            return request.Split(' ')[1] switch
            {
                "/echo" => RawServer.Http(200, request),
                "/encoded" => RawServer.Http(200, string.Join('\n', Convert.ToBase64String(bytes), Convert.ToBase64String(Encoding.UTF8.GetBytes("x" + secret + "y")), Convert.ToBase64String(Encoding.UTF8.GetBytes("xx" + secret)),
                    Convert.ToHexString(bytes), Convert.ToHexStringLower(bytes), Uri.EscapeDataString(secret), System.Text.Json.JsonSerializer.Serialize(secret), System.Net.WebUtility.HtmlEncode(secret))),
                "/error" => RawServer.Http(500, $"{{\"error\":\"bad token {secret}\"}}"),
                "/type" => RawServer.Http(200, "x", $"Content-Type: text/{secret}"),
                "/location" => RawServer.Http(302, "", $"Location: /moved?to={secret}"),
                var moved when moved.StartsWith("/moved", StringComparison.Ordinal) => RawServer.Http(200, $"You asked for {moved}"),
                "/away" => RawServer.Http(302, "", $"Location: {elsewhere.Url}/?q={Uri.EscapeDataString(secret)}"),
                "/broken" => Encoding.UTF8.GetBytes($"HTTP/1.1 {secret}\r\n{secret}\r\n\r\n"),
                _ => RawServer.Http(404, secret),
            };
        });
        using var client = new EgressClient(new EgressOptions { MayName = _ => true }, store, TimeProvider.System);
        var (kept, random) = (new StringBuilder(), new Random(39));
        var canaries = Enumerable.Range(0, 50).Select(i => $"canary-{i}-{random.NextInt64():x}\"/+&%~").ToList();
        for (var i = 0; i < canaries.Count; i++)
        {
            await store.SetAsync(tenant, $"canary-{i}", canaries[i], ["127.0.0.1"], "user/ana");
            foreach (var path in new[] { "echo", "encoded", "error", "type", "location", "away", "broken", "missing" })
            {
                try
                {
                    var answer = await client.SendAsync(new EgressRequest
                    {
                        Tenant = tenant,
                        For = "tool test/echo",
                        Method = HttpMethod.Get,
                        Url = new Uri($"{server.Url}/{path}"),
                        Headers = [new("Authorization", $"Bearer secret://canary-{i}")],
                        Reach = Reach.Of([server.Endpoint, elsewhere.Endpoint]),
                    }, default);
                    kept.Append(answer.ContentType).AppendLine().AppendLine(Encoding.UTF8.GetString(answer.Body));
                }
                catch (Exception e) when (e is EgressRefusedException or EgressFailedException or SecretDeniedException)
                {
                    kept.AppendLine(e.ToString());
                }
            }
        }
        server.Requests.Should().HaveCount(50 * 9, "one of the eight is sent on to the same origin");
        server.Requests.Should().OnlyContain(request => request.Contains("canary-"), "else nothing was tried");
        var text = kept.ToString();
        foreach (var canary in canaries)
            foreach (var form in new[] { canary, canary[..20], Convert.ToHexString(Encoding.UTF8.GetBytes(canary)), Convert.ToBase64String(Encoding.UTF8.GetBytes(canary)), Uri.EscapeDataString(canary) })
                text.Should().NotContain(form);
        text.Should().Contain("[secret canary-7]");
    }
}
