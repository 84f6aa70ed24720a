namespace OrleansAiOs.Workflows.Schedules;

/// <summary>What a schedule does to other runs: effects of the engine on itself. Each is idempotent by the run's id or the step's key.</summary>
internal static class ScheduleTools
{
    internal sealed record Starting(ScheduledStart Start, string Run, string Schedule, DateTimeOffset Nominal);

    internal sealed record Ending(string Run, string Why);

    private static readonly ActivityOptions Short = new() { StartToClose = TimeSpan.FromMinutes(1) };

    /// <summary>Starts the run, or finds that it was started.</summary>
    public static readonly Activity<Starting, bool> Start = new("aios.start-run", Effect.Idempotent, async (_, starting, context, _) =>
    {
        var (start, attributes) = (starting.Start, new Dictionary<string, string>(starting.Start.Attributes ?? new Dictionary<string, string>()));
        attributes["schedule"] = starting.Schedule;
        attributes["scheduled"] = $"{starting.Nominal.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}";
        var command = new StartRun(start.Workflow, start.Input, starting.Run, start.BusinessKey, attributes, context.Tenant, start.Priority,
            Chain: context.Chain is { Count: > 0 } chain ? chain : null); // it acts for whoever made the schedule, and for those who changed it
        return (await Refusable(() => context.Host!.StartRunAsync(command, $"schedule:{starting.Schedule}"))).IsNew;
    }, Short);

    public static readonly Activity<string, bool> IsOpen = new("aios.is-open", Effect.Pure, async (_, run, context, _) =>
        await context.Host!.Store.FindAsync(new RunKey(context.Tenant, run), context.Cancellation) is { ClosedAt: null }, Short);

    /// <summary>Which of the runs are open.</summary>
    public static readonly Activity<string[], string[]> StillOpen = new("aios.still-open", Effect.Pure, async (_, runs, context, _) =>
    {
        var open = new List<string>();
        foreach (var run in runs)
            if (await context.Host!.Store.FindAsync(new RunKey(context.Tenant, run), context.Cancellation) is { ClosedAt: null }) open.Add(run);
        return [.. open];
    }, Short);

    public static readonly Activity<Ending, bool> Cancel = new("aios.cancel-run", Effect.Idempotent, (_, ending, context, _) =>
        Closing(() => context.Host!.CancelAsync(new RunKey(context.Tenant, ending.Run), ending.Why, $"run:{context.Run}", context.Key.Value)), Short);

    public static readonly Activity<Ending, bool> Terminate = new("aios.terminate-run", Effect.Idempotent, (_, ending, context, _) =>
        Closing(() => context.Host!.TerminateAsync(new RunKey(context.Tenant, ending.Run), ending.Why, $"run:{context.Run}", context.Key.Value)), Short);

    /// <summary>Waits for the run's end. Nothing is asked meanwhile; the host that goes down lets go of it.</summary>
    public static readonly Activity<string, bool> AwaitEnd = new("aios.await-end", Effect.Pure, async (_, run, context, _) =>
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.Cancellation, context.Host!.GoesDown);
        try
        {
            await context.Host.WaitAsync(new RunKey(context.Tenant, run), either.Token);
        }
        catch (CommandRefusedException e) when (e.Refusal is Refusal.NotFound)
        {
            // Purged meanwhile: it had ended.
        }
        return true;
    }, new ActivityOptions { StartToClose = TimeSpan.FromDays(7), Concurrency = 10_000 });

    // What a run that is over refuses is what was wanted.
    private static async Task<bool> Closing(Func<Task<long>> command)
    {
        try
        {
            await command();
            return true;
        }
        catch (CommandRefusedException e) when (e.Refusal is Refusal.NotFound or Refusal.Conflict)
        {
            return false;
        }
    }

    private static async Task<T> Refusable<T>(Func<Task<T>> command)
    {
        try
        {
            return await command();
        }
        catch (CommandRefusedException e)
        {
            throw new RefusedException(e.Message, retry: e.Refusal is Refusal.Busy, e.RetryAfter);
        }
    }
}
