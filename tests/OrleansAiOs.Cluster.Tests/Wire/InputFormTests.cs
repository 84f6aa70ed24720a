using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Serialization;
using OrleansAiOs.Cluster.Wire;
using OrleansAiOs.Testing;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.Explaining;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Tests.Engine;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Cluster.Tests.Wire;

public sealed class InputFormTests
{
    private static readonly DateTimeOffset At = new(2026, 3, 1, 12, 0, 0, TimeSpan.FromHours(1));

    private readonly MessageSeal seal = new(new byte[MessageSeal.SecretBytes], new ServiceCollection().AddSerializer().BuildServiceProvider().GetRequiredService<Serializer>());

    [Workflow("crosses", Version = "2")]
    private sealed class Crosses : Workflow<string, string>
    {
        protected override Task<string> RunAsync(string input) => Task.FromResult(input);
    }

    private readonly WorkflowHost engine = new(new InMemoryStore(TimeProvider.System), new WorkflowRegistry().Add<Crosses>(), new ServiceCollection().BuildServiceProvider(),
        NullLogger<WorkflowHost>.Instance, new WorkflowHostOptions { Time = TimeProvider.System, HostId = "h", Seed = 1, Shared = true });

    private IEnumerable<Input> Every()
    {
        var type = engine.Registry.All.Single();
        var start = new StartRun("crosses", JsonText.From(new { n = 1.50m }), "r", "INV-1", new Dictionary<string, string> { ["a"] = "b" }, "t", 7, "2", ["user/a", "agent/b"]);
        List<(WorkflowEvent, DateTimeOffset)> history = [(new RunStarted("crosses", JsonText.From("x"), "h"), At), (new SignalReceived("go", JsonText.From("y"), "b"), At.AddTicks(10))];
        yield return new StartInput(start, "paula", type);
        yield return new StartInput(start with { IfAbsent = true }, null, type, new ParentRun("p", 3));
        yield return new UpdateInput("u", JsonText.From("x"), "b", "k", "crosses");
        yield return new ForkInput(history, new RunForked("p", 2, 2, []));
        yield return new ChildLeftInput(new ChildScheduled(1, "crosses", "c", JsonText.From("x"), ParentClose.Terminate), new ParentRun("p", 3), null, "2");
        foreach (var make in TenancyConformance.Sent().Values) yield return make(history);
    }

    [Fact]
    public void Every_input_that_is_decided_elsewhere_arrives_as_it_was_sent()
    {
        var sent = Every().ToList();
        InputForms.Inputs.Except(sent.Select(input => input.GetType())).Should().BeEmpty("each is tried here");
        foreach (var input in sent.Where(input => input.Parts is not null))
        {
            var arrived = InputForms.Read(seal.Open<RunMessage>(seal.Close("t/r", InputForms.Write(input))), engine);
            arrived.Should().BeOfType(input.GetType());
            arrived.Parts.Should().HaveSameCount(input.Parts);
            foreach (var (was, became) in input.Parts!.Zip(arrived.Parts!))
                if (was is WorkflowType) became.Should().BeSameAs(was);
                else Text(became).Should().Be(Text(was), input.GetType().Name);
        }
    }

    [Fact]
    public void An_explanation_and_who_it_is_for_arrive_as_they_were_sent()
    {
        var said = new Explanation("r", "crosses", RunStatus.Running, At,
        [
            new Cause(CauseCodes.Approval, "It waits.", Urgency.Person, At, 3) { Detail = "on 100", Unblockers = ["carl", "mia"], Repairs = [new Repair("grant it", "aios approve r 3"), new Repair("refuse it", "aios reject r 3")] },
            new Cause(CauseCodes.ClockSkew, "Late.", Urgency.Note),
        ]);
        Keyholder[] holders = [new("carl", ["controller", "buyer"]), new("nobody", [])];
        var arrived = seal.Open<RunMessage>(seal.Close("t/r", new RunMessage("Explain", [InputForms.Form(said), InputForms.Form(said with { Workflow = null, Status = null }), InputForms.Form(holders)]))).Parts;
        InputForms.Part(arrived[0], null).Should().BeEquivalentTo(said, same => same.WithStrictOrdering());
        InputForms.Part(arrived[1], null).Should().BeEquivalentTo(said with { Workflow = null, Status = null }, same => same.WithStrictOrdering());
        InputForms.Part(arrived[2], null).Should().BeEquivalentTo(holders, same => same.WithStrictOrdering());
    }

    [Fact]
    public void What_this_host_came_to_stays_on_it() =>
        Every().Where(input => input.Parts is null).Select(input => input.GetType().Name)
            .Should().BeEquivalentTo("OutcomeInput", "InquiryInput", "PreparedInput", "RenewedInput", "HeartbeatInput", "ForeignWorkInput", "ChildReachedInput", "SettledInput");

    [Fact]
    public void Code_that_a_host_does_not_hold_and_an_input_of_another_build_are_refused_in_words()
    {
        var start = InputForms.Write(Every().First());
        var unknown = () => InputForms.Read(start with { Kind = "FromTheFuture" }, engine);
        unknown.Should().Throw<CommandRefusedException>().WithMessage("*'FromTheFuture'*another build*").Which.Refusal.Should().Be(Refusal.Busy);
        var older = () => InputForms.Read(start with { Parts = [.. start.Parts.Select(part => part is TypeForm type ? type with { Version = "3" } : part)] }, engine);
        older.Should().Throw<CommandRefusedException>().WithMessage("*version '3'*").Which.Refusal.Should().Be(Refusal.NotFound);
    }

    [Fact]
    public void What_is_new_in_an_input_is_sent_only_where_it_says_something()
    {
        var update = InputForms.Write(new UpdateInput("u", JsonText.From("x"), "b", "k"));
        update.Parts.Should().HaveCount(4, "hosts of the build before know no more");
        InputForms.Read(update, engine).Parts.Should().HaveCount(4);
        var without = () => InputForms.Read(update with { Parts = update.Parts[..3] }, engine);
        without.Should().Throw<CommandRefusedException>().WithMessage("*another build*");
    }

    [Fact]
    public void A_message_is_for_one_grain_and_from_one_who_knows_the_secret()
    {
        var message = seal.Close("t/r", InputForms.Write(Every().First()));
        seal.Fits("t/r", message).Should().BeTrue();
        seal.Fits("t/s", message).Should().BeFalse();
        message.Body[^1] ^= 1;
        seal.Fits("t/r", message).Should().BeFalse();
    }

    private static string Text(object? part) => part is List<(WorkflowEvent Event, DateTimeOffset At)> history
        ? string.Join('\n', history.Select(e => $"{e.At:O} {Text(e.Event)}"))
        : part is null ? "" : JsonSerializer.Serialize(part, part.GetType(), WorkflowJson.Stored);
}
