using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Host.Api;

internal sealed record ExportRequest(string[] Runs, string? Payloads = null, string[]? Redact = null);

/// <summary>Histories as a file (docs/history-format.md). A file that breaks off lacks its last line, and says so by that.</summary>
internal static class ExportApi
{
    private const int RunsMax = 1000;

    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/runs/{id}/export", async (string id, WorkflowHost host, Caller caller, IPayloadStore payloads, TimeProvider time, HttpContext context, [FromQuery(Name = "payloads")] string? which, [FromQuery] string[]? redact) =>
            await WriteAsync([id], host, caller, payloads, Options(which, redact, time), context))
            .Needs("run.read").WithSummary("The run's history as a file that is readable without us").Produces(200, contentType: "application/x-ndjson").ProducesProblem(404);
        // By POST: a thousand ids are longer than an address may be.
        api.MapPost("/export", async (ExportRequest request, WorkflowHost host, Caller caller, IPayloadStore payloads, TimeProvider time, HttpContext context) =>
            await WriteAsync(request.Runs, host, caller, payloads, Options(request.Payloads, request.Redact, time), context))
            .Needs("run.read").WithSummary("Many runs' histories in one file").Produces(200, contentType: "application/x-ndjson").ProducesProblem(404);
    }

    private static ExportOptions Options(string? payloads, string[]? redact, TimeProvider time) => new()
    {
        ExportedAt = time.GetUtcNow(),
        IncludePayloads = payloads switch
        {
            null or "hash" => false,
            "include" => true,
            _ => throw new ProblemException(400, "Bad payloads", $"payloads is 'include' or 'hash', not '{payloads}'."),
        },
        Redact = redact is null || redact.All(name => name.Length is > 0 and <= 200) && redact.Length <= 200 ? redact ?? [] : throw new ProblemException(400, "Bad redact", "redact names at most 200 members, of 1 to 200 characters."),
    };

    private static async Task WriteAsync(string[] ids, WorkflowHost host, Caller caller, IPayloadStore payloads, ExportOptions options, HttpContext context)
    {
        if (ids.Length is 0 or > RunsMax) throw new ProblemException(400, "Bad runs", $"runs names 1 to {RunsMax} runs, each once.");
        var runs = ids.Distinct(StringComparer.Ordinal).Select(caller.Run).ToList();
        // All are known to be there before the first byte leaves: what has begun cannot become a 404.
        foreach (var run in runs)
            if (await host.Store.FindAsync(run, context.RequestAborted) is null) throw new ProblemException(404, "Not found", $"There is no run '{run.Id}'.");
        context.Response.ContentType = "application/x-ndjson";
        using var writer = new HistoryWriter(context.Response.Body, options, payloads);
        foreach (var run in runs) await writer.WriteAsync(run, await host.Store.ReadAsync(run, 1, context.RequestAborted), context.RequestAborted);
        await writer.FinishAsync(context.RequestAborted);
    }
}
