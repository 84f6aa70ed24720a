extern alias processes;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans;
using Orleans.Runtime;
using OrleansAiOs.Cluster.Runs;
using OrleansAiOs.Cluster.Wire;
using OrleansAiOs.Postgres;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Tests.Engine;
using OrleansAiOs.Workflows.Turns;
using processes::OrleansAiOs.EndToEnd;

namespace OrleansAiOs.Cluster.Tests.Members;

/// <summary>Who is a member, and what another can do who is none.</summary>
public sealed class MemberTests(OnPostgres postgres) : IClassFixture<OnPostgres>
{
    private static readonly Signal<int> Number = new("number");

    [Workflow("sums")]
    private sealed class Sums : Workflow<int, int>
    {
        protected override async Task<int> RunAsync(int count)
        {
            var sum = 0;
            for (var i = 0; i < count; i++) sum += await Receive(Number);
            return sum;
        }
    }

    private sealed class Pair : IAsyncDisposable
    {
        public List<WorkflowHost> Engines { get; } = [];

        public List<ClusterMember> Members { get; } = [];

        public static async Task<Pair> StartAsync(PostgresStore store, string name, MemberTls? tls = null, bool spread = false, ILoggerFactory? log = null)
        {
            var pair = new Pair();
            for (var i = 0; i < 2; i++)
            {
                var engine = new WorkflowHost(store, new WorkflowRegistry().Add<Sums>(), new ServiceCollection().BuildServiceProvider(), NullLogger<WorkflowHost>.Instance,
                    new WorkflowHostOptions { Time = TimeProvider.System, HostId = $"{name}-{i}-{Guid.NewGuid():N}", Seed = (ulong)i + 1, Shared = true });
                pair.Engines.Add(engine);
                pair.Members.Add(await ClusterMember.JoinAsync(engine, new ClusterOptions { Database = store.Queries, Secret = new byte[32], Log = log ?? NullLoggerFactory.Instance, Name = name, Tls = tls, Spread = spread }));
                await engine.StartAsync(default);
            }
            return pair;
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var member in Members) await member.DisposeAsync();
            foreach (var engine in Engines) await engine.DisposeAsync();
        }
    }

    private async Task<PostgresStore> OpenAsync() => await PostgresStore.OpenAsync(postgres.ConnectionString, NullLogger.Instance);

    [Fact]
    public async Task Of_two_activations_that_are_forced_on_one_run_each_loses_to_the_other_and_nothing_is_lost_or_doubled()
    {
        const int numbers = 60;
        await using var store = await OpenAsync();
        await using var pair = await Pair.StartAsync(store, "forced");
        var run = (await pair.Engines[0].StartRunAsync(new StartRun("sums", JsonText.From(numbers), "forced"), "paula")).Run;
        await Task.WhenAll(Enumerable.Range(1, numbers).Select(n => Task.Run(async () =>
        {
            // Past the route, as if Orleans had said of both that the run is there.
            var input = new SignalInput(Number.Name, JsonText.From(n), "tester", $"k{n}");
            pair.Engines[n % 2].PostHere(run, input);
            await input.Reply;
        })));
        (await pair.Engines[1].WaitAsync(run, default)).Should().BeOfType<RunCompleted>().Which.Result.To<int>().Should().Be(numbers * (numbers + 1) / 2);
        var history = await store.ReadAsync(run, 1, default);
        history.Select(e => e.Read()).OfType<SignalReceived>().Select(signal => signal.Key).Should().OnlyHaveUniqueItems().And.HaveCount(numbers);
        history.Select(e => e.Version).Should().Equal(Enumerable.Range(1, history.Count).Select(v => (long)v));
    }

    [Fact]
    public async Task Commands_to_either_member_meet_in_one_activation()
    {
        await using var store = await OpenAsync();
        await using var pair = await Pair.StartAsync(store, "meets");
        for (var i = 0; i < 10; i++)
        {
            var run = (await pair.Engines[i % 2].StartRunAsync(new StartRun("sums", JsonText.From(20), $"meets-{i}"), "paula")).Run;
            await Task.WhenAll(Enumerable.Range(1, 20).Select(n => pair.Engines[n % 2].SignalAsync(run, Number.Name, JsonText.From(n), "tester")));
            (await pair.Engines[0].WaitAsync(run, default)).Should().BeOfType<RunCompleted>();
            (await store.ReadAsync(run, 1, default)).Select(e => e.Type).Should().NotContain("host-changed", "no second host had a hand in it");
        }
    }

    [Fact]
    public async Task What_is_done_for_each_run_is_not_in_the_log()
    {
        var said = new Lines();
        await using var store = await OpenAsync();
        await using var pair = await Pair.StartAsync(store, "quiet", spread: true, log: new LoggerFactory([said]));
        var before = said.Count;
        for (var i = 0; i < 8; i++)
        {
            var run = (await pair.Engines[i % 2].StartRunAsync(new StartRun("sums", JsonText.From(1), $"quiet-{i}"), "paula")).Run;
            await pair.Engines[(i + 1) % 2].SignalAsync(run, Number.Name, JsonText.From(i), "tester");
            (await pair.Engines[0].WaitAsync(run, default)).Should().BeOfType<RunCompleted>();
        }
        said.Skip(before).Where(line => line.Level < LogLevel.Warning).Should().BeEmpty();
    }

    private sealed class Lines : ConcurrentQueue<(LogLevel Level, string Category, string Text)>, ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

        public void Dispose()
        {
        }

        private sealed class Logger(Lines lines, string category) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

            public bool IsEnabled(LogLevel logLevel) => true;

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
                lines.Enqueue((logLevel, category, formatter(state, exception)));
        }
    }

    [Fact]
    public async Task When_its_run_has_left_memory_a_grain_goes_too_also_one_that_found_the_run_there()
    {
        await using var store = await OpenAsync();
        await using var pair = await Pair.StartAsync(store, "goes", spread: true);
        for (var i = 0; i < 16; i++)
        {
            // In memory on the first, and no grain.
            var start = new StartInput(new StartRun("sums", JsonText.From(1), $"goes-{i}"), "paula", pair.Engines[0].Registry.Find("sums")!);
            pair.Engines[0].PostHere(new RunKey(RunKey.DefaultTenant, $"goes-{i}"), start);
            var run = (await start.Reply).Run;
            await pair.Engines[1].SignalAsync(run, Number.Name, JsonText.From(i), "tester"); // its grain may be on either
            (await pair.Engines[0].WaitAsync(run, default)).Should().BeOfType<RunCompleted>();
        }
        var grains = pair.Members[0].Services.GetRequiredService<IGrainFactory>().GetGrain<IManagementGrain>(0);
        using var giveUp = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while ((await grains.GetSimpleGrainStatistics()).Any(kind => kind.GrainType.Contains(nameof(WorkflowGrain), StringComparison.Ordinal) && kind.ActivationCount > 0)) await Task.Delay(50, giveUp.Token);
    }

    [Fact]
    public async Task What_no_member_has_sealed_calls_nothing()
    {
        await using var store = await OpenAsync();
        await using var pair = await Pair.StartAsync(store, "sealed");
        var run = (await pair.Engines[0].StartRunAsync(new StartRun("sums", JsonText.From(1), "sealed"), "paula")).Run;
        var input = InputForms.Write(new SignalInput(Number.Name, JsonText.From(1), "owner", null));
        var key = GrainKeys.Of(run);
        var mine = pair.Members[0].Seal.Close(key, input);
        var strangers = new MessageSeal([.. Enumerable.Repeat((byte)1, 32)], pair.Members[0].Services.GetRequiredService<Orleans.Serialization.Serializer>());
        SealedMessage[] forged = [strangers.Close(key, input), pair.Members[0].Seal.Close("default/other", input), mine with { Mac = [] }, mine with { Body = [.. mine.Body, 0] }, new([], [])];
        foreach (var member in pair.Members)
        {
            var grain = member.Services.GetRequiredService<IGrainFactory>().GetGrain<IWorkflowGrain>(key);
            foreach (var message in forged)
            {
                var call = () => grain.TellAsync(message);
                await call.Should().ThrowAsync<UnauthorizedAccessException>();
            }
        }
        (await store.ReadAsync(run, 1, default)).Should().HaveCount(1);
        (await pair.Members[1].Services.GetRequiredService<IGrainFactory>().GetGrain<IWorkflowGrain>(key).TellAsync(mine)).Fault.Should().BeNull();
        (await pair.Engines[0].WaitAsync(run, default)).Should().BeOfType<RunCompleted>();
    }

    [Fact]
    public void Every_method_of_every_grain_takes_a_sealed_message_and_nothing_else()
    {
        var grains = typeof(IWorkflowGrain).Assembly.GetTypes().Where(type => type.IsInterface && type.IsAssignableTo(typeof(Orleans.Runtime.IAddressable)) && !type.Name.StartsWith("Proxy", StringComparison.Ordinal)).ToList();
        grains.Should().NotBeEmpty();
        foreach (var method in grains.SelectMany(grain => grain.GetMethods()))
            method.GetParameters().Select(parameter => parameter.ParameterType).Should().Equal([typeof(SealedMessage)], $"{method.DeclaringType!.Name}.{method.Name} would be called for whoever asks");
    }

    [Fact]
    public async Task A_member_speaks_with_those_of_its_authority_only()
    {
        using var authority = new MemberAuthority("ours");
        using var others = new MemberAuthority("theirs");
        var tls = new MemberTls(authority.Issue("a-member"), [authority.Certificate]);
        tls.IsMember(authority.Issue("another")).Should().BeTrue();
        tls.IsMember(others.Issue("another")).Should().BeFalse();
        tls.IsMember(authority.Issue("late", DateTimeOffset.UtcNow.AddDays(-2), DateTimeOffset.UtcNow.AddDays(-1))).Should().BeFalse();
        tls.IsMember(null).Should().BeFalse();

        await using var store = await OpenAsync();
        await using var pair = await Pair.StartAsync(store, "tls", tls, spread: true);
        for (var i = 0; i < 8; i++)
        {
            var run = (await pair.Engines[0].StartRunAsync(new StartRun("sums", JsonText.From(1), $"tls-{i}"), "paula")).Run;
            await pair.Engines[1].SignalAsync(run, Number.Name, JsonText.From(i), "tester");
            (await pair.Engines[0].WaitAsync(run, default)).Should().BeOfType<RunCompleted>();
        }
        var port = int.Parse(pair.Members[0].Address.Split(':')[1].Split('@')[0], null);
        (await Speaks(port, authority.Issue("client"), TimeSpan.FromSeconds(3))).Should().BeTrue();
        (await Speaks(port, others.Issue("client"), TimeSpan.FromMinutes(1))).Should().BeFalse();
        (await Speaks(port, null, TimeSpan.FromMinutes(1))).Should().BeFalse();
    }

    [Fact]
    public async Task Beyond_this_machine_nobody_joins_without_a_certificate()
    {
        await using var store = await OpenAsync();
        await using var engine = new WorkflowHost(store, new WorkflowRegistry(), new ServiceCollection().BuildServiceProvider(), NullLogger<WorkflowHost>.Instance,
            new WorkflowHostOptions { Time = TimeProvider.System, HostId = "beyond", Seed = 1, Shared = true });
        var join = () => ClusterMember.JoinAsync(engine, new ClusterOptions { Database = store.Queries, Secret = new byte[32], Log = NullLoggerFactory.Instance, Address = IPAddress.Parse("192.0.2.7") });
        await join.Should().ThrowAsync<ArgumentException>().WithMessage("*without a certificate*");
    }

    // Whether the other side goes on after the handshake: it says something, or waits for what is to come.
    private static async Task<bool> Speaks(int port, X509Certificate2? certificate, TimeSpan patience)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port);
        await using var stream = new SslStream(client.GetStream(), false, (_, _, _, _) => true);
        try
        {
            await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "aios-member", ClientCertificates = certificate is null ? [] : [certificate] });
            using var wait = new CancellationTokenSource(patience);
            return await stream.ReadAsync(new byte[1], wait.Token) > 0;
        }
        catch (OperationCanceledException)
        {
            return true;
        }
        catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
        {
            return false;
        }
    }
}
