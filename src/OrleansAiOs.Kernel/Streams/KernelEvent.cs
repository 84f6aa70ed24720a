namespace OrleansAiOs.Kernel.Streams;

/// <summary>Anything that can stand in a stream of the kernel. What is stored is for ever: members are only ever added, as optional ones.</summary>
public abstract record KernelEvent;

/// <summary>The name an event is stored under. It is for ever: rename the record, not this.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class StoredAsAttribute(string name) : Attribute
{
    public string Name => name;
}

/// <summary>An event as it stands in its stream.</summary>
/// <param name="Seq">Its place among all events of the kernel, growing in the order in which they were committed.</param>
/// <param name="Version">Its place in its stream, from 1.</param>
/// <param name="At">The store's clock at the append.</param>
/// <param name="By">The principal who did it; null for the engine itself.</param>
public sealed record RecordedEvent(long Seq, string Tenant, string Stream, long Version, DateTimeOffset At, string? By, KernelEvent Event);
