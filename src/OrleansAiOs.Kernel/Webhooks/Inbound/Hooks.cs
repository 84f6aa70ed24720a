using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Kernel.Webhooks.Inbound;

/// <param name="Run">The run that was started, signalled or signed.</param>
/// <param name="Again">The delivery was known, and did nothing more.</param>
public sealed record HookTaken(string Run, bool Again);

/// <summary>What came from a source, as its signature proves.</summary>
public sealed class ProvedHook
{
    internal ProvedHook(string tenant, HookSource source, string delivery, byte[] body) => (Tenant, Source, Delivery, Body) = (tenant, source, delivery, body);

    internal string Tenant { get; }

    internal HookSource Source { get; }

    internal string Delivery { get; }

    internal byte[] Body { get; }
}

/// <summary>
/// Takes what sources send. A delivery's way, and what a crash behind each line leaves:
///
/// <code>
/// 0 look        whether a signature of any scheme is claimed, by a time that is now: nothing is read or asked for what claims none
/// 1 verify      the signature over the bytes as they came, by a time that is now. Unknown source, missing secret, wrong signature and
///               wrong time are one answer, after the same work
/// 2 take        the receipt, under the id that the signature binds: another body under it is a conflict. Nothing is done yet
/// 3 aim         which run it is for, written into the receipt for good: sent again, after a refusal too, it is for the same
/// 4 act         through the ordinary command, under a key made of the delivery, with the rights of the source's service.
///               The run's history knows the key: sent again, it is answered from there
/// 5 note        that it is done. A crash before this: sent again, lines 2 to 5 find what they did
/// </code>
/// A sender that gets no answer sends again, and nothing happens twice. What is signed and cannot be done (no JSON, no such place in it, no
/// run, no right) is put in quarantine with its body: nothing is lost. It is tried again when it is sent again, or when a person says so.
/// </summary>
public sealed class Hooks(WebhookView view, Catalogue catalogue, SecretStore secrets, HookReceipts receipts, Rights rights, IdentityView identity, KernelGate gate, TimeProvider time, ILogger<Hooks> log)
{
    public const int BodyBytesMax = 256 * 1024;

    private static readonly HookScheme[] Schemes = Enum.GetValues<HookScheme>();
    private static readonly TimeSpan ToldEvery = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<(string Tenant, string Source), DateTimeOffset> told = new();

