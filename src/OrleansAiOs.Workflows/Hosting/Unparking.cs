using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Workflows.Hosting;

/// <summary>
/// While hosts of one store are replaced one by one, a run of the new build may come to one of the old, which can but park it. It goes on by
/// itself with a host that holds its code: each of those looks when it starts, and, as a run is active on the old host for a while yet,
/// whenever a host has gone.
/// </summary>
internal sealed class Unparking(WorkflowHost host)
{
    private const int Page = 1000;
    private const int AtATime = 16;
    private static readonly TimeSpan AgainAfter = TimeSpan.FromSeconds(5);

    private const int TriesMost = 12; // some 5 s apart: whoever has no place for the run now has none for long

    private readonly Lock sync = new();
    private bool looking;
    private bool again;
    private int looks;

    public void Look()
    {
        lock (sync)
        {
            again = true;
            if (looking) return;
            looking = true;
        }
        host.InBackground(LookAsync);
    }

    private async Task LookAsync()
    {
        while (true)
        {
            lock (sync)
            {
                looking = again && !host.IsHalted;
                again = false;
                if (!looking) return;
            }
            // A receipt would answer for the unparking before: a run may come to lack its code more than once.
            var key = $"deployed-{host.Options.HostId}-{++looks}";
            try
            {
                var reasons = host.Registry.All.SelectMany(WorkflowRun.ReasonsOfLacking).Distinct().ToList();
                RunKey? last = null;
                do
                {
                    var parked = await host.Store.ParkedAsync(reasons, last, Page, host.Halted);
                    foreach (var some in parked.Where(row => host.Registry.Find(row.Workflow, row.CodeVersion) is not null).Chunk(AtATime))
                        await Task.WhenAll(some.Select(row => UnparkAsync(row.Run, key)));
                    last = parked.Count < Page ? null : parked[^1].Run;
                }
                while (last is not null && !host.IsHalted);
            }
            catch (Exception e)
            {
                if (host.IsHalted) return;
                host.Log.NotLookedForParked(e);
                lock (sync) again = true;
                await Task.Delay(AgainAfter, host.Options.Time, host.Halted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task UnparkAsync(RunKey run, string key)
    {
        for (var tries = 1; !host.IsHalted; tries++)
        {
            try
            {
                await host.UnparkAsync(run, "engine", key);
                return;
            }
            catch (CommandRefusedException e) when (e.Refusal is Refusal.Busy && tries < TriesMost)
            {
                await Task.Delay(e.RetryAfter ?? TimeSpan.FromSeconds(5), host.Options.Time, host.Halted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception e)
            {
                // Another host may have been quicker.
                if (await host.Store.FindAsync(run, host.Halted) is { Status: RunStatus.Parked }) host.Log.NotUnparked(run, e.Message);
                return;
            }
        }
    }
}
