using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Testing;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Steps;

public sealed class PausesAfterCrashesTests
{
    private const int Crashes = 8;

    [Fact]
    public async Task A_host_that_dies_again_and_again_does_not_make_the_pauses_of_a_receiver_that_failed_once_longer()
    {
        var bank = new SlowBank();
        await using var test = await new WorkflowTestHost(new WorkflowRegistry().Add<Payer>(), services => services.AddSingleton(bank)).StartAsync();
        var run = await test.StartRunAsync("payer", 1);
        for (var crash = 1; crash <= Crashes; crash++)
        {
            var asked = crash;
            await test.Until(run, _ => bank.Inquiries >= asked);
            await test.KillAndRestartAsync();
        }
        bank.AnswerFrom(Crashes + 1);

        (await test.EndOf(run)).Should().BeOfType<RunCompleted>();

        var history = await test.Store.ReadAsync(run, 1, default);
        var unanswered = history.Single(e => e.Type == "outcome-still-unknown");
        history.Count(e => e.Type == "inquiry-started").Should().BeGreaterThan(Crashes - 1, "else no inquiry died with its host");
        (((OutcomeStillUnknown)unanswered.Read()).RetryAt!.Value - unanswered.At).Should().BeLessThan(TimeSpan.FromSeconds(2), "it is the first inquiry that the bank failed to answer");
    }

    private static readonly Activity<int, int> Pay = Activity.AtMostOnce<SlowBank, int, int>("payer.pay",
        (_, _, _, _) => throw new HttpRequestException("The connection broke."), (bank, _, _, call) => bank.InquireAsync(call.Cancellation));

    [Workflow("payer")]
    private sealed class Payer : Workflow<int, int>
    {
        protected override Task<int> RunAsync(int input) => Call(Pay, input);
    }

    /// <summary>Leaves inquiries without an answer until it is told to: then it fails one, and answers the next.</summary>
    private sealed class SlowBank
    {
        private readonly TaskCompletionSource answering = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int inquiries;
        private int first = int.MaxValue;

        public int Inquiries => Volatile.Read(ref inquiries);

        public void AnswerFrom(int inquiry)
        {
            first = inquiry;
            answering.SetResult();
        }

        public async Task<Reconciled<int>> InquireAsync(CancellationToken cancellation)
        {
            var mine = Interlocked.Increment(ref inquiries);
            await answering.Task.WaitAsync(cancellation);
            return mine <= first ? Reconciled<int>.StillUnknown("The bank is busy.") : Reconciled<int>.Happened(1);
        }
    }
}
