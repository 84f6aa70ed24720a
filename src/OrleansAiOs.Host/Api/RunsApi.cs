using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Schedules;

namespace OrleansAiOs.Host.Api;

/// <summary>Runs over HTTP: start, look, steer.</summary>
internal static class RunsApi
{
    private const int PageMax = 500;
    private const int WaitSecondsMax = 60;

    public static void Map(RouteGroupBuilder api)
    {
        api.MapPost("/runs", StartAsync).NeedsInHandler("run.start").WithSummary("Start a run").Produces<StartedView>(200).Produces<StartedView>(201).ProducesProblem(409).ProducesProblem(422).ProducesProblem(429).ProducesProblem(503);
        api.MapGet("/runs", ListAsync).Needs("run.read").WithSummary("List runs, strongly consistent").Produces<PageView<RunView>>();
        api.MapGet("/runs/{id}", GetAsync).Needs("run.read").WithSummary("One run, with its outcome").Produces<RunView>().ProducesProblem(404);
        api.MapGet("/runs/{id}/history", HistoryAsync).Needs("run.read").WithSummary("The run's events").Produces<PageView<EventView>>().ProducesProblem(404);
        api.MapGet("/runs/{id}/result", ResultAsync).Needs("run.read").WithSummary("How the run ended; waits for it if asked to").Produces<ResultView>().ProducesProblem(404);
        api.MapPost("/runs/{id}/signals/{name}", SignalAsync).Needs("run.signal").WithSummary("Send a signal; the body is its value").Accepts<object>("application/json").Produces<VersionView>().ProducesProblem(404).ProducesProblem(409).ProducesProblem(422).ProducesProblem(429);
        api.MapGet("/runs/{id}/queries/{name}", QueryAsync).Needs("run.read").WithSummary("Ask the run's code a question; nothing is recorded").Produces<QueryView>().ProducesProblem(404).ProducesProblem(409).ProducesProblem(422);
        api.MapPost("/runs/{id}/queries/{name}", QueryWithAsync).Needs("run.read").WithSummary("The same of a query with an argument, which is the body").Accepts<object>("application/json").Produces<QueryView>().ProducesProblem(404).ProducesProblem(409).ProducesProblem(422);
        api.MapPost("/runs/{id}/updates/{name}", UpdateAsync).Needs("run.update").WithSummary("Have the run's code do something and answer; the body is its input").Accepts<object>("application/json").Produces<UpdateView>().Produces<UpdateView>(202).ProducesProblem(404).ProducesProblem(409).ProducesProblem(422).ProducesProblem(429);
        api.MapPost("/runs/{id}/cancel", CancelAsync).Needs("run.cancel").WithSummary("Ask a run to cancel; what it did is undone").Produces<VersionView>().ProducesProblem(404).ProducesProblem(409);
        api.MapPost("/runs/{id}/terminate", TerminateAsync).Needs("run.terminate").WithSummary("End a run at once; its code has no say and nothing is undone").Produces<VersionView>().ProducesProblem(404).ProducesProblem(409);
        api.MapPost("/runs/{id}/pause", PauseAsync).Needs("run.pause").WithSummary("Halt a run: what reaches it is kept, and no attempt begins").Produces<VersionView>().ProducesProblem(404).ProducesProblem(409);
        api.MapPost("/runs/{id}/resume", ResumeAsync).Needs("run.resume").WithSummary("Let a paused run go on").Produces<VersionView>().ProducesProblem(404).ProducesProblem(409);
        api.MapPost("/runs/{id}/unpark", UnparkAsync).Needs("run.unpark").WithSummary("Let a parked run go on").Produces<VersionView>().ProducesProblem(404).ProducesProblem(409);
        api.MapPost("/runs/{id}/steps/{step:int}/resolution", ResolveAsync).Needs("run.resolve").WithSummary("Say what became of an attempt whose outcome is unknown").Produces<VersionView>().ProducesProblem(409);
    }

