using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Postgres;
using OrleansAiOs.Postgres.Reading;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Host.Api;

/// <summary>One call, as people see it.</summary>
/// <param name="Tool">The tool's id, or the activity's name.</param>
/// <param name="Key">The idempotency key it went out under.</param>
/// <param name="Chain">Who acted, on whose behalf: the first is the one on whose behalf.</param>
internal sealed record CallView(string Run, string Workflow, int Step, int Attempt, string Tool, Effect Effect, string Key, JsonElement Input, IReadOnlyList<string> Chain, VerdictView? Verdict, Charge? Charge,
    CallOutcome Outcome, DateTimeOffset BeganAt, DateTimeOffset? EndedAt, Failure? Failure, bool? NoEffect, IReadOnlyDictionary<string, decimal>? Spent, bool Undoes, bool Imported, long Version)
{
    public static CallView Of(RecordedCall call) => new(call.Run.Id, call.Workflow, call.Step, call.Attempt, CallsApi.NameOf(call.Activity),
        call.Effect, call.Key, call.Input.ToElement(), call.Chain, VerdictView.Of(call.Gate), call.Gate?.Charge, call.Outcome, call.BeganAt, call.EndedAt, call.Failure, call.NoEffect, call.Spent, call.Undoes, call.IsImported, call.Version);
}

/// <summary>What the gate answered.</summary>
/// <param name="Policy">The version of the policies that judged.</param>
/// <param name="Needs">Who has to sign it.</param>
internal sealed record VerdictView(GateAnswer Answer, string? Policy, IReadOnlyList<string>? Rules, string? Autonomy, string? Why, string? Needs, IReadOnlyList<string>? SignedBy)
{
    public static VerdictView? Of(GateRecord? gate) => gate is null ? null : new(gate.Answer, gate.Policy, gate.Rules, gate.Autonomy, gate.Why, gate.Hold?.Who, gate.SignedBy);
}

/// <summary>What was called, by whom, on what grounds, and what became of it: over all runs of a tenant.</summary>
internal static class CallsApi
{
    private const int PageMax = 500;

    private static readonly TimeSpan Usual = TimeSpan.FromDays(1);
    private static readonly TimeSpan Widest = TimeSpan.FromDays(31);

    // What a history says is for those who may read histories: the arguments stand in it.
    public static void Map(RouteGroupBuilder api) =>
        api.MapGet("/tools/calls", ListAsync).NeedsInHandler("run.read").WithSummary("What was called, by whom for whom, what the gate said, and how it ended; the newest first").Produces<PageView<CallView>>().ProducesProblem(400);

    private static async Task<PageView<CallView>> ListAsync(PostgresStore store, TimeProvider time, Caller caller, HttpContext context, [FromQuery] string? tool, [FromQuery] string? principal, [FromQuery] string? target,
        [FromQuery] string? run, [FromQuery] string? outcome, [FromQuery] string? from, [FromQuery] string? to, [FromQuery] string? cursor, [FromQuery] int? limit)
    {
        caller.Demand("run.read", run is null ? "run/*" : $"run/{caller.Run(run).Id}");
        var after = Parse(cursor);
        var (begin, end) = Window(Time("from", from), Time("to", to), after?.From, run is not null, time.GetUtcNow());
        var query = new CallQuery(caller.Tenant, begin, end, limit is null ? 50 : limit is >= 1 and <= PageMax ? limit.Value : throw new ProblemException(400, "Bad limit", $"limit is 1 to {PageMax}, not {limit}."),
            Named("tool", tool) is { } name ? [name, Tool.Prefix + name] : null, Named("principal", principal) is { } who ? Links(who) : null, Named("target", target), run, Outcome(outcome), after?.Place);
        var page = await store.CallsAsync(query, context.RequestAborted);
        return new PageView<CallView>([.. page.Calls.Select(CallView.Of)], page.Next is { } next ? Cursor(next, begin) : null);
    }