    // Stands in for the secret of a source that is not there: the work is the same.
    private readonly string nobodys = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));

    /// <summary>Whether a request's headers claim what could be proved, to whatever address it is sent. It costs nothing to find out.</summary>
    public bool Claims(string tenant, string name, Func<string, string?> header)
    {
        var now = time.GetUtcNow();
        if (Array.Exists(Schemes, scheme => HookSignature.Read(scheme, header, now) is not null)) return true;
        if (view.FindSource(tenant, name) is not null) Tell(tenant, name, "it claims no signature, or one of another time", now);
        return false;
    }

    /// <returns>Null if it is not proved to be from a source that is known: to a stranger there is no difference.</returns>
    public async Task<ProvedHook?> ProveAsync(string tenant, string name, Func<string, string?> header, ReadOnlyMemory<byte> body, CancellationToken cancellation)
    {
        await catalogue.FreshAsync(cancellation);
        var source = view.FindSource(tenant, name)?.Source;
        var claim = HookSignature.Read(source?.Scheme ?? Guessed(header), header, time.GetUtcNow());
        var values = await secrets.RevealThoseForAsync(tenant, source?.Secrets ?? [nobodys[..16]], $"hook:{name}", cancellation);
        var isProved = HookSignature.Fits(claim ?? new HookSignature.Claim(HookScheme.Standard, null, [], [[]]), body.Span, values.Count == 0 ? [nobodys] : values);
        if (source is null || claim is null || values.Count == 0 || !isProved)
        {
            if (source is not null) Tell(tenant, name, claim is null ? "it claims no signature of its scheme, or one of another time" : values.Count == 0 ? $"none of its secrets is there for hook:{name}" : "its signature is wrong", time.GetUtcNow());
            return null;
        }
        return new ProvedHook(tenant, source, claim.Id ?? IdOf(source.Scheme, body), body.ToArray());
    }

    /// <summary>Does what a delivery is for, if it was not done before.</summary>
    /// <exception cref="CommandRefusedException">It was not done.</exception>
    public async Task<HookTaken> TakeAsync(WorkflowHost host, ProvedHook proved, CancellationToken cancellation)
    {
        await receipts.ForgetAsync(proved.Tenant, proved.Source.Name, isForEver: proved.Source.Scheme is HookScheme.GitHub, time.GetUtcNow(), cancellation);
        return await TakeAsync(host, proved.Tenant, proved.Source, proved.Delivery, proved.Body, cancellation);
    }

    /// <summary>Tries a delivery in quarantine again.</summary>
    /// <exception cref="CommandRefusedException">There is none, or it cannot be done still.</exception>
    public async Task<HookTaken> RetryAsync(WorkflowHost host, string tenant, string name, string delivery, CancellationToken cancellation)
    {
        await catalogue.FreshAsync(cancellation);
        if (view.FindSource(tenant, name)?.Source is not { } source) throw new CommandRefusedException(Refusal.NotFound, $"There is no source '{name}'.");
        var body = await receipts.BodyAsync(tenant, name, delivery, cancellation) ?? throw new CommandRefusedException(Refusal.NotFound, $"No delivery '{delivery}' of '{name}' is in quarantine with its body.");
        return await TakeAsync(host, tenant, source, delivery, body, cancellation);
    }

    private async Task<HookTaken> TakeAsync(WorkflowHost host, string tenant, HookSource source, string delivery, byte[] body, CancellationToken cancellation)
    {
        var sha256 = SHA256.HashData(body);
        var receipt = await receipts.TakeAsync(tenant, source.Name, delivery, sha256, time.GetUtcNow(), cancellation);
        if (!receipt.Sha256.AsSpan().SequenceEqual(sha256)) throw new CommandRefusedException(Refusal.Conflict, $"The delivery '{delivery}' came before, with another body. Send another body under another id.");
        if (receipt is { State: ReceiptState.Done, Run: { } known }) return new HookTaken(known, Again: true);
        try
        {
            var (run, again) = await ActAsync(host, tenant, source, delivery, body, receipt, cancellation);
            await receipts.DoneAsync(tenant, source.Name, delivery, cancellation);
            return new HookTaken(run, again);
        }
        catch (CommandRefusedException e) when (e.Refusal is not Refusal.Busy)
        {
            await receipts.QuarantineAsync(tenant, source.Name, delivery, e.Message.Replace('\0', '?'), body, cancellation);
            throw;
        }
    }

    private async Task<(string Run, bool Again)> ActAsync(WorkflowHost host, string tenant, HookSource source, string delivery, byte[] body, HookReceipt receipt, CancellationToken cancellation)
    {
        if (rights.Broken(tenant, [source.As]) is { } broken) throw new CommandRefusedException(Refusal.Forbidden, $"The source acts as {source.As}: {broken}");
        JsonElement json;
        try
        {
            json = HookBody.Read(body);
        }
        catch (JsonException e)
        {
            throw new CommandRefusedException(Refusal.Invalid, $"The body is not taken: {e.Message}");
        }
        var key = $"hook:{source.Name}:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(delivery)))[..32]}";
        switch (source.Does)
        {
            case HookEffect.Start:
                Demand(tenant, source, "run.start", $"workflow/{source.Workflow}");
                var id = receipt.Run ?? await AimAsync($"hook-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{source.Name}\n{delivery}")))[..32]}");
                var command = new StartRun(source.Workflow!, ValueOf(), id, source.BusinessKey is null ? null : KeyOf(), new Dictionary<string, string> { ["hook"] = source.Name }, tenant);
                return (id, !(await host.StartRunAsync(command, source.As)).IsNew);
            case HookEffect.Signal:
                await gate.TakeInAsync(tenant);
                var signalled = receipt.Run ?? await OpenRunAsync(host, tenant, source.Workflow!, KeyOf(), cancellation);
                Demand(tenant, source, "run.signal", $"run/{signalled}");
                if (receipt.Run is null && await AimAsync(signalled) is var aimed && aimed != signalled) Demand(tenant, source, "run.signal", $"run/{signalled = aimed}");
                await host.SignalAsync(new RunKey(tenant, signalled), source.Signal!, ValueOf(), source.As, key);
                return (signalled, receipt.Run is not null);
            default:
                var decision = HookDecision.Read(ValueOf());
                var signed = receipt.Run ?? await AimAsync(decision.Run);
                await SignAsync(host, tenant, source, decision, key, cancellation);
                return (signed, receipt.Run is not null);
        }

        Task<string> AimAsync(string run) => receipts.AimAsync(tenant, source.Name, delivery, run, cancellation);

        JsonText ValueOf() => HookBody.At(json, source.Value) is { } value ? JsonText.From(value)
            : throw new CommandRefusedException(Refusal.Invalid, $"The body has nothing at {source.Value}, where its source says that the value stands.");

        string KeyOf() => HookBody.KeyAt(json, source.BusinessKey!)
            ?? throw new CommandRefusedException(Refusal.Invalid, $"The body has no text or number of 1 to 200 characters at {source.BusinessKey}, where its source says that the business key stands.");
    }

    // A source hands on what an approver has signed: whose it is, and what it is worth, the gate says. Nothing else it says decides anything.
    private async Task SignAsync(WorkflowHost host, string tenant, HookSource source, HookDecision decision, string key, CancellationToken cancellation)
    {
        if (!RunKey.TryParse(tenant, decision.Run, out var run, out var error)) throw new CommandRefusedException(Refusal.Invalid, error!);
        var approver = PrincipalId.Of(decision.Approver);
        var signature = new DecisionSignature(decision.Digest, decision.Key, decision.Signature, decision.At, decision.For is null ? null : PrincipalId.Of(decision.For));
        var by = new Decider(PrincipalId.ForPeople(approver), identity.Find(tenant, approver)?.Roles ?? [], $"signature, by webhook {source.Name}");
        if (rights.Objection(tenant, [approver], "approval.decide", $"approval/{run.Id}") is { } objection) throw new CommandRefusedException(Refusal.Forbidden, objection);
        if (await host.HeldAsync(run, decision.Step, cancellation) is { } held && gate.ObjectionTo(held, new EffectSigned(decision.Step, decision.Granted, by, signature, decision.Comment)) is { } worthless)
            throw new CommandRefusedException(Refusal.Forbidden, $"The signature of {by.Id} on '{held.Hold!.Title}' counts for nothing: {worthless}.");
        await host.SignAsync(run, decision.Step, decision.Granted, by, signature, decision.Comment, key);
    }

    private void Demand(string tenant, HookSource source, string action, string resource)
    {
        if (rights.Objection(tenant, [source.As], action, resource) is { } objection) throw new CommandRefusedException(Refusal.Forbidden, $"The source acts as {source.As}: {objection}");
    }

    private static async Task<string> OpenRunAsync(WorkflowHost host, string tenant, string workflow, string businessKey, CancellationToken cancellation)
    {
        return await host.Store.ListAsync(new RunQuery(tenant, Workflow: workflow, BusinessKey: businessKey, IsOpen: true, Limit: 2), cancellation) switch
        {
            [var only] => only.Run.Id,
            [] => throw new CommandRefusedException(Refusal.NotFound, $"There is no open run of '{workflow}' with the business key '{businessKey}'."),
            _ => throw new CommandRefusedException(Refusal.Conflict, $"There are several open runs of '{workflow}' with the business key '{businessKey}': which one is meant cannot be told."),
        };
    }

    // Once a minute of each source: strangers do not fill the log. Of sources that are not there nothing is kept, nor told.
    private void Tell(string tenant, string name, string why, DateTimeOffset now)
    {
        var last = told.GetValueOrDefault((tenant, name), DateTimeOffset.MinValue);
        if (last != DateTimeOffset.MinValue && now - last < ToldEvery) return;
        if (last == DateTimeOffset.MinValue ? told.TryAdd((tenant, name), now) : told.TryUpdate((tenant, name), now, last)) log.NotTaken(tenant, name, why);
    }

    // GitHub's signature binds no id and no time, so the body is the id, and its receipt is kept for ever.
    private static string IdOf(HookScheme scheme, ReadOnlyMemory<byte> body)
    {
        if (scheme is HookScheme.Stripe)
            try
            {
                if (HookBody.KeyAt(HookBody.Read(body), "/id") is { } id) return id;
            }
            catch (JsonException)
            {
                // It is told so when it is read; until then it needs a name.
            }
        return $"sha256:{Convert.ToHexStringLower(SHA256.HashData(body.Span))}";
    }

    private static HookScheme Guessed(Func<string, string?> header) => header("Stripe-Signature") is not null ? HookScheme.Stripe : header("X-Hub-Signature-256") is not null ? HookScheme.GitHub : HookScheme.Standard;
}
