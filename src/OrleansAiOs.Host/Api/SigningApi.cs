using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Api;

/// <summary>
/// Signatures on what the gate holds, the keys they are made with, and who may sign for whom. A host never sees a private key: it hands out
/// the statement, and takes a signature over it. It says at once when one counts for nothing; that it counts is decided where it is used.
/// </summary>
internal static class SigningApi
{
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("/signing-keys", ListAsync).Needs("identity.read").WithSummary("Public keys that signatures are checked against").Produces<PageView<SigningKeyEntry>>();
        api.MapPost("/signing-keys", RegisterAsync).Needs("approval.decide").WithSummary("Register one's public signing key").Produces<SigningKeyEntry>(201).ProducesProblem(409);
        api.MapDelete("/signing-keys/{name}", RevokeAsync).NeedsInHandler("approval.decide").WithSummary("Revoke a signing key").Produces<ChangedView>();
        api.MapGet("/delegations", DelegationsAsync).Needs("approval.read").WithSummary("Who may sign for whom").Produces<PageView<DelegationEntry>>();
        api.MapPost("/delegations", DelegateAsync).Needs("approval.decide").WithSummary("Let somebody sign in one's place").Produces<ChangedView>().ProducesProblem(403).ProducesProblem(404);
        api.MapPost("/delegations/end", EndAsync).Needs("approval.decide").WithSummary("Take that back").Produces<ChangedView>();
        api.MapGet("/runs/{id}/holds/{step:int}", HoldAsync).Needs("run.read").WithSummary("What has to be signed, in full").Produces<HoldView>().ProducesProblem(404);
        api.MapPost("/runs/{id}/holds/{step:int}", SignAsync).Needs("approval.decide").WithSummary("Sign, or refuse to").Produces<VersionView>().ProducesProblem(403).ProducesProblem(404).ProducesProblem(409);
    }

    private static async Task<PageView<SigningKeyEntry>> ListAsync(Caller caller, SigningKeyView keys, Catalogue catalogue, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        return new PageView<SigningKeyEntry>([.. keys.Of(caller.Tenant).Select(Entry)]);
    }

    private static async Task<IResult> RegisterAsync(SigningKeyRequest request, Caller caller, SigningKeys signing, SigningKeyView keys, Catalogue catalogue, HttpContext context)
    {
        // Whether it is the first one: a key that was registered or revoked a moment ago, on another host, counts.
        await catalogue.NowAsync(context.RequestAborted);
        var owner = caller.Rights.Permits(caller.Tenant, caller.Chain, "identity.write", "identity/*");
        var own = PrincipalId.Of(caller.Decider.Id);
        var principal = request.For is null ? own : PrincipalId.Of(request.For);
        if (principal != own && !owner) throw Caller.NotAllowed($"Only who may manage keys registers one for {principal}.");
        try
        {
            var endorsement = request.Endorser is { } endorser && request.Endorsement is { } signature ? (endorser, signature) : ((string, string)?)null;
            var id = await signing.RegisterAsync(caller.Tenant, principal, request.PublicKey, request.Proof, endorsement, request.Person, owner && principal != own, caller.By, keys.Of(caller.Tenant), context.RequestAborted);
            await catalogue.FreshAsync(context.RequestAborted);
            return Results.Created($"/api/v1/signing-keys/{id}", Entry(keys.Find(caller.Tenant, id)!));
        }
        catch (ArgumentException e)
        {
            throw new ProblemException(400, "Bad signing key", e.Message);
        }
        catch (InvalidOperationException e)
        {
            throw new ProblemException(409, "Not registered", e.Message);
        }
    }

    private static async Task<ChangedView> RevokeAsync(string name, Caller caller, SigningKeys signing, SigningKeyView keys, Catalogue catalogue, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        if (keys.Find(caller.Tenant, name) is not { } key) throw new ProblemException(404, "Not found", $"There is no signing key '{name}'.");
        if (key.Principal != PrincipalId.Of(caller.Decider.Id)) caller.Demand("identity.write", $"identity/{name}");
        var changed = await signing.RevokeAsync(caller.Tenant, name, "revoked by command", caller.By, context.RequestAborted);
        await catalogue.FreshAsync(context.RequestAborted);
        return new ChangedView(changed);
    }

    private static async Task<PageView<DelegationEntry>> DelegationsAsync(Caller caller, DelegationView delegations, Catalogue catalogue, HttpContext context)
    {
        await catalogue.FreshAsync(context.RequestAborted);
        return new PageView<DelegationEntry>([.. delegations.Of(caller.Tenant).Select(given => new DelegationEntry(given.From, given.To, given.Until))]);
    }

    private static async Task<ChangedView> DelegateAsync(DelegationRequest request, Caller caller, Delegations delegations, SigningKeyView keys, IdentityView identity, Catalogue catalogue, HttpContext context)
    {
        await catalogue.NowAsync(context.RequestAborted); // a key that was revoked a moment ago hands nothing on
        var (from, to) = (PrincipalId.Of(caller.Decider.Id), PrincipalId.Of(request.To));
        if (identity.Find(caller.Tenant, to) is null) throw new ProblemException(404, "Not found", $"There is no {to}.");
        if (request.Until is not { } until) throw new ProblemException(400, "Bad delegation", "Say until when: \"until\".");
        try
        {
            var signed = request.Key is { } key && request.Signature is { } signature ? (key, signature) : ((string, string)?)null;
            await delegations.DelegateAsync(caller.Tenant, from, to, until, request.Why ?? "", signed, keys.Of(caller.Tenant), caller.By, context.RequestAborted);
        }
        catch (InvalidOperationException e)
        {
            throw new ProblemException(403, "Not signed", e.Message);
        }
        catch (ArgumentException e)
        {
            throw new ProblemException(400, "Bad delegation", e.Message);
        }
        await catalogue.FreshAsync(context.RequestAborted);
        return new ChangedView(true);
    }

    private static async Task<ChangedView> EndAsync(DelegationRequest request, Caller caller, Delegations delegations, Catalogue catalogue, HttpContext context)
    {
        var changed = await delegations.EndAsync(caller.Tenant, PrincipalId.Of(caller.Decider.Id), PrincipalId.Of(request.To), request.Why ?? "", caller.By, context.RequestAborted);
        await catalogue.FreshAsync(context.RequestAborted);
        return new ChangedView(changed);
    }

    private static async Task<HoldView> HoldAsync(string id, int step, WorkflowHost host, Caller caller, KernelGate gate, HttpContext context)
    {
        var intent = await host.HeldAsync(caller.Run(id), step, context.RequestAborted) ?? throw new ProblemException(404, "Not found", $"Nothing is held for a signature at step {step} of run '{id}'.");
        var statement = gate.StatementOf(intent);
        return new HoldView(id, step, intent.Hold!.Title, ArgumentText.Lines(intent.Input), statement.ToElement(), ApprovalStatement.Digest(statement), intent.Hold.Who, intent.Hold.Expires, intent.Hold.EscalatesAt,
            [.. intent.Signatures.Select(signed => signed.By.Id)]);
    }

    private static async Task<VersionView> SignAsync(string id, int step, SignatureRequest request, WorkflowHost host, Caller caller, KernelGate gate, Catalogue catalogue, HttpContext context,
        [FromHeader(Name = "Idempotency-Key")] string? key)
    {
        RunsApi.CheckKey(key);
        await catalogue.FreshAsync(context.RequestAborted);
        var (run, by) = (caller.Run(id), caller.Decider);
        var signature = new DecisionSignature(request.Digest, request.Key, request.Signature, request.At, request.For is null ? null : PrincipalId.Of(request.For));
        // Told to whoever sends it; what it is worth is asked again where it is used.
        if (await host.HeldAsync(run, step, context.RequestAborted) is { } intent && gate.ObjectionTo(intent, new EffectSigned(step, request.Granted, by, signature, request.Comment)) is { } objection)
            throw new ProblemException(403, "Signature not taken", $"The signature of {by.Id} on '{intent.Hold!.Title}' counts for nothing: {objection}.");
        return new VersionView(await host.SignAsync(run, step, request.Granted, by, signature, request.Comment, key));
    }

    private static SigningKeyEntry Entry(RegisteredKey key) => new(key.Id, key.Principal, key.PublicKey, key.Person, key.Since, key.RevokedAt);
}

internal sealed record SigningKeyRequest(string PublicKey, string Proof, string? For = null, string? Person = null, string? Endorser = null, string? Endorsement = null);

internal sealed record SigningKeyEntry(string Id, string Principal, string PublicKey, string? Person, DateTimeOffset Since, DateTimeOffset? RevokedAt);

/// <param name="Key">The id of a signing key of the caller's own, for what is handed on.</param>
/// <param name="Signature">Its signature over "aios-delegation-v1", tenant, from, to, until (UTC, seven digits of a second) and why, a line each; ECDSA P-256 with SHA-256, base64.</param>
internal sealed record DelegationRequest(string To, DateTimeOffset? Until = null, string? Why = null, string? Key = null, string? Signature = null);

internal sealed record DelegationEntry(string From, string To, DateTimeOffset Until);

internal sealed record HoldView(string Run, int Step, string Title, IReadOnlyList<string> Arguments, JsonElement Statement, string Digest, string Who, DateTimeOffset Expires, DateTimeOffset? EscalatesAt, IReadOnlyList<string> SignedBy);

internal sealed record SignatureRequest(bool Granted, string Digest, string Key, string Signature, DateTimeOffset At, string? For = null, string? Comment = null);
