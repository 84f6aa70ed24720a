using Microsoft.Extensions.Logging;

namespace OrleansAiOs.Kernel.Webhooks;

internal static partial class WebhookLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "Webhooks could not be looked after; they are again in a moment")]
    public static partial void SenderTrouble(this ILogger log, Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Webhook '{Receiver}' of tenant '{Tenant}' is held up: {Why}")]
    public static partial void HeldUp(this ILogger log, string tenant, string receiver, string why);

    [LoggerMessage(Level = LogLevel.Error, Message = "Webhook '{Receiver}' of tenant '{Tenant}' was not told of run {Run} ({Id}), and is not told again: {Why}. aios webhooks redeliver sends it again")]
    public static partial void Dead(this ILogger log, string tenant, string receiver, string run, string id, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A delivery to hook source '{Source}' of tenant '{Tenant}' was not taken: {Why}. More of this source in the next minute are not told")]
    public static partial void NotTaken(this ILogger log, string tenant, string source, string why);
}
