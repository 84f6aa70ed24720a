using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Webhooks.Outbound;

/// <summary>
/// What a receiver is sent: the envelope of Standard Webhooks around what is known of an event. It is made of the history at each attempt, so
/// the same message has the same bytes. What a person reads before an approval is made by code from the arguments, as everywhere else.
/// </summary>
internal sealed class RunNews(IRunStore store, string? publicUrl)
{
    public const int BytesMax = 256 * 1024;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The body; null if the run is not there any more.</summary>
    public async Task<byte[]?> WriteAsync(Message message, bool full, CancellationToken cancellation)
    {
        var run = new RunKey(message.Tenant, message.Run);
        // Another run may have its id by now: what is told happened when the message says.
        if (await store.FindAsync(run, cancellation) is not { } row || await store.ReadAsync(run, message.Version, message.Version, cancellation) is not [var stored] || stored.At != message.At) return null;
        var e = stored.Read();
        var data = new Data(message.Tenant, message.Run, row.Workflow, row.BusinessKey, message.Version, (e as StepEvent)?.Step, message.Kind == RunEventKinds.ApprovalRequested ? await AskedAsync(run, e, message.Version, cancellation) : null,
            full ? new Told(stored.Type, new JsonText(stored.Body).ToElement()) : null, null);
        var body = Body(message, data);
        // What is too much to send is asked for by who has a right to.
        return body.Length <= BytesMax ? body : Body(message, data with { Event = null, Omitted = $"{Base}/runs/{Uri.EscapeDataString(message.Run)}/history?from={message.Version}" });
    }

    private string Base => $"{publicUrl?.TrimEnd('/')}/api/v1";

    private static byte[] Body(Message message, Data data) => JsonSerializer.SerializeToUtf8Bytes(new Envelope(message.Kind, message.At.UtcDateTime, data), Json);

    private async Task<Asked?> AskedAsync(RunKey run, WorkflowEvent e, long version, CancellationToken cancellation)
    {
        var at = $"{Base}/runs/{Uri.EscapeDataString(run.Id)}";
        if (e is ApprovalRequested asked)
            return new Asked(ArgumentText.Show(asked.Title), ArgumentText.Lines(asked.Subject), asked.Digest, IsSigned: false, asked.Role, asked.NotBy, asked.Deadline?.UtcDateTime, $"{at}/approvals/{asked.Step}", $"aios approve {run.Id} {asked.Step}");
        if (RunEventKinds.HoldOf(e) is not { } hold) return null;
        var step = ((StepEvent)e).Step;
        var scheduled = e as StepScheduled ?? (await store.ReadAsync(run, 1, version, cancellation)).Select(stored => stored.Read()).OfType<StepScheduled>().LastOrDefault(scheduled => scheduled.Step == step);
        return new Asked(hold.Title, scheduled is null ? [] : ArgumentText.Lines(scheduled.Input), hold.Digest, IsSigned: true, hold.Who, [.. hold.Demands.SelectMany(demand => demand.NotBy ?? []).Distinct()], hold.Expires.UtcDateTime,
            $"{at}/holds/{step}", $"aios approve {run.Id} {step}");
    }

    private sealed record Envelope(string Type, DateTime Timestamp, Data Data);

    private sealed record Data(string Tenant, string Run, string Workflow, string? BusinessKey, long Version, int? Step, Asked? Approval, Told? Event, string? Omitted);

    /// <param name="Type">Its name in the history.</param>
    private sealed record Told(string Type, JsonElement Body);

    /// <param name="Summary">What would be done, a line for each argument.</param>
    /// <param name="Digest">What a decision is bound to.</param>
    /// <param name="IsSigned">A decision needs an approver's signature; else an approver's key to the API.</param>
    /// <param name="Answer">Where a decision is sent. Nothing that is answered to this message is one.</param>
    private sealed record Asked(string Title, IReadOnlyList<string> Summary, string Digest, bool IsSigned, string By, IReadOnlyList<string> NotBy, DateTime? Deadline, string Answer, string Command);
}
