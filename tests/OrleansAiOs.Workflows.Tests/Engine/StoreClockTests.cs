using OrleansAiOs.Workflows.Timers;

namespace OrleansAiOs.Workflows.Tests.Engine;

public sealed class StoreClockTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly StoreClock clock = new(TimeProvider.System);

    [Fact]
    public void The_first_answer_is_taken_at_its_middle_however_long_it_took()
    {
        clock.IsSet.Should().BeFalse();
        Answer(storeAhead: -300, tookSeconds: 8).Should().BeFalse("a host that starts asks again");
        clock.IsSet.Should().BeTrue();
        clock.Skew.TotalSeconds.Should().Be(-300);
    }

    [Fact]
    public void An_answer_moves_the_clock_only_where_it_is_surely_wrong()
    {
        Answer(storeAhead: 10, tookSeconds: 0).Should().BeTrue();
        Answer(storeAhead: 10.1, tookSeconds: 0.4).Should().BeTrue();
        Answer(storeAhead: 11, tookSeconds: 4).Should().BeFalse();
        clock.Skew.TotalSeconds.Should().Be(10, "9.9 to 10.3 and 9 to 13 is all that was said");
        Answer(storeAhead: 60, tookSeconds: 4);
        clock.Skew.TotalSeconds.Should().Be(58);
        Answer(storeAhead: 60, tookSeconds: 0.002);
        clock.Skew.TotalSeconds.Should().Be(59.999, "the quicker an answer, the more it says");
        Answer(storeAhead: -60, tookSeconds: 4);
        clock.Skew.TotalSeconds.Should().Be(-58);
    }

    [Fact]
    public void An_answer_during_which_the_hosts_clock_was_set_says_nothing()
    {
        clock.Correct(Noon, Noon, Noon + TimeSpan.FromMinutes(5), TimeSpan.FromSeconds(1));
        clock.Correct(Noon, Noon, Noon - TimeSpan.FromMinutes(5), TimeSpan.FromSeconds(1));
        clock.IsSet.Should().BeFalse();
        clock.Correct(Noon, Noon, Noon - TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(100));
        clock.IsSet.Should().BeFalse("it was answered before it was asked");
    }

    // The store looks at its clock in the middle.
    private bool Answer(double storeAhead, double tookSeconds)
    {
        var took = TimeSpan.FromSeconds(tookSeconds);
        return clock.Correct(Noon + took / 2 + TimeSpan.FromSeconds(storeAhead), Noon, Noon + took, took);
    }
}
