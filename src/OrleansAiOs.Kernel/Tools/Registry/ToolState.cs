using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Tools.Registry;

public enum ToolStatus
{
    /// <summary>Seen, and never approved.</summary>
    Registered,

    Approved,

    /// <summary>It was, or was not, approved; what it is now has to be, anew.</summary>
    Quarantined,
}

/// <summary>A tool as the events of its stream leave it.</summary>
public sealed record ToolState
{
    public required ToolDefinition Definition { get; init; }

    /// <summary>Of the definition that is offered now.</summary>
    public required string Pin { get; init; }

    public ToolStatus Status { get; init; }

    /// <summary>As last approved; null if never.</summary>
    public ToolTerms? Terms { get; init; }

    public string? ApprovedPin { get; init; }

    public string? ApprovedBy { get; init; }

    /// <summary>Why it is in quarantine.</summary>
    public string? Why { get; init; }

    /// <summary>Where the definition that is offered differs from the one before.</summary>
    public IReadOnlyList<string> Changed { get; init; } = [];

    public IReadOnlyList<string> Unread { get; init; } = [];

    public DateTimeOffset Since { get; init; }

    public long Version { get; init; }

    /// <summary>Changes of the definition since it was last approved.</summary>
    public int Drifts { get; init; }

    /// <summary>Why it cannot be called; null if it can.</summary>
    public string? Objection => Status switch
    {
        ToolStatus.Approved => null,
        ToolStatus.Registered => $"Tool {Definition.Id} was never approved. `aios tools show {Definition.Id}` tells what it is, and `aios tools approve {Definition.Id} --pin {Pin[..12]} --effect …` lets it be called.",
        _ => $"Tool {Definition.Id} is in quarantine: {Why} `aios tools show {Definition.Id}` tells what it is now, and `aios tools approve {Definition.Id} --pin {Pin[..12]} --effect …` lets it be called again.",
    };

    public static ToolState? Fold(IEnumerable<RecordedEvent> history)
    {
        ToolState? state = null;
        foreach (var e in history) state = Apply(state, e);
        return state;
    }

    public static ToolState? Apply(ToolState? state, RecordedEvent e) => (e.Event switch
    {
        ToolRegistered seen => new ToolState { Definition = seen.Definition, Pin = seen.Pin, Unread = seen.Unread ?? [], Since = e.At },
        ToolApproved approved when state is not null => state with
        {
            Status = approved.Pin == state.Pin ? ToolStatus.Approved : state.Status,
            ApprovedPin = approved.Pin, Terms = approved.Terms, ApprovedBy = e.By, Why = null, Changed = [], Since = e.At, Drifts = 0,
        },
        ToolDrifted drifted when state is not null => state with
        {
            Status = ToolStatus.Quarantined, Definition = drifted.Definition, Pin = drifted.Pin, Changed = drifted.Changed, Unread = drifted.Unread ?? [], Since = e.At, Drifts = state.Drifts + 1,
            Why = $"its definition was changed by whoever offers it ({string.Join(", ", drifted.Changed)}).",
        },
        ToolQuarantined quarantined when state is not null => state with { Status = ToolStatus.Quarantined, Why = quarantined.Why, Since = e.At },
        _ => state,
    }) is { } next ? next with { Version = e.Version } : null;
}
