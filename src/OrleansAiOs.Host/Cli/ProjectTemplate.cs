namespace OrleansAiOs.Host.Cli;

/// <summary>What `aios new` writes. The text is what a newcomer reads first: keep it short and right.</summary>
internal static class ProjectTemplate
{
    /// <summary>Types that the project's code names; a namespace of one of these names would stand before them.</summary>
    public static IReadOnlyCollection<string> TypeNames { get; } =
    [
        "Purchase", "Order", "Outcome", "Supplier", "Supplies", "Pack", "PurchaseTests",
        "Workflow", "Activity", "ActivityContext", "IdempotencyKey", "Decider", "RefusedException", "IPack", "WorkflowTestHost", "WorkflowRegistry",
        "Task", "TimeSpan", "Func", "CancellationToken", "ConcurrentDictionary", "IServiceCollection", "Assert", "Fact",
    ];

    public static IEnumerable<(string Path, string Content)> Files(string name, string version, Checkout source)
    {
        yield return ($"{name}.slnx", Solution(name));
        yield return ("NuGet.config", NuGetConfig);
        yield return ("Directory.Build.props", BuildProps);
        // Empty, so that no file of a folder above reaches in.
        yield return ("Directory.Build.targets", "<Project />\n");
        yield return ("Directory.Packages.props", PackagesProps(version, source));
        yield return (".editorconfig", "root = true\n");
        yield return (".gitignore", "bin/\nobj/\n");
        yield return ("README.md", Readme(name));
        yield return ($"src/{name}/{name}.csproj", Library);
        yield return ($"src/{name}/Purchase.cs", Workflow(name));
        yield return ($"src/{name}/Supplier.cs", Supplier(name));
        yield return ($"tests/{name}.Tests/{name}.Tests.csproj", Tests(name));
        yield return ($"tests/{name}.Tests/PurchaseTests.cs", TestClass(name));
    }

    private static string Solution(string name) => $"""
        <Solution>
          <Project Path="src/{name}/{name}.csproj" />
          <Project Path="tests/{name}.Tests/{name}.Tests.csproj" />
        </Solution>

        """;

    private const string NuGetConfig = """
        <?xml version="1.0" encoding="utf-8"?>
        <configuration>
          <packageSources>
            <clear />
            <add key="engine" value="packages" />
            <add key="nuget.org" value="https://api.nuget.org/v3/index.json" protocolVersion="3" />
          </packageSources>
          <packageSourceMapping>
            <packageSource key="engine">
              <package pattern="OrleansAiOs.*" />
            </packageSource>
            <packageSource key="nuget.org">
              <package pattern="*" />
            </packageSource>
          </packageSourceMapping>
        </configuration>

        """;

    private const string BuildProps = """
        <Project>
          <PropertyGroup>
            <TargetFramework>net10.0</TargetFramework>
            <Nullable>enable</Nullable>
            <ImplicitUsings>enable</ImplicitUsings>
            <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
          </PropertyGroup>
        </Project>

        """;

    private static string PackagesProps(string version, Checkout source) => $"""
        <Project>
          <PropertyGroup>
            <ManagePackageVersionsCentrally>true</ManagePackageVersionsCentrally>
          </PropertyGroup>
          <ItemGroup>
            <PackageVersion Include="OrleansAiOs.Workflows" Version="{version}" />
            <PackageVersion Include="OrleansAiOs.Testing" Version="{version}" />
            <PackageVersion Include="OrleansAiOs.Postgres" Version="{version}" />
            <PackageVersion Include="Microsoft.NET.Test.Sdk" Version="{source.VersionOf("Microsoft.NET.Test.Sdk")}" />
            <PackageVersion Include="xunit" Version="{source.VersionOf("xunit")}" />
            <PackageVersion Include="xunit.runner.visualstudio" Version="{source.VersionOf("xunit.runner.visualstudio")}" />
          </ItemGroup>
        </Project>

        """;

