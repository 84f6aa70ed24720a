using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Governance.Budgets;
using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Governance.RunLimits;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Postgres;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.LoadTests;

/// <summary>
/// budget: how long the kernel's gate takes for a call, and what a budget adds to w1. Two tenants on one host behind one gate, of which one
/// has a budget, in turn: what the machine does meanwhile befalls both.
/// </summary>
internal static class BudgetCase
{
    private const string Without = "without";
    private const string With = "with";

    public static async Task MeasureAsync()
    {
        await using var store = await PostgresStore.OpenAsync(Bench.Connection(Bench.Database), NullLogger.Instance);
        var streams = new EventStreams(store.Queries);
        foreach (var tenant in new[] { Without, With })
        {
            await new Tenants(streams).AddAsync(tenant, "user/bench");
            await new Principals(streams).AddAsync(tenant, "user/ana", ["operator"], "user/bench");
        }
        for (var i = 0; i < Bench.Num("BUDGETS", 1); i++)
            await new Budgets(streams).SetAsync(With, new BudgetSet($"b{i}", new Dictionary<string, decimal> { ["calls"] = 1_000_000_000 }, BudgetPeriod.Day), "user/bench");

        var (identity, policies, switches, keys, delegations, budgets, limits) = (new IdentityView(), new PolicyView(), new KillSwitchView(), new SigningKeyView(), new DelegationView(), new BudgetView(), new RunLimitView());
        var catalogue = new Catalogue(streams, [identity, policies, switches, keys, delegations, budgets, limits], TimeProvider.System);
        var escrow = new Escrow(streams, store.Queries, store, budgets, TimeProvider.System);
        var gate = new TimedGate(new KernelGate(new KernelGateParts
        {
            Fresh = catalogue.FreshAsync,
            Identity = identity,
            Rights = new Rights(identity, TimeProvider.System),
            Switches = switches,
            Signatures = new SignatureCheck(keys, identity, delegations),
            Policies = policies.ActiveFor,
            Limits = new RunLimits(streams, limits).Objection,
            Covers = escrow.CoverAsync,
            Ended = escrow.Release,
            Log = NullLogger.Instance,
        }));
        await catalogue.FreshAsync();
        await using var host = new WorkflowHost(store, new WorkflowRegistry().Add<Steps>(), new ServiceCollection().BuildServiceProvider(), NullLogger<WorkflowHost>.Instance, new WorkflowHostOptions
        {
            Time = TimeProvider.System, HostId = Guid.CreateVersion7().ToString(), Seed = (ulong)Random.Shared.NextInt64(), Gate = gate,
        });
        await host.StartAsync(default);

        var (rounds, runs, steps) = (Bench.Num("BUDGET_ROUNDS", 8), Bench.Num("BUDGET_N", 1000), Bench.Num("BUDGET_STEPS", 5));
        var cost = new Dictionary<string, List<(double Cpu, double Postgres, double Seconds)>> { [Without] = [], [With] = [] };
        for (var round = -1; round < rounds; round++)
            foreach (var tenant in round % 2 == 0 ? new[] { Without, With } : [With, Without])
            {
                var (before, watch) = (Bench.Cpu(), Stopwatch.StartNew());
                await Bench.PoolAsync(runs, Bench.Num("INFLIGHT", 200), async i =>
                {
                    if (await host.RunAsync(new StartRun("bench-steps", JsonText.From(steps), $"b{round}-{i}") { Tenant = tenant, Chain = ["user/ana"] }, "ana") is not RunCompleted) throw new InvalidOperationException("A run of the benchmark failed.");
                });
                var after = Bench.Cpu();
                if (round < 0) gate.Forget(); // until its code is compiled for good
                else cost[tenant].Add(((after.Own + after.Postgres - before.Own - before.Postgres) * 1e6 / runs / steps, (after.Postgres - before.Postgres) * 1e6 / runs / steps, watch.Elapsed.TotalSeconds));
            }

        foreach (var tenant in new[] { Without, With })
        {
            var (judge, recheck) = (Bench.Latency(gate.Judged[tenant]), Bench.Latency(gate.Rechecked[tenant]));
            Bench.Emit($"budget_gate_{tenant}", new { calls = gate.Judged[tenant].Count, judge_p50_ms = judge.P50, judge_p99_ms = judge.P99, recheck_p50_ms = recheck.P50, recheck_p99_ms = recheck.P99, recheck_max_ms = recheck.Max });
        }
        var appends = (await store.Queries.CreateCommand("select count(*) from aios.mt_events where stream_id like 'escrow/%'").ExecuteScalarAsync())!;
        Bench.Emit("budget", new
        {
            rounds, runs, steps, cpu_us_per_step_without = Median(cost[Without], c => c.Cpu), cpu_us_per_step_with = Median(cost[With], c => c.Cpu),
            pg_us_per_step_without = Median(cost[Without], c => c.Postgres), pg_us_per_step_with = Median(cost[With], c => c.Postgres),
            cpu_ratio = Median(cost[Without].Zip(cost[With]), pair => pair.Second.Cpu / pair.First.Cpu), seconds_ratio = Median(cost[Without].Zip(cost[With]), pair => pair.Second.Seconds / pair.First.Seconds),
            escrow_events = appends, calls = (long)(rounds + 1) * runs * steps,
        });
    }

    private static double Median<T>(IEnumerable<T> of, Func<T, double> what)
    {
        var sorted = of.Select(what).Order().ToList();
        return sorted[sorted.Count / 2];
    }

    private sealed class TimedGate(KernelGate gate) : IEffectGate
    {
        public Dictionary<string, List<double>> Judged { get; } = new() { [Without] = [], [With] = [] };

        public Dictionary<string, List<double>> Rechecked { get; } = new() { [Without] = [], [With] = [] };

        public void Forget()
        {
            foreach (var list in Judged.Values.Concat(Rechecked.Values)) list.Clear();
        }

        public GateRecord Judge(EffectIntent intent)
        {
            var began = Stopwatch.GetTimestamp();
            var answer = gate.Judge(intent);
            Note(Judged[intent.Run.Tenant], began);
            return answer.Answer is GateAnswer.Allow ? answer : throw new InvalidOperationException($"The gate refused: {answer.Why}");
        }

        public async ValueTask<GateRecord?> RecheckAsync(EffectIntent intent, GateRecord recorded, CancellationToken cancellation)
        {
            var began = Stopwatch.GetTimestamp();
            var answer = await gate.RecheckAsync(intent, recorded, cancellation);
            Note(Rechecked[intent.Run.Tenant], began);
            return answer is null ? null : throw new InvalidOperationException($"The gate refused: {answer.Why}");
        }

        public void Ended(RunKey run, RunSpending spent) => gate.Ended(run, spent);

        private static void Note(List<double> times, long began)
        {
            var ms = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
            lock (times) times.Add(ms);
        }
    }
}
