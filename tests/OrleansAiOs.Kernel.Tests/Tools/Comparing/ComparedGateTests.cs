using OrleansAiOs.Kernel.Governance.Gate;
using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Tests.Governance;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Tools.Comparing;

/// <summary>What is read to compare a write passes the gate as every call does, and the gate is the real one.</summary>
public sealed class ComparedGateTests(KernelDatabase database) : IClassFixture<KernelDatabase>
{
    private const string Permit = "permit (principal, action, resource);";
    private const string NoReading = Permit + "forbid (principal, action, resource == Tool::\"tool:crm/get\");";

    private static readonly object Update = new { id = "7", email = "new@example.com" };

    [Fact]
    public async Task Both_readings_are_judged_and_recorded_and_their_calls_are_in_the_charge_of_the_write()
    {
        await using var crm = new Crm();
        await using var world = World(Permit);
        await using var bench = await BenchAsync(crm, world);
        var run = await bench.StartAsync("crm", "update", Update);
        var result = ((RunCompleted)await bench.Host.WaitAsync(new RunKey(bench.Tenant, run), default)).Result.To<ToolResult>()!;
        foreach (var reading in new[] { result.Comparison!.ReadBefore, result.Comparison.ReadAfter })
            (reading!.Gate!.Answer, reading.Gate.Chain![0], reading.Gate.Policy![..2]).Should().Be((GateAnswer.Allow, "user/ana", "1:"));
        var history = await bench.HistoryAsync(run);
        history.OfType<StepScheduled>().Single().Gate!.Charge!.Units.Should().Equal(new Dictionary<string, decimal> { ["calls"] = 3 });
        history.OfType<AttemptPrepared>().Single().Found.ToElement().GetProperty("reading").GetProperty("gate").GetProperty("policy").GetString().Should().StartWith("1:");
        covered.Should().Equal("tool:crm/update");
    }

    [Theory]
    [InlineData("forbidden", "the gate does not let it be read")]
    [InlineData("signed for", "somebody would have to sign for reading it")]
    [InlineData("stopped", "kill switch of the tool")]
    public async Task What_may_not_be_read_is_not_written(string what, string why)
    {
        await using var crm = new Crm();
        await using var world = World(what switch
        {
            "forbidden" => NoReading,
            "signed for" => "permit (principal, action, resource == Tool::\"tool:crm/update\"); @approval(\"controller\") permit (principal, action, resource == Tool::\"tool:crm/get\");",
            _ => Permit,
        });
        if (what == "stopped") world.Show("kill/tool/tool:crm/get", new KillSwitchThrown(KillTarget.Tool, "tool:crm/get", "looks wrong"));
        await using var bench = await BenchAsync(crm, world);
        ((RunFailed)await bench.RunAsync("crm", "update", Update)).Failure.Message.Should().Contain("nothing is written").And.Contain(why);
        crm.Server.Connects.Should().Be(0);
    }

    [Fact]
    public async Task What_may_not_be_written_is_not_read_either()
    {
        await using var crm = new Crm();
        await using var world = World(Permit + "forbid (principal, action, resource == Tool::\"tool:crm/update\");");
        await using var bench = await BenchAsync(crm, world);
        (await bench.RunAsync("crm", "update", Update)).Should().BeOfType<RunFailed>();
        crm.Server.Connects.Should().Be(0);
    }

    [Fact]
    public async Task A_write_that_is_stopped_while_its_target_is_read_does_not_leave()
    {
        await using var crm = new Crm();
        await using var world = World(Permit);
        await using var bench = await BenchAsync(crm, world);
        crm.Before = request =>
        {
            world.Activate("forbid (principal, action, resource == Tool::\"tool:crm/update\");" + Permit);
            return null;
        };
        ((RunFailed)await bench.RunAsync("crm", "update", Update)).Failure.Message.Should().Contain("main/p1");
        crm.Methods.Should().Equal("GET");
    }

    [Fact]
    public async Task What_may_be_read_no_more_behind_the_write_is_said()
    {
        await using var crm = new Crm();
        await using var world = World(Permit);
        await using var bench = await BenchAsync(crm, world);
        crm.Written = () =>
        {
            world.Activate(NoReading);
            return null;
        };
        var result = ((RunCompleted)await bench.RunAsync("crm", "update", Update)).Result.To<ToolResult>()!;
        result.Comparison!.Trouble.Should().Contain("the gate does not let it be read");
        crm.Methods.Should().Equal("GET", "POST");
    }

    private readonly List<string> covered = [];

    private GateWorld World(string policy) => new(policy, covers: (intent, _, _) =>
    {
        lock (covered) covered.Add(intent.Activity);
        return null;
    })
    {
        Tools = (_, activity) => new ToolFacts("http", "v", "crm", null, activity == "tool:crm/update" ? 2 : 0),
    };

    private async Task<ToolBench> BenchAsync(Crm crm, GateWorld world)
    {
        var bench = new ToolBench(database) { Tenant = GateWorld.Tenant, Gate = world.Gate };
        await crm.AddAsync(bench);
        await bench.RestartAsync();
        return bench;
    }
}
