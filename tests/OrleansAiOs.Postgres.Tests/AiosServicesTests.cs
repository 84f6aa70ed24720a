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
        await using var services = new ServiceCollection().AddSingleton<ILoggerFactory>(NullLoggerFactory.Instance).AddSingleton<Greeter>()
            .AddAios(database.ConnectionString, workflows => workflows.Add<Sample>()).BuildServiceProvider();
        var engine = services.GetRequiredService<AiosEngine>();
        engine.Invoking(e => e.Host).Should().Throw<InvalidOperationException>().WithMessage("*not started*");
        foreach (var hosted in services.GetServices<IHostedService>()) await hosted.StartAsync(default);
        var end = await engine.Host.RunAsync(new StartRun("services-sample", JsonText.From("ada")), "tester");
        end.Should().BeOfType<RunCompleted>().Which.Result.To<string>().Should().Be("hello ada");
        await engine.StopAsync(default);
    }
}
