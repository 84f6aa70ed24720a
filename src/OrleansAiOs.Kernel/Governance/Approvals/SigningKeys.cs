using System.Collections.Concurrent;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.Approvals;

// ---- stream "signing-key/{id}" ----

/// <param name="PublicKey">SubjectPublicKeyInfo in base64.</param>
/// <param name="Person">The human being behind the principal, where one has several accounts; else the principal itself stands for one.</param>
/// <param name="EndorsedBy">The key of the same principal that vouched for this one; null for its first, and for one that an owner registered.</param>
[StoredAs("signing-key-registered")]
public sealed record SigningKeyRegistered(string Key, string Principal, string PublicKey, string? Person = null, string? EndorsedBy = null) : KernelEvent;

[StoredAs("signing-key-revoked")]
public sealed record SigningKeyRevoked(string Key, string Why) : KernelEvent;

/// <summary>A key that signatures are checked against.</summary>
public sealed record RegisteredKey(string Id, string Principal, string PublicKey, string? Person, DateTimeOffset Since, DateTimeOffset? RevokedAt)
{
    /// <summary>The key of a principal, not revoked, that has signed these bytes; null if none of these has.</summary>
    /// <param name="known">A tenant's keys.</param>
    /// <param name="principal">Whose it has to be.</param>
    /// <param name="bytes">What was signed.</param>
    /// <param name="signed">The key's id, and the signature.</param>
    internal static RegisteredKey? Signer(IReadOnlyList<RegisteredKey> known, string principal, byte[] bytes, (string Key, string Signature)? signed) =>
        signed is { } given && known.FirstOrDefault(key => key.Id == given.Key && key.Principal == principal && key.RevokedAt is null) is { } signer && SigningKey.Verifies(signer.PublicKey, bytes, given.Signature) ? signer : null;
}

/// <summary>Whose keys are whose.</summary>
public sealed class SigningKeyView : IKernelView
{
    private readonly ConcurrentDictionary<(string Tenant, string Key), RegisteredKey> keys = new();

    public void Apply(RecordedEvent e)
    {
        if (e.Event is SigningKeyRegistered registered) keys[(e.Tenant, registered.Key)] = new RegisteredKey(registered.Key, registered.Principal, registered.PublicKey, registered.Person, e.At, null);
        else if (e.Event is SigningKeyRevoked revoked && keys.TryGetValue((e.Tenant, revoked.Key), out var key)) keys[(e.Tenant, revoked.Key)] = key with { RevokedAt = e.At };
    }

    public RegisteredKey? Find(string tenant, string key) => keys.GetValueOrDefault((tenant, key));

    public IReadOnlyList<RegisteredKey> Of(string tenant) => [.. keys.Where(pair => pair.Key.Tenant == tenant).Select(pair => pair.Value).OrderBy(key => key.Since)];

    /// <summary>The human being behind a principal, as far as it is known.</summary>
    public string PersonOf(string tenant, string principal) =>
        keys.Where(pair => pair.Key.Tenant == tenant && pair.Value.Principal == principal && pair.Value.Person is not null).Select(pair => pair.Value.Person).FirstOrDefault() ?? principal;
}

/// <summary>
/// Registers and revokes signing keys. A principal's first key it registers itself; a further one, also when all before it were revoked, is
/// vouched for by one it has, or registered by an owner: whoever only gets hold of an API key cannot sign for its holder.
/// </summary>
public sealed class SigningKeys(EventStreams streams)
{
    private const int PersonCharsMax = 100;

    /// <param name="proof">The new key's signature over <see cref="SigningKey.Proof"/>.</param>
    /// <param name="endorsement">The same bytes signed by a key the principal has, with that key's id.</param>
    /// <param name="byOwner">Whoever asks is somebody else, and may manage the keys of others.</param>
    /// <param name="known">The tenant's keys, revoked ones too, as of now.</param>
    /// <returns>The key's id.</returns>
    /// <exception cref="ArgumentException">It is no such key, or the proof is none.</exception>
    /// <exception cref="InvalidOperationException">The principal has or had a key, and neither a live one nor an owner vouches for this one.</exception>
    public async Task<string> RegisterAsync(string tenant, string principal, string publicKey, string proof, (string Key, string Signature)? endorsement, string? person, bool byOwner, string by,
        IReadOnlyList<RegisteredKey> known, CancellationToken cancellation = default)
    {
        if (person is { Length: 0 or > PersonCharsMax }) throw new ArgumentException($"A person's name has 1 to {PersonCharsMax} characters.", nameof(person));
        if (person is not null && !byOwner) throw new InvalidOperationException("Which person is behind a principal, only an owner says.");
        string id;
        try
        {
            using var key = SigningKey.Read(publicKey);
            id = SigningKey.IdOf(key.ExportSubjectPublicKeyInfo());
        }
        catch (FormatException e)
        {
            throw new ArgumentException(e.Message, nameof(publicKey), e);
        }
        var said = SigningKey.Proof(tenant, principal, id);
        if (!SigningKey.Verifies(publicKey, said, proof)) throw new ArgumentException($"The proof is not the key's signature over '{string.Join("\\n", "aios-signing-key-v1", tenant, principal, id)}'.", nameof(proof));
        var stream = $"signing-key/{id}";
        var history = await streams.ReadAsync(tenant, stream, cancellation);
        if (history.Count > 0) throw new InvalidOperationException($"The key {id} is registered already{(history[^1].Event is SigningKeyRevoked ? ", and was revoked: make a new one, in another file" : "")}.");
        // A revoked one counts as well: else whoever has the API key revokes it first, or waits until somebody does.
        var own = known.Where(key => key.Principal == principal).ToList();
        string? endorsedBy = null;
        if (own.Count > 0 && !byOwner)
        {
            if (RegisteredKey.Signer(own, principal, said, endorsement) is not { } endorser)
                throw new InvalidOperationException($"{principal} {(own.Exists(key => key.RevokedAt is null) ? "has" : "had")} a signing key already ({string.Join(", ", own.Select(key => key.RevokedAt is null ? key.Id : $"{key.Id}, revoked"))}): " +
                    $"a further one is vouched for by one that it has (--endorsed-by FILE). If there is none any more, somebody else who may manage keys registers this one, after asking the person whether it is {id}: aios keys register-signing {principal} {publicKey} {proof}");
            endorsedBy = endorser.Id;
        }
        try
        {
            await streams.AppendAsync(tenant, stream, 0, [new SigningKeyRegistered(id, principal, publicKey, person, endorsedBy)], by, cancellation);
        }
        catch (StreamConflictException)
        {
            throw new InvalidOperationException($"The key {id} was registered at this moment by somebody else.");
        }
        return id;
    }

    /// <returns>False if there is no such key, or it was revoked already.</returns>
    public Task<bool> RevokeAsync(string tenant, string key, string why, string by, CancellationToken cancellation = default) =>
        streams.DecideAsync(tenant, $"signing-key/{key}", history => history is [.., { Event: SigningKeyRegistered }] ? [new SigningKeyRevoked(key, why)] : [], by, cancellation: cancellation);
}
