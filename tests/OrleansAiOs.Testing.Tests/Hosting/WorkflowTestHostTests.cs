using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Testing.CrashPoints;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Schedules;
using Xunit.Abstractions;
using Activity = OrleansAiOs.Workflows.Activity;
using ActivityContext = OrleansAiOs.Workflows.ActivityContext;

namespace OrleansAiOs.Testing.Tests.Hosting;

/// <summary>What the author of a workflow relies on when he tests it.</summary>
public sealed class WorkflowTestHostTests(ITestOutputHelper output)
{
    private sealed record Order(string To, decimal Amount);

    private sealed record Payment(string Number);

    private sealed class BankClient
    {
        public Task<Payment> PayAsync(Order order) => Task.FromResult(new Payment($"real-{order.To}"));
    }

    private static readonly Activity<Order, Payment> Pay = Activity.AtMostOnce<BankClient, Order, Payment>("bank.pay", (bank, order, _, _) => bank.PayAsync(order),
        (_, _, _, _) => Task.FromResult(Reconciled<Payment>.StillUnknown("the real bank was asked")));

    private static readonly Activity<Order, int> Post = Activity.Keyed<BankClient, Order, int>("ledger.post", (_, _, _, _) => throw new InvalidOperationException("the real ledger"));
    private static readonly Activity<int, int> Reverse = Activity.Keyed<BankClient, int, int>("ledger.reverse", (_, _, _, _) => throw new InvalidOperationException("the real ledger"));
    private static readonly Activity<int, int> Look = Activity.Pure<BankClient, int, int>("look", (_, n, _) => Task.FromResult(n));
    private static readonly Activity<int, int> Book = Activity.Transactional<int, int>("book", (n, _, _) => Task.FromResult(n + 1));
    private static readonly Signal<decimal> Changed = new("changed");

