using System.Globalization;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Schedules;

namespace OrleansAiOs.Workflows.Tests.Schedules;

/// <summary>When a schedule comes: fields, zones, clocks that are put forward and back, and what is no schedule at all.</summary>
public sealed class ScheduleTimeTests
{
    private static ScheduleSpec Spec(string cron, string zone = "UTC") => new(cron, new ScheduledStart("w", JsonText.From(1)), zone);

    private static DateTimeOffset At(string time) => DateTimeOffset.Parse(time, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);

    private static IEnumerable<string> Times(string cron, string after, int count, string zone = "UTC") =>
        Spec(cron, zone).TimesAfter(At(after)).Take(count).Select(time => time.UtcDateTime.ToString(time.Second == 0 ? "MM-dd HH:mm" : "MM-dd HH:mm:ss", CultureInfo.InvariantCulture));

    [Theory]
    [InlineData("*/20 * * * *", "2026-01-01 10:05", "01-01 10:20", "01-01 10:40", "01-01 11:00")]
    [InlineData("0 9 * * 1-5", "2026-01-02 09:00", "01-05 09:00", "01-06 09:00", "01-07 09:00")]
    [InlineData("30 8,17 * * *", "2026-01-01 08:30", "01-01 17:30", "01-02 08:30", "01-02 17:30")]
    [InlineData("0 0 31 * *", "2026-01-31 00:00", "03-31 00:00", "05-31 00:00", "07-31 00:00")]
    [InlineData("0 0 29 2 *", "2026-01-01 00:00", "02-29 00:00", "02-29 00:00", "02-29 00:00")]
    [InlineData("0 12 * JAN,jul Mon", "2026-01-20 00:00", "01-26 12:00", "07-06 12:00", "07-13 12:00")]
    [InlineData("0 0 1 * 0", "2026-02-01 00:00", "02-08 00:00", "02-15 00:00", "02-22 00:00")] // either day is enough
    [InlineData("0 0 * * 7", "2026-02-01 00:00", "02-08 00:00", "02-15 00:00", "02-22 00:00")]
    [InlineData("5/25 3 * * *", "2026-02-01 00:00", "02-01 03:05", "02-01 03:30", "02-01 03:55")]
    [InlineData("0-10/5 0 1 1 *", "2026-02-01 00:00", "01-01 00:00", "01-01 00:05", "01-01 00:10")]
    [InlineData("@monthly", "2026-01-15 00:00", "02-01 00:00", "03-01 00:00", "04-01 00:00")]
    [InlineData("@weekly", "2026-01-15 00:00", "01-18 00:00", "01-25 00:00", "02-01 00:00")]
    [InlineData("@every 10m", "2026-01-15 00:03", "01-15 00:10", "01-15 00:20", "01-15 00:30")]
    [InlineData("@every 1h30m", "2026-01-15 00:00", "01-15 01:30", "01-15 03:00", "01-15 04:30")]
    [InlineData("@every 45s", "2026-01-15 00:00:40", "01-15 00:00:45", "01-15 00:01:30", "01-15 00:02:15")]
    public void Fields_mean_what_cron_means(string cron, string after, params string[] expected) => Times(cron, after, expected.Length).Should().Equal(expected);

    [Theory]
    // Berlin puts its clocks forward on 29 March 2026 at 02:00 (01:00 UTC) and back on 25 October at 03:00 (01:00 UTC).
    [InlineData("30 2 * * *", "2026-03-28 00:00", "03-28 01:30", "03-29 01:00", "03-30 00:30")]
    [InlineData("*/20 2 * * *", "2026-03-29 00:00", "03-29 01:00", "03-30 00:00", "03-30 00:20")]
    [InlineData("0 2,3 * * *", "2026-03-29 00:00", "03-29 01:00", "03-30 00:00", "03-30 01:00")]
    [InlineData("30 2 * * *", "2026-10-24 00:00", "10-24 00:30", "10-25 00:30", "10-26 01:30")]
    [InlineData("*/30 2 * * *", "2026-10-24 23:00", "10-25 00:00", "10-25 00:30", "10-26 01:00")]
    [InlineData("0 3 * * *", "2026-10-24 12:00", "10-25 02:00", "10-26 02:00", "10-27 02:00")]
    [InlineData("*/30 * * * *", "2026-10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30")]
    [InlineData("30 * * * *", "2026-03-29 00:00", "03-29 00:30", "03-29 01:30", "03-29 02:30")]
    [InlineData("0 0 * * *", "2026-03-28 12:00", "03-28 23:00", "03-29 22:00", "03-30 22:00")]
    public void A_skipped_hour_is_taken_once_and_so_is_a_doubled_one(string cron, string after, params string[] expected) =>
        Times(cron, after, expected.Length, "Europe/Berlin").Should().Equal(expected);

    [Theory]
    [InlineData("Australia/Lord_Howe", "2026-10-03 00:00", "15 2 * * *", "10-03 15:30")] // half an hour is skipped
    [InlineData("America/Sao_Paulo", "2018-11-03 12:00", "0 0 * * *", "11-04 03:00")] // midnight itself is skipped
    [InlineData("Pacific/Apia", "2011-12-29 12:00", "0 12 * * *", "12-29 22:00")] // the next day is skipped
    [InlineData("Asia/Kolkata", "2026-01-01 00:00", "0 9 * * *", "01-01 03:30")]
    public void Zones_of_every_kind_are_followed(string zone, string after, string cron, string expected) => Times(cron, after, 1, zone).Should().Equal(expected);

