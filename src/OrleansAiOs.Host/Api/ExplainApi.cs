using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Workflows.Explaining;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Api;

internal sealed record SkipRequest(JsonElement Value, string Why);

/// <summary>Why a run is where it is, and the repairs that its causes offer.</summary>
internal static class ExplainApi
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/runs/{id}/explain", ExplainAsync).Needs("run.read").WithSummary("What a run waits for, since when, who can move it on, and how").Produces<Explanation>().ProducesProblem(404);
        api.MapPost("/runs/{id}/steps/{step:int}/retry-now", RetryAsync).Needs("run.retry").WithSummary("End the pause before a step's next attempt or inquiry").Produces<VersionView>().ProducesProblem(404).ProducesProblem(409);
        api.MapPost("/runs/{id}/steps/{step:int}/skip", SkipAsync).Needs("run.skip").WithSummary("Give a step its result in its stead; not while an attempt is under way").Produces<VersionView>().ProducesProblem(404).ProducesProblem(409).ProducesProblem(422);
    }

    private static async Task<Explanation> ExplainAsync(string id, WorkflowHost host, IdentityView identity, Caller caller, TimeProvider time, HttpContext context)
    {
        var explanation = await host.ExplainAsync(caller.Run(id), Keyholders(identity, caller.Tenant, time.GetUtcNow()), context.RequestAborted);
        return explanation.Main.Code is CauseCodes.NoSuchRun
            ? throw new ProblemException(404, "Not found", string.Join(' ', explanation.Causes.Select(cause => cause.Says)))
            : explanation;
    }

    private static async Task<VersionView> RetryAsync(string id, int step, Nothing request, WorkflowHost host, Caller caller, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        return new VersionView(await host.RetryNowAsync(caller.Run(id), step, caller.By, key));
    }

    private static async Task<VersionView> SkipAsync(string id, int step, SkipRequest request, WorkflowHost host, Caller caller, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        if (string.IsNullOrWhiteSpace(request.Why)) throw new ProblemException(422, "No reason given", "why: say in a few words why the step may be skipped; it is kept in the history.");
        return new VersionView(await host.SkipAsync(caller.Run(id), step, JsonBody.From(request.Value), request.Why, caller.By, key));
    }

    private static List<Keyholder> Keyholders(IdentityView identity, string tenant, DateTimeOffset now) =>
    [
        .. identity.PrincipalsOf(tenant).Where(principal => principal.Disabled is null && principal.Keys.Any(key => key.Expires is not { } end || end > now))
            .Select(principal => new Keyholder(PrincipalId.ForPeople(principal.Id), principal.Roles)),
    ];
}