    [Workflow("year")]
    private sealed class Year : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int hours)
        {
            for (var hour = 0; hour < hours; hour++) await Sleep(TimeSpan.FromHours(1));
            return hours;
        }
    }

    [Workflow("pay")]
    private sealed class Pays : Workflow<Order, string>
    {
        protected override async Task<string> RunAsync(Order order)
        {
            await using var saga = Saga();
            await saga.Call(Post, order, Reverse);
            if (order.Amount > 100)
            {
                var decision = await Approval($"Pay {order.Amount}", order, by: "controller", within: TimeSpan.FromDays(3));
                if (!decision.Granted) return decision.Expired ? "expired" : "refused";
            }
            await Sleep(TimeSpan.FromDays(30));
            return saga.Complete((await Call(Pay, order)).Number);
        }
    }

    [Workflow("signalled")]
    private sealed class Signalled : Workflow<int, string>
    {
        protected override async Task<string> RunAsync(int days)
        {
            var changed = Receive(Changed);
            return await Task.WhenAny(changed, Task.Delay(TimeSpan.FromDays(days), Time)) == changed ? $"changed to {await changed}" : $"unchanged at {Now:yyyy-MM-dd}";
        }
    }

    [Workflow("slow")]
    private sealed class Slow : Workflow<int, int>
    {
        protected override Task<int> RunAsync(int n) => Call(Look, n, new CallOptions { StartToClose = TimeSpan.FromMinutes(1), Retry = RetryPolicy.None });
    }

    [Workflow("books")]
    private sealed class Booking : Workflow<int, int>
    {
        protected override Task<int> RunAsync(int n) => Call(Book, n);
    }

    private static readonly Query<int> Count = new("count");
    private static readonly Update<int, int> Add = new("add");

    [Workflow("counts")]
    private sealed class Counts : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int n)
        {
            Answers(Count, () => n);
            Handles(Add, async by =>
            {
                await Sleep(TimeSpan.FromDays(1));
                return n += await Call(Look, by);
            }, by => by < 0 ? "never less" : null);
            await Receive(Changed);
            return n;
        }
    }

    [Workflow("throws")]
    private sealed class Throws : Workflow<int, int>
    {
        protected override Task<int> RunAsync(int n) => throw new InvalidOperationException("a slip of the author's");
    }

    private static readonly Decider Carl = new("carl", ["controller"], "test");
    private static readonly Order Small = new("ann", 10), Large = new("ann", 1_000);

    private static WorkflowRegistry Registry => new WorkflowRegistry().Add<Year>().Add<Pays>().Add<Signalled>().Add<Slow>().Add<Booking>().Add<Counts>().Add<Throws>();

    /// <summary>A bank that recognises nothing, and a ledger that recognises keys.</summary>
    private sealed class Books
    {
        private readonly Lock sync = new();

        public List<string> Payments { get; } = [];

        public HashSet<string> Postings { get; } = [];

        public HashSet<string> Reversals { get; } = [];

        public HashSet<string> Voided { get; } = [];

        public WorkflowTestHost Host() => new WorkflowTestHost(Registry)
            .Replace(Post, (_, call) => Note(Postings, call))
            .Replace(Reverse, (_, call) => Note(Reversals, call))
            .Replace(Pay, (_, call) =>
            {
                lock (sync)
                {
                    if (Voided.Contains(call.Key.Value)) throw new RefusedException("void");
                    Payments.Add(call.Key.Value);
                    return new Payment("B-1");
                }
            }, (_, call) =>
            {
                lock (sync)
                {
                    if (Payments.Contains(call.Key.Value)) return Task.FromResult(Reconciled<Payment>.Happened(new Payment("B-1")));
                    Voided.Add(call.Key.Value);
                    return Task.FromResult(Reconciled<Payment>.NeverWill("void from now on"));
                }
            });

        private int Note(HashSet<string> book, ActivityContext call)
        {
            lock (sync) book.Add(call.Key.Value);
            return 1;
        }
    }

    [Fact]
    public async Task A_year_of_hourly_timers_passes_while_one_waits()
    {
        await using var host = await new WorkflowTestHost(Registry).StartAsync();
        var run = await host.StartRunAsync("year", 365 * 24);
        host.Now.Should().Be(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        var watch = Stopwatch.StartNew();
        (await host.ResultOf<int>(run)).Should().Be(365 * 24);
        host.Now.Should().Be(new DateTimeOffset(2027, 1, 1, 0, 0, 0, TimeSpan.Zero));
        output.WriteLine($"a year of {365 * 24} timers: {watch.ElapsedMilliseconds} ms");
    }

    [Fact]
    public async Task Time_stands_while_the_test_does_something_else()
    {
        await using var host = await new Books().Host().StartAsync();
        var run = await host.StartRunAsync("pay", Large);
        var asked = await host.UntilApproval(run);
        await Task.Delay(50); // were the approval's deadline to come of itself, it would come here
        host.Now.Should().Be(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        asked.Role.Should().Be("controller");
        await host.DecideAsync(run, true, Carl);
        (await host.ResultOf<string>(run)).Should().Be("B-1");
        host.Now.Should().Be(new DateTimeOffset(2026, 1, 31, 0, 0, 0, TimeSpan.Zero));
    }

    [Fact]
    public async Task A_deadline_passes_when_the_test_waits_for_what_is_behind_it()
    {
        var books = new Books();
        await using var host = await books.Host().StartAsync();
        (await host.ResultOf<string>(await host.StartRunAsync("pay", Large))).Should().Be("expired");
        (books.Postings.Count, books.Reversals.Count, books.Payments.Count).Should().Be((1, 1, 0));
    }

    [Fact]
    public async Task Time_moves_as_far_as_it_is_told()
    {
        await using var host = await new WorkflowTestHost(Registry, startsAt: new DateTimeOffset(2030, 5, 1, 0, 0, 0, TimeSpan.Zero)).StartAsync();
        var (early, late) = (await host.StartRunAsync("signalled", 10), await host.StartRunAsync("signalled", 20));
        await host.AdvanceAsync(TimeSpan.FromDays(15));
        host.Now.Should().Be(new DateTimeOffset(2030, 5, 16, 0, 0, 0, TimeSpan.Zero));
        (await host.Store.FindAsync(early, default))!.Status.Should().Be(RunStatus.Completed);
        await host.SignalAsync(late, Changed, 7m);
        (await host.ResultOf<string>(late)).Should().Be("changed to 7");
        (await host.ResultOf<string>(early)).Should().Be("unchanged at 2030-05-11");
    }

    [Fact]
    public async Task A_replaced_tool_stands_in_its_activitys_place_with_its_retries()
    {
        var tries = 0;
        await using var host = await new WorkflowTestHost(Registry)
            .Replace(Post, (_, _) => 1)
            .Replace(Pay, async (order, context) =>
            {
                await Task.Yield();
                if (++tries < 3) throw new RefusedException("closed", retry: true, TimeSpan.FromHours(1));
                return new Payment($"{order.To} {context.Attempt}");
            })
            .StartAsync();
        (await host.ResultOf<string>(await host.StartRunAsync("pay", Small))).Should().Be("ann 3");
        host.Now.Should().BeOnOrAfter(new DateTimeOffset(2026, 1, 31, 2, 0, 0, TimeSpan.Zero));
    }

    [Fact]
    public async Task What_is_not_replaced_is_asked_of_the_services()
    {
        await using var host = await new WorkflowTestHost(Registry, services => services.AddSingleton<BankClient>()).Replace(Post, (_, _) => 1).StartAsync();
        (await host.ResultOf<string>(await host.StartRunAsync("pay", Small))).Should().Be("real-ann");
    }

    [Fact]
    public async Task What_is_neither_replaced_nor_a_service_fails_the_test_with_the_cure()
    {
        await using var host = await new WorkflowTestHost(Registry).Replace(Post, (_, _) => 1).StartAsync();
        var run = await host.StartRunAsync("pay", Small);
        (await host.Invoking(h => h.EndOf(run)).Should().ThrowAsync<InvalidOperationException>())
            .WithMessage("The code called 'bank.pay', which needs a BankClient, and this test brings none. Replace the tool*");
    }

    [Fact]
    public async Task While_a_tool_waits_for_something_else_time_stands_until_it_is_moved()
    {
        var gate = new TaskCompletionSource<int>();
        await using var host = await new WorkflowTestHost(Registry).Replace(Look, (_, _) => gate.Task).StartAsync();
        var run = await host.StartRunAsync("slow", 1);
        var end = host.EndOf(run);
        await Task.Delay(50);
        (end.IsCompleted, host.Now).Should().Be((false, new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero)));
        gate.SetResult(7);
        (await end).Should().BeOfType<RunCompleted>().Which.Result.To<int>().Should().Be(7);

        await using var other = await new WorkflowTestHost(Registry).Replace(Look, (_, _) => new TaskCompletionSource<int>().Task).StartAsync();
        run = await other.StartRunAsync("slow", 1);
        await other.AdvanceAsync(TimeSpan.FromMinutes(2));
        (await other.EndOf(run)).Should().BeOfType<RunFailed>();
    }

    [Fact]
    public async Task A_tool_that_waits_for_the_hosts_time_gets_it()
    {
        WorkflowTestHost? host = null;
        await using var made = host = await new WorkflowTestHost(Registry).Replace(Look, async (n, call) =>
        {
            await Task.Delay(TimeSpan.FromSeconds(n), host!.Time, call.Cancellation);
            return n;
        }).StartAsync();
        (await host.ResultOf<int>(await host.StartRunAsync("slow", 59))).Should().Be(59);
        (await host.EndOf(await host.StartRunAsync("slow", 61))).Should().BeOfType<RunFailed>();
    }

    [Fact]
    public async Task A_run_is_asked_and_told_and_time_moves_on_for_its_answer()
    {
        await using var host = await new WorkflowTestHost(Registry).Replace(Look, (n, _) => n * 10).StartAsync();
        var run = await host.StartRunAsync("counts", 1);
        (await host.QueryAsync(run, Count)).Should().Be(1);
        (await host.UpdateAsync(run, Add, 4)).Should().Be(41);
        host.Now.Should().Be(new DateTimeOffset(2026, 1, 2, 0, 0, 0, TimeSpan.Zero));
        (await host.QueryAsync(run, Count)).Should().Be(41);
        (await host.Invoking(h => h.UpdateAsync(run, Add, -4)).Should().ThrowAsync<CommandRefusedException>()).WithMessage("*never less*");
        await host.SignalAsync(run, Changed, 1m);
        (await host.ResultOf<int>(run)).Should().Be(41);
    }

    [Fact]
    public async Task A_parked_run_tells_why_at_once()
    {
        await using var host = await new WorkflowTestHost(Registry).StartAsync();
        var run = await host.StartRunAsync("throws", 1);
        (await host.Invoking(h => h.EndOf(run)).Should().ThrowAsync<InvalidOperationException>()).WithMessage("*parked*a slip of the author's*");
    }

    [Fact]
    public async Task A_run_outlives_its_host_in_the_midst_of_a_tools_work()
    {
        var (calls, keys) = (0, new List<string>());
        await using var host = await new WorkflowTestHost(Registry).Replace(Look, (n, context) =>
        {
            lock (keys) keys.Add(context.Key.Value);
            return Interlocked.Increment(ref calls) == 1 ? new TaskCompletionSource<int>().Task : Task.FromResult(n);
        }).StartAsync();
        var run = await host.StartRunAsync("slow", 5);
        await host.Until(run, _ => calls == 1);
        await host.KillAndRestartAsync();
        (await host.ResultOf<int>(run)).Should().Be(5);
        keys.Should().HaveCount(2).And.OnlyContain(key => key == keys[0]);
    }

    [Fact]
    public async Task Whatever_IO_goes_wrong_the_payment_is_made_once()
    {
        Books books = null!;
        var report = await WorkflowTestHost.CrashEverywhereAsync(() => (books = new Books()).Host(), async host =>
        {
            var run = await host.StartRunAsync("pay", Large);
            await host.DecideAsync(run, true, Carl);
            (await host.ResultOf<string>(run)).Should().Be("B-1");
            (books.Postings.Count, books.Reversals.Count, books.Payments.Count).Should().Be((1, 0, 1));
        });
        report.Struck.Should().HaveCount(4).And.OnlyContain(mode => mode.Value.Count > 6);
        report.Struck[CrashMode.KilledAfter].Should().Contain("bank.pay").And.Contain(what => what.StartsWith("append"));
    }

    [Fact]
    public async Task A_transaction_ends_with_its_host()
    {
        var calls = 0;
        await using var host = await new WorkflowTestHost(Registry).Replace(Book, (n, _) => ++calls == 1 ? new TaskCompletionSource<int>().Task : Task.FromResult(n)).StartAsync();
        var run = await host.StartRunAsync("books", 5);
        await host.Until(run, _ => calls == 1);
        await host.KillAndRestartAsync();
        (await host.ResultOf<int>(run)).Should().Be(5);
    }

    [Fact]
    public async Task Crash_points_find_a_tool_that_does_not_know_a_repeat()
    {
        var payments = 0;
        var crash = () => WorkflowTestHost.CrashEverywhereAsync(() =>
        {
            payments = 0;
            return new WorkflowTestHost(Registry).Replace(Book, (_, _) => Interlocked.Increment(ref payments)); // transactional in name only
        }, async host =>
        {
            await host.EndOf(await host.StartRunAsync("books", 1));
            payments.Should().BeLessThan(2);
        });
        (await crash.Should().ThrowAsync<CrashPointException>()).Which.Report.Failures.Should().Contain(failure => failure.Struck == "book");
    }

    [Fact]
    public async Task Crash_points_ask_for_what_only_all_histories_together_tell()
    {
        var crash = () => WorkflowTestHost.CrashEverywhereAsync(() => new WorkflowTestHost(Registry), async host =>
        {
            await host.StartRunAsync("aios.schedule", new ScheduleStart(new ScheduleSpec("0 0 1 1 *", new ScheduledStart("year", JsonText.From(1)))), "schedule:s");
            await host.EndOf(await host.StartRunAsync("year", 1, "of-nobody", "schedule:s"));
        });
        (await crash.Should().ThrowAsync<CrashPointException>()).WithMessage("*I15*did not ask for it*");
    }

    [Workflow("turns")]
    private sealed class Turns : Workflow<int, int>
    {
        public static bool IsSpoilt { get; set; }

        protected override async Task<int> RunAsync(int n)
        {
            await Sleep(TimeSpan.FromHours(1));
#pragma warning disable AIOS009 // as another build's code
            return IsSpoilt ? throw new InvalidOperationException("a new bug") : n;
#pragma warning restore AIOS009
        }
    }

    [Fact]
    public async Task The_end_of_a_branch_that_a_reset_left_is_not_the_runs_end()
    {
        await using var host = await new WorkflowTestHost(new WorkflowRegistry().Add<Turns>()).StartAsync();
        var run = await host.StartRunAsync("turns", 7);
        (await host.ResultOf<int>(run)).Should().Be(7);
        Turns.IsSpoilt = true;
        await host.Host.ResetAsync(new Workflows.Branching.ResetRun(run, 2, "the result was wrong"), "olga");
        await host.Invoking(it => it.ResultOf<int>(run)).Should().ThrowAsync<InvalidOperationException>().WithMessage("*is parked*a new bug*");
    }

    [Fact]
    public async Task Hosts_share_nothing()
    {
        var results = await Task.WhenAll(Enumerable.Range(1, 16).Select(async n =>
        {
            await using var host = await new WorkflowTestHost(Registry).Replace(Look, (_, _) => n).StartAsync();
            var slow = await host.ResultOf<int>(await host.StartRunAsync("slow", 0, "same"));
            await host.ResultOf<int>(await host.StartRunAsync("year", n));
            return (slow, (int)(host.Now - new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero)).TotalHours);
        }));
        results.Should().Equal(Enumerable.Range(1, 16).Select(n => (n, n)));
    }
}
