using Microsoft.Extensions.Logging;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Governance.Gate;

internal static partial class GateLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "ALARM: a signature on step {Step} of run {Run} counts for nothing: {Why}. Nothing is sent for it.")]
    public static partial void WorthlessSignature(this ILogger log, RunKey run, int step, string why);
}
