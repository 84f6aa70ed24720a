using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Webhooks;
using OrleansAiOs.Kernel.Webhooks.Inbound;
using OrleansAiOs.Kernel.Webhooks.Outbound;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Api;

internal sealed record WebhookRequest(string Name, string Url, List<string> Kinds, List<string> Secrets, string? Workflow = null, bool Full = false, List<string>? Reach = null, int? Attempts = null);

internal sealed record WebhookSourceRequest(string Name, HookScheme Scheme, List<string> Secrets, string As, HookEffect Does, string? Workflow = null, string? Signal = null, string? BusinessKey = null, string? Value = null);

internal sealed record WebhookReason(string Why);

internal sealed record RedeliverRequest(string? Id = null);

internal sealed record RetryRequest(string Delivery);

internal sealed record RedeliveredView(int Redelivered);

internal sealed record WebhookEntry(string Name, string Url, IReadOnlyList<string> Kinds, IReadOnlyList<string> Secrets, string? Workflow, bool Full, IReadOnlyList<string>? Reach, DateTimeOffset Since, string? By, long? Waiting = null, long? Dead = null);

internal sealed record WebhookSourceEntry(HookSource Source, string Path, DateTimeOffset Since, string? By);

/// <summary>Webhooks over HTTP: who is told of runs, what became of it, and who may tell us.</summary>
internal static class WebhooksApi
{
    private const int PageMax = 500;

    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/webhooks", ListAsync).Needs("webhook.read").WithSummary("Who is told of runs").Produces<PageView<WebhookEntry>>();
        api.MapPost("/webhooks", AddAsync).Needs("webhook.write").WithSummary("Have somebody told of runs").Produces<WebhookEntry>(201).ProducesProblem(403).ProducesProblem(409).ProducesProblem(422);
        api.MapPost("/webhooks/{name}/remove", RemoveAsync).Needs("webhook.write").WithSummary("Tell somebody no more").Produces(204).ProducesProblem(404);
        api.MapGet("/webhooks/{name}/deliveries", DeliveriesAsync).Needs("webhook.read").WithSummary("What somebody was told, is to be told, and could not be told").Produces<PageView<Delivery>>().ProducesProblem(404);
        api.MapPost("/webhooks/{name}/redeliver", RedeliverAsync).Needs("webhook.write").WithSummary("Send what is dead again: one message, or all").Produces<RedeliveredView>().ProducesProblem(404);
        api.MapGet("/webhook-sources", SourcesAsync).Needs("webhook.read").WithSummary("Who may send us webhooks, and what they do").Produces<PageView<WebhookSourceEntry>>();
        api.MapPost("/webhook-sources", AddSourceAsync).Needs("webhook.write").WithSummary("Let somebody send us webhooks").Produces<WebhookSourceEntry>(201).ProducesProblem(403).ProducesProblem(404).ProducesProblem(409).ProducesProblem(422);
        api.MapPost("/webhook-sources/{name}/remove", RemoveSourceAsync).Needs("webhook.write").WithSummary("Take nothing more from a source").Produces(204).ProducesProblem(404);
        api.MapGet("/webhook-sources/{name}/received", ReceivedAsync).Needs("webhook.read").WithSummary("What a source has sent, and what became of it").Produces<PageView<ReceivedHook>>().ProducesProblem(404);
        api.MapPost("/webhook-sources/{name}/retry", RetryAsync).Needs("webhook.write").WithSummary("Try a delivery in quarantine again").Produces<HookTaken>().ProducesProblem(404).ProducesProblem(409).ProducesProblem(422);
    }

    private static async Task<PageView<WebhookEntry>> ListAsync(WebhookView view, Outbox outbox, Catalogue catalogue, Caller caller, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        var entries = new List<WebhookEntry>();
        foreach (var hook in view.List(caller.Tenant).OrderBy(hook => hook.Webhook.Name, StringComparer.Ordinal))
        {
            var (waiting, dead) = await outbox.CountAsync(caller.Tenant, hook.Webhook.Name, context.RequestAborted);
            entries.Add(Entry(hook) with { Waiting = waiting, Dead = dead });
        }
        return new PageView<WebhookEntry>(entries);
    }

    private static async Task<IResult> AddAsync(WebhookRequest request, WebhookRegistry registry, WebhookView view, Catalogue catalogue, Caller caller, HttpContext context)
    {
        // It sees runs with the caller's eyes.
        caller.Demand("run.read", "run/*");
        caller.MayName(request.Reach);
        await catalogue.FreshAsync(context.RequestAborted);
        await registry.AddAsync(caller.Tenant, new Webhook(request.Name, request.Url, request.Kinds, request.Secrets, caller.Chain, request.Workflow, request.Full, request.Reach, request.Attempts), caller.By, context.RequestAborted);
        await catalogue.FreshAsync(context.RequestAborted);
        return Results.Created($"/api/v1/webhooks/{Uri.EscapeDataString(request.Name)}/deliveries", Entry(view.Find(caller.Tenant, request.Name)!));
    }

    private static async Task<IResult> RemoveAsync(string name, WebhookReason request, WebhookRegistry registry, Caller caller, HttpContext context) =>
        await registry.RemoveAsync(caller.Tenant, name, request.Why, caller.By, context.RequestAborted) ? Results.NoContent() : throw NoWebhook(name);

    private static async Task<PageView<Delivery>> DeliveriesAsync(string name, WebhookView view, Outbox outbox, Catalogue catalogue, Caller caller, HttpContext context, [FromQuery] string? state, [FromQuery] string? run, [FromQuery] int? limit)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        if (view.Find(caller.Tenant, name) is null) throw NoWebhook(name);
        return new PageView<Delivery>(await outbox.ListAsync(caller.Tenant, name, Parsed<DeliveryState>("state", state), RunsApi.NoNul("run", run), Limit(limit), context.RequestAborted));
    }

    private static async Task<RedeliveredView> RedeliverAsync(string name, RedeliverRequest request, WebhookView view, Outbox outbox, WebhookSender sender, WorkflowHost host, Catalogue catalogue, Caller caller, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        if (view.Find(caller.Tenant, name) is null) throw NoWebhook(name);
        var count = await outbox.RedeliverAsync(caller.Tenant, name, request.Id, host.Now, context.RequestAborted);
        if (count == 0 && request.Id is { } id) throw new ProblemException(404, "Not found", $"No dead message '{id}' is kept for '{name}'.");
        sender.Look();
        return new RedeliveredView(count);
    }

    private static async Task<PageView<WebhookSourceEntry>> SourcesAsync(WebhookView view, Catalogue catalogue, Caller caller, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        return new PageView<WebhookSourceEntry>([.. view.Sources(caller.Tenant).Select(source => Entry(caller, source))]);
    }

    private static async Task<IResult> AddSourceAsync(WebhookSourceRequest request, WebhookRegistry registry, WebhookView view, IdentityView identity, Catalogue catalogue, Caller caller, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        if (request.Workflow is { } workflow) RunsApi.CheckWorkflow(workflow);
        if (request.Signal is { } signal) RunsApi.CheckSignal(signal);
        var source = new HookSource(request.Name, request.Scheme, request.Secrets, request.As, request.Does, request.Workflow, request.Signal, request.BusinessKey, request.Value);
        if (identity.Find(caller.Tenant, request.As) is not { } service) throw new ProblemException(404, "Not found", $"There is no {request.As}. `aios principals set {request.As} --role operator` makes it.");
        // Whoever knows the secret can do what the service may: nobody gives what they do not hold.
        caller.DemandGiving(service.Roles, service.Grants);
        await registry.AddSourceAsync(caller.Tenant, source, caller.By, context.RequestAborted);
        await catalogue.FreshAsync(context.RequestAborted);
        return Results.Created($"/api/v1/webhook-sources/{Uri.EscapeDataString(request.Name)}/received", Entry(caller, view.FindSource(caller.Tenant, request.Name)!));
    }

    private static async Task<IResult> RemoveSourceAsync(string name, WebhookReason request, WebhookRegistry registry, Caller caller, HttpContext context) =>
        await registry.RemoveSourceAsync(caller.Tenant, name, request.Why, caller.By, context.RequestAborted) ? Results.NoContent() : throw NoSource(name);

    private static async Task<PageView<ReceivedHook>> ReceivedAsync(string name, WebhookView view, HookReceipts receipts, Catalogue catalogue, Caller caller, HttpContext context, [FromQuery] string? state, [FromQuery] int? limit)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        if (view.FindSource(caller.Tenant, name) is null) throw NoSource(name);
        return new PageView<ReceivedHook>(await receipts.ListAsync(caller.Tenant, name, Parsed<ReceiptState>("state", state), Limit(limit), context.RequestAborted));
    }

    private static Task<HookTaken> RetryAsync(string name, RetryRequest request, Hooks hooks, WorkflowHost host, Caller caller, HttpContext context) =>
        hooks.RetryAsync(host, caller.Tenant, name, RunsApi.NoNul("delivery", request.Delivery)!, context.RequestAborted);

    private static T? Parsed<T>(string what, string? text) where T : struct, Enum => text is null ? null
        : Enum.TryParse<T>(text, ignoreCase: true, out var parsed) && text.All(char.IsAsciiLetter) ? parsed
        : throw new ProblemException(400, $"Unknown {what}", $"{what} is one of {string.Join(", ", Enum.GetNames<T>()).ToLowerInvariant()}.");

    private static int Limit(int? limit) => limit is null ? 50 : limit is >= 1 and <= PageMax ? limit.Value : throw new ProblemException(400, "Bad limit", $"limit is 1 to {PageMax}, not {limit}.");

    private static ProblemException NoWebhook(string name) => new(404, "Not found", $"There is no webhook '{name}'.");

    private static ProblemException NoSource(string name) => new(404, "Not found", $"There is no source '{name}'.");

    private static WebhookEntry Entry(ActiveWebhook hook) => new(hook.Webhook.Name, hook.Webhook.Url, hook.Webhook.Kinds, hook.Webhook.Secrets, hook.Webhook.Workflow, hook.Webhook.Full, hook.Webhook.Reach, hook.Since, hook.By);

    private static WebhookSourceEntry Entry(Caller caller, ActiveHookSource source) => new(source.Source, $"/hooks/{caller.Tenant}/{source.Source.Name}", source.Since, source.By);
}
