using System.Data.Common;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Kernel.Webhooks.Inbound;
using OrleansAiOs.Kernel.Webhooks.Outbound;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Webhooks;

/// <summary>What webhooks need of a program. Beside it stand identity, the gate, tools' egress and secrets, the store of runs, and a TimeProvider.</summary>
public static class WebhookServices
{
    /// <param name="services">The program's.</param>
    /// <param name="source">The database that the outbox and the receipts are in.</param>
    /// <param name="publicUrl">Where receivers find the API; paths alone if left out.</param>
    public static IServiceCollection AddWebhooks(this IServiceCollection services, DbDataSource source, string? publicUrl = null)
    {
        var view = new WebhookView();
        return services.AddSingleton(view).AddSingleton<IKernelView>(view).AddSingleton(new Outbox(source)).AddSingleton(new HookReceipts(source)).AddSingleton<WebhookRegistry>().AddSingleton<Hooks>()
            .AddSingleton(provider => new Deliverer(provider.GetRequiredService<EgressClient>(), new RunNews(provider.GetRequiredService<IRunStore>(), publicUrl)))
            .AddSingleton(provider => new WebhookSender(provider.GetRequiredService<Outbox>(), provider.GetRequiredService<Deliverer>(), view, provider.GetRequiredService<Catalogue>(), provider.GetRequiredService<Rights>(),
                provider.GetRequiredService<KillSwitchView>(), provider.GetRequiredService<ILogger<WebhookSender>>()));
    }

    /// <summary>Who is to be told of events that are about to be appended, as the engine asks it (<see cref="Workflows.Hosting.WorkflowHostOptions.Outbox"/>).</summary>
    public static Func<RunKey, string, IReadOnlyList<(WorkflowEvent Event, DateTimeOffset At)>, ValueTask<IReadOnlyList<OutboxEntry>>> OutboxOf(IServiceProvider provider)
    {
        var (view, catalogue) = (provider.GetRequiredService<WebhookView>(), provider.GetRequiredService<Catalogue>());
        return async (run, workflow, events) =>
        {
            try
            {
                await catalogue.FreshAsync();
            }
            catch (UnreadableHistoryException)
            {
                // A later build has written kernel events that this one cannot read. It decides nothing any more, but what its runs have done is recorded still, and told to whom it knows.
            }
            if (view.List(run.Tenant).Count == 0) return [];
            var told = new List<OutboxEntry>();
            for (var i = 0; i < events.Count; i++)
                if (RunEventKinds.Of(events[i].Event) is { } kind)
                    foreach (var receiver in view.Wanting(run.Tenant, workflow, kind)) told.Add(new OutboxEntry(receiver, i, kind));
            return told;
        };
    }
}
