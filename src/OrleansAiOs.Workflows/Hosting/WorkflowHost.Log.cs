using Microsoft.Extensions.Logging;

namespace OrleansAiOs.Workflows.Hosting;

internal static partial class HostLog
{
    [LoggerMessage(1, LogLevel.Error, "The turn of run {Run} broke; its activation is thrown away")]
    public static partial void TurnBroke(this ILogger log, Exception exception, RunKey run);

    [LoggerMessage(2, LogLevel.Warning, "The store could not {Verb} run {Run}; trying again")]
    public static partial void StoreTrouble(this ILogger log, Exception exception, string verb, RunKey run);

    [LoggerMessage(3, LogLevel.Warning, "Run {Run} is parked: {Reason}. {Detail}")]
    public static partial void Parked(this ILogger log, RunKey run, string reason, string detail);

    [LoggerMessage(4, LogLevel.Error, "The history of run {Run} cannot be read")]
    public static partial void Unreadable(this ILogger log, Exception exception, RunKey run);

    [LoggerMessage(5, LogLevel.Warning, "Host {Dead} is dead; taking over {Count} of its runs")]
    public static partial void TakingOver(this ILogger log, string dead, int count);

    [LoggerMessage(6, LogLevel.Warning, "The heartbeat of host {Host} failed; trying again")]
    public static partial void BeatFailed(this ILogger log, Exception exception, string host);

    [LoggerMessage(7, LogLevel.Critical, "Host {Host} was declared dead by another; it halts")]
    public static partial void Fenced(this ILogger log, string host);

    [LoggerMessage(8, LogLevel.Warning, "Wake-ups could not be loaded; trying again")]
    public static partial void WakeUpTrouble(this ILogger log, Exception exception);

    [LoggerMessage(9, LogLevel.Information, "Host {Host} serves {Workflows}; {Orphans} runs go on from an earlier incarnation")]
    public static partial void Serving(this ILogger log, string host, string workflows, int orphans);

    [LoggerMessage(10, LogLevel.Error, "Somebody who listens to appends broke at one of run {Run}")]
    public static partial void ListenerBroke(this ILogger log, Exception exception, RunKey run);

    [LoggerMessage(11, LogLevel.Warning, "No run is deleted, though RETENTION is set: {Why} `aios reset {Run} --to 0` lets it go on")]
    public static partial void NothingIsDeleted(this ILogger log, RunKey run, string why);

    [LoggerMessage(12, LogLevel.Warning, "Run {Run}, which had been parked for want of its code, does not go on by itself: {Why}")]
    public static partial void NotUnparked(this ILogger log, RunKey run, string why);

    [LoggerMessage(14, LogLevel.Warning, "What deletes closed runs of the tenant {Tenant} could not begin yet, and is tried again in a few seconds: {Why}")]
    public static partial void RetentionWaits(this ILogger log, string tenant, string why);

    [LoggerMessage(13, LogLevel.Warning, "Runs that are parked for want of code that is here could not be looked for. That is tried again in a few seconds.")]
    public static partial void NotLookedForParked(this ILogger log, Exception exception);
}
