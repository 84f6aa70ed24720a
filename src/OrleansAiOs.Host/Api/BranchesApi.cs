using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Api;

/// <param name="Effects">By step: reuse, redo or compensate.</param>
internal sealed record ResetRequest(long To, string? Why = null, Dictionary<string, string>? Effects = null, bool DropSignals = false);

internal sealed record ForkRequest(long At, string? Id = null, JsonElement? Input = null, string? CodeVersion = null, Dictionary<string, JsonElement>? Outcomes = null,
    Dictionary<string, string>? Effects = null, string? Why = null);

/// <param name="Activity">What was called; null of a child.</param>
/// <param name="Workflow">Of a child: its workflow.</param>
/// <param name="Child">Of a child: its run.</param>
internal sealed record EffectView(int Step, string? Activity, Effect? Effect, string? Workflow, string? Child, string Key, bool OpenAtCut, string Outcome, JsonElement? Result, Failure? Failure, string? Undo,
    IReadOnlyList<string> CanBe, string? Default)
{
    public static EffectView Of(EffectBeyond effect) => new(effect.Step, effect.Child is null ? effect.Activity : null,
        effect.Child is null ? effect.Effect : null, effect.Child is null ? null : effect.Activity, effect.Child, effect.Key, effect.OpenAtCut, effect.Outcome, effect.Result?.ToElement(), effect.Failure,
        effect.Undo, [.. effect.CanBe.Select(Word)], effect.Default is { } usual ? Word(usual) : null);

    private static string Word(EffectAction action) => action.ToString().ToLowerInvariant();
}

/// <summary>Going on from an earlier event over HTTP: in the run itself, or in a new one.</summary>
internal static class BranchesApi
{
    private const int EntriesMax = 10_000;

    public static void Map(RouteGroupBuilder api)
    {
        api.MapPost("/runs/{id}/reset", ResetAsync).Needs("run.reset").WithSummary("Let a run go on from an earlier event; a refusal lists the effects to choose").Produces<VersionView>().ProducesProblem(404).ProducesProblem(409).ProducesProblem(422);
        api.MapPost("/runs/{id}/fork", ForkAsync).Needs("run.fork").WithSummary("Start a run from an event of this one; a refusal lists the effects to choose").Produces<StartedView>(200).Produces<StartedView>(201).ProducesProblem(404).ProducesProblem(409).ProducesProblem(422);
    }

    private static async Task<VersionView> ResetAsync(string id, ResetRequest request, WorkflowHost host, Caller caller, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        return new VersionView(await host.ResetAsync(new ResetRun(caller.Run(id), request.To, RunsApi.NoNul("why", request.Why) ?? "no reason given", Actions(request.Effects), request.DropSignals), caller.InOwnName, key));
    }

    private static async Task<IResult> ForkAsync(string id, ForkRequest request, WorkflowHost host, Caller caller, HttpContext context, [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        var outcomes = new Dictionary<int, JsonText>();
        foreach (var (step, result) in Bounded("outcomes", request.Outcomes)) outcomes.Add(Step("outcomes", step), JsonBody.From(result));
        // As with a start: the same key again is the same run.
        var forkId = request.Id ?? (key is null ? null : "fork-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{caller.By}\n{key}"))[..16]));
        var started = await host.ForkAsync(new ForkRun(caller.Run(id), request.At, forkId, request.Input is { } input ? JsonBody.From(input) : null, RunsApi.NoNul("codeVersion", request.CodeVersion),
            outcomes, Actions(request.Effects), RunsApi.NoNul("why", request.Why)), caller.InOwnName);
        var row = await host.Store.FindAsync(started.Run, context.RequestAborted) ?? throw new ProblemException(404, "Not found", $"There is no run '{started.Run.Id}'.");
        var view = new StartedView(started.Run.Id, started.IsNew, RunView.Of(row));
        return started.IsNew ? Results.Created($"/api/v1/runs/{Uri.EscapeDataString(started.Run.Id)}", view) : Results.Ok(view);
    }

    private static Dictionary<int, EffectAction> Actions(Dictionary<string, string>? effects)
    {
        var actions = new Dictionary<int, EffectAction>();
        foreach (var (step, word) in Bounded("effects", effects))
            actions.Add(Step("effects", step), word switch
            {
                "reuse" => EffectAction.Reuse,
                "redo" => EffectAction.Redo,
                "compensate" => EffectAction.Compensate,
                _ => throw new ProblemException(422, "Unknown choice", $"effects.{step} is 'reuse', 'redo' or 'compensate', not '{word}'."),
            });
        return actions;
    }

    private static Dictionary<string, T> Bounded<T>(string what, Dictionary<string, T>? given) => given is { Count: > EntriesMax }
        ? throw new ProblemException(422, $"Too many {what}", $"{what} has at most {EntriesMax:N0} members.") : given ?? [];

    private static int Step(string what, string step) => int.TryParse(step, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 && number.ToString(CultureInfo.InvariantCulture) == step
        ? number : throw new ProblemException(422, "No step", $"{what} names steps by their numbers, from 1; '{step}' is none.");
}
