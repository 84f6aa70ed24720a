using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Governance.Approvals;

/// <summary>
/// What an approver signs, and how. The statement is a JSON object that names everything the decision is about; its digest is the SHA-256 of
/// its canonical form (<see cref="CanonicalJson"/>). The approver's side makes the digest itself from the statement it shows, and signs
///
///   aios-approval-v1 LF granted|refused LF digest LF approver LF on whose behalf, or nothing LF key id LF time (ISO 8601, UTC) LF SHA-256 of the comment
///
/// with ECDSA P-256 over SHA-256 (IEEE P1363, base64). The executor makes the statement anew from what it is about to send: so nothing in it
/// can have changed, were it one byte of one argument. Who may sign is not in it: that the executor asks of the policies in force.
/// </summary>
public static class ApprovalStatement
{
    public const string Form = "aios-approval-v1";

    /// <summary>What is asked of the approver, in full.</summary>
    /// <param name="intent">The attempt that is held, or is about to be sent.</param>
    /// <param name="toolVersion">The version of the tool's definition.</param>
    /// <param name="policy">The version of the policies that demand it.</param>
    /// <param name="terms">What it is held for; the digest in it is not looked at.</param>
    public static JsonText Of(EffectIntent intent, string toolVersion, string policy, HoldTerms terms) => JsonText.From(new Statement(
        Form, intent.Run.Tenant, intent.Run.Id, intent.Workflow, intent.Step, intent.Epoch, intent.Activity, toolVersion, intent.Effect.ToString(), JsonSerializer.SerializeToElement(intent.Input),
        policy, terms.Title, terms.Nonce, Time(terms.Expires), [.. intent.Chain], terms.Beyond));

    public static string Digest(JsonText statement) => CanonicalJson.Digest(statement);

    /// <summary>The bytes that are signed.</summary>
    public static byte[] SignedBytes(bool granted, string approver, DecisionSignature signature, string? comment) => Encoding.UTF8.GetBytes(string.Join('\n',
        Form, granted ? "granted" : "refused", signature.Digest, approver, signature.For ?? "", signature.Key, Time(signature.At), Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(comment ?? "")))));

    private static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", null);

    private sealed record Statement(string Form, string Tenant, string Run, string Workflow, int Step, int Epoch, string Tool, string ToolVersion, string Effect, JsonElement Arguments,
        string Policy, string Title, string Nonce, string Expires, string[] Chain, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Beyond);
}
