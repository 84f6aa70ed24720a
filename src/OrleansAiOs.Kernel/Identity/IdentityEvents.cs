using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Identity;

// ---- stream "tenant/{id}", which is the tenant's own ----

[StoredAs("tenant-added")]
public sealed record TenantAdded(string Id) : KernelEvent;

[StoredAs("tenant-disabled")]
public sealed record TenantDisabled(string Why) : KernelEvent;

[StoredAs("tenant-enabled")]
public sealed record TenantEnabled(string Why) : KernelEvent;

// ---- stream "principal/{kind}/{name}" ----

[StoredAs("principal-added")]
public sealed record PrincipalAdded(string Id, IReadOnlyList<string> Roles) : KernelEvent;

[StoredAs("principal-roles-changed")]
public sealed record PrincipalRolesChanged(IReadOnlyList<string> Roles) : KernelEvent;

[StoredAs("principal-disabled")]
public sealed record PrincipalDisabled(string Why) : KernelEvent;

[StoredAs("principal-enabled")]
public sealed record PrincipalEnabled(string Why) : KernelEvent;

/// <param name="Hash">The first 16 hexadecimal digits of the key's hash: enough to tell keys apart, too little to find one.</param>
/// <param name="Receipt">The idempotency key of the command, hashed.</param>
[StoredAs("key-issued")]
public sealed record KeyIssued(string Name, string Hash, DateTimeOffset? Expires = null, string? Receipt = null) : KernelEvent;

[StoredAs("key-revoked")]
public sealed record KeyRevoked(string Name, string Hash, string? Receipt = null) : KernelEvent;

// ---- stream "identity/adoption" of the first tenant ----

/// <summary>The keys from before there were principals have been given one. A key without a principal that turns up later is nobody's.</summary>
[StoredAs("keys-adopted")]
public sealed record KeysAdopted(int Keys) : KernelEvent;

// ---- stream "principal/{kind}/{name}" or "role/{name}", of whom the grant is for ----

/// <param name="To">A principal, or "role/NAME".</param>
/// <param name="Actions">What may be done: "run.start", "run.*", "*".</param>
/// <param name="Resource">To what: exact, or with a "*" at its end.</param>
[StoredAs("grant-given")]
public sealed record GrantGiven(string Grant, string To, IReadOnlyList<string> Actions, string Resource, DateTimeOffset? Expires = null, string? Why = null, string? Receipt = null) : KernelEvent;

[StoredAs("grant-taken")]
public sealed record GrantTaken(string Grant, string? Why = null) : KernelEvent;
