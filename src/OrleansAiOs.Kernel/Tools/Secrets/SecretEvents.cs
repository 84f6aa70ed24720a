using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Tools.Secrets;

// In the stream secret/{name}. None of them, nor anything else that is kept, holds a value.

/// <summary>A secret has a value, or a new one.</summary>
/// <param name="Hosts">The hosts it may be sent to; mcp:NAME for the process of an MCP server.</param>
[StoredAs("secret-set")]
public sealed record SecretSet(string Name, IReadOnlyList<string> Hosts) : KernelEvent;

[StoredAs("secret-removed")]
public sealed record SecretRemoved(string Name) : KernelEvent;

/// <summary>Something asked for a secret that may not go there, or is not there. It was not told it.</summary>
/// <param name="Host">Where it would have gone.</param>
/// <param name="For">Who asked, as "tool crm/update".</param>
[StoredAs("secret-denied")]
public sealed record SecretDenied(string Name, string Host, string For, string Why) : KernelEvent;
