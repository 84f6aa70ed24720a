using System.Text;
using OrleansAiOs.Kernel.Audit;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Api;

/// <summary>The audit trail (docs/audit.md): how it stands, its signed lines, and the evidence of one run.</summary>
internal static class AuditApi
{
    private const int LinesMax = 1000;

    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/audit/status", async (Auditor auditor, HttpContext context) => AuditStatusView.Of(await auditor.StatusAsync(context.RequestAborted)))
            .Needs("audit.read").WithSummary("How the audit trail stands").Produces<AuditStatusView>();
        api.MapGet("/audit/checkpoints", async (Auditor auditor, HttpContext context, long? after, int? limit) =>
        {
            if (after < 0 || limit is < 1 or > LinesMax) throw new ProblemException(400, "Bad page", $"after is 0 or more, limit 1 to {LinesMax}.");
            var lines = await auditor.LinesAsync(after ?? 0, limit ?? LinesMax, context.RequestAborted);
            // As they were signed, byte for byte.
            return Results.Text(string.Concat(lines.Select(line => line.Line + "\n")), "application/x-ndjson", Encoding.UTF8);
        }).Needs("audit.read").WithSummary("Signed checkpoints behind a number, a line each").Produces(200, contentType: "application/x-ndjson");
        api.MapPost("/audit/checkpoints", async (CheckpointRequest request, Auditor auditor, HttpContext context) =>
        {
            if (request.AcceptRestore is { Length: 0 or > 1000 }) throw new ProblemException(422, "Bad reason", "acceptRestore says in 1 to 1000 characters why the database was put back.");
            try
            {
                var number = await auditor.CheckpointAsync(request.AcceptRestore, context.RequestAborted);
                await auditor.DeliverAsync(context.RequestAborted);
                return new CheckpointView(number);
            }
            catch (AuditStoppedException stopped)
            {
                throw new ProblemException(409, "Not signed", stopped.Message);
            }
        }).Needs("audit.sign").WithSummary("Sign for all that was appended before").Produces<CheckpointView>().ProducesProblem(403).ProducesProblem(409);
        api.MapGet("/audit/runs/{id}/evidence", EvidenceAsync).Needs("run.read").WithSummary("The evidence of a run, for who has neither database nor host").Produces(200, contentType: "application/x-ndjson")
            .ProducesProblem(404).ProducesProblem(409);
    }

    private static async Task EvidenceAsync(string id, Auditor auditor, WorkflowHost host, Caller caller, HttpContext context)
    {
        var run = caller.Run(id);
        if (await host.Store.FindAsync(run, context.RequestAborted) is null) throw new ProblemException(404, "Not found", $"There is no run '{id}'.");
        context.Response.ContentType = "application/x-ndjson";
        try
        {
            await auditor.WriteEvidenceAsync(run.Tenant, run.Stream, ExportFormat.Engine, context.Response.Body, context.RequestAborted);
        }
        catch (AuditStoppedException stopped)
        {
            throw new ProblemException(409, "No evidence", stopped.Message);
        }
    }
}

/// <param name="AcceptRestore">Why the database is behind the checkpoints outside: it was put back on purpose.</param>
internal sealed record CheckpointRequest(string? AcceptRestore = null);

internal sealed record CheckpointView(long Number);

internal sealed record AuditStatusView(Guid Log, long Blocks, long Events, long Pending, long Checkpoint, DateTimeOffset? SignedAt, string? Root, string PublicKey, string? Stopped, IReadOnlyList<OutletState> Outlets)
{
    public static AuditStatusView Of(AuditStatus status) =>
        new(status.Log, status.Blocks, status.Events, status.Pending, status.Checkpoint, status.At, status.Root, status.PublicKey, status.Stopped, status.Outlets);
}
