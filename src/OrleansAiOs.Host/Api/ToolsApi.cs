using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Kernel.Tools.Mcp;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Host.Api;

internal sealed record HttpToolRequest(string Server, string Name, JsonElement InputSchema, HttpCall Http, string? Title = null, string? Description = null, JsonElement? OutputSchema = null);

internal sealed record McpServerRequest(McpServer Server, string Why);

internal sealed record ToolApprovalRequest(string Pin, string Effect, string Why, List<string>? Reach = null, ToolLimits? Limits = null, List<string>? Fields = null, ToolComparison? Comparison = null);

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
        api.MapGet("/tools", ListAsync).Needs("tool.read").WithSummary("List tools").Produces<PageView<ToolDocumentView>>();
        api.MapGet("/tools/{id}", GetAsync).Needs("tool.read").WithSummary("One tool, whole; its id is SERVER%2FNAME").Produces<ToolDocumentView>().ProducesProblem(404);
        api.MapPost("/tools/http", AddHttpAsync).Needs("tool.write").WithSummary("Declare a tool by HTTP; it is approved next").Produces<ToolDocumentView>().ProducesProblem(422);
        api.MapPost("/tools/{id}/approve", ApproveAsync).Needs("tool.write").WithSummary("Let a tool be called, as what it was read to be").Produces<ToolDocumentView>().ProducesProblem(404).ProducesProblem(409).ProducesProblem(422);
        api.MapPost("/tools/{id}/quarantine", QuarantineAsync).Needs("tool.write").WithSummary("Stop a tool until it is approved again").Produces<ToolDocumentView>().ProducesProblem(404);
        api.MapGet("/tool-servers", async (ToolOverview tools, Caller caller, HttpContext context) => new PageView<McpServerView>(await tools.ServersAsync(caller.Tenant, context.RequestAborted))).Needs("tool.read").WithSummary("List MCP servers").Produces<PageView<McpServerView>>();
        api.MapPost("/tool-servers", AddServerAsync).Needs("tool.write").WithSummary("Make an MCP server known, and look at what it offers").Produces<McpServerView>().ProducesProblem(409).ProducesProblem(422);
        api.MapPost("/tool-servers/{name}/look", LookAsync).Needs("tool.write").WithSummary("Look at what an MCP server offers now").Produces<McpServerView>().ProducesProblem(404);
        api.MapPost("/tool-servers/{name}/remove", RemoveServerAsync).Needs("tool.write").WithSummary("Forget an MCP server and stop its tools").Produces(204).ProducesProblem(404);
        api.MapGet("/secrets", async (SecretStore secrets, Caller caller, HttpContext context) => new PageView<SecretView>(await secrets.ListAsync(caller.Tenant, context.RequestAborted))).Needs("secret.read").WithSummary("List secrets, without their values").Produces<PageView<SecretView>>();
        api.MapPut("/secrets/{name}", SetSecretAsync).Needs("secret.write").WithSummary("Set a secret and the hosts it may be sent to").Produces(204).ProducesProblem(422);
        api.MapDelete("/secrets/{name}", RemoveSecretAsync).Needs("secret.write").WithSummary("Remove a secret").Produces(204).ProducesProblem(404);
    }

    private static async Task<PageView<ToolDocumentView>> ListAsync(ToolOverview tools, Caller caller, HttpContext context, [FromQuery] string? status) =>
        new([.. (await tools.ListAsync(caller.Tenant, context.RequestAborted)).Where(tool => status is null || string.Equals($"{tool.Tool.Status}", status, StringComparison.OrdinalIgnoreCase)).Select(tool => ToolDocumentView.Of(tool.Tool, tool.Breaker))]);

    private static async Task<ToolDocumentView> GetAsync(string id, ToolOverview tools, Caller caller, HttpContext context)
    {
        var (tool, breaker) = await tools.FindAsync(caller.Tenant, Named(id), context.RequestAborted) ?? throw new ProblemException(404, "Not found", $"There is no tool '{Named(id)}'.");
        return ToolDocumentView.Whole(tool, breaker);
    }

    private static async Task<ToolDocumentView> AddHttpAsync(HttpToolRequest request, ToolRegistry registry, Caller caller, HttpContext context)
    {
        try
        {
            return ToolDocumentView.Whole(await registry.SeeAsync(caller.Tenant, new ToolDefinition
            {
                Kind = ToolKind.Http,
                Server = request.Server,
                Name = request.Name,
                Title = request.Title,
                Description = request.Description,
                InputSchema = JsonBody.From(request.InputSchema),
                OutputSchema = request.OutputSchema is { } output ? JsonBody.From(output) : null,
                Http = request.Http,
            }, caller.By, context.RequestAborted), "closed");
        }
        catch (DefinitionException e)
        {
            throw new ProblemException(422, "No tool", $"{e.Message}.");
        }
    }

    private static async Task<ToolDocumentView> ApproveAsync(string id, ToolApprovalRequest request, ToolRegistry registry, Caller caller, HttpContext context)
    {
        if (!Enum.TryParse<Effect>(request.Effect, ignoreCase: true, out var effect) || !request.Effect.All(char.IsAsciiLetter))
            throw new ProblemException(422, "Unknown effect", $"effect: one of {string.Join(", ", Enum.GetNames<Effect>().Select(JsonNamingPolicy.CamelCase.ConvertName))}.");
        caller.MayName(request.Reach);
        return ToolDocumentView.Whole(await registry.ApproveAsync(caller.Tenant, Named(id), request.Pin, new ToolTerms(effect, request.Reach, request.Limits, request.Fields, request.Comparison), request.Why, caller.By, context.RequestAborted), "closed");
    }

    private static async Task<ToolDocumentView> QuarantineAsync(string id, ToolReasonRequest request, ToolRegistry registry, Caller caller, HttpContext context)
    {
        return ToolDocumentView.Whole(await registry.QuarantineAsync(caller.Tenant, Named(id), request.Why, caller.By, context.RequestAborted), "closed");
    }

    // One that cannot be spoken to yet is kept all the same: its view says what the trouble is.
    private static async Task<McpServerView> AddServerAsync(McpServerRequest request, ToolRegistry registry, McpServers servers, Caller caller, HttpContext context)
    {
        // A program that the host starts can do what the host can, in every tenant.
        if (request.Server.Argv is not null && caller.Tenant != Tenants.Platform) throw Caller.NotAllowed("An MCP server that is a program on this host is only for those who own the platform. Name one by its url.");
        caller.MayName(request.Server.Reach);
        await registry.AddServerAsync(caller.Tenant, request.Server, request.Why, caller.By, context.RequestAborted);
        return await SeenAsync(request.Server.Name, servers, caller, context);
    }

    private static Task<McpServerView> LookAsync(string name, Nothing request, McpServers servers, Caller caller, HttpContext context) => SeenAsync(name, servers, caller, context);

    private static async Task<McpServerView> SeenAsync(string name, McpServers servers, Caller caller, HttpContext context)
    {
        try
        {
            await servers.LookAsync(caller.Tenant, name, context.RequestAborted);
        }
        catch (WithheldException e) when (servers.List(caller.Tenant).All(server => server.Server.Name != name))
        {
            throw new ProblemException(404, "Not found", e.Message);
        }
        catch (WithheldException)
        {
            // What went wrong stands in the view.
        }
        return servers.List(caller.Tenant).Single(server => server.Server.Name == name);
    }

    private static async Task<IResult> RemoveServerAsync(string name, ToolReasonRequest request, ToolRegistry registry, Caller caller, HttpContext context)
    {
        return await registry.RemoveServerAsync(caller.Tenant, name, request.Why, caller.By, context.RequestAborted) ? Results.NoContent() : throw new ProblemException(404, "Not found", $"There is no MCP server '{name}'.");
    }

    private static async Task<IResult> SetSecretAsync(string name, SecretRequest request, SecretStore secrets, Caller caller, HttpContext context)
    {
        try
        {
            await secrets.SetAsync(caller.Tenant, name, request.Value, request.Hosts, caller.By, context.RequestAborted);
            return Results.NoContent();
        }
        catch (ArgumentException e)
        {
            throw new ProblemException(422, "No secret", e.ParamName is { } parameter ? e.Message.Replace($" (Parameter '{parameter}')", "", StringComparison.Ordinal) : e.Message);
        }
    }

    private static async Task<IResult> RemoveSecretAsync(string name, SecretStore secrets, Caller caller, HttpContext context)
    {
        return await secrets.RemoveAsync(caller.Tenant, name, caller.By, context.RequestAborted) ? Results.NoContent() : throw new ProblemException(404, "Not found", $"There is no secret '{name}'.");
    }

    // An id holds a slash, which a path keeps encoded.
    private static string Named(string id) => Uri.UnescapeDataString(id);
}
