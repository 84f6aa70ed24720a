using System.Globalization;

namespace OrleansAiOs.Workflows.Schedules;

/// <summary>
/// Five fields (minute, hour, day of the month, month, day of the week) as in cron(8), @hourly to @yearly, or @every with a span.
/// Lists, ranges, steps and English names of months and days are understood; seconds, years, L, W, # and ? are not. When both days are
/// restricted, either of them is enough, as cron has it.
/// </summary>
internal sealed class CronExpression
{
    private const int YearsMax = 12; // 29 February is at most eight years away

    private static readonly string[] Months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    private static readonly string[] Days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

    private ulong minutes, hours, monthDays, months, weekDays;
    private bool anyMonthDay, anyWeekDay;

    private CronExpression()
    {
    }

    /// <summary>Of @every: the span between two moments, counted from 1970; null for five fields.</summary>
    public TimeSpan? Every { get; private init; }

    /// <summary>The hour is not restricted: it goes by elapsed time, whatever clocks on the wall do.</summary>
    public bool EveryHour { get; private set; }

    public static bool TryParse(string text, out CronExpression expression, out string error)
    {
        expression = new CronExpression();
        error = "";
        if (text.Length > 200)
        {
            error = $"A cron expression has at most 200 characters; this one has {text.Length}.";
            return false;
        }
        var fields = text.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (fields is ["@every", var span])
        {
            if (SpanText.TryParse(span, out var every) && every >= TimeSpan.FromSeconds(1))
            {
                expression = new CronExpression { Every = every };
                return true;
            }
            error = $"'@every {span}': write a span of at least 1s, such as 90s, 10m, 1h30m or 2d.";
            return false;
        }
        if (fields is [['@', ..] name])
        {
            var stands = name switch
            {
                "@hourly" => "0 * * * *",
                "@daily" or "@midnight" => "0 0 * * *",
                "@weekly" => "0 0 * * 0",
                "@monthly" => "0 0 1 * *",
                "@yearly" or "@annually" => "0 0 1 1 *",
                _ => null,
            };
            if (stands is not null) return TryParse(stands, out expression, out error);
            error = $"'{name}' is not known. Known are @hourly, @daily, @weekly, @monthly, @yearly and '@every 10m'.";
            return false;
        }
        if (fields.Length != 5)
        {
            error = $"A cron expression has 5 fields (minute, hour, day of the month, month, day of the week); this one has {fields.Length}. '0 9 * * 1-5' is nine o'clock on working days.";
            return false;
        }
        if (!TryField("minute", fields[0], 0, 59, [], out expression.minutes, out error)
            || !TryField("hour", fields[1], 0, 23, [], out expression.hours, out error)
            || !TryField("day of the month", fields[2], 1, 31, [], out expression.monthDays, out error)
            || !TryField("month", fields[3], 1, 12, Months, out expression.months, out error)
            || !TryField("day of the week", fields[4], 0, 7, Days, out expression.weekDays, out error)) return false;
        if ((expression.weekDays & 1ul << 7) != 0) expression.weekDays |= 1; // Sunday is 0 and 7
        expression.EveryHour = expression.hours == (1ul << 24) - 1;
        (expression.anyMonthDay, expression.anyWeekDay) = (fields[2][0] is '*', fields[4][0] is '*');
        if (expression.NextWall(new DateTime(2000, 1, 1)) is not null) return true;
        error = $"'{text}' never comes: no month it names has such a day.";
        return false;
    }

    private static bool TryField(string field, string text, int min, int max, string[] names, out ulong set, out string error)
    {
        set = 0;
        error = "";
        foreach (var part in text.Split(','))
        {
            var (range, step) = (part, 1);
            if (part.Split('/') is { Length: > 1 } halves)
            {
                if (halves.Length > 2 || !TryNumber(halves[1], out step) || step < 1 || step > max)
                {
                    error = $"Field {field}: '{part}' needs one step of 1 to {max} behind its '/'.";
                    return false;
                }
                range = halves[0];
            }
            int first, last;
            if (range == "*") (first, last) = (min, names == Days ? 6 : max);
            else if (range.Split('-') is [var from, var to])
            {
                if (!TryValue(from, out first) || !TryValue(to, out last)) return Wrong(part, out error);
                if (first > last)
                {
                    error = $"Field {field}: '{part}' runs backwards; write it as two ranges, joined by a comma.";
                    return false;
                }
            }
            else
            {
                if (!TryValue(range, out first)) return Wrong(part, out error);
                last = part.Contains('/', StringComparison.Ordinal) ? max : first;
            }
            for (var i = first; i <= last; i += step) set |= 1ul << i;
        }
        return true;

        bool TryValue(string value, out int number)
        {
            if (TryNumber(value, out number)) return number >= min && number <= max;
            var named = Array.FindIndex(names, name => name.Equals(value, StringComparison.OrdinalIgnoreCase));
            number = named + min;
            return named >= 0;
        }

        bool Wrong(string part, out string why)
        {
            why = $"Field {field}: '{part}' is not understood. It takes *, numbers from {min} to {max}{(names.Length > 0 ? $", names ({string.Join(' ', names)})" : "")}, ranges (a-b), lists (a,b) and steps (*/n).";
            return false;
        }
    }

    private static bool TryNumber(string text, out int number)
    {
        number = 0;
        return text.Length is > 0 and <= 3 && text.All(char.IsAsciiDigit) && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    public bool IsOn(DateTime wall) => IsDay(wall) && (hours >> wall.Hour & 1) != 0 && (minutes >> wall.Minute & 1) != 0;

    public bool IsDay(DateTime wall)
    {
        if ((months >> wall.Month & 1) == 0) return false;
        var (day, week) = ((monthDays >> wall.Day & 1) != 0, (weekDays >> (int)wall.DayOfWeek & 1) != 0);
        return anyMonthDay || anyWeekDay ? day && week : day || week;
    }

    /// <summary>The first time on the wall that is later; null if there is none.</summary>
    public DateTime? NextWall(DateTime after)
    {
        if (after.Year >= DateTime.MaxValue.Year - YearsMax) return null;
        var wall = new DateTime(after.Year, after.Month, after.Day, after.Hour, after.Minute, 0).AddMinutes(1);
        for (var until = after.AddYears(YearsMax); wall < until;)
        {
            if ((months >> wall.Month & 1) == 0) wall = new DateTime(wall.Year, wall.Month, 1).AddMonths(1);
            else if (!IsDay(wall)) wall = wall.Date.AddDays(1);
            else if ((hours >> wall.Hour & 1) == 0) wall = wall.Date.AddHours(wall.Hour + 1);
            else if ((minutes >> wall.Minute & 1) == 0) wall = wall.AddMinutes(1);
            else return wall;
        }
        return null;
    }
}
