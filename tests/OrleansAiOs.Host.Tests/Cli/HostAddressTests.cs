using OrleansAiOs.Host.Cli;

namespace OrleansAiOs.Host.Tests.Cli;

public sealed class HostAddressTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("aios-cli-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void The_data_folder_says_where_the_host_is_and_what_opens_it()
    {
        Write("endpoint", "http://127.0.0.1:4711\n");
        Write("owner.key", "aios_owner\n");
        var host = HostAddress.Find(null, null, folder);
        host.Url.Should().Be(new Uri("http://127.0.0.1:4711"));
        host.Key.Should().Be("aios_owner");
    }

    [Fact]
    public void What_is_given_goes_before_what_is_found()
    {
        Write("endpoint", "http://127.0.0.1:4711");
        Write("owner.key", "aios_owner");
        var host = HostAddress.Find("http://localhost:1/", "mine", folder);
        host.Url.Should().Be(new Uri("http://localhost:1"));
        host.Key.Should().Be("mine");
    }

    [Fact]
    public void The_owners_key_never_leaves_for_another_machine()
    {
        Write("owner.key", "aios_owner");
        HostAddress.Find("https://aios.example", null, folder).Key.Should().BeNull();
        HostAddress.Find("https://aios.example", "mine", folder).Key.Should().Be("mine");
    }

    [Fact]
    public void Nothing_found_is_the_default_port_without_a_key()
    {
        var host = HostAddress.Find(null, null, folder);
        (host.Url, host.Key).Should().Be((new Uri("http://127.0.0.1:8787"), null));
    }

    private void Write(string name, string text) => File.WriteAllText(Path.Combine(folder, name), text);
}
