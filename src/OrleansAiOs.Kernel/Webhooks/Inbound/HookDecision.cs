using System.Text.Json;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Webhooks.Inbound;

/// <summary>A decision that an approver has signed, as a source hands it in: what POST /runs/{id}/holds/{step} takes, with whose and on what it is.</summary>
/// <param name="Approver">Who has signed.</param>
internal sealed record HookDecision(string Run, int Step, bool Granted, string Approver, string Digest, string Key, string Signature, DateTimeOffset At, string? For = null, string? Comment = null)
{
    private static readonly JsonSerializerOptions Strict = new(JsonSerializerDefaults.Strict) { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <exception cref="CommandRefusedException">It is none.</exception>
    public static HookDecision Read(JsonText body)
    {
        try
        {
            return body.To<HookDecision>(Strict) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw new CommandRefusedException(Refusal.Invalid, $"This is no signed decision (run, step, granted, approver, digest, key, signature, at; for and comment if wanted): {e.Message}");
        }
    }
}
