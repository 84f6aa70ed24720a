using System.CommandLine;
using System.Globalization;
using OrleansAiOs.Sandbox;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios sandbox: a ledger, a bank and a notification desk to practise on.</summary>
internal static class SandboxCommand
{
    public static Command Create()
    {
        var port = new Option<int>("--port")
        {
            Description = "The port on 127.0.0.1; 0 for any free one. Default: 8788.",
            DefaultValueFactory = _ => 8788,
            CustomParser = result =>
            {
                if (ushort.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var given)) return given;
                result.AddError($"A port is 0 to 65535; '{result.Tokens[0].Value}' is none.");
                return 0;
            },
        };
        var data = new Option<string?>("--data") { Description = "Where the books are kept. Default: in memory.", HelpName = "DIR" };
        return new Command("sandbox", "Run the sandbox: a ledger, a bank and notifications with books of their own.").With(port, data).Does(async call =>
        {
            await using var server = await SandboxServer.StartAsync(new SandboxOptions { Port = call.Get(port), DataFolder = call.Get(data) }, call.Cancellation);
            call.Terminal.Line(server.BaseAddress.AbsoluteUri.TrimEnd('/'));
            call.Terminal.Note($"ledger, bank and notifications; books {(call.Get(data) is { } folder ? $"in {Path.GetFullPath(folder)}" : "in memory")}. Ctrl-C ends it.");
            await Task.Delay(Timeout.InfiniteTimeSpan, call.Cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return ExitCode.Done;
        });
    }
}
