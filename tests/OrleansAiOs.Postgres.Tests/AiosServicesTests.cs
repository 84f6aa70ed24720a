using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Postgres.Tests;

public sealed class AiosServicesTests(PostgresFixture database) : IClassFixture<PostgresFixture>
{
    private sealed class Greeter
    {
        public string Greet(string name) => $"hello {name}";
    }

    private static readonly Activity<string, string> Greet = Activity.Pure<Greeter, string, string>("services.greet", (greeter, name, _) => Task.FromResult(greeter.Greet(name)));

    [Workflow("services-sample")]
    private sealed class Sample : Workflow<string, string>
    {
        protected override Task<string> RunAsync(string name) => Call(Greet, name);
    }

    [Fact]
    public async Task A_program_of_its_own_runs_workflows_with_its_own_services()
    {
        await using var services = Program();
        var engine = services.GetRequiredService<AiosEngine>();
        engine.Invoking(e => e.Host).Should().Throw<InvalidOperationException>().WithMessage("*not started*");
        foreach (var hosted in services.GetServices<IHostedService>()) await hosted.StartAsync(default);
        var end = await engine.Host.RunAsync(new StartRun("services-sample", JsonText.From("ada")), "tester");
        end.Should().BeOfType<RunCompleted>().Which.Result.To<string>().Should().Be("hello ada");
        await engine.StopAsync(default);
    }

    [Fact]
    public async Task A_second_program_on_one_database_is_refused_unless_both_share()
    {
        await using (var first = Program())
        {
            await first.GetRequiredService<AiosEngine>().StartAsync(default);
            await using var second = Program();
            await second.Awaiting(s => s.GetRequiredService<AiosEngine>().StartAsync(default)).Should().ThrowAsync<StartRefusedException>().WithMessage("*Another host serves*");
        }
        await using var one = Program(shared: true);
        await using var two = Program(shared: true);
        foreach (var program in new[] { one, two }) await program.GetRequiredService<AiosEngine>().StartAsync(default);
    }

    private ServiceProvider Program(bool shared = false) => new ServiceCollection().AddSingleton<ILoggerFactory>(NullLoggerFactory.Instance).AddSingleton<Greeter>()
        .AddAios(database.ConnectionString, workflows => workflows.Add<Sample>(), shared).BuildServiceProvider();
}
