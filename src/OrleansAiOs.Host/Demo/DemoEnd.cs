using OrleansAiOs.Host.Cli;

namespace OrleansAiOs.Host.Demo;

/// <summary>How a demo ends: with the command that shows one of its runs, and, where a person sits before it, with a host that goes on until they have looked.</summary>
internal static class DemoEnd
{
    public static async Task SayAsync(Terminal terminal, Uri address, string folder, string run, bool isUnattended, CancellationToken cancellation)
    {
        var show = $"./aios show {run}";
        if (isUnattended)
        {
            terminal.Line($"One run's history:  ./aios serve --data {folder} --quiet &  {show} --data {folder}");
            return;
        }
        terminal.Line($"One run's history, in another terminal:  {show} --url {address.AbsoluteUri.TrimEnd('/')} --data {folder}");
        Console.Error.Write("The host goes on serving. Enter ends the demo. ");
        await Task.Run(Console.ReadLine, CancellationToken.None).WaitAsync(cancellation);
    }
}
