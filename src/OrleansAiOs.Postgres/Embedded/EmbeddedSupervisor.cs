using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace OrleansAiOs.Postgres.Embedded;

// Why it exists
//   The server must outlive a host that is killed (so that the next one is up at once), and must not outlive all hosts for ever.
//   Nobody but a third process can see to both. PDEATHSIG cannot: it fires when the *thread* that spawned ends.
//
// What is stored          supervisor.lock (flock: one supervisor per folder), supervisor.pid and supervisor.log (for people), supervisor.sock
//
// The algorithm
//   1. take supervisor.lock, waiting for a predecessor that is still stopping its server
//   2. start the server, or take over the one that runs (postmaster.pid alive and standing in this very folder)
//   3. listen on supervisor.sock. The socket exists only while a server has been ready, so whoever connects needs no other proof.
//      A host says "host PID GRACE" and is told "ready PORT ADOPTED SUPERVISOR"; it then holds the connection, which the system closes when it dies
//   4. no connection left: the grace runs; a new host within it stops the clock (adopts); else, or on "stop" or SIGTERM:
//   5. tell a host "stopped", close the socket, stop the server, remove the files, release the lock, exit
//   A server that dies in between is started again, with back-off.
//
// When something dies
//   host, anywhere                → end of file here; step 4. Before it ever connected: the grace runs from step 3 on
//   supervisor, before 2          → nothing ran; the host launches another
//   supervisor, between 2 and 5   → the server runs on without one. A living host sees end of file and launches another, else the next host does;
//                                   it removes the dead socket, and step 2 takes the server over
//   supervisor, inside 5          → the server stops by itself (the order was given) or runs on as above; the next one waits for either (FoundReadyAsync)
//   host connects during 5        → the socket is gone or closes on it: it launches a supervisor, which waits in step 1
//   machine                       → all is dead, files are left; PostgreSQL recovers, stale pid file and socket are replaced

/// <summary>The process that looks after the private server, between hosts and when one is killed.</summary>
public sealed class EmbeddedSupervisor
{
    internal const int ExitBusy = 3;

    private static readonly TimeSpan WatchInterval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestBackOff = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan SteadyAfter = TimeSpan.FromMinutes(1);

    private readonly DataFolder folder;
    private readonly PrivateServer server;
    private readonly SupervisorArguments arguments;
    private readonly CancellationTokenSource stopping = new();
    private readonly Lock gate = new();
    private readonly Timer graceClock;

    private int hosts;
    private TimeSpan grace;
    private bool serverIsSomebodyElses;