    private static async Task<IResult> StartAsync(StartRequest request, WorkflowHost host, Caller caller, HttpContext context, [FromQuery] int? wait,
        [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        CheckKey(key);
        CheckAttributes(request.Attributes);
        CheckWorkflow(request.Workflow);
        caller.Demand("run.start", $"workflow/{request.Workflow}");
        var input = JsonBody.From(request.Input);
        // The same key again is the same run: its id is made from the key, so the run's own stream is the receipt.
        var id = request.Id ?? (key is null ? null : "key-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{caller.By}\n{key}"))[..16]));
        var command = new StartRun(request.Workflow, input, id, request.BusinessKey, request.Attributes, caller.Tenant, request.Priority, Version: NoNul("version", request.Version), Chain: caller.ChainIfMore);
        var (started, end, row) = wait is null
            ? (await host.StartRunAsync(command, caller.For), null, null)
            : await InTimeAsync(wait.Value, context.RequestAborted, limit => host.StartAndWaitAsync(command, caller.For, limit));
        row ??= await FindAsync(host, started.Run, context.RequestAborted);
        var view = new StartedView(started.Run.Id, started.IsNew, RunView.Of(row).With(end ?? await EndOfAsync(host, row, context.RequestAborted)));
        return started.IsNew ? Results.Created($"/api/v1/runs/{Uri.EscapeDataString(started.Run.Id)}", view) : Results.Ok(view);
    }

    private static async Task<PageView<RunView>> ListAsync(WorkflowHost host, Caller caller, HttpContext context, [FromQuery] string? status, [FromQuery] string? workflow,
        [FromQuery] string? businessKey, [FromQuery] string[]? attribute, [FromQuery] bool? awaitsApproval, [FromQuery] DateTimeOffset? startedFrom,
        [FromQuery] DateTimeOffset? startedBefore, [FromQuery] string? sort, [FromQuery] int? limit, [FromQuery] string? cursor)
    {
        var query = new RunQuery(caller.Tenant, ParseStatus(status), NoNul("workflow", workflow), NoNul("businessKey", businessKey), ParseAttributes(attribute), startedFrom, startedBefore,
            awaitsApproval, sort switch
            {
                null or "newest" => RunSort.NewestFirst,
                "oldest" => RunSort.OldestFirst,
                _ => throw new ProblemException(400, "Unknown sort", $"sort is 'newest' or 'oldest', not '{sort}'."),
            }, ParseCursor(cursor), limit ?? 50);
        if (query.Limit is < 1 or > PageMax) throw new ProblemException(400, "Bad limit", $"limit is 1 to {PageMax}, not {query.Limit}.");
        var rows = await host.Store.ListAsync(query, context.RequestAborted);
        return new PageView<RunView>([.. rows.Select(RunView.Of)], rows.Count == query.Limit ? CursorOf(rows[^1]) : null);
    }

    private static async Task<RunView> GetAsync(string id, WorkflowHost host, Caller caller, HttpContext context)
    {
        var row = await FindAsync(host, caller.Run(id), context.RequestAborted);
        return RunView.Of(row).With(await EndOfAsync(host, row, context.RequestAborted));
    }

    private static async Task<PageView<EventView>> HistoryAsync(string id, WorkflowHost host, Caller caller, HttpContext context, [FromQuery] long? from)
    {
        var run = caller.Run(id);
        await FindAsync(host, run, context.RequestAborted);
        var events = await host.Store.ReadAsync(run, Math.Max(1, from ?? 1), context.RequestAborted);
        return new PageView<EventView>([.. events.Select(e => new EventView(e.Version, e.Type, e.At, new JsonText(e.Body).ToElement()))]);
    }

    private static async Task<ResultView> ResultAsync(string id, WorkflowHost host, Caller caller, HttpContext context, [FromQuery] int? wait)
    {
        var run = caller.Run(id);
        var row = await FindAsync(host, run, context.RequestAborted);
        var end = row.ClosedAt is null && wait is not null ? await WaitAsync(host, run, wait.Value, context.RequestAborted) : await EndOfAsync(host, row, context.RequestAborted);
        var view = RunView.Of(row).With(end);
        return new ResultView(view.Status, view.Result, view.Failure, view.Reason);
    }

    private static async Task<VersionView> SignalAsync(string id, string name, WorkflowHost host, KernelGate gate, Caller caller, HttpContext context, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        CheckKey(key);
        CheckSignal(name);
        await gate.TakeInAsync(caller.Tenant);
        var value = await JsonBody.ReadAsync(context.Request, 256 * 1024);
        return new VersionView(await host.SignalAsync(caller.Run(id), name, value, caller.By, key));
    }

    private static async Task<QueryView> QueryAsync(string id, string name, WorkflowHost host, Caller caller) => new((await host.QueryAsync(caller.Run(id), name)).ToElement());

    private static async Task<QueryView> QueryWithAsync(string id, string name, WorkflowHost host, Caller caller, HttpContext context) =>
        new((await host.QueryAsync(caller.Run(id), name, await JsonBody.ReadAsync(context.Request, 256 * 1024))).ToElement());

    private static async Task<IResult> UpdateAsync(string id, string name, WorkflowHost host, KernelGate gate, Caller caller, HttpContext context, [FromQuery] int? wait,
        [FromQuery] string? start, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        CheckKey(key);
        var run = caller.Run(id);
        StartRun? absent = null;
        if (NoNul("start", start) is { } workflow)
        {
            CheckWorkflow(workflow);
            caller.Demand("run.start", $"workflow/{workflow}");
            absent = new StartRun(workflow, JsonText.From<object?>(null), run.Id, Tenant: caller.Tenant, Chain: caller.ChainIfMore);
        }
        await gate.TakeInAsync(caller.Tenant);
        var input = await JsonBody.ReadAsync(context.Request, 256 * 1024);
        var outcome = await InTimeAsync(wait ?? 30, context.RequestAborted, limit => absent is null
            ? host.UpdateAsync(run, name, input, caller.By, key, limit)
            : host.UpdateAsync(absent, caller.For, name, input, caller.By, key, limit));
        var view = new UpdateView(outcome.Version, !outcome.IsOver ? "accepted" : outcome.Failure is null ? "completed" : "failed", outcome.Answer?.ToElement(), outcome.Failure);
        return outcome.IsOver ? Results.Ok(view) : Results.Accepted(null as string, view);
    }

    private static async Task<VersionView> CancelAsync(string id, ReasonRequest request, WorkflowHost host, Caller caller, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        CheckKey(key);
        return new VersionView(await host.CancelAsync(caller.Run(id), request.Reason ?? "no reason given", caller.By, key));
    }

    private static async Task<VersionView> TerminateAsync(string id, ReasonRequest request, WorkflowHost host, Caller caller, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        CheckKey(key);
        return new VersionView(await host.TerminateAsync(caller.Run(id), request.Reason ?? "no reason given", caller.By, key));
    }

    private static async Task<VersionView> PauseAsync(string id, ReasonRequest request, WorkflowHost host, Caller caller, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        CheckKey(key);
        return new VersionView(await host.PauseAsync(caller.Run(id), request.Reason ?? "no reason given", caller.By, key));
    }

    private static async Task<VersionView> ResumeAsync(string id, Nothing request, WorkflowHost host, Caller caller, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        CheckKey(key);
        return new VersionView(await host.ResumeAsync(caller.Run(id), caller.By, key));
    }

    private static async Task<VersionView> UnparkAsync(string id, Nothing request, WorkflowHost host, Caller caller, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        CheckKey(key);
        return new VersionView(await host.UnparkAsync(caller.Run(id), caller.By, key));
    }

    private static async Task<VersionView> ResolveAsync(string id, int step, ResolutionRequest request, WorkflowHost host, Caller caller,
        [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        CheckKey(key);
        var result = request.Result is { } given ? JsonBody.From(given) : default;
        return new VersionView(await host.ResolveAsync(caller.Run(id), step, request.Happened, result, request.Why ?? "a person says so", caller.By, key));
    }

    // ---- parts ----

    public static void CheckKey(string? key)
    {
        if (key is { Length: 0 or > 200 }) throw new ProblemException(400, "Bad Idempotency-Key", "An Idempotency-Key has 1 to 200 characters.");
    }

    // A schedule is told by its own commands: they ask for other rights than to signal a run.
    public static void CheckSignal(string name)
    {
        if (name == ScheduleClient.Signal) throw new ProblemException(422, "The engine's own", $"signal: '{name}' is how the engine tells a schedule. Use /api/v1/schedules/ID, or aios schedules.");
    }

    /// <summary>The engine's own are started by commands of theirs, which ask for other rights than to start a run.</summary>
    public static void CheckWorkflow(string name)
    {
        if (name.StartsWith(Activity.EnginesOwn, StringComparison.Ordinal)) throw new ProblemException(422, "The engine's own", $"workflow: '{name}' is not started as a run. For schedules: /api/v1/schedules, or aios schedules add.");
    }

    private static async Task<RunRow> FindAsync(WorkflowHost host, RunKey run, CancellationToken cancellation) =>
        await host.Store.FindAsync(run, cancellation) ?? throw new ProblemException(404, "Not found", $"There is no run '{run.Id}'.");

    private static async Task<RunClosed?> EndOfAsync(WorkflowHost host, RunRow row, CancellationToken cancellation) =>
        row.ClosedAt is null ? null : await host.WaitAsync(row.Run, cancellation);

    private static async Task<RunClosed?> WaitAsync(WorkflowHost host, RunKey run, int seconds, CancellationToken cancellation)
    {
        try
        {
            return await InTimeAsync(seconds, cancellation, limit => host.WaitAsync(run, limit));
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return null;
        }
    }

    private static async Task<T> InTimeAsync<T>(int seconds, CancellationToken cancellation, Func<CancellationToken, Task<T>> work)
    {
        if (seconds is < 0 or > WaitSecondsMax) throw new ProblemException(400, "Bad wait", $"wait is 0 to {WaitSecondsMax} seconds, not {seconds}.");
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(TimeSpan.FromSeconds(seconds));
        return await work(limit.Token);
    }

    public static RunStatus? ParseStatus(string? status) => status is null ? null
        : Enum.TryParse<RunStatus>(status, ignoreCase: true, out var parsed) && !char.IsDigit(status[0]) ? parsed
        : throw new ProblemException(400, "Unknown status", $"status is one of {string.Join(", ", Enum.GetNames<RunStatus>()).ToLowerInvariant()}, not '{status}'.");

    private static Dictionary<string, string>? ParseAttributes(string[]? attributes)
    {
        if (attributes is null or { Length: 0 }) return null;
        if (attributes.Length > 32) throw new ProblemException(400, "Too many attributes", "A list is narrowed by at most 32 attributes.");
        var parsed = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var attribute in attributes)
            if (NoNul("attribute", attribute)!.Split(':', 2) is not [{ Length: > 0 } name, var value] || !parsed.TryAdd(name, value))
                throw new ProblemException(400, "Bad attribute", $"attribute is NAME:VALUE, each name once; '{attribute}' is not.");
        return parsed;
    }

    public static void CheckAttributes(Dictionary<string, string>? attributes)
    {
        if (attributes is null) return;
        if (attributes.Count > 32) throw new ProblemException(422, "Too many attributes", "A run has at most 32 search attributes.");
        foreach (var (name, value) in attributes)
            if (name.Length is 0 or > 64 || value is null or { Length: > 256 } || name.Contains('\0') || value.Contains('\0'))
                throw new ProblemException(422, "Bad attribute", $"attributes.{name}: names have 1 to 64 characters and values at most 256, none of them U+0000.");
    }

    public static string? NoNul(string what, string? text) =>
        text is not null && (text.Contains('\0') || text.Length > 1000) ? throw new ProblemException(400, $"Bad {what}", $"{what} holds U+0000 or is longer than 1,000 characters.") : text;

    public static string CursorOf(RunRow last) => Cursor(new RunCursor(last.StartedAt, last.Run.Id))!;

    public static string? Cursor(RunCursor? cursor) => cursor is null ? null
        : Convert.ToBase64String(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{cursor.StartedAt:O}~{cursor.Id}"))).Replace('+', '-').Replace('/', '_');

    public static RunCursor? ParseCursor(string? cursor)
    {
        if (cursor is null) return null;
        try
        {
            var parts = Encoding.UTF8.GetString(Convert.FromBase64String(cursor.Replace('-', '+').Replace('_', '/'))).Split('~', 2);
            return new RunCursor(DateTimeOffset.Parse(parts[0], CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind), NoNul("cursor", parts[1])!);
        }
        catch (Exception e) when (e is FormatException or IndexOutOfRangeException)
        {
            throw new ProblemException(400, "Bad cursor", "cursor is not one that this list gave. Begin again without it.");
        }
    }
}

