using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Webhooks;

// ---- stream "webhook/{name}" ----

[StoredAs("webhook-added")]
public sealed record WebhookAdded(Webhook Webhook) : KernelEvent;

[StoredAs("webhook-removed")]
public sealed record WebhookRemoved(string Name, string Why) : KernelEvent;

// ---- stream "hook-source/{name}" ----

[StoredAs("hook-source-added")]
public sealed record HookSourceAdded(HookSource Source) : KernelEvent;

[StoredAs("hook-source-removed")]
public sealed record HookSourceRemoved(string Name, string Why) : KernelEvent;

/// <summary>Somebody outside who is told of events of runs.</summary>
/// <param name="Url">Where it is sent; https, to a public address, if <paramref name="Reach"/> names nothing else.</param>
/// <param name="Kinds">What it is told of: "run.completed", "approval.*", "*".</param>
/// <param name="Secrets">Names of the secrets it is signed with, 1 to 3: while one is being replaced, both sign.</param>
/// <param name="Chain">Who asked for it: it is told as long as they may read runs.</param>
/// <param name="Workflow">Only runs of this workflow; of all but the engine's own if left out.</param>
/// <param name="Full">It is sent the event as the history has it, with inputs and results; else only what is what.</param>
/// <param name="Reach">Endpoints (host:port) that are named: private ones, other ports, http.</param>
/// <param name="Attempts">How often a message is sent before it is given up, 1 to 20; 10 if left out.</param>
public sealed record Webhook(string Name, string Url, IReadOnlyList<string> Kinds, IReadOnlyList<string> Secrets, IReadOnlyList<string> Chain, string? Workflow = null, bool Full = false,
    IReadOnlyList<string>? Reach = null, int? Attempts = null);

/// <summary>Somebody outside who may start runs, send signals, or hand in signatures.</summary>
/// <param name="Secrets">Names of the secrets that its signatures are checked with, 1 to 3, each bound to hook:NAME.</param>
/// <param name="As">The service it acts as, with that one's rights: "service/crm".</param>
/// <param name="Workflow">To start: what. To signal: whose runs.</param>
/// <param name="Signal">The signal's name.</param>
/// <param name="BusinessKey">Where in the body the business key stands, as a JSON pointer: "/data/order". It names the run that is signalled.</param>
/// <param name="Value">Where in the body the input, or the signal's value, stands; all of it if left out.</param>
public sealed record HookSource(string Name, HookScheme Scheme, IReadOnlyList<string> Secrets, string As, HookEffect Does, string? Workflow = null, string? Signal = null, string? BusinessKey = null, string? Value = null);

/// <summary>How a source signs.</summary>
public enum HookScheme
{
    /// <summary>Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature.</summary>
    Standard,

    /// <summary>X-Hub-Signature-256. It binds neither an id nor a time: the same body again is the same delivery, for ever.</summary>
    GitHub,

    /// <summary>Stripe-Signature with t and v1. The id is the body's own.</summary>
    Stripe,
}

/// <summary>What a delivery does.</summary>
public enum HookEffect
{
    /// <summary>Starts a run.</summary>
    Start,

    /// <summary>Signals the open run that has the delivery's business key.</summary>
    Signal,

    /// <summary>Hands in a decision that an approver has signed. The source itself decides nothing.</summary>
    Sign,
}
