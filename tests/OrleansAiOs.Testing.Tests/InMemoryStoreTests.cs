using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Testing.Tests;

// The in-memory store keeps the same contract as the one on PostgreSQL: both run the suites in tests/Shared.

public sealed class InMemoryAppends : AppendConformance
{
    protected override IRunStore Store { get; } = new InMemoryStore(TimeProvider.System);
}

public sealed class InMemoryLists : ListConformance
{
    protected override IRunStore Store { get; } = new InMemoryStore(TimeProvider.System);
}

public sealed class InMemoryWakeUps : WakeUpConformance
{
    protected override IRunStore Store { get; } = new InMemoryStore(TimeProvider.System);
}

public sealed class InMemoryHosts : HostConformance
{
    protected override IRunStore Store { get; } = new InMemoryStore(TimeProvider.System);
}

public sealed class InMemoryTransactions : TransactConformance
{
    protected override IRunStore Store { get; } = new InMemoryStore(TimeProvider.System);
}
