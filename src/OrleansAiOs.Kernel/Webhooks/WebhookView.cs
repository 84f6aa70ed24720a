using System.Collections.Concurrent;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Webhooks.Outbound;

namespace OrleansAiOs.Kernel.Webhooks;

/// <param name="Since">When it was added; the events before then it is not told of.</param>
/// <param name="By">Who added it.</param>
public sealed record ActiveWebhook(Webhook Webhook, DateTimeOffset Since, string? By);

public sealed record ActiveHookSource(HookSource Source, DateTimeOffset Since, string? By);

/// <summary>Who is told, and who may tell, in each tenant.</summary>
public sealed class WebhookView : IKernelView
{
    // By tenant, each list made anew when it changes: it is asked at every append.
    private readonly ConcurrentDictionary<string, ActiveWebhook[]> webhooks = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Tenant, string Name), ActiveHookSource> sources = new();

    public void Apply(RecordedEvent e)
    {
        switch (e.Event)
        {
            case WebhookAdded added:
                webhooks[e.Tenant] = [.. Without(added.Webhook.Name), new ActiveWebhook(added.Webhook, e.At, e.By)];
                break;
            case WebhookRemoved removed:
                webhooks[e.Tenant] = [.. Without(removed.Name)];
                break;
            case HookSourceAdded added:
                sources[(e.Tenant, added.Source.Name)] = new ActiveHookSource(added.Source, e.At, e.By);
                break;
            case HookSourceRemoved removed:
                sources.TryRemove((e.Tenant, removed.Name), out _);
                break;
        }

        IEnumerable<ActiveWebhook> Without(string name) => List(e.Tenant).Where(hook => hook.Webhook.Name != name);
    }

    public ActiveWebhook? Find(string tenant, string name) => Array.Find(webhooks.GetValueOrDefault(tenant) ?? [], hook => hook.Webhook.Name == name);

    public IReadOnlyList<ActiveWebhook> List(string tenant) => webhooks.GetValueOrDefault(tenant) ?? [];

    public ActiveHookSource? FindSource(string tenant, string name) => sources.GetValueOrDefault((tenant, name));

    public IReadOnlyList<ActiveHookSource> Sources(string tenant) => [.. sources.Where(pair => pair.Key.Tenant == tenant).Select(pair => pair.Value).OrderBy(source => source.Source.Name, StringComparer.Ordinal)];

    /// <summary>Who wants to be told of a kind of event of a workflow's runs.</summary>
    public IEnumerable<string> Wanting(string tenant, string workflow, string kind) =>
        List(tenant).Where(hook => RunEventKinds.Wants(hook.Webhook, workflow, kind)).Select(hook => hook.Webhook.Name);
}
