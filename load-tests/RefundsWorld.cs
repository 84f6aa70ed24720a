using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Packs.Refunds;
using OrleansAiOs.Packs.Refunds.Payments;
using OrleansAiOs.Packs.Refunds.Policy;
using OrleansAiOs.Packs.Refunds.Requests;
using OrleansAiOs.Packs.Refunds.Rules;
using OrleansAiOs.Postgres;
using OrleansAiOs.Sandbox;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.LoadTests;

/// <summary>Hosts over one database, one after the other, and the people who act on them. Who may do what stands in the kernel's streams there.</summary>
internal sealed class RefundsWorld : IAsyncDisposable
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly Sandbox.Sandbox provider;
    private readonly ShopOrders orders;
    private readonly StreamSeal seal = new(RandomNumberGenerator.GetBytes(StreamSeal.SecretBytes));
    private readonly Dictionary<string, (ECDsa Key, string Id, string[] Roles)> people = [];
    private readonly PostgresStore watching;
    private volatile Life? life;

    /// <summary>One host from its start to its end.</summary>
    private sealed record Life(PostgresStore Store, WorkflowHost Host);

    private RefundsWorld(Sandbox.Sandbox provider, ShopOrders orders, PostgresStore watching) => (this.provider, this.orders, this.watching) = (provider, orders, watching);

    public static async Task<RefundsWorld> StartAsync(Sandbox.Sandbox provider, ShopOrders orders)
    {
        var world = new RefundsWorld(provider, orders, await PostgresStore.OpenAsync(Bench.Connection(Bench.Database), NullLogger.Instance));
        await world.HireAsync();
        world.life = await world.BeginAsync();
        return world;
    }

    /// <summary>Ends the host in the middle of whatever it does, and starts another.</summary>
    public async Task KillAndRestartAsync()
    {
        var dying = life!;
        life = null;
        dying.Host.Halt();
        life = await BeginAsync();
        await dying.Store.DisposeAsync();
    }

    /// <summary>Asks the host that serves, until one answers. A refusal other than "busy" is thrown.</summary>
    public async Task<T> AskAsync<T>(Func<WorkflowHost, Task<T>> command)
    {
        var begun = DateTime.UtcNow;
        while (true)
        {
            try
            {
                if (life is { } now) return await command(now.Host).WaitAsync(TimeSpan.FromSeconds(10));
            }
            catch (Exception e) when (e is CommandRefusedException { Refusal: Refusal.Busy } or TimeoutException or OperationCanceledException or ObjectDisposedException or InvalidOperationException or System.Data.Common.DbException or IOException)
            {
                if (DateTime.UtcNow - begun > Patience) throw;
            }
            await Task.Delay(Look);
        }
    }

    public async Task<RunRow> UntilAsync(string run, Func<RunRow, bool> condition)
    {
        var begun = DateTime.UtcNow;
        while (true)
        {
            if (await watching.FindAsync(Key(run), CancellationToken.None) is { } row && condition(row)) return row;
            if (DateTime.UtcNow - begun > Patience) throw new TimeoutException($"{run} did not come to what is waited for.");
            await Task.Delay(Look);
        }
    }

    /// <summary>What a person has to sign; null once nothing is held any more, or they have signed.</summary>
    public async Task<RunWait?> HeldAsync(string run, string signer)
    {
        var row = await UntilAsync(run, row => row.AwaitsApproval || row.ClosedAt is not null || row.Attributes?.GetValueOrDefault("state") == "paid");
        if (!row.AwaitsApproval) return null;
        var history = await watching.ReadAsync(Key(run), 1, CancellationToken.None);
        return history.Select(e => e.Read()).OfType<EffectSigned>().Any(signed => signed.By.Id == signer) ? null : row.Waits.First(wait => wait.Kind == "signature");
    }

    /// <param name="with">Whose key makes the signature.</param>
    /// <param name="who">Who sends it; the signer, if left out.</param>
    public async Task SignAsync(string run, RunWait held, string signer, bool granted, string with, string? who = null)
    {
        who ??= signer;
        if (who != signer) with = who;
        var bare = new DecisionSignature(held.Digest!, people[who].Id, "", DateTimeOffset.UtcNow);
        var signature = bare with { Value = SigningKey.Sign(people[with].Key, ApprovalStatement.SignedBytes(granted, who, bare, null)) };
        try
        {
            await AskAsync(host => host.SignAsync(Key(run), held.Step!.Value, granted, new Decider(who, people[who].Roles, "bench"), signature, null, $"{run}-{who}-{granted}-{with}"));
        }
        catch (CommandRefusedException e) when (e.Refusal is Refusal.Conflict)
        {
            // It was taken before a kill, whose answer nobody heard; what became of it is seen in the run.
        }
    }

    /// <summary>How many payments stand in the histories without the gate's leave: an answer that is none, or more than 50 without a signature.</summary>
    public async Task<int> UnansweredAsync(IEnumerable<string> runs)
    {
        var bad = 0;
        foreach (var run in runs)
        {
            var history = (await watching.ReadAsync(Key(run), 1, CancellationToken.None)).Select(e => e.Read()).ToList();
            if (history.OfType<StepScheduled>().FirstOrDefault(step => step.Activity == RefundPayments.Pay.Name) is not { } pay || !history.OfType<StepCompleted>().Any(done => done.Step == pay.Step)) continue;
            var allowed = history.OfType<AttemptStarted>().Where(started => started.Step == pay.Step).Select(started => started.Gate).Prepend(pay.Gate).OfType<GateRecord>().Where(answer => answer.Answer is GateAnswer.Allow).ToList();
            if (allowed.Count == 0 || pay.Input.To<RefundPayment>()!.Amount > 50 && allowed.All(answer => answer.SignedBy is not { Count: > 0 })) bad++;
        }
        return bad;
    }

    public async ValueTask DisposeAsync()
    {
        if (life is { } last)
        {
            await last.Host.StopAsync();
            await last.Store.DisposeAsync();
        }
        await watching.DisposeAsync();
        foreach (var (key, _, _) in people.Values) key.Dispose();
    }

    private static RunKey Key(string run) => new(RunKey.DefaultTenant, run);

    // Through the kernel's own streams: sealed, and read back by every host anew.
    private async Task HireAsync()
    {
        var streams = new EventStreams(watching.Queries, seal);
        var (principals, signing) = (new Principals(streams), new SigningKeys(streams));
        foreach (var (name, roles) in new[] { ("user/ana", "support operator"), ("user/lea", "support-lead"), ("user/leo", "support-lead"), ("user/carl", "controller") })
        {
            await principals.AddAsync(RunKey.DefaultTenant, name, roles.Split(' '), "user/bench");
            var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var id = SigningKey.IdOf(key.ExportSubjectPublicKeyInfo());
            await signing.RegisterAsync(RunKey.DefaultTenant, name, Convert.ToBase64String(key.ExportSubjectPublicKeyInfo()), SigningKey.Sign(key, SigningKey.Proof(RunKey.DefaultTenant, name, id)), null, null, false, name, []);
            people[name] = (key, id, roles.Split(' '));
        }
        var view = new PolicyView();
        var policies = new PolicyVersions(streams, new Catalogue(streams, [view], TimeProvider.System), view);
        await policies.ActivateAsync(RunKey.DefaultTenant, RefundsPolicy.Shipped.Name, await policies.PutAsync(RunKey.DefaultTenant, RefundsPolicy.Shipped.Name, RefundsPolicy.Shipped.Text, RefundsPolicy.Shipped.Cases, null, "user/bench"), null, "user/bench");
    }

    private async Task<Life> BeginAsync()
    {
        var store = await PostgresStore.OpenAsync(Bench.Connection(Bench.Database), NullLogger.Instance);
        var (identity, policies, switches, keys, delegations) = (new IdentityView(), new PolicyView(), new KillSwitchView(), new SigningKeyView(), new DelegationView());
        var catalogue = new Catalogue(new EventStreams(store.Queries, seal), [identity, policies, switches, keys, delegations], TimeProvider.System);
        await catalogue.FreshAsync();
        var services = new ServiceCollection()
            .AddSingleton(new RefundSettings { Orders = orders, ChargeBackWindow = TimeSpan.FromDays(1) })
            .AddSingleton<IRefundRegister, RefundTable>()
            .AddSingleton(new PaymentsClient(new HttpClient(new SandboxHttpHandler(provider)) { BaseAddress = new Uri("http://sandbox/"), Timeout = Timeout.InfiniteTimeSpan }))
            .BuildServiceProvider();
        var host = new WorkflowHost(store, new WorkflowRegistry().Add<Refund>(), services, NullLogger<WorkflowHost>.Instance, new WorkflowHostOptions
        {
            Time = TimeProvider.System,
            HostId = Guid.CreateVersion7().ToString(),
            Seed = (ulong)Random.Shared.NextInt64(),
            Gate = new KernelGate(new KernelGateParts
            {
                Fresh = catalogue.FreshAsync,
                Identity = identity,
                Rights = new Rights(identity, TimeProvider.System),
                Switches = switches,
                Signatures = new SignatureCheck(keys, identity, delegations),
                Policies = policies.ActiveFor,
                Log = NullLogger.Instance,
            }),
        });
        await host.StartAsync(CancellationToken.None);
        return new Life(store, host);
    }
}