    [Theory]
    [InlineData("", "*5 fields*this one has 0*")]
    [InlineData("* * * *", "*5 fields*this one has 4*")]
    [InlineData("* * * * * *", "*5 fields*this one has 6*")]
    [InlineData("60 * * * *", "*minute*'60'*0 to 59*")]
    [InlineData("* 24 * * *", "*hour*'24'*0 to 23*")]
    [InlineData("* * 0 * *", "*day of the month*'0'*1 to 31*")]
    [InlineData("* * * 13 *", "*month*'13'*")]
    [InlineData("* * * * 8", "*day of the week*'8'*")]
    [InlineData("* * * * FOO", "*day of the week*'FOO'*sun mon*")]
    [InlineData("*/0 * * * *", "*minute*step*")]
    [InlineData("*/99999999999 * * * *", "*minute*step*")]
    [InlineData("1-2-3 * * * *", "*minute*'1-2-3'*")]
    [InlineData("5-1 * * * *", "*minute*backwards*")]
    [InlineData(", * * * *", "*minute*''*")]
    [InlineData("-1 * * * *", "*minute*'-1'*")]
    [InlineData("1.5 * * * *", "*minute*'1.5'*")]
    [InlineData("٣ * * * *", "*minute*'٣'*")]
    [InlineData("0 0 L * *", "*day of the month*'L'*")]
    [InlineData("0 0 30 2 *", "*never comes*")]
    [InlineData("@reboot", "*'@reboot'*@hourly*")]
    [InlineData("@every", "*'@every'*")]
    [InlineData("@every 10", "*@every 10*90s*")]
    [InlineData("@every 0s", "*@every 0s*at least 1s*")]
    [InlineData("@every 1m2h", "*@every 1m2h*")]
    [InlineData("@every 999999999d", "*@every*")]
    [InlineData("@every 9999999999s", "*@every*")]
    public void What_is_no_schedule_is_refused_with_the_field_and_the_cure(string cron, string message)
    {
        Spec(cron).Objection().Should().StartWith("cron: ").And.Match(message);
        Spec(new string('*', 300)).Objection().Should().Contain("200 characters");
    }

    [Theory]
    [InlineData("Berlin")]
    [InlineData("../../etc/passwd")]
    [InlineData("/etc/localtime")]
    [InlineData("Europe/Berlin\0")]
    [InlineData("")]
    public void What_is_no_zone_is_refused(string zone) => Spec("@daily", zone).Objection().Should().StartWith("timeZone: ").And.Contain("Europe/Berlin");

    [Fact]
    public void Spans_are_held_to_their_bounds()
    {
        (Spec("@daily") with { CatchUp = TimeSpan.FromDays(32) }).Objection().Should().StartWith("catchUp: ");
        (Spec("@daily") with { Jitter = TimeSpan.FromSeconds(-1) }).Objection().Should().StartWith("jitter: ");
        (Spec("@daily") with { Overlap = (Overlap)77 }).Objection().Should().StartWith("overlap: ");
        foreach (var text in new[] { "90s", "10m", "1h30m", "2d", "1d2h3m4s" }) (SpanText.TryParse(text, out var span) ? SpanText.Write(span) : null).Should().Be(text == "90s" ? "1m30s" : text);
    }

    // Against a clock that looks at every minute.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void No_time_is_missed_and_none_made_up(int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < 40; i++) Compare(random.Next(60), random.Next(60), random.Next(60), random.Next(4), random.Next(500_000));
    }

    private static void Compare(int minute, int hour, int day, int kind, int start)
    {
        var cron = kind switch
        {
            0 => $"{minute % 60} {hour % 24} * * *",
            1 => $"{minute % 60}/{1 + hour % 30} {hour % 24}/5 * * {day % 7}",
            2 => $"{minute % 60} * {1 + day % 28} * {day % 7}",
            _ => $"*/{1 + minute % 59} */{1 + hour % 23} * */{1 + day % 11} *",
        };
        var zone = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");
        var from = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero).AddMinutes(start);
        var until = from.AddDays(9);
        var fields = cron.Split(' ');
        var found = Spec(cron, "Europe/Berlin").TimesAfter(from).TakeWhile(time => time <= until).ToList();
        found.Should().BeInAscendingOrder().And.OnlyHaveUniqueItems();
        var everyHour = fields[1] is "*" or "*/1";
        for (var moment = from.AddMinutes(1); moment <= until; moment = moment.AddMinutes(1))
        {
            var wall = TimeZoneInfo.ConvertTime(moment, zone).DateTime;
            var second = zone.IsAmbiguousTime(wall) && zone.GetUtcOffset(moment) == zone.BaseUtcOffset && !everyHour;
            var on = !second && Matches(fields[0], wall.Minute, 0, 59) && Matches(fields[1], wall.Hour, 0, 23) && Matches(fields[3], wall.Month, 1, 12)
                && (fields[2] == "*" || fields[4] == "*" ? Matches(fields[2], wall.Day, 1, 31) && Matches(fields[4], (int)wall.DayOfWeek, 0, 6)
                    : Matches(fields[2], wall.Day, 1, 31) || Matches(fields[4], (int)wall.DayOfWeek, 0, 6));
            // At the moment the clocks are put forward, times that were skipped are taken.
            if (moment.UtcDateTime == new DateTime(2026, 3, 29, 1, 0, 0) && !everyHour) continue;
            found.Contains(moment).Should().Be(on, $"{cron} at {wall:u}");
        }
    }

    private static bool Matches(string field, int value, int min, int max)
    {
        var (range, step) = field.Split('/') is [var r, var s] ? (r, int.Parse(s, null)) : (field, 1);
        var (first, last) = range == "*" ? (min, max) : (int.Parse(range, null), field.Contains('/', StringComparison.Ordinal) ? max : int.Parse(range, null));
        return value >= first && value <= last && (value - first) % step == 0;
    }
}
