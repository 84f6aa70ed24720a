using System.Diagnostics;
using OrleansAiOs.Postgres.Embedded;

namespace OrleansAiOs.Host.Demo;

/// <summary>This very program, with another verb, as a process of its own.</summary>
internal static class ProgramProcess
{
    public static ProcessStartInfo Of(params IEnumerable<string> arguments)
    {
        var self = SupervisorCommand.OfThisProgram();
        // "dotnet exec aios.dll db supervise", with another verb in the place of the last two words.
        return new ProcessStartInfo(self.FileName, [.. self.Arguments.SkipLast(2), .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
    }
}
