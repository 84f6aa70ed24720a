using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Testing.Simulation;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Schedules;

namespace OrleansAiOs.Testing.Tests.Checking;

/// <summary>The history of a schedule that was followed is clean; with one of its decisions changed, the checker names the time that was lost.</summary>
public sealed class ScheduleCheckerTests
{
    private static readonly RunKey Run = new(RunKey.DefaultTenant, "schedule:s");

    [Workflow("noop")]
    private sealed class Noop : Workflow<int, int>
    {
        protected override Task<int> RunAsync(int value) => Task.FromResult(value);
    }

    private static List<(WorkflowEvent Event, DateTimeOffset At)> Followed()
    {
        var services = new ServiceCollection().BuildServiceProvider();
        var world = new VirtualHost(new WorkflowRegistry().Add<Noop>(), () => services);
        world.Run(async _ =>
        {
            await world.SendAsync(host => host.Schedules.CreateAsync("s", new ScheduleSpec("@every 10s", new ScheduledStart("noop", JsonText.From(1)), Overlap: Overlap.Allow, Jitter: TimeSpan.FromSeconds(3)), "alice"));
            await Task.Delay(TimeSpan.FromSeconds(65), world.Time);
        }, TimeSpan.FromHours(1));
        return [.. world.Facts().Single(facts => facts.Run == Run).History.Select(e => (e.Read(), e.At))];
    }

    private static List<string> Told(List<(WorkflowEvent Event, DateTimeOffset At)> events)
    {
        var checker = new ScheduleChecker();
        checker.Note(Run, events);
        return [.. checker.Check().Select(violation => $"{violation.Invariant} {violation.What}")];
    }

    [Fact]
    public void A_schedule_that_was_followed_is_clean()
    {
        var events = Followed();
        Told(events).Should().BeEmpty();
        events.Select(e => e.Event).OfType<StepScheduled>().Count(step => step.Activity == "aios.start-run").Should().BeGreaterThanOrEqualTo(5);
    }

    [Theory]
    [InlineData("never due", "was due when it looked")]
    [InlineData("one left out", "it went over 2 of its times")]
    [InlineData("one too many", "tells of 1 passed over")]
    [InlineData("not started", "and nothing was started")]
    public void A_time_that_is_lost_is_told(string how, string told)
    {
        var events = Followed();
        var third = events.Where(e => e.Event is ValueRecorded value && value.Value.To<SchedulePlan>() is { Due: not null }).ElementAt(2);
        var (at, plan) = (events.IndexOf(third), ((ValueRecorded)third.Event).Value.To<SchedulePlan>()!);
        var due = plan.Due!.Value;
        switch (how)
        {
            case "never due": Write(plan with { Due = null, Through = due.AddSeconds(-10), Next = due.AddSeconds(20) }); break;
            case "one left out": Write(plan with { Due = due.AddSeconds(10), Through = due.AddSeconds(10) }); break;
            case "one too many": Write(plan with { Passed = 1 }); break;
            default: events.RemoveAll(e => e.Event is StepScheduled step && step.Activity == "aios.start-run" && step.Input.To<ScheduleTools.Starting>()!.Nominal == due); break;
        }

        Told(events).Should().Contain(violation => violation.StartsWith("I15 ", StringComparison.Ordinal) && violation.Contains(told, StringComparison.Ordinal));

        void Write(SchedulePlan otherwise) => events[at] = ((ValueRecorded)third.Event with { Value = JsonText.From(otherwise) }, third.At);
    }
}
