using Microsoft.Extensions.Logging;

namespace OrleansAiOs.Cluster;

internal static partial class ClusterLog
{
    [LoggerMessage(1, LogLevel.Warning, "Run {Run} was not reached (attempt {Attempt}).")]
    public static partial void NotReached(ILogger log, string run, int attempt, Exception exception);

    [LoggerMessage(2, LogLevel.Warning, "Who serves bucket {Bucket} of the wake-ups could not be told what is due there. Tried again in a second.")]
    public static partial void NotTold(ILogger log, int bucket, Exception exception);

    [LoggerMessage(3, LogLevel.Warning, "Bucket {Bucket} of the wake-ups has no reminder. It is served; should its host die and no other notice, it is not found again by the clock.")]
    public static partial void NoReminder(ILogger log, int bucket, Exception exception);

    [LoggerMessage(4, LogLevel.Warning, "What other members append is not told here for now, or what is appended here not to them. Live views lag by seconds; nothing else does.")]
    public static partial void NoLiveViews(ILogger log, Exception exception);

    [LoggerMessage(5, LogLevel.Warning, "Something in the stream {Stream} was not sealed by a member of this cluster. It was not read.")]
    public static partial void NotSealed(ILogger log, string stream);

    [LoggerMessage(6, LogLevel.Warning, "Member {Member} did not say what it has in hand of run {Run}.")]
    public static partial void NotAnswered(ILogger log, string member, string run, Exception exception);

    [LoggerMessage(7, LogLevel.Error, "What a change of the members asks for was not done. The next change, or a reminder within a minute, does it.")]
    public static partial void NotLooked(ILogger log, Exception exception);
}