/// <summary>Arbitrary JSON from outside, held to the limits of the door.</summary>
internal static class JsonBody
{
    private const int NodesMax = 50_000;

    public static JsonText From(JsonElement element)
    {
        if (element.ValueKind is JsonValueKind.Undefined) throw new ProblemException(400, "Missing value", "A JSON value is expected; use null for none.");
        var nodes = 0;
        try
        {
            Check(element, 1, ref nodes);
            return JsonText.From(element);
        }
        catch (InvalidOperationException)
        {
            throw new ProblemException(422, "Not text", "A string or a member's name holds half a character (a lone surrogate, \\ud800 to \\udfff), which cannot be stored.");
        }
    }

    /// <summary>The body as it came.</summary>
    public static async Task<ReadOnlyMemory<byte>> ReadBytesAsync(HttpRequest request, long bytesMax)
    {
        if (request.ContentLength > bytesMax) throw TooLarge();
        using var buffer = new MemoryStream();
        var part = new byte[16 * 1024];
        for (int read; (read = await request.Body.ReadAsync(part, request.HttpContext.RequestAborted)) > 0;)
        {
            if (buffer.Length + read > bytesMax) throw TooLarge();
            buffer.Write(part, 0, read);
        }
        return buffer.GetBuffer().AsMemory(0, (int)buffer.Length);

        ProblemException TooLarge() => new(413, "Too large", $"The body has at most {bytesMax:N0} bytes.");
    }

