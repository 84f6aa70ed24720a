using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Schedules;

namespace OrleansAiOs.Host.Api;

internal sealed record ScheduleRequest(string Cron, ScheduledStartRequest Start, string? Id = null, string? TimeZone = null, string? Overlap = null, string? CatchUp = null, string? Jitter = null, string? Paused = null);

internal sealed record ScheduledStartRequest(string Workflow, JsonElement Input, string? BusinessKey = null, Dictionary<string, string>? Attributes = null, int Priority = 0);

internal sealed record ReasonForPause(string? Reason = null);

internal sealed record TriggerRequest(string? Overlap = null);

internal sealed record BackfillRequest(DateTimeOffset From, DateTimeOffset To, string? Overlap = null);

internal sealed record BackfillView(int Times);

/// <param name="Started">Runs started so far; with <paramref name="Skipped"/> and <paramref name="Failed"/> as of the schedule's last round.</param>
internal sealed record ScheduleDocumentView(string Id, string Cron, string TimeZone, string Workflow, string? Paused, string? Next, string? Last, long Started, long Skipped, long Failed,
    string? Trouble, RunStatus Status, string Run)
{
    public string? Overlap { get; init; }

    public string? CatchUp { get; init; }

    public string? Jitter { get; init; }

    public ScheduledStartRequest? Start { get; init; }

    public IReadOnlyList<DateTimeOffset>? Upcoming { get; init; }

    public static ScheduleDocumentView Of(RunRow row)
    {
        return new(row.Run.Id["schedule:".Length..], Text("cron") ?? "", Text("zone") ?? "", Text("starts") ?? "", Text("paused"), Text("next"), Text("last"), Number("started"), Number("skipped"), Number("failed"),
            Text("trouble"), row.Status, row.Run.Id);

        string? Text(string name) => row.Attributes?.GetValueOrDefault(name) is { Length: > 0 } text ? text : null;

        long Number(string name) => long.TryParse(Text(name), out var number) ? number : 0;
    }

    public static ScheduleDocumentView Of(ScheduleView view) => Of(view.Run) with
    {
        Cron = view.Spec.Cron,
        TimeZone = view.Spec.TimeZone,
        Workflow = view.Spec.Start.Workflow,
        Paused = view.Paused,
        Overlap = JsonNamingPolicy.CamelCase.ConvertName(view.Spec.Overlap.ToString()),
        CatchUp = view.Spec.CatchUp is { } window ? SpanText.Write(window) : null,
        Jitter = view.Spec.Jitter is { } jitter ? SpanText.Write(jitter) : null,
        Start = new ScheduledStartRequest(view.Spec.Start.Workflow, view.Spec.Start.Input.ToElement(), view.Spec.Start.BusinessKey, view.Spec.Start.Attributes?.ToDictionary(), view.Spec.Start.Priority),
        Upcoming = view.Upcoming,
    };
}

