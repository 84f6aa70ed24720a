using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Versions;

namespace OrleansAiOs.Host.Api;

internal sealed record MigrationRequest(string Type, string To, string? From = null, bool DryRun = false, bool Undo = false, int? Limit = null, string? Cursor = null);

internal sealed record MigrationView(IReadOnlyList<MigratedRunView> Items, string? Next = null);

internal sealed record MigratedRunView(string Run, string? From, string? To, MigrationResult Result, string? Why, long? Version, MigrationCertificateView? Certificate)
{
    public static MigratedRunView Of(MigratedRun run) => new(run.Run.Id, run.From, run.To, run.Result, run.Why, run.Version,
        run.Certificate is { } certificate ? new MigrationCertificateView(certificate.UpTo, certificate.Commands, certificate.Digest) : null);
}

internal sealed record MigrationCertificateView(long UpTo, int Commands, string Digest);

/// <summary>Versions of workflows over HTTP: moving open runs from one to another, a page of runs at a time.</summary>
internal static class VersionsApi
{
    private const int PageMax = 500;

    public static void Map(RouteGroupBuilder api) =>
        api.MapPost("/migrations", MigrateAsync).Needs("run.migrate").WithSummary("Move open runs to another version of their code, where they replay").Produces<MigrationView>().ProducesProblem(404).ProducesProblem(422);

    private static async Task<MigrationView> MigrateAsync(MigrationRequest request, WorkflowHost host, Caller caller, HttpContext context)
    {
        RunsApi.NoNul("type", request.Type);
        RunsApi.NoNul("to", request.To);
        RunsApi.NoNul("from", request.From);
        if (request.Limit is < 1 or > PageMax) throw new ProblemException(400, "Bad limit", $"limit is 1 to {PageMax}, not {request.Limit}.");
        var page = await host.MigrateAsync(new MigrateRuns(request.Type, request.To, request.From, request.DryRun, request.Undo, caller.Tenant,
            RunsApi.ParseCursor(request.Cursor), request.Limit ?? 100), caller.By, context.RequestAborted);
        return new MigrationView([.. page.Runs.Select(MigratedRunView.Of)], RunsApi.Cursor(page.Next));
    }
}