    private EmbeddedSupervisor(SupervisorArguments arguments)
    {
        this.arguments = arguments;
        grace = arguments.Grace;
        folder = DataFolder.At(arguments.DataFolder);
        server = new PrivateServer(folder, PostgresBinaries.In(arguments.BinariesFolder));
        graceClock = new Timer(_ => GraceOver(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>What the hidden verb <c>db supervise</c> runs, with the arguments behind the verb. Returns the exit code.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        Posix.LeaveTerminal();
        try
        {
            var supervisor = new EmbeddedSupervisor(SupervisorArguments.Parse(args));
            return await supervisor.RunAsync();
        }
        catch (EmbeddedPostgresException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }

    private async Task<int> RunAsync()
    {
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = true);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal => signal.Cancel = true);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal =>
        {
            signal.Cancel = true;
            Log("asked to end by the system");
            stopping.Cancel();
        });

        using var only = await TakeLockAsync();
        if (only is null)
        {
            return ExitBusy;
        }

        var tookOver = false;
        try
        {
            await File.WriteAllTextAsync(folder.SupervisorPidFile, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            serverIsSomebodyElses = await server.EnsureRunningAsync(stopping.Token);
            tookOver = serverIsSomebodyElses;
            Log($"{(tookOver ? "took over the running" : "started the")} server (process {server.Running?.Pid})");
            await ServeAsync();
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // SIGTERM while the server was starting.
        }
        catch (EmbeddedPostgresException e)
        {
            Log(e.Message);
            throw;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw folder.Unwritable(e);
        }
        finally
        {
            await EndAsync(tookOver);
        }

        return 0;
    }

    // One that could not take up its work (a full disk) leaves a server it did not start alone: a living host may be using it.
    private async Task EndAsync(bool tookOver)
    {
        if (tookOver && !stopping.IsCancellationRequested)
        {
            return;
        }

        await server.StopAsync(immediately: arguments.DeleteWhenStopped, CancellationToken.None);
        Log("stopped the server");
        Remove();
    }

    // A predecessor in its grace is one that hosts can connect to, so whoever launched us will not need us; one that is stopping ends soon.
    private async Task<FileStream?> TakeLockAsync()
    {
        for (var waited = TimeSpan.Zero; waited < TimeSpan.FromMinutes(1); waited += WatchInterval)
        {
            try
            {
                return ExclusiveFile.Open(folder.SupervisorLockFile);
            }
            catch (IOException e) when (ExclusiveFile.IsHeld(e))
            {
                await Task.Delay(WatchInterval);
            }
        }

        return null;
    }

    private async Task ServeAsync()
    {
        File.Delete(folder.SupervisorSocket);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(folder.SupervisorSocket));
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(folder.SupervisorSocket, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        listener.Listen();
        graceClock.Change(grace, Timeout.InfiniteTimeSpan);
        var watch = WatchServerAsync();
        try
        {
            while (true)
            {
                _ = AttendAsync(await listener.AcceptAsync(stopping.Token));
            }
        }
        catch (OperationCanceledException)
        {
            listener.Close();
            File.Delete(folder.SupervisorSocket);
        }

        await watch;
    }

    private async Task AttendAsync(Socket socket)
    {
        await using var stream = new NetworkStream(socket, ownsSocket: true);
        using var reader = new StreamReader(stream);
        try
        {
            switch ((await reader.ReadLineAsync(stopping.Token))?.Split(' '))
            {
                case ["host", var pid, var seconds]:
                    await HoldAsync(pid, TimeSpan.FromSeconds(double.Parse(seconds, CultureInfo.InvariantCulture)), stream, reader);
                    break;
                case ["stop"]:
                    Log("asked to stop");
                    await stopping.CancelAsync();
                    break;
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            // The other end is gone, or we are going.
        }
    }

    private async Task HoldAsync(string pid, TimeSpan itsGrace, NetworkStream stream, StreamReader reader)
    {
        if (!Arrive(itsGrace))
        {
            return;
        }

        try
        {
            var postmaster = await ReadyServerAsync();
            var adopted = Interlocked.Exchange(ref serverIsSomebodyElses, true);
            Log($"host {pid} {(adopted ? "adopted the server" : "came")}");
            var answer = string.Create(CultureInfo.InvariantCulture, $"ready {postmaster.Port} {(adopted ? 1 : 0)} {Environment.ProcessId}\n");
            await stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(answer), stopping.Token);
            while (await reader.ReadLineAsync(stopping.Token) is { } line)
            {
                if (line == "stop")
                {
                    await stopping.CancelAsync();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // So that the host does not take this for the death of its supervisor and launch another.
            await stream.WriteAsync("stopped\n"u8.ToArray());
        }
        finally
        {
            Log($"host {pid} is let go");
            Leave();
        }
    }

    // It may have died just now; the watch starts it again.
    private async Task<Postmaster> ReadyServerAsync()
    {
        while (true)
        {
            if (server.Running is { IsReady: true } postmaster)
            {
                return postmaster;
            }

            await Task.Delay(WatchInterval, stopping.Token);
        }
    }

    private bool Arrive(TimeSpan itsGrace)
    {
        lock (gate)
        {
            if (stopping.IsCancellationRequested)
            {
                return false;
            }

            hosts++;
            grace = itsGrace;
            graceClock.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            return true;
        }
    }

    private void Leave()
    {
        lock (gate)
        {
            hosts--;
            if (hosts == 0)
            {
                graceClock.Change(grace, Timeout.InfiniteTimeSpan);
            }
        }
    }

    private void GraceOver()
    {
        lock (gate)
        {
            // The clock may have struck while a host was arriving.
            if (hosts == 0)
            {
                Log("no host came in time");
                stopping.Cancel();
            }
        }
    }

    private async Task WatchServerAsync()
    {
        var backOff = TimeSpan.Zero;
        var upSince = DateTime.UtcNow;
        try
        {
            while (true)
            {
                await Task.Delay(WatchInterval, stopping.Token);
                if (server.Running is not null)
                {
                    continue;
                }

                if (!folder.HasServer)
                {
                    Log($"{folder.Cluster} was removed");
                    await stopping.CancelAsync();
                    return;
                }

                backOff = DateTime.UtcNow - upSince > SteadyAfter ? TimeSpan.Zero : Next(backOff);
                Log($"the server died; starting it again in {backOff.TotalSeconds:0.0} s");
                await Task.Delay(backOff, stopping.Token);
                if (await TryRestartAsync())
                {
                    upSince = DateTime.UtcNow;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    private async Task<bool> TryRestartAsync()
    {
        try
        {
            await server.EnsureRunningAsync(stopping.Token);
            Log($"the server is back (process {server.Running?.Pid})");
            return true;
        }
        catch (Exception e) when (e is EmbeddedPostgresException or IOException or UnauthorizedAccessException)
        {
            Log(e.Message);
            return false;
        }
    }

    private static TimeSpan Next(TimeSpan backOff) =>
        backOff == TimeSpan.Zero ? TimeSpan.FromMilliseconds(100) : TimeSpan.FromTicks(Math.Min(backOff.Ticks * 2, LongestBackOff.Ticks));

    private void Remove()
    {
        try
        {
            File.Delete(folder.SupervisorSocket);
            File.Delete(folder.SupervisorPidFile);
            if (arguments.DeleteWhenStopped)
            {
                Directory.Delete(folder.Path, recursive: true);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log($"could not remove everything: {e.Message}");
        }
    }

    private void Log(string text)
    {
        const long LargestLog = 1 << 20;
        try
        {
            lock (gate)
            {
                var file = new FileInfo(folder.SupervisorLogFile);
                if (file.Exists && file.Length > LargestLog)
                {
                    file.Delete();
                }

                File.AppendAllText(file.FullName, $"{DateTime.UtcNow:yyyy-MM-dd HH:mm:ss.fff} [{Environment.ProcessId}] {text}\n");
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A full disk must not take the server's keeper with it.
        }
    }
}
