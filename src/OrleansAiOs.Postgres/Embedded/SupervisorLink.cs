using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace OrleansAiOs.Postgres.Embedded;

/// <summary>The host's end of the connection to the supervisor (EmbeddedSupervisor.cs tells the protocol). As long as it is open, the server runs.</summary>
internal sealed class SupervisorLink : IDisposable
{
    private static readonly TimeSpan BetweenTries = TimeSpan.FromMilliseconds(20);

    private readonly NetworkStream stream;
    private readonly StreamReader reader;

    private SupervisorLink(NetworkStream stream, StreamReader reader, int port, bool adopted, int supervisorPid)
    {
        this.stream = stream;
        this.reader = reader;
        Port = port;
        Adopted = adopted;
        SupervisorPid = supervisorPid;
    }

    public int Port { get; }

    public bool Adopted { get; }

    public int SupervisorPid { get; }

    /// <summary>Connects to the supervisor of the folder, launching one when there is none.</summary>
    public static async Task<SupervisorLink> OpenAsync(
        DataFolder folder, SupervisorCommand command, SupervisorArguments arguments, CancellationToken cancellation)
    {
        LaunchedSupervisor? launched = null;
        var link = default(SupervisorLink);
        try
        {
            while ((link = await TryConnectAsync(folder, arguments.Grace, cancellation)) is null)
            {
                launched ??= LaunchedSupervisor.Start(command, arguments);
                if (await launched.FailureAsync() is { } failure)
                {
                    // One that gave up waiting for its predecessor is replaced; any other failure would only repeat itself.
                    launched = failure.ExitCode is EmbeddedSupervisor.ExitBusy or 0 ? null : throw new EmbeddedPostgresException(failure.Said);
                }

                await Task.Delay(BetweenTries, cancellation);
            }

            return link;
        }
        finally
        {
            launched?.EndUnless(link?.SupervisorPid);
        }
    }

    public static async Task<Socket?> TryReachAsync(DataFolder folder, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(folder.SupervisorSocket), cancellation);
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }

    public async Task AskToStopAsync()
    {
        try
        {
            await stream.WriteAsync("stop\n"u8.ToArray());
        }
        catch (IOException)
        {
            // It has already gone.
        }
    }

    /// <summary>Returns when the supervisor is gone: true when it was asked to stop the server, false when it died.</summary>
    public async Task<bool> WaitForEndAsync(CancellationToken cancellation)
    {
        try
        {
            return await reader.ReadLineAsync(cancellation) == "stopped";
        }
        catch (IOException)
        {
            return false;
        }
    }

    public void Dispose() => stream.Dispose();

    private static async Task<SupervisorLink?> TryConnectAsync(DataFolder folder, TimeSpan grace, CancellationToken cancellation)
    {
        if (await TryReachAsync(folder, cancellation) is not { } socket)
        {
            return null;
        }

        var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            var hello = string.Create(CultureInfo.InvariantCulture, $"host {Environment.ProcessId} {grace.TotalSeconds}\n");
            await stream.WriteAsync(Encoding.UTF8.GetBytes(hello), cancellation);
            var reader = new StreamReader(stream);
            if ((await reader.ReadLineAsync(cancellation))?.Split(' ') is ["ready", var port, var adopted, var pid])
            {
                return new SupervisorLink(
                    stream, reader, int.Parse(port, CultureInfo.InvariantCulture), adopted == "1", int.Parse(pid, CultureInfo.InvariantCulture));
            }
        }
        catch (IOException)
        {
            // It was just stopping.
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }

        await stream.DisposeAsync();
        return null;
    }
}

/// <summary>A supervisor process we have just launched, until we are connected to it or to another.</summary>
internal sealed class LaunchedSupervisor
{
    private readonly Process process;
    private readonly Task<string> complaint;

    private LaunchedSupervisor(Process process)
    {
        this.process = process;
        complaint = process.StandardError.ReadToEndAsync();
    }

    public static LaunchedSupervisor Start(SupervisorCommand command, SupervisorArguments arguments)
    {
        var start = new ProcessStartInfo(command.FileName, [.. command.Arguments, .. arguments.ToArguments()])
        {
            // Its own pipes: with the host's it would keep open whatever the host's output is piped into.
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            CreateNoWindow = true,
            WorkingDirectory = Path.GetPathRoot(arguments.DataFolder)!,
        };

        // It idles nearly always; what it inherits from a server's configuration would only make it large.
        start.Environment["DOTNET_gcServer"] = "0";
        start.Environment["DOTNET_gcConcurrent"] = "0";
        try
        {
            return new LaunchedSupervisor(Process.Start(start)!);
        }
        catch (Win32Exception e)
        {
            throw new EmbeddedPostgresException($"The database's supervisor could not be launched ({command.FileName}): {e.Message}", e);
        }
    }

    /// <summary>Null while it lives.</summary>
    public async Task<(int ExitCode, string Said)?> FailureAsync()
    {
        if (!process.HasExited)
        {
            return null;
        }

        var said = (await complaint).Trim();
        return (process.ExitCode, said.Length > 0 ? said : $"The database's supervisor ended at once with exit code {process.ExitCode}.");
    }

    /// <summary>One that still waits behind the supervisor we found is not needed. It does nothing before it holds the lock, so killing it is safe.</summary>
    public void EndUnless(int? serving)
    {
        if (serving is not null && serving != process.Id && !process.HasExited)
        {
            process.Kill();
        }

        process.Dispose();
    }
}
