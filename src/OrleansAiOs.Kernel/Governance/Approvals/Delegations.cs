using System.Collections.Concurrent;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.Approvals;

// ---- stream "delegation/{from}" ----

/// <summary>Somebody may sign for somebody else, until then.</summary>
/// <param name="Key">The signing key of whoever hands it on; null in one from before they were signed.</param>
/// <param name="Signature">Its signature over what is handed on (<see cref="SigningKey.Delegation"/>).</param>
[StoredAs("approval-delegated")]
public sealed record ApprovalDelegated(string From, string To, DateTimeOffset Until, string Why, string? Key = null, string? Signature = null) : KernelEvent;

[StoredAs("approval-delegation-ended")]
public sealed record ApprovalDelegationEnded(string From, string To, string Why) : KernelEvent;

/// <summary>Who may sign for whom.</summary>
public sealed class DelegationView : IKernelView
{
    private readonly ConcurrentDictionary<(string Tenant, string From, string To), DateTimeOffset> until = new();

    public void Apply(RecordedEvent e)
    {
        if (e.Event is ApprovalDelegated given) until[(e.Tenant, given.From, given.To)] = given.Until;
        else if (e.Event is ApprovalDelegationEnded ended) until.TryRemove((e.Tenant, ended.From, ended.To), out _);
    }

    /// <summary>Handed on once only: who signs for another does not hand that on.</summary>
    public bool MaySign(string tenant, string from, string to, DateTimeOffset at) => until.TryGetValue((tenant, from, to), out var end) && at < end;

    public IReadOnlyList<(string From, string To, DateTimeOffset Until)> Of(string tenant) =>
        [.. until.Where(pair => pair.Key.Tenant == tenant).Select(pair => (pair.Key.From, pair.Key.To, pair.Value)).OrderBy(d => d.From, StringComparer.Ordinal).ThenBy(d => d.To, StringComparer.Ordinal)];
}

/// <summary>Hands the right to sign on, and takes it back.</summary>
public sealed class Delegations(EventStreams streams, TimeProvider time)
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(90);

    /// <param name="tenant">The tenant.</param>
    /// <param name="from">Who signs, and lets another sign.</param>
    /// <param name="to">The other.</param>
    /// <param name="until">At most 90 days from now.</param>
    /// <param name="why">The reason; it is kept.</param>
    /// <param name="signed">A signing key of theirs, and its signature: with an API key alone, another's signature would be as good as their own.</param>
    /// <param name="known">The tenant's keys as of now.</param>
    /// <param name="by">Whose command it is.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="ArgumentException">It would be for ever, for the past, or for oneself.</exception>
    /// <exception cref="InvalidOperationException">It is not signed by a live key of whoever hands it on.</exception>
    public async Task DelegateAsync(string tenant, string from, string to, DateTimeOffset until, string why, (string Key, string Signature)? signed, IReadOnlyList<RegisteredKey> known, string by, CancellationToken cancellation = default)
    {
        var now = time.GetUtcNow();
        if (from == to) throw new ArgumentException($"{from} signs for itself anyway.", nameof(to));
        if (until <= now || until > now + Longest) throw new ArgumentException($"A right to sign is handed on for at most {Longest.TotalDays:0} days; until {until:u} is {(until <= now ? "over" : "longer")}.", nameof(until));
        if (RegisteredKey.Signer(known, from, SigningKey.Delegation(tenant, from, to, until, why), signed) is not { } own)
            throw new InvalidOperationException($"What {from} hands on is signed with a signing key of {from}'s own that is registered and not revoked. `aios delegate` signs with the one in your file; `aios keys make-signing` makes and registers one.");
        await streams.DecideAsync(tenant, StreamOf(from), _ => [new ApprovalDelegated(from, to, until, why, own.Id, signed!.Value.Signature)], by, cancellation: cancellation);
    }

    /// <returns>False if it was not handed on.</returns>
    public Task<bool> EndAsync(string tenant, string from, string to, string why, string by, CancellationToken cancellation = default) =>
        streams.DecideAsync(tenant, StreamOf(from), history => history.LastOrDefault(e => e.Event is ApprovalDelegated given && given.To == to || e.Event is ApprovalDelegationEnded ended && ended.To == to)?.Event is ApprovalDelegated
            ? [new ApprovalDelegationEnded(from, to, why)] : [], by, cancellation: cancellation);

    private static string StreamOf(string from) => $"delegation/{from}";
}