    private const string Library = """
        <Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup>
            <!-- What the pack needs stands beside it, for a host to load. -->
            <EnableDynamicLoading>true</EnableDynamicLoading>
          </PropertyGroup>
          <ItemGroup>
            <PackageReference Include="OrleansAiOs.Workflows" />
          </ItemGroup>
        </Project>

        """;

    private static string Tests(string name) => $"""
        <Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup>
            <IsPackable>false</IsPackable>
          </PropertyGroup>
          <ItemGroup>
            <PackageReference Include="Microsoft.NET.Test.Sdk" />
            <PackageReference Include="OrleansAiOs.Testing" />
            <PackageReference Include="xunit" />
            <PackageReference Include="xunit.runner.visualstudio" />
            <ProjectReference Include="../../src/{name}/{name}.csproj" />
            <Using Include="Xunit" />
          </ItemGroup>
        </Project>

        """;

    private static string Workflow(string name) => $$"""
        using OrleansAiOs.Workflows;

        namespace {{name}};

        public sealed record Order(string Item, int Quantity, decimal Price)
        {
            public decimal Total() => Quantity * Price;
        }

        public sealed record Outcome(bool Bought, string Why);

        /// <summary>Buys what is ordered. Above a limit a manager, who is not the one who ordered, has to agree first.</summary>
        [Workflow("purchase")]
        public sealed class Purchase : Workflow<Order, Outcome>
        {
            private const decimal Limit = 500m;

            // Ordinary async C#. It may wait for days and outlive any number of crashes: what it did is never done again.
            protected override async Task<Outcome> RunAsync(Order order)
            {
                if (order.Total() > Limit)
                {
                    var decision = await Approval($"Buy {order.Quantity} x {order.Item} for {order.Total()}", order, by: "manager", notBy: [StartedBy], within: TimeSpan.FromDays(3));
                    if (decision.Expired) return new Outcome(false, "nobody decided in time");
                    if (!decision.Granted) return new Outcome(false, $"refused by {decision.By!.Id}");
                }
                var confirmation = await Call(Supplies.Buy, order);
                return new Outcome(true, confirmation);
            }
        }

        """;

    private static string Supplier(string name) => $$"""
        using System.Collections.Concurrent;
        using Microsoft.Extensions.DependencyInjection;
        using OrleansAiOs.Workflows;
        using OrleansAiOs.Workflows.Hosting;

        namespace {{name}};

        public static class Supplies
        {
            // Keyed: the supplier knows an order again by its key, so a lost answer is asked for again and nothing is bought twice.
            public static readonly Activity<Order, string> Buy = Activity.Keyed("supplier.buy",
                (Supplier supplier, Order order, IdempotencyKey key, ActivityContext call) => supplier.BuyAsync(order, key, call.Cancellation));
        }

        /// <summary>Stands where an HTTP client would: it accepts each key once.</summary>
        public sealed class Supplier
        {
            private readonly ConcurrentDictionary<IdempotencyKey, string> confirmations = new();

            /// <summary>How many orders were accepted.</summary>
            public int Orders => confirmations.Count;

            public Task<string> BuyAsync(Order order, IdempotencyKey key, CancellationToken cancellation)
            {
                cancellation.ThrowIfCancellationRequested();
                return Task.FromResult(confirmations.GetOrAdd(key, $"{order.Item}: confirmed under {key}"));
            }
        }

        /// <summary>Tells a host which services the activities need.</summary>
        public sealed class Pack : IPack
        {
            public void AddServices(IServiceCollection services, Func<string, string?> setting) => services.AddSingleton<Supplier>();
        }

        """;

