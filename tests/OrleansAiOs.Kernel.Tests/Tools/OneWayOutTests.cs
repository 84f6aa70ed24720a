using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace OrleansAiOs.Kernel.Tests.Tools;

/// <summary>Nothing of the kernel or of a pack calls outside but through the egress client, and nothing starts a process but the MCP servers' launcher.</summary>
public sealed partial class OneWayOutTests
{
    private static readonly string[] MayConnect = ["OrleansAiOs.Kernel/Tools/Egress/"];

    private static readonly string[] MayStartProcesses = ["OrleansAiOs.Kernel/Tools/Mcp/ServerProcess.cs"];

    [Fact]
    public void Connections_are_opened_in_one_place() => Offenders(Connecting(), MayConnect).Should().BeEmpty();

    [Fact]
    public void Processes_are_started_in_one_place() => Offenders(Starting(), MayStartProcesses).Should().BeEmpty();

    [Fact]
    public void The_search_finds_what_it_is_for()
    {
        Connecting().IsMatch("using var http = new HttpClient();").Should().BeTrue();
        Connecting().IsMatch("var s = new Socket(family, type, protocol)").Should().BeTrue();
        Connecting().IsMatch("// a new HttpClient would").Should().BeTrue("a comment is taken out before");
        Starting().IsMatch("Process.Start(info)").Should().BeTrue();
        Offenders(Connecting(), []).Should().NotBeEmpty("the egress client itself opens connections");
    }

    private static List<string> Offenders(Regex pattern, string[] allowed)
    {
        var source = Path.Combine(Path.GetDirectoryName(Here())!, "..", "..", "..", "src");
        return [.. Directory.EnumerateDirectories(source).Where(folder => Path.GetFileName(folder) is "OrleansAiOs.Kernel" || Path.GetFileName(folder).StartsWith("OrleansAiOs.Packs.", StringComparison.Ordinal))
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories))
            .Select(file => (Name: Path.GetRelativePath(source, file).Replace('\\', '/'), Code: Comment().Replace(File.ReadAllText(file), "")))
            .Where(file => !allowed.Any(prefix => file.Name.StartsWith(prefix, StringComparison.Ordinal)) && pattern.IsMatch(file.Code))
            .Select(file => file.Name)];
    }

    private static string Here([CallerFilePath] string file = "") => file;

    [GeneratedRegex(@"//[^\n]*|/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"new\s+(HttpClient|HttpMessageInvoker|HttpClientHandler|SocketsHttpHandler|WinHttpHandler|Socket|TcpClient|UdpClient|ClientWebSocket|WebClient|SmtpClient|TcpListener|Ping|QuicConnection)\b|\b(WebRequest|HttpWebRequest|QuicConnection|Dns)\s*\.|\bIHttpClientFactory\b|\bAddHttpClient\b|\bHttpClient\s+\w+\s*=\s*new\b|\b(Socket|TcpClient)\s+\w+\s*=\s*new\b")]
    private static partial Regex Connecting();

    [GeneratedRegex(@"\bProcess\s*\.\s*Start\b|new\s+Process(StartInfo)?\b|\bDllImport\b|\bLibraryImport\b")]
    private static partial Regex Starting();
}