    public static async Task<JsonText> ReadAsync(HttpRequest request, long bytesMax)
    {
        using var document = JsonDocument.Parse(await ReadBytesAsync(request, bytesMax), new JsonDocumentOptions { MaxDepth = 32, AllowDuplicateProperties = false });
        return From(document.RootElement);
    }

    private static void Check(JsonElement element, int depth, ref int nodes)
    {
        if (depth > WorkflowJson.Door.MaxDepth && element.ValueKind is (JsonValueKind.Object or JsonValueKind.Array))
            throw new ProblemException(422, "Too deep", $"The JSON is nested more than {WorkflowJson.Door.MaxDepth} levels deep.");
        if (++nodes > NodesMax) throw new ProblemException(422, "Too large", $"The JSON holds more than {NodesMax:N0} values. Upload it as a payload and pass the reference.");
        if (element.ValueKind is JsonValueKind.Object)
            foreach (var member in element.EnumerateObject())
            {
                if (member.Name.Contains('\0')) throw new ProblemException(422, "U+0000", "A member's name holds U+0000, which cannot be stored.");
                Check(member.Value, depth + 1, ref nodes);
            }
        else if (element.ValueKind is JsonValueKind.Array)
            foreach (var item in element.EnumerateArray()) Check(item, depth + 1, ref nodes);
        else if (element.ValueKind is JsonValueKind.String) _ = element.GetString(); // throws for what is no text
        else if (element.ValueKind is JsonValueKind.Number && element.GetRawText().Length > 100)
            throw new ProblemException(422, "Number too long", "A number has at most 100 characters.");
    }
}
