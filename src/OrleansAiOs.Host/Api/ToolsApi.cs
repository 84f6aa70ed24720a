using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Kernel.Tools.Mcp;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Host.Api;

internal sealed record HttpToolRequest(string Server, string Name, JsonElement InputSchema, HttpCall Http, string? Title = null, string? Description = null, JsonElement? OutputSchema = null);

internal sealed record McpServerRequest(McpServer Server, string Why);

internal sealed record ToolApprovalRequest(string Pin, string Effect, string Why, List<string>? Reach = null, ToolLimits? Limits = null, List<string>? Fields = null);

internal sealed record ToolReasonRequest(string Why);

internal sealed record SecretRequest(string Value, List<string> Hosts);

/// <param name="Breaker">closed, open or halfOpen, on this host.</param>
internal sealed record ToolDocumentView(string Id, ToolKind Kind, ToolStatus Status, string Pin, string? Title, string? Description, string? Effect, string? Why, string Breaker, DateTimeOffset Since)
{
    public ToolTerms? Terms { get; init; }

    public string? ApprovedPin { get; init; }

    public string? ApprovedBy { get; init; }

    public IReadOnlyList<string>? Changed { get; init; }

    public IReadOnlyList<string>? Unread { get; init; }

    public ToolDefinition? Definition { get; init; }

    public static ToolDocumentView Of(ToolState tool, string breaker) => new(tool.Definition.Id, tool.Definition.Kind, tool.Status, tool.Pin, tool.Definition.Title, tool.Definition.Description,
        tool.Terms is { } terms ? JsonNamingPolicy.CamelCase.ConvertName(terms.Effect.ToString()) : null, tool.Why, breaker, tool.Since);

    public static ToolDocumentView Whole(ToolState tool, string breaker) => Of(tool, breaker) with
    {
        Terms = tool.Terms, ApprovedPin = tool.ApprovedPin, ApprovedBy = tool.ApprovedBy, Changed = tool.Changed.Count == 0 ? null : tool.Changed, Unread = tool.Unread.Count == 0 ? null : tool.Unread, Definition = tool.Definition,
    };
}

