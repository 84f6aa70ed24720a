using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.Policies;

// In the streams "policy/{name}".

/// <summary>A text was put; nothing is in force by it yet.</summary>
/// <param name="Number">Counts the texts put under the name, from 1.</param>
/// <param name="Hash">The text's SHA-256.</param>
/// <param name="Cases">Its tests: a cases file. It comes into force only if they hold.</param>
[StoredAs("policy-proposed")]
public sealed record PolicyProposed(long Number, string Text, string Hash, string? Cases, string? Note) : KernelEvent;

/// <summary>A text that was put is in force, in the place of the one before.</summary>
[StoredAs("policy-activated")]
public sealed record PolicyActivated(long Number, string Text, string Hash) : KernelEvent;

/// <summary>Nothing is in force by this name any more.</summary>
[StoredAs("policy-retired")]
public sealed record PolicyRetired(string Why) : KernelEvent;

/// <summary>A text that was put.</summary>
public sealed record PutPolicy(long Number, string Text, string Hash, string? Cases, string? Note, string? By, DateTimeOffset At);

/// <summary>What was done under one name.</summary>
/// <param name="Version">The stream's version.</param>
/// <param name="Active">The number in force, if one is.</param>
public sealed record PolicyHistory(string Name, long Version, IReadOnlyList<PutPolicy> Put, long? Active)
{
    internal static string StreamOf(string name) => $"policy/{name}";

    internal static PolicyHistory Fold(string name, IReadOnlyList<RecordedEvent> events)
    {
        var put = new List<PutPolicy>();
        long? active = null;
        foreach (var e in events)
        {
            switch (e.Event)
            {
                case PolicyProposed proposed:
                    put.Add(new PutPolicy(proposed.Number, proposed.Text, proposed.Hash, proposed.Cases, proposed.Note, e.By, e.At));
                    break;
                case PolicyActivated activated:
                    active = activated.Number;
                    break;
                case PolicyRetired:
                    active = null;
                    break;
            }
        }
        return new PolicyHistory(name, events.Count == 0 ? 0 : events[^1].Version, put, active);
    }
}
