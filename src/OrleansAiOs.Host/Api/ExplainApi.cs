using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Host.Keys;
using OrleansAiOs.Workflows.Explaining;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Api;

internal sealed record SkipRequest(JsonElement Value, string Why);

/// <summary>Why a run is where it is, and the repairs that its causes offer.</summary>
internal static class ExplainApi
{
    private static readonly TimeSpan KeysWithin = TimeSpan.FromSeconds(2);

    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/runs/{id}/explain", ExplainAsync).WithSummary("What a run waits for, since when, who can move it on, and how").Produces<Explanation>().ProducesProblem(404);
        api.MapPost("/runs/{id}/steps/{step:int}/retry-now", RetryAsync).WithSummary("End the pause before a step's next attempt or inquiry").Produces<VersionView>().ProducesProblem(404).ProducesProblem(409);
        api.MapPost("/runs/{id}/steps/{step:int}/skip", SkipAsync).WithSummary("Give a step its result in its stead; not while an attempt is under way").Produces<VersionView>().ProducesProblem(404).ProducesProblem(409).ProducesProblem(422);
    }

    private static async Task<Explanation> ExplainAsync(string id, WorkflowHost host, ApiKeys keys, HttpContext context)
    {
        var explanation = await host.ExplainAsync(RunsApi.KeyOf(id), await KeyholdersAsync(keys, context.RequestAborted), context.RequestAborted);
        return explanation.Main.Code is CauseCodes.NoSuchRun
            ? throw new ProblemException(404, "Not found", string.Join(' ', explanation.Causes.Select(cause => cause.Says)))
            : explanation;
    }

    private static async Task<VersionView> RetryAsync(string id, int step, Nothing request, WorkflowHost host, HttpContext context, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        return new VersionView(await host.RetryNowAsync(RunsApi.KeyOf(id), step, Caller.Of(context).Id, key));
    }

    private static async Task<VersionView> SkipAsync(string id, int step, SkipRequest request, WorkflowHost host, HttpContext context, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        if (string.IsNullOrWhiteSpace(request.Why)) throw new ProblemException(422, "No reason given", "why: say in a few words why the step may be skipped; it is kept in the history.");
        return new VersionView(await host.SkipAsync(RunsApi.KeyOf(id), step, JsonBody.From(request.Value), request.Why, Caller.Of(context).Id, key));
    }

    // Without them nobody is missed, and the rest is still said.
    private static async Task<IReadOnlyList<Keyholder>?> KeyholdersAsync(ApiKeys keys, CancellationToken cancellation)
    {
        try
        {
            return [.. (await keys.ListAsync(cancellation).WaitAsync(KeysWithin, cancellation)).Where(key => key.RevokedAt is null).Select(key => new Keyholder(key.Name, key.Roles))];
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellation.IsCancellationRequested)
        {
            return null;
        }
    }
}
