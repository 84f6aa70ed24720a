namespace OrleansAiOs.Sandbox;

/// <summary>The hostility still to come, how much was dealt since it was set, and what is held.</summary>
public sealed record HostilityReport(
    Hostility Settings,
    IReadOnlyDictionary<SandboxOperation, IReadOnlyDictionary<Fault, long>> Dealt,
    IReadOnlyList<HeldRequest> Held);

/// <param name="DeliveredAt">Null: when released.</param>
public sealed record HeldRequest(SandboxOperation Operation, string Key, DateTimeOffset? DeliveredAt);