    private static string TestClass(string name) => $$"""
        using Microsoft.Extensions.DependencyInjection;
        using OrleansAiOs.Testing;
        using OrleansAiOs.Workflows;
        using OrleansAiOs.Workflows.Hosting;

        namespace {{name}}.Tests;

        public sealed class PurchaseTests
        {
            private static readonly Decider Mia = new("mia", ["manager"], "test");

            private readonly Supplier supplier = new();

            [Fact]
            public async Task A_small_order_is_bought_at_once()
            {
                await using var host = await StartAsync();
                var run = await host.StartRunAsync("purchase", new Order("pencil", 10, 1.50m));

                Assert.True((await host.ResultOf<Outcome>(run)).Bought);
                Assert.Equal(1, supplier.Orders);
            }

            [Fact]
            public async Task A_large_order_waits_for_a_manager_also_through_a_crash()
            {
                await using var host = await StartAsync();
                var run = await host.StartRunAsync("purchase", new Order("laptop", 2, 1_200m), by: "otto");
                await host.UntilApproval(run);
                Assert.Equal(0, supplier.Orders);

                await host.KillAndRestartAsync();
                await host.DecideAsync(run, granted: true, Mia);

                Assert.True((await host.ResultOf<Outcome>(run)).Bought);
                Assert.Equal(1, supplier.Orders);
            }

            [Fact]
            public async Task What_a_manager_refuses_is_not_bought()
            {
                await using var host = await StartAsync();
                var run = await host.StartRunAsync("purchase", new Order("yacht", 1, 1_000_000m), by: "otto");
                await host.DecideAsync(run, granted: false, Mia);

                Assert.Equal(new Outcome(false, "refused by mia"), await host.ResultOf<Outcome>(run));
                Assert.Equal(0, supplier.Orders);
            }

            [Fact]
            public async Task What_nobody_decides_in_three_days_is_not_bought()
            {
                await using var host = await StartAsync();
                var run = await host.StartRunAsync("purchase", new Order("yacht", 1, 1_000_000m), by: "otto");

                // Time is virtual: it skips the three days while the test waits.
                Assert.Equal(new Outcome(false, "nobody decided in time"), await host.ResultOf<Outcome>(run));
                Assert.Equal(0, supplier.Orders);
            }

            [Fact]
            public async Task A_supplier_that_is_closed_is_asked_again()
            {
                var asked = 0;
                await using var host = await Host(supplier)
                    .Replace(Supplies.Buy, (order, call) => ++asked < 3 ? throw new RefusedException("closed", retry: true, TimeSpan.FromHours(8)) : $"{order.Item}: confirmed")
                    .StartAsync();
                var run = await host.StartRunAsync("purchase", new Order("pencil", 10, 1.50m));

                Assert.Equal(new Outcome(true, "pencil: confirmed"), await host.ResultOf<Outcome>(run));
            }

            [Fact]
            public async Task Whatever_goes_wrong_nothing_is_bought_twice()
            {
                // Each append, each read and each call of the supplier fails once in every way, and the host dies at each of them.
                var books = supplier;
                await WorkflowTestHost.CrashEverywhereAsync(() => Host(books = new Supplier()), async host =>
                {
                    var run = await host.StartRunAsync("purchase", new Order("laptop", 2, 1_200m), by: "otto");
                    await host.DecideAsync(run, granted: true, Mia);

                    Assert.True((await host.ResultOf<Outcome>(run)).Bought);
                    Assert.Equal(1, books.Orders);
                });
            }

            private static WorkflowTestHost Host(Supplier supplier) =>
                new(new WorkflowRegistry().AddFrom(typeof(Purchase).Assembly), services => services.AddSingleton(supplier));

            private Task<WorkflowTestHost> StartAsync() => Host(supplier).StartAsync();
        }

        """;

    private static string Readme(string name) => $$"""
        # {{name}}

        `src/{{name}}/Purchase.cs` is a workflow, `Supplier.cs` its one activity. `dotnet test` runs them in memory.

        On a host:

            dotnet build
            aios serve --pack src/{{name}}/bin/Debug/net10.0

            aios start purchase --input '{"item":"laptop","quantity":2,"price":1200}'
            aios approvals
            AIOS_KEY=$(aios keys add mia --role manager) aios approve RUN
            aios show RUN

        `packages` holds the engine as it was when `aios new` made this project.

        """;
}
