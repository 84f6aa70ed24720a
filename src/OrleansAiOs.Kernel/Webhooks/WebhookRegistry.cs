using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Webhooks.Outbound;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Webhooks;

/// <summary>Adds and removes webhooks and sources. A name that was removed may be added again.</summary>
public sealed class WebhookRegistry(EventStreams streams, WebhookView view, Outbox outbox)
{
    private const int EachMax = 100;

    /// <exception cref="CommandRefusedException">It is not like one, or there is one of this name.</exception>
    public Task AddAsync(string tenant, Webhook hook, string by, CancellationToken cancellation = default)
    {
        WebhookRules.Check(hook);
        if (view.List(tenant).Count >= EachMax) throw new CommandRefusedException(Refusal.Conflict, $"There are {EachMax} webhooks, the most a tenant has. Remove one.");
        return streams.DecideAsync(tenant, $"webhook/{hook.Name}", history => history is [.., { Event: WebhookAdded }]
            ? throw new CommandRefusedException(Refusal.Conflict, $"There is a webhook '{hook.Name}' already. Remove it, or take another name.") : [new WebhookAdded(hook)], by, cancellation: cancellation);
    }

    /// <summary>Nothing more is sent to it; what still waited is dead.</summary>
    /// <returns>False if there is none.</returns>
    public async Task<bool> RemoveAsync(string tenant, string name, string why, string by, CancellationToken cancellation = default)
    {
        var removed = await streams.DecideAsync(tenant, $"webhook/{name}", history => history is [.., { Event: WebhookAdded }] ? [new WebhookRemoved(name, Reason.Of(why))] : [], by, cancellation: cancellation);
        if (removed) await outbox.GiveUpAsync(tenant, name, Outbox.ReceiverGone, cancellation);
        return removed;
    }

    /// <exception cref="CommandRefusedException">It is not like one, or there is one of this name.</exception>
    public Task AddSourceAsync(string tenant, HookSource source, string by, CancellationToken cancellation = default)
    {
        WebhookRules.Check(source);
        if (view.Sources(tenant).Count >= EachMax) throw new CommandRefusedException(Refusal.Conflict, $"There are {EachMax} sources, the most a tenant has. Remove one.");
        return streams.DecideAsync(tenant, $"hook-source/{source.Name}", history => history is [.., { Event: HookSourceAdded }]
            ? throw new CommandRefusedException(Refusal.Conflict, $"There is a source '{source.Name}' already. Remove it, or take another name.") : [new HookSourceAdded(source)], by, cancellation: cancellation);
    }

    /// <returns>False if there is none.</returns>
    public Task<bool> RemoveSourceAsync(string tenant, string name, string why, string by, CancellationToken cancellation = default) =>
        streams.DecideAsync(tenant, $"hook-source/{name}", history => history is [.., { Event: HookSourceAdded }] ? [new HookSourceRemoved(name, Reason.Of(why))] : [], by, cancellation: cancellation);
}
