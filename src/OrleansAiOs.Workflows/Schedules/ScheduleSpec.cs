using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Schedules;

/// <summary>What a schedule does when the run before is still open.</summary>
public enum Overlap
{
    /// <summary>Nothing: this time is passed over.</summary>
    Skip,

    /// <summary>It waits for the run before to end; of those that fall due meanwhile, only one waits.</summary>
    BufferOne,

    /// <summary>It starts a run beside the one before.</summary>
    Allow,

    /// <summary>It cancels the one before, and starts when that has undone what it had done.</summary>
    CancelOther,

    /// <summary>It ends the one before at once, and starts.</summary>
    TerminateOther,
}

/// <summary>The run a schedule starts.</summary>
public sealed record ScheduledStart(string Workflow, JsonText Input, string? BusinessKey = null, IReadOnlyDictionary<string, string>? Attributes = null, int Priority = 0);

/// <summary>When a schedule starts what.</summary>
/// <param name="Cron">Five fields, @daily and the like, or '@every 10m'.</param>
/// <param name="TimeZone">The IANA name of the zone whose clocks the fields mean.</param>
/// <param name="CatchUp">How late a time may be taken that nobody could take when it came; default a day, and a minute at least.</param>
/// <param name="Jitter">Each time is put off by a part of this, always the same part for the same time.</param>
public sealed record ScheduleSpec(string Cron, ScheduledStart Start, string TimeZone = "UTC", Overlap Overlap = Overlap.Skip, TimeSpan? CatchUp = null, TimeSpan? Jitter = null)
{
    internal static readonly TimeSpan CatchUpDefault = TimeSpan.FromDays(1);
    internal static readonly TimeSpan CatchUpMax = TimeSpan.FromDays(31);
    internal static readonly TimeSpan JitterMax = TimeSpan.FromDays(1);

    /// <summary>Why this cannot be a schedule; null if it can. It names the field and the cure.</summary>
    public string? Objection() => Unreadable()
        ?? (ZoneOf(TimeZone) is null ? $"timeZone: '{(TimeZone.Length > 64 ? TimeZone[..64] : TimeZone)}' is not an IANA time zone that this host knows. Write one such as Europe/Berlin or UTC." : null);

    /// <summary>The same, wherever it is asked: whether a host knows the zone is another question.</summary>
    internal string? Unreadable()
    {
        if (!CronExpression.TryParse(Cron, out _, out var error)) return $"cron: {error}";
        if (!Enum.IsDefined(Overlap)) return $"overlap: one of {string.Join(", ", Enum.GetNames<Overlap>())}.";
        if (CatchUp is { } window && (window < TimeSpan.Zero || window > CatchUpMax)) return $"catchUp: 0s to {CatchUpMax.TotalDays} days, not {window}.";
        if (Jitter is { } jitter && (jitter < TimeSpan.Zero || jitter > JitterMax)) return $"jitter: 0s to {JitterMax.TotalHours} hours, not {jitter}.";
        return string.IsNullOrEmpty(Start.Workflow) ? "start.workflow: name the workflow to start." : null;
    }

    /// <summary>The first times that are later than a moment, jitter left out.</summary>
    /// <exception cref="WorkflowFailedException">It cannot be a schedule.</exception>
    public IEnumerable<DateTimeOffset> TimesAfter(DateTimeOffset moment)
    {
        var times = ScheduleTimes.Of(this);
        for (var next = times.Next(moment); next is { } time; next = times.Next(time)) yield return time;
    }

    internal static TimeZoneInfo? ZoneOf(string name)
    {
        // It becomes the name of a file.
        if (name.Length is 0 or > 64 || name.Contains("..", StringComparison.Ordinal) || name[0] == '/' || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '_' or '-' or '+')) return null;
        return TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone) ? zone : null;
    }
}