    // One run is found by its id, whenever it was.
    private static (DateTimeOffset From, DateTimeOffset To) Window(DateTimeOffset? from, DateTimeOffset? to, DateTimeOffset? begun, bool ofOneRun, DateTimeOffset now)
    {
        var end = to ?? (ofOneRun ? DateTimeOffset.MaxValue.AddDays(-1) : now.AddMinutes(1)); // another host's clock may be ahead
        if (ofOneRun) return (from ?? DateTimeOffset.UnixEpoch, end);
        var begin = from ?? begun ?? (end > DateTimeOffset.UnixEpoch + Usual ? end - Usual : DateTimeOffset.UnixEpoch);
        if (begin >= end) throw new ProblemException(400, "Bad window", $"from: {begin:u} is not before to, {end:u}. Without from it is the day before to.");
        if (end - begin > Widest + TimeSpan.FromMinutes(1))
            throw new ProblemException(400, "Window too wide", $"from, to: {(end - begin).TotalDays:0.#} days lie between {begin:u} and {end:u}; a list covers at most {Widest.TotalDays:0}. Set to={begin + Widest:yyyy-MM-dd'T'HH:mm:ss'Z'} and go on from there, or name a run.");
        return (begin, end);
    }

    private static DateTimeOffset? Time(string what, string? text) => text is null ? null
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var at) && at >= DateTimeOffset.UnixEpoch && at.Year < 9000 ? at
        : throw new ProblemException(400, $"Bad {what}", $"{what}: write a time such as 2026-01-31 or 2026-01-31T12:00:00Z (UTC unless it says otherwise).");

    /// <summary>A tool's id, or an activity's name.</summary>
    public static string NameOf(string activity) => activity.StartsWith(Tool.Prefix, StringComparison.Ordinal) ? activity[Tool.Prefix.Length..] : activity;

    private static string? Named(string what, string? text) => text is "" ? throw new ProblemException(400, $"Bad {what}", $"{what}: name one, or leave it out.") : RunsApi.NoNul(what, text);

    private static CallOutcome? Outcome(string? text) => text is null ? null
        : Enum.TryParse<CallOutcome>(text, ignoreCase: true, out var outcome) && text.All(char.IsAsciiLetter) ? outcome
        : throw new ProblemException(400, "Unknown outcome", $"outcome: one of {string.Join(", ", Enum.GetNames<CallOutcome>().Select(JsonNamingPolicy.CamelCase.ConvertName))}.");

    // As chains have them: a user also by the bare name, and whoever has reset a run behind a '+'.
    private static string[] Links(string principal)
    {
        var id = PrincipalId.Of(principal);
        string[] names = PrincipalId.ForPeople(id) is var bare && bare != id ? [id, bare] : [id];
        return [.. names, .. names.Select(name => $"+{name}")];
    }

    // It carries where the window began, so that a default one does not move on while somebody turns pages.
    private static string Cursor(CallPlace place, DateTimeOffset from) =>
        Convert.ToBase64String(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{place.At.UtcTicks}~{place.Seq}~{from.UtcTicks}"))).TrimEnd('=').Replace('+', '-').Replace('/', '_');

    private static (CallPlace Place, DateTimeOffset From)? Parse(string? cursor)
    {
        if (cursor is null) return null;
        try
        {
            var text = cursor.Replace('-', '+').Replace('_', '/');
            var parts = Encoding.UTF8.GetString(Convert.FromBase64String(text.PadRight((text.Length + 3) / 4 * 4, '='))).Split('~');
            if (parts is not [var at, var seq, var from]) throw new FormatException();
            return (new CallPlace(Moment(at), long.Parse(seq, NumberStyles.None, CultureInfo.InvariantCulture)), Moment(from));
        }
        catch (Exception e) when (e is FormatException or OverflowException or ArgumentOutOfRangeException)
        {
            throw new ProblemException(400, "Bad cursor", "cursor is not one that this list gave. Begin again without it.");
        }

        static DateTimeOffset Moment(string ticks) => new DateTimeOffset(long.Parse(ticks, NumberStyles.None, CultureInfo.InvariantCulture), TimeSpan.Zero) is { Year: >= 1970 and < 9999 } at ? at : throw new FormatException();
    }
}
