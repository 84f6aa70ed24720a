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
    // Of all variables the sealed process is handed those that .NET itself may read, and few others.
    public const string ReachVariable = "DOTNET_TEST_REPLAY_REACHES";
    public const string ChangeVariable = "DOTNET_TEST_REPLAY_CHANGED";
    public const string StuckVariable = "DOTNET_TEST_REPLAY_STUCK";

#pragma warning disable AIOS001, AIOS002, AIOS003, AIOS004, AIOS005, AIOS006, AIOS007, AIOS008, AIOS009, AIOS010
    protected override async Task<int> RunAsync(int n)
    {
        n = await Call(ReplayTools.Add, n);
        if (Environment.GetEnvironmentVariable(ReachVariable) is { Length: > 0 } where) await Reach(where);
        if (Environment.GetEnvironmentVariable(StuckVariable) is "loops")
            while (n > 0) { } // the endless line
        if (Environment.GetEnvironmentVariable(ChangeVariable) is { Length: > 0 })
            await Call(ReplayTools.Extra, n); // the inserted line
        return await Call(ReplayTools.Add, n);
    }

    // As code may: with an exception swallowed, and from another thread.
    private static async Task Reach(string where)
    {
        var (how, to) = where.Split(' ') switch { [var one, var other] => (one, new Uri(other)), _ => throw new ArgumentException(where) };
        try
        {
            using var http = new HttpClient();
            switch (how)
            {
                case "http": await http.GetAsync(to); break;
                case "connects": using (var socket = new System.Net.Sockets.TcpClient()) socket.Connect(to.Host, to.Port); break;
                case "elsewhere": Task.Run(() => http.GetAsync(to)).Wait(); break;
                case "forgets":
                    // A thread that nothing connects with the replay.
                    var thread = new Thread(() => http.Send(new HttpRequestMessage(HttpMethod.Get, to)));
                    thread.UnsafeStart();
                    while ((thread.ThreadState & ThreadState.WaitSleepJoin) == 0) Thread.Yield();
                    break;
            }
        }
        catch (Exception e) when (e is HttpRequestException or System.Net.Sockets.SocketException or AggregateException)
        {
        }
    }
#pragma warning restore AIOS001, AIOS002, AIOS003, AIOS004, AIOS005, AIOS006, AIOS007, AIOS008, AIOS009, AIOS010
}

[Workflow("replay-steady")]
internal sealed class Steady : Workflow<int, int>
{
    protected override async Task<int> RunAsync(int n) => await Call(ReplayTools.Add, n) + await Receive(ReplayTools.Go);
}
