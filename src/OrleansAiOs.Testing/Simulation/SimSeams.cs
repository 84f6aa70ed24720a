using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Testing.Simulation;

/// <summary>
/// Where a test can put something wrong between the engine and its world: the interfaces the engine is handed anyway. The real
/// simulation leaves all of it as it is.
/// </summary>
internal sealed class SimSeams
{
    /// <summary>The store as a host sees it.</summary>
    public Func<IRunStore, IRunStore> Store { get; init; } = store => store;

    /// <summary>A host's clock.</summary>
    public Func<TimeProvider, TimeProvider> Time { get; init; } = time => time;

    /// <summary>The key an activity hands to its receiver.</summary>
    public Func<ActivityContext, string> Key { get; init; } = context => context.Key.Value;

    /// <summary>What an activity throws when its call failed.</summary>
    public Func<Exception, Exception> Failure { get; init; } = failure => failure;

    /// <summary>Whether a reconcile hook voids the reference it found nothing under.</summary>
    public bool Voids { get; init; } = true;

    /// <summary>How long the bank that cannot void waits before it says that a payment will never come: more than the dispatch window and
    /// the time-out of a request together.</summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromSeconds(18);

    /// <summary>How long after its append an attempt may leave.</summary>
    public TimeSpan DispatchWindow { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether an undo really calls.</summary>
    public bool Compensates { get; init; } = true;
}