/// <summary>Tools over HTTP: what may be called, as what, and who said so.</summary>
internal static class ToolsApi
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/tools", ListAsync).WithSummary("List tools").Produces<PageView<ToolDocumentView>>();
        api.MapGet("/tools/{id}", GetAsync).WithSummary("One tool, whole; its id is SERVER%2FNAME").Produces<ToolDocumentView>().ProducesProblem(404);
        api.MapPost("/tools/http", AddHttpAsync).WithSummary("Declare a tool by HTTP; it is approved next").Produces<ToolDocumentView>().ProducesProblem(422);
        api.MapPost("/tools/{id}/approve", ApproveAsync).WithSummary("Let a tool be called, as what it was read to be").Produces<ToolDocumentView>().ProducesProblem(404).ProducesProblem(409).ProducesProblem(422);
        api.MapPost("/tools/{id}/quarantine", QuarantineAsync).WithSummary("Stop a tool until it is approved again").Produces<ToolDocumentView>().ProducesProblem(404);
        api.MapGet("/tool-servers", async (ToolOverview tools, HttpContext context) => new PageView<McpServerView>(await tools.ServersAsync(Tenant, context.RequestAborted))).WithSummary("List MCP servers").Produces<PageView<McpServerView>>();
        api.MapPost("/tool-servers", AddServerAsync).WithSummary("Make an MCP server known, and look at what it offers").Produces<McpServerView>().ProducesProblem(409).ProducesProblem(422);
        api.MapPost("/tool-servers/{name}/look", LookAsync).WithSummary("Look at what an MCP server offers now").Produces<McpServerView>().ProducesProblem(404);
        api.MapPost("/tool-servers/{name}/remove", RemoveServerAsync).WithSummary("Forget an MCP server and stop its tools").Produces(204).ProducesProblem(404);
        api.MapGet("/secrets", async (SecretStore secrets, HttpContext context) => new PageView<SecretView>(await secrets.ListAsync(Tenant, context.RequestAborted))).WithSummary("List secrets, without their values").Produces<PageView<SecretView>>();
        api.MapPut("/secrets/{name}", SetSecretAsync).WithSummary("Set a secret and the hosts it may be sent to").Produces(204).ProducesProblem(422);
        api.MapDelete("/secrets/{name}", RemoveSecretAsync).WithSummary("Remove a secret").Produces(204).ProducesProblem(404);
    }

    private const string Tenant = RunKey.DefaultTenant;

    private static async Task<PageView<ToolDocumentView>> ListAsync(ToolOverview tools, HttpContext context, [FromQuery] string? status) =>
        new([.. (await tools.ListAsync(Tenant, context.RequestAborted)).Where(tool => status is null || string.Equals($"{tool.Tool.Status}", status, StringComparison.OrdinalIgnoreCase)).Select(tool => ToolDocumentView.Of(tool.Tool, tool.Breaker))]);

    private static async Task<ToolDocumentView> GetAsync(string id, ToolOverview tools, HttpContext context)
    {
        var (tool, breaker) = await tools.FindAsync(Tenant, Named(id), context.RequestAborted) ?? throw new ProblemException(404, "Not found", $"There is no tool '{Named(id)}'.");
        return ToolDocumentView.Whole(tool, breaker);
    }

    private static async Task<ToolDocumentView> AddHttpAsync(HttpToolRequest request, ToolRegistry registry, HttpContext context)
    {
        DemandOwner(context);
        try
        {
            return ToolDocumentView.Whole(await registry.SeeAsync(Tenant, new ToolDefinition
            {
                Kind = ToolKind.Http,
                Server = request.Server,
                Name = request.Name,
                Title = request.Title,
                Description = request.Description,
                InputSchema = JsonBody.From(request.InputSchema),
                OutputSchema = request.OutputSchema is { } output ? JsonBody.From(output) : null,
                Http = request.Http,
            }, Caller.Of(context).Id, context.RequestAborted), "closed");
        }
        catch (DefinitionException e)
        {
            throw new ProblemException(422, "No tool", $"{e.Message}.");
        }
    }

    private static async Task<ToolDocumentView> ApproveAsync(string id, ToolApprovalRequest request, ToolRegistry registry, HttpContext context)
    {
        DemandOwner(context);
        if (!Enum.TryParse<Effect>(request.Effect, ignoreCase: true, out var effect) || !request.Effect.All(char.IsAsciiLetter))
            throw new ProblemException(422, "Unknown effect", $"effect: one of {string.Join(", ", Enum.GetNames<Effect>().Select(JsonNamingPolicy.CamelCase.ConvertName))}.");
        return ToolDocumentView.Whole(await registry.ApproveAsync(Tenant, Named(id), request.Pin, new ToolTerms(effect, request.Reach, request.Limits, request.Fields), request.Why, Caller.Of(context).Id, context.RequestAborted), "closed");
    }

    private static async Task<ToolDocumentView> QuarantineAsync(string id, ToolReasonRequest request, ToolRegistry registry, HttpContext context)
    {
        DemandOwner(context);
        return ToolDocumentView.Whole(await registry.QuarantineAsync(Tenant, Named(id), request.Why, Caller.Of(context).Id, context.RequestAborted), "closed");
    }

    // One that cannot be spoken to yet is kept all the same: its view says what the trouble is.
    private static async Task<McpServerView> AddServerAsync(McpServerRequest request, ToolRegistry registry, McpServers servers, HttpContext context)
    {
        DemandOwner(context);
        await registry.AddServerAsync(Tenant, request.Server, request.Why, Caller.Of(context).Id, context.RequestAborted);
        return await SeenAsync(request.Server.Name, servers, context);
    }

    private static Task<McpServerView> LookAsync(string name, Nothing request, McpServers servers, HttpContext context)
    {
        DemandOwner(context);
        return SeenAsync(name, servers, context);
    }

    private static async Task<McpServerView> SeenAsync(string name, McpServers servers, HttpContext context)
    {
        try
        {
            await servers.LookAsync(Tenant, name, context.RequestAborted);
        }
        catch (WithheldException e) when (servers.List(Tenant).All(server => server.Server.Name != name))
        {
            throw new ProblemException(404, "Not found", e.Message);
        }
        catch (WithheldException)
        {
            // What went wrong stands in the view.
        }
        return servers.List(Tenant).Single(server => server.Server.Name == name);
    }

    private static async Task<IResult> RemoveServerAsync(string name, ToolReasonRequest request, ToolRegistry registry, HttpContext context)
    {
        DemandOwner(context);
        return await registry.RemoveServerAsync(Tenant, name, request.Why, Caller.Of(context).Id, context.RequestAborted) ? Results.NoContent() : throw new ProblemException(404, "Not found", $"There is no MCP server '{name}'.");
    }

    private static async Task<IResult> SetSecretAsync(string name, SecretRequest request, SecretStore secrets, HttpContext context)
    {
        DemandOwner(context);
        try
        {
            await secrets.SetAsync(Tenant, name, request.Value, request.Hosts, Caller.Of(context).Id, context.RequestAborted);
            return Results.NoContent();
        }
        catch (ArgumentException e)
        {
            throw new ProblemException(422, "No secret", e.ParamName is { } parameter ? e.Message.Replace($" (Parameter '{parameter}')", "", StringComparison.Ordinal) : e.Message);
        }
    }

    private static async Task<IResult> RemoveSecretAsync(string name, SecretStore secrets, HttpContext context)
    {
        DemandOwner(context);
        return await secrets.RemoveAsync(Tenant, name, Caller.Of(context).Id, context.RequestAborted) ? Results.NoContent() : throw new ProblemException(404, "Not found", $"There is no secret '{name}'.");
    }

    // An id holds a slash, which a path keeps encoded.
    private static string Named(string id) => Uri.UnescapeDataString(id);

    private static void DemandOwner(HttpContext context)
    {
        if (!Caller.Of(context).Roles.Contains(Keys.ApiKeys.OwnerRole)) throw new ProblemException(403, "Not allowed", "Only the owner's key may say which tools are called, and set secrets.");
    }
}
