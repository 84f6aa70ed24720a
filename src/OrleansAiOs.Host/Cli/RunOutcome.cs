using System.CommandLine;
using System.Diagnostics;
using System.Globalization;

namespace OrleansAiOs.Host.Cli;

/// <summary>Waiting for a run's end, and saying how it ended.</summary>
internal static class RunOutcome
{
    // Below what the host and whatever stands between hold a request for.
    private static readonly TimeSpan OneWait = TimeSpan.FromSeconds(25);

    public static Option<int?> Wait() => new("--wait")
    {
        Description = "Wait for the run's end; --wait=60 for at most so many seconds.",
        HelpName = "SECONDS",
        Arity = ArgumentArity.ZeroOrOne,
        CustomParser = result =>
        {
            if (result.Tokens is not [{ Value: var text }]) return null;
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)) return seconds;
            result.AddError($"--wait takes a number of seconds, as in --wait=60, and '{text}' is none.");
            return null;
        },
    };

    /// <summary>How long the person wants to wait; zero when they did not ask for it.</summary>
    public static TimeSpan Limit(Invocation call, Option<int?> wait) =>
        !call.Has(wait) ? TimeSpan.Zero : call.Get(wait) is { } seconds ? TimeSpan.FromSeconds(seconds) : TimeSpan.MaxValue;

    /// <summary>The run's end, or how it stands when the time is up or it needs a person. A host that goes away in between is waited for.</summary>
    public static async Task<(string Json, ResultDocument Result)> AwaitAsync(ApiClient api, Terminal terminal, string run, TimeSpan limit, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        var (reached, away) = (false, false);
        while (true)
        {
            var asked = clock.Elapsed;
            var left = limit - asked;
            var seconds = Math.Ceiling(Math.Clamp(left.TotalSeconds, 0, OneWait.TotalSeconds));
            var path = ApiPaths.Query($"{ApiPaths.Run(run)}/result", ("wait", seconds > 0 ? seconds.ToString(CultureInfo.InvariantCulture) : null));
            try
            {
                var json = await api.GetAsync(path, cancellation);
                (reached, away) = (true, false);
                var result = api.Read<ResultDocument>(json);
                if (result.Code != ExitCode.StillOpen || NeedsAPerson(result) || clock.Elapsed >= limit) return (json, result);
            }
            catch (CliException e) when (e.Code is ExitCode.Unavailable && reached && clock.Elapsed < limit)
            {
                if (!away) terminal.Note($"{e.Message} Still waiting.");
                away = true;
            }
            // A host that answers at once although nothing has happened is not asked without pause.
            if (clock.Elapsed - asked < TimeSpan.FromSeconds(1)) await Task.Delay(TimeSpan.FromMilliseconds(500), cancellation);
        }
    }

    /// <summary>The result to stdout, or to stderr why there is none. Returns the exit code.</summary>
    public static int Tell(Terminal terminal, string run, ResultDocument result)
    {
        switch (result.Status.ToLowerInvariant())
        {
            case "completed":
                if (result.Result is { } value) foreach (var line in Terminal.Lines(Human.Full(value))) terminal.Line(line);
                break;
            case "failed":
                terminal.Problem($"The run {run} failed.", Human.Failure(result.Failure));
                break;
            case "cancelled":
                terminal.Problem($"The run {run} was cancelled.", result.Reason);
                break;
            case "terminated":
                terminal.Problem($"The run {run} was terminated; nothing was undone.", result.Reason);
                break;
            case "paused":
                terminal.Problem($"The run {run} is paused.", $"Then: aios resume {run}");
                break;
            case "parked":
                terminal.Problem($"The run {run} is parked until it is mended.", $"{result.Reason ?? "See `aios show`"}\nThen: aios unpark {run}".Trim());
                break;
            default:
                terminal.Problem($"The run {run} is not over yet ({result.Status}).", $"What it waits for: aios show {run}");
                break;
        }
        return result.Code;
    }

    private static bool NeedsAPerson(ResultDocument result) => result.Status.ToLowerInvariant() is "parked" or "paused";
}
