using Orleans.Concurrency;
using Orleans.Runtime.Placement;
using OrleansAiOs.Cluster.Wire;

namespace OrleansAiOs.Cluster.WakeUps;

/// <summary>A bucket of wake-ups as a grain. Its key is the bucket's number.</summary>
[Alias("aios.wake-ups")]
internal interface IWakeUpGrain : IGrainWithStringKey
{
    /// <summary>Makes sure that the bucket is served, and says when something in it is due, if that is news.</summary>
    [Alias("expect")]
    Task ExpectAsync(SealedMessage message);
}

/// <summary>What a host says to who serves a bucket.</summary>
/// <param name="Due">When something committed there is due; null if it only asks whether anybody is there.</param>
/// <param name="View">Which members it sees.</param>
[GenerateSerializer, Immutable, Alias("aios.due")]
internal sealed record DueMessage([property: Id(0)] DateTimeOffset? Due, [property: Id(1)] string? View);

/// <summary>
/// Where this grain is, its bucket is served: by the engine's own wake-ups, which load the rows of all buckets on one host together. It holds
/// nothing. Members ask for it whenever one comes or goes; should all of that go wrong, the reminder does within a minute.
/// </summary>
[GrainType("wake-ups")]
[Reentrant]
[CollectionAgeLimit(AlwaysActive = true)]
internal sealed class WakeUpGrain(ClusterMember member) : Grain, IWakeUpGrain, IRemindable
{
    private const string Sweep = "sweep";

    private int bucket;

    public override Task OnActivateAsync(CancellationToken cancellation)
    {
        bucket = WakeUpSeats.Bucket(this.GetPrimaryKeyString());
        member.Seats.Take(bucket, GrainContext);
        _ = RemindAsync(); // nothing waits for it: while members come and go the service of reminders may take its time
        return Task.CompletedTask;
    }

    private async Task RemindAsync()
    {
        try
        {
            if (await this.GetReminder(Sweep) is null) await this.RegisterOrUpdateReminder(Sweep, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
        }
        catch (Exception e)
        {
            ClusterLog.NoReminder(member.Log, bucket, e); // served it is all the same
        }
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellation)
    {
        member.Seats.Leave(bucket, GrainContext);
        return Task.CompletedTask;
    }

    public Task ExpectAsync(SealedMessage message)
    {
        var (due, view) = member.Seal.Open<DueMessage>(message);
        if (due is { } at) member.Engine.WakeUps.Note(at);
        // Not while it is made active: then it would go without a word (OnDeactivateAsync is not called).
        if (view == member.Seats.View && member.Seats.Home(bucket) is { } home && home != GrainContext.Address.SiloAddress)
            GrainContext.Migrate(new() { [IPlacementDirector.PlacementHintKey] = home }, CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <summary>That it was called is all that it is for.</summary>
    public Task ReceiveReminder(string reminderName, TickStatus status) => Task.CompletedTask;
}
