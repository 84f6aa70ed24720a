using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Dispatch;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tools.Comparing;

/// <summary>
/// A call of a tool, and what it changed, where its approval says by which other tool that is read:
///
/// <code>
/// before   input checked ─► gate ─► read ─► attempt-prepared, in the history          a failure here: nothing is written
/// call     the engine's second look at the gate ─► the call, as any other
/// after    gate ─► read ─► compared, and recorded with the result                     a failure here: the call stands, the record says so
/// </code>
/// What was read before is that of the first attempt that may have had its effect; a retry, a take-over and a replay take it from the history.
/// </summary>
internal sealed class ComparedCalls(ToolCaller caller, ToolView view, Catalogue catalogue, TimeProvider time, ILogger<ComparedCalls> log)
{
    public static readonly TimeSpan ReadingMax = TimeSpan.FromSeconds(30);

    // A host may know of an approval half a second late.
    private static readonly TimeSpan KnownWithin = TimeSpan.FromSeconds(5);

    /// <summary>Reads the target before the call leaves; null if its approval asks for no comparison.</summary>
    /// <exception cref="WithheldException">It cannot be read, or the call would be refused: nothing leaves.</exception>
    public async Task<JsonText?> PrepareAsync(string id, JsonElement input, ActivityContext context)
    {
        await catalogue.FreshAsync(context.Cancellation);
        if (view.Find(context.Tenant, id)?.Terms?.Comparison is null) return null;
        var tool = await caller.PassedAsync(id, input, context);
        if (tool.Terms!.Comparison is not { } terms) return null;
        // Every attempt under these terms leaves behind its reading. One that was made under others may have written, and nobody has looked.
        if (context.MayHaveHappened && tool.Since > context.ScheduledAt - KnownWithin)
            return JsonText.From(new FoundBefore(terms, terms.By, null, null, "an earlier attempt may have been made before its approval asked for a comparison."));
        try
        {
            _ = TargetFields.All(input);
        }
        catch (FormatException e)
        {
            throw new WithheldException($"tool {id}: nothing is written, since its input cannot be compared: {e.Message}.");
        }
        try
        {
            var (fields, by, reading) = await ReadAsync(terms, input, context, "before");
            return JsonText.From(new FoundBefore(terms, by, reading, fields.Tree(fields.Paths)));
        }
        catch (Exception e)
        {
            var failed = AttemptOutcome.Of(e);
            throw new WithheldException($"tool {id}: nothing is written, since its target cannot be read by {terms.By} before: {Answers.Visible(e.Message, 1000)}", !failed.Final, failed.RetryAfter);
        }
    }

    public async Task<ToolResult> CallAsync(string id, JsonElement input, ActivityContext context)
    {
        var result = await caller.CallAsync(id, input, context);
        if (context.Found is not { } found) return result;
        var comparison = await CompareAsync(found.To<FoundBefore>()!, input, context);
        if (comparison.Loud is not { } loud) return result with { Comparison = comparison };
        log.WroteOtherwise(context.Tenant, context.Run, context.Step, id, loud);
        return result with { Comparison = comparison, Note = result.Note is null ? loud : $"{result.Note} {loud}" };
    }

    // The call is made: whatever goes wrong here is only said.
    private async Task<WriteComparison> CompareAsync(FoundBefore before, JsonElement input, ActivityContext context)
    {
        if (before.Trouble is { } trouble) return WriteComparison.Unknown(before.By, trouble);
        try
        {
            var (after, by, reading) = await ReadAsync(before.Terms, input, context, "after");
            if (by != before.By) return WriteComparison.Unknown(by, $"{before.Terms.By} was approved anew between the two readings, so they may not mean the same.") with { ReadBefore = before.Reading, ReadAfter = reading };
            return WriteComparison.Of(before.Terms, input, before.Target is { } target ? TargetFields.All(target) : TargetFields.None, after, by) with { ReadBefore = before.Reading, ReadAfter = reading };
        }
        catch (Exception e)
        {
            return WriteComparison.Unknown(before.By, $"the call was made, and its target cannot be read by {before.Terms.By} after: {Answers.Visible(e.Message, 1000)}") with { ReadBefore = before.Reading };
        }
    }

