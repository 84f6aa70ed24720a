namespace OrleansAiOs.Kernel.Governance.Gate;

/// <summary>What is known of a tool that is no activity of deployed code.</summary>
/// <param name="Kind">"http" or "mcp".</param>
/// <param name="Version">The hash of its pinned definition.</param>
/// <param name="Server">Where it lives.</param>
/// <param name="Trouble">Why it may not be called at all (quarantined, not approved); null if it may.</param>
/// <param name="Readings">Calls of another tool that each call of it brings with it.</param>
public sealed record ToolFacts(string Kind, string Version, string? Server, string? Trouble, int Readings = 0);
