using OrleansAiOs.Workflows;

namespace OrleansAiOs.Host.Tests.Replaying;

internal static class ReplayTools
{
    public static readonly Activity<int, int> Add = Activity.Pure<int, int>("replay.add", (n, _) => Task.FromResult(n + 1));

    public static readonly Activity<int, int> Extra = Activity.Pure<int, int>("replay.extra", (n, _) => Task.FromResult(n));

    public static readonly Signal<int> Go = new("go");
}

/// <summary>
/// Code that is another in the replay than it was when it ran: the environment, which the sealed process inherits, stands for a new build
/// or for an author's mistake. That is what the analyzers refuse, and what the replay has to find all the same.
/// </summary>
[Workflow("replay-changing", Version = "7")]
internal sealed class Changing : Workflow<int, int>
{
    public const string ReachVariable = "AIOS_TEST_REPLAY_REACHES";
    public const string ChangeVariable = "AIOS_TEST_REPLAY_CHANGED";

#pragma warning disable AIOS001, AIOS002, AIOS003, AIOS004, AIOS005, AIOS006, AIOS007, AIOS008, AIOS009, AIOS010
    protected override async Task<int> RunAsync(int n)
    {
        n = await Call(ReplayTools.Add, n);
        if (Environment.GetEnvironmentVariable(ReachVariable) is { Length: > 0 } url)
        {
            using var http = new HttpClient();
            try
            {
                await http.GetAsync(url);
            }
            catch (HttpRequestException)
            {
            }
        }
        if (Environment.GetEnvironmentVariable(ChangeVariable) is { Length: > 0 })
            await Call(ReplayTools.Extra, n); // the inserted line
        return await Call(ReplayTools.Add, n);
    }
#pragma warning restore AIOS001, AIOS002, AIOS003, AIOS004, AIOS005, AIOS006, AIOS007, AIOS008, AIOS009, AIOS010
}

[Workflow("replay-steady")]
internal sealed class Steady : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int n) => await Call(ReplayTools.Add, n) + await Receive(ReplayTools.Go);
}