/// <summary>Schedules over HTTP: what starts runs by the clock.</summary>
internal static class SchedulesApi
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapPost("/schedules", CreateAsync).Needs("schedule.write").WithSummary("Make a schedule").Produces<ScheduleDocumentView>(201).ProducesProblem(409).ProducesProblem(422);
        api.MapGet("/schedules", ListAsync).Needs("schedule.read").WithSummary("List schedules").Produces<PageView<ScheduleDocumentView>>();
        api.MapGet("/schedules/{id}", GetAsync).Needs("schedule.read").WithSummary("One schedule, with its next times").Produces<ScheduleDocumentView>().ProducesProblem(404);
        api.MapPut("/schedules/{id}", UpdateAsync).Needs("schedule.write").WithSummary("Change a schedule; times before are dealt with").Produces<VersionView>().ProducesProblem(404).ProducesProblem(422);
        api.MapDelete("/schedules/{id}", RemoveAsync).Needs("schedule.write").WithSummary("End a schedule; what it started goes on").Produces<VersionView>().ProducesProblem(404);
        api.MapPost("/schedules/{id}/pause", PauseAsync).Needs("schedule.write").WithSummary("Start nothing until it is resumed").Produces<VersionView>().ProducesProblem(404);
        api.MapPost("/schedules/{id}/resume", ResumeAsync).Needs("schedule.write").WithSummary("Go on from now").Produces<VersionView>().ProducesProblem(404);
        api.MapPost("/schedules/{id}/trigger", TriggerAsync).Needs("schedule.write").WithSummary("Start a run now, paused or not").Produces<VersionView>().ProducesProblem(404);
        api.MapPost("/schedules/{id}/backfill", BackfillAsync).Needs("schedule.write").WithSummary("Start the runs of a span of the past").Produces<BackfillView>().ProducesProblem(404).ProducesProblem(422);
    }

    private static async Task<IResult> CreateAsync(ScheduleRequest request, WorkflowHost host, Caller caller, HttpContext context)
    {
        if (request.Id is not { } id) throw new ProblemException(422, "No name", "id: name the schedule; the runs it starts carry the name.");
        var started = await host.Schedules.CreateAsync(id, SpecOf(request, caller), caller.For, request.Paused, caller.Tenant, caller.ChainIfMore);
        var view = ScheduleDocumentView.Of(await host.Schedules.FindAsync(id, context.RequestAborted, caller.Tenant));
        return started.IsNew ? Results.Created($"/api/v1/schedules/{Uri.EscapeDataString(id)}", view) : Results.Ok(view);
    }

    private static async Task<PageView<ScheduleDocumentView>> ListAsync(WorkflowHost host, Caller caller, HttpContext context, [FromQuery] string? cursor)
    {
        var query = new RunQuery(caller.Tenant, Workflow: "aios.schedule", Sort: RunSort.OldestFirst, After: RunsApi.ParseCursor(cursor), Limit: 500);
        var rows = await host.Store.ListAsync(query, context.RequestAborted);
        return new PageView<ScheduleDocumentView>([.. rows.Where(row => row.ClosedAt is null && row.Run.Id.StartsWith("schedule:", StringComparison.Ordinal)).Select(ScheduleDocumentView.Of)],
            rows.Count == query.Limit ? RunsApi.CursorOf(rows[^1]) : null);
    }

    private static async Task<ScheduleDocumentView> GetAsync(string id, WorkflowHost host, Caller caller, HttpContext context) => ScheduleDocumentView.Of(await host.Schedules.FindAsync(id, context.RequestAborted, caller.Tenant));

    private static async Task<VersionView> UpdateAsync(string id, ScheduleRequest request, WorkflowHost host, Caller caller, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        if (request.Id is not null && request.Id != id) throw new ProblemException(422, "Another name", $"id: a schedule's name cannot be changed; leave it out, or send '{id}'.");
        if (request.Paused is not null) throw new ProblemException(422, "Not part of it", "paused: pause and resume are commands of their own.");
        return new VersionView(await host.Schedules.UpdateAsync(id, SpecOf(request, caller), caller.By, key, caller.Tenant));
    }

    private static async Task<VersionView> RemoveAsync(string id, WorkflowHost host, Caller caller, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        return new VersionView(await host.Schedules.RemoveAsync(id, caller.By, key, caller.Tenant));
    }

    private static async Task<VersionView> PauseAsync(string id, ReasonForPause request, WorkflowHost host, Caller caller, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        return new VersionView(await host.Schedules.PauseAsync(id, request.Reason ?? "no reason given", caller.By, key, caller.Tenant));
    }

    private static async Task<VersionView> ResumeAsync(string id, Nothing request, WorkflowHost host, Caller caller, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        return new VersionView(await host.Schedules.ResumeAsync(id, caller.By, key, caller.Tenant));
    }

    private static async Task<VersionView> TriggerAsync(string id, TriggerRequest request, WorkflowHost host, Caller caller, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        return new VersionView(await host.Schedules.TriggerAsync(id, OverlapOf(request.Overlap, caller), caller.By, key, caller.Tenant));
    }

    private static async Task<BackfillView> BackfillAsync(string id, BackfillRequest request, WorkflowHost host, Caller caller, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        return new BackfillView(await host.Schedules.BackfillAsync(id, request.From, request.To, OverlapOf(request.Overlap, caller), caller.By, key, caller.Tenant));
    }

    private static ScheduleSpec SpecOf(ScheduleRequest request, Caller caller)
    {
        caller.Demand("run.start", $"workflow/{request.Start.Workflow}");
        RunsApi.CheckAttributes(request.Start.Attributes);
        var start = new ScheduledStart(request.Start.Workflow, JsonBody.From(request.Start.Input), request.Start.BusinessKey, request.Start.Attributes, request.Start.Priority);
        return new ScheduleSpec(request.Cron, start, request.TimeZone ?? "UTC", request.Overlap is null ? Overlap.Skip : OverlapOf(request.Overlap), SpanOf("catchUp", request.CatchUp), SpanOf("jitter", request.Jitter));
    }

    // The rest of what is started, and for whom, the schedule says; what becomes of the run before, whoever asks for it now.
    private static Overlap? OverlapOf(string? text, Caller caller)
    {
        if (text is null) return null;
        var overlap = OverlapOf(text);
        if (overlap is Overlap.CancelOther) caller.Demand("run.cancel", "run/*");
        if (overlap is Overlap.TerminateOther) caller.Demand("run.terminate", "run/*");
        return overlap;
    }

    private static Overlap OverlapOf(string text) => Enum.TryParse<Overlap>(text, ignoreCase: true, out var overlap) && text.All(char.IsAsciiLetter)
        ? overlap
        : throw new ProblemException(422, "Unknown overlap", $"overlap: one of {string.Join(", ", Enum.GetNames<Overlap>().Select(JsonNamingPolicy.CamelCase.ConvertName))}.");

    private static TimeSpan? SpanOf(string field, string? text) => text is null ? null
        : SpanText.TryParse(text, out var span) ? span : throw new ProblemException(422, "Bad span", $"{field}: write a span such as 90s, 10m, 1h30m or 2d.");
}