/// <summary>The moments of a schedule.</summary>
internal sealed class ScheduleTimes(CronExpression cron, TimeZoneInfo zone)
{
    public static ScheduleTimes Of(ScheduleSpec spec) =>
        CronExpression.TryParse(spec.Cron, out var cron, out _) && ScheduleSpec.ZoneOf(spec.TimeZone) is { } zone
            ? new ScheduleTimes(cron, zone)
            : throw new WorkflowFailedException(spec.Objection() ?? "The schedule cannot be read.");

    /// <summary>
    /// The first moment that is later. A time on the wall that is skipped when clocks are put forward is taken once, at the moment they
    /// are; one that comes twice when they are put back is taken the first time. With every hour meant, it goes by elapsed time instead.
    /// </summary>
    public DateTimeOffset? Next(DateTimeOffset after)
    {
        if (cron.Every is { } every) return new DateTimeOffset((after.UtcTicks - DateTimeOffset.UnixEpoch.Ticks).FloorTo(every.Ticks) + every.Ticks + DateTimeOffset.UnixEpoch.Ticks, TimeSpan.Zero);
        return cron.EveryHour ? NextElapsed(after) : NextOnTheWall(after);
    }

    private DateTimeOffset? NextOnTheWall(DateTimeOffset after)
    {
        for (var wall = cron.NextWall(Wall(after)); wall is { } next; wall = cron.NextWall(next))
            if (Moment(next) is var moment && moment > after) return moment;
        return null;
    }

    private DateTimeOffset? NextElapsed(DateTimeOffset after)
    {
        var moment = new DateTimeOffset(after.UtcTicks.FloorTo(TimeSpan.TicksPerMinute) + TimeSpan.TicksPerMinute, TimeSpan.Zero);
        while (true)
        {
            var wall = Wall(moment);
            if (cron.IsOn(wall)) return moment;
            if (cron.IsDay(wall)) moment = moment.AddMinutes(1);
            else if (cron.NextWall(wall) is not { } next) return null;
            // To the day's beginning, and not beyond: its first hour may come twice.
            else moment = Moment(next.Date) is var day && day > moment ? day : moment.AddMinutes(1);
        }
    }

    private DateTime Wall(DateTimeOffset moment) => TimeZoneInfo.ConvertTime(moment, zone).DateTime;

    private DateTimeOffset Moment(DateTime wall)
    {
        wall = DateTime.SpecifyKind(wall, DateTimeKind.Unspecified);
        if (zone.IsInvalidTime(wall))
        {
            // The moment of the change: what the clock showed just before the gap and what it shows just behind it are the same moment.
            var (before, behind) = (wall, wall);
            while (zone.IsInvalidTime(before)) before = before.AddMinutes(-1);
            while (zone.IsInvalidTime(behind)) behind = behind.AddMinutes(1);
            return new DateTimeOffset(behind, zone.GetUtcOffset(behind)).ToUniversalTime();
        }
        var offset = zone.IsAmbiguousTime(wall) ? zone.GetAmbiguousTimeOffsets(wall).Max() : zone.GetUtcOffset(wall);
        return new DateTimeOffset(wall, offset).ToUniversalTime();
    }

    /// <summary>By how much a time is put off: the same for the same schedule and time, spread over the span.</summary>
    public static TimeSpan Jitter(string schedule, DateTimeOffset nominal, TimeSpan? within)
    {
        if (within is not { Ticks: > 0 } span) return TimeSpan.Zero;
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(Encoding.UTF8.GetBytes($"{schedule}\n{nominal.UtcTicks}"), hash);
        // To the millisecond, so that it is stored and read back as it is.
        return TimeSpan.FromMilliseconds(BinaryPrimitives.ReadUInt64BigEndian(hash) % (ulong)Math.Max(1, span.TotalMilliseconds));
    }
}

internal static class Ticks
{
    public static long FloorTo(this long ticks, long unit) => (ticks >= 0 ? ticks : ticks - unit + 1) / unit * unit;
}