    private async Task<(TargetFields Fields, string By, TargetReading Reading)> ReadAsync(ToolComparison terms, JsonElement input, ActivityContext context, string when)
    {
        var arguments = Arguments(terms, input);
        if (view.Find(context.Tenant, terms.By) is not { } reader) throw new WithheldException($"there is no tool '{terms.By}'. Approve one, or approve this tool with another comparison.");
        if (reader.Terms is { Effect: not Effect.Pure } changes) throw new WithheldException($"it is {changes.Effect} by now, and only a tool that changes nothing reads for another. Approve it as pure if that is true, or name another.");
        var gate = await context.MayReadAsync(Tool.Prefix + terms.By, JsonText.From(arguments));
        if (gate is { Answer: not GateAnswer.Allow })
            throw new WithheldException(gate.Answer is GateAnswer.Hold ? "somebody would have to sign for reading it, which nobody can be asked here. Let a policy permit the reading."
                : $"the gate does not let it be read: {gate.Why}", gate.Answer is GateAnswer.Wait, gate.RetryAt - time.GetUtcNow() is { Ticks: > 0 } pause ? pause : null);
        // No receiver may take it for the call whose target it reads: it has a key of its own.
        using var limit = new CancellationTokenSource(ReadingMax, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.Cancellation, limit.Token);
        var read = new ActivityContext(context.Tenant, context.Run, context.Step, context.Attempt, IdempotencyKey.Of(context.Tenant, $"{context.Key} {when}", context.Step, context.Attempt), static _ => { }, either.Token) { Effect = Effect.Pure, Chain = context.Chain };
        ToolResult answer;
        try
        {
            answer = await caller.CallAsync(terms.By, arguments, read).WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested)
        {
            throw new WithheldException(limit.IsCancellationRequested ? $"it did not answer within {ReadingMax.TotalSeconds:0} s." : "the time of the call was up.", retry: true);
        }
        if (answer.IsError) throw new WithheldException($"it answered with an error{(answer.Note is { } note ? $": {note}" : answer.Content is { } said ? $": {Answers.Visible(said.GetRawText(), 500)}" : ".")}", retry: true);
        try
        {
            return (TargetFields.Of(answer.Content, terms.At), answer.Source, new TargetReading(time.GetUtcNow(), gate));
        }
        catch (FormatException e)
        {
            throw new WithheldException($"{e.Message}.");
        }
    }

    private static JsonElement Arguments(ToolComparison terms, JsonElement input)
    {
        var arguments = new JsonObject();
        foreach (var (name, from) in terms.With)
        {
            if (from.StartsWith('='))
            {
                arguments[name] = JsonNode.Parse(from[1..]);
                continue;
            }
            var value = input;
            foreach (var member in from.Split('.'))
                value = value.ValueKind is JsonValueKind.Object && value.TryGetProperty(member, out var below) ? below : throw new WithheldException($"input.{from} is missing, by which its target is found.");
            arguments[name] = JsonSerializer.SerializeToNode(value);
        }
        return JsonSerializer.SerializeToElement(arguments);
    }

    /// <summary>What stands in attempt-prepared. The terms with it: what is read after is read the same way, whatever the approval says by then.</summary>
    /// <param name="Target">All its fields, bounded; null if it has none.</param>
    private sealed record FoundBefore(ToolComparison Terms, string By, TargetReading? Reading, JsonElement? Target, string? Trouble = null);
}

internal static partial class ComparingLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "ALARM: tool {Tool}, called by step {Step} of run {Run} of tenant {Tenant}: {What}")]
    public static partial void WroteOtherwise(this ILogger log, string tenant, string run, int step, string tool, string what);
}
