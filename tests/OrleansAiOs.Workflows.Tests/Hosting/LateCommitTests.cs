using System.Data.Common;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Testing;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Hosting;

public sealed class LateCommitTests
{
    [Fact]
    public async Task An_append_that_commits_late_and_cannot_be_read_back_at_first_is_not_decided_a_second_time()
    {
        var store = new LateStore();
        await using var host = new WorkflowHost(store, new WorkflowRegistry().Add<Listener>(), new ServiceCollection().BuildServiceProvider(), NullLogger<WorkflowHost>.Instance,
            new WorkflowHostOptions { Time = TimeProvider.System, HostId = "host-1", Seed = 1 });
        await host.StartAsync(CancellationToken.None);
        var run = (await host.StartRunAsync(new StartRun("listener", JsonText.From(1), "late"), "test")).Run;

        store.CommitTheNextAppendLate();
        await host.SignalAsync(run, "said", JsonText.From("once"), "test").WaitAsync(TimeSpan.FromSeconds(30));

        var history = await store.Inner.ReadAsync(run, 1, default);
        history.Count(e => e.Type == "signal-received").Should().Be(1);
        store.ReadsFailed.Should().Be(1, "else this was not the case that is tested");
    }

    [Workflow("listener")]
    private sealed class Listener : Workflow<int, string>
    {
        protected override async Task<string> RunAsync(int input) => await Receive(new Signal<string>("said")) + await Receive(new Signal<string>("said"));
    }

    /// <summary>Loses an append on its way, delivers it just before its repetition, and fails the read that would tell whose it was.</summary>
    private sealed class LateStore : IRunStore
    {
        private bool loseNext;
        private bool failNextRead;
        private RunAppend? onItsWay;

        public InMemoryStore Inner { get; } = new(TimeProvider.System);

        public int ReadsFailed { get; private set; }

        public void CommitTheNextAppendLate() => loseNext = true;

        public async ValueTask<AppendResult> AppendAsync(RunAppend append)
        {
            if (loseNext)
            {
                (loseNext, onItsWay) = (false, append);
                return AppendResult.Unknown;
            }
            if (onItsWay is not null)
            {
                await Inner.AppendAsync(onItsWay);
                (onItsWay, failNextRead) = (null, true);
            }
            return await Inner.AppendAsync(append);
        }

        public ValueTask<IReadOnlyList<StoredEvent>> ReadAsync(RunKey run, long fromVersion, CancellationToken cancellation)
        {
            if (!failNextRead) return Inner.ReadAsync(run, fromVersion, cancellation);
            failNextRead = false;
            ReadsFailed++;
            throw new IOException("The connection broke.");
        }

        public ValueTask<IReadOnlyList<RunRow>> ListAsync(RunQuery query, CancellationToken cancellation) => Inner.ListAsync(query, cancellation);

        public ValueTask<RunRow?> FindAsync(RunKey run, CancellationToken cancellation) => Inner.FindAsync(run, cancellation);

        public ValueTask<IReadOnlyList<WakeUp>> WakeUpsAsync(DateTimeOffset before, int limit, IReadOnlyCollection<int>? buckets, CancellationToken cancellation) => Inner.WakeUpsAsync(before, limit, buckets, cancellation);

        public ValueTask<DateTimeOffset?> NextWakeUpAsync(DateTimeOffset from, IReadOnlyCollection<int>? buckets, CancellationToken cancellation) => Inner.NextWakeUpAsync(from, buckets, cancellation);

        public ValueTask<IReadOnlyList<RunRow>> ParkedAsync(IReadOnlyCollection<string> reasons, RunKey? after, int limit, CancellationToken cancellation) => Inner.ParkedAsync(reasons, after, limit, cancellation);

        public ValueTask<IReadOnlyList<RunKey>> OrphansAsync(IReadOnlyCollection<string> livingHosts, CancellationToken cancellation) => Inner.OrphansAsync(livingHosts, cancellation);

        public ValueTask<HostBeat> BeatAsync(string host, bool alone, TimeSpan deadAfter, CancellationToken cancellation) => Inner.BeatAsync(host, alone, deadAfter, cancellation);

        public ValueTask RetireAsync(string host, CancellationToken cancellation) => Inner.RetireAsync(host, cancellation);

        public ValueTask<JsonText> TransactAsync(RunKey run, string key, Func<DbTransaction, Task<JsonText>> work, CancellationToken cancellation) =>
            Inner.TransactAsync(run, key, work, cancellation);
    }
}
