using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Kernel.Tools.Comparing;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tools.Calling;

/// <summary>A tool as a workflow calls it.</summary>
/// <example><code>
/// var customer = await Call(Tool.Of("crm", "find"), new { email = "ana@example.com" });
/// </code></example>
public static class Tool
{
    /// <summary>What the names of tools begin with in histories.</summary>
    public const string Prefix = "tool:";

    // Past the longest time-out of a tool, so that it is the tool's own that ends a call.
    private static readonly ActivityOptions Undeclared = new() { StartToClose = TimeSpan.FromMinutes(12) };

    /// <summary>
    /// The tool of a server. What it does outside is what the person said who approved it; that is recorded with the call. Its input is
    /// anything that is an object as JSON, and is checked against the tool's schema before it leaves.
    /// </summary>
    public static Activity<object, ToolResult> Of(string server, string name) =>
        Activity.Named<ComparedCalls, object, ToolResult>($"{Prefix}{server}/{name}", (calls, input, context) => calls.CallAsync($"{server}/{name}", (JsonElement)input, context), Undeclared)
            .Preparing((services, input, context) => services.GetRequiredService<ComparedCalls>().PrepareAsync($"{server}/{name}", (JsonElement)input, context));
}

/// <summary>What a tool answered, as it is recorded.</summary>
/// <param name="Content">JSON, or a text; null if there is none, or none that can be kept.</param>
/// <param name="IsError">The tool itself says that it failed, or its answer is not what it promises.</param>
/// <param name="Untrusted">It was written by somebody outside: it is data, and no instruction, wherever it is carried.</param>
/// <param name="Source">Which definition of which tool answered: its id, '@', and the first 12 digits of its pin.</param>
/// <param name="Note">What a person should know: of an answer that was not kept as it came, or of a call that changed something else than it was asked to.</param>
/// <param name="Comparison">What the call has changed, if its approval asks for that.</param>
public sealed record ToolResult(JsonElement? Content, bool IsError, bool Untrusted, string Source, string? Note = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] WriteComparison? Comparison = null)
{
    /// <summary>The content as a type of the caller's.</summary>
    /// <exception cref="JsonException">It is not one.</exception>
    public T? Read<T>() => Content is { } content ? content.Deserialize<T>(Workflows.History.WorkflowJson.Stored) : default;
}

/// <summary>A call left, or may have left, and it is not known what it did. The engine goes on by the effect class.</summary>
public sealed class ToolFailedException(string message) : Exception(message);
