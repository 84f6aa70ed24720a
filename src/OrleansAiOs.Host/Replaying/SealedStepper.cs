using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using OrleansAiOs.Host.Cli;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Stepping;

namespace OrleansAiOs.Host.Replaying;

/// <summary>A run as the sealed process is told it, in its first line of input.</summary>
internal sealed record SealedHistory(string Tenant, string Run, IReadOnlyList<SealedHistory.Event> Events)
{
    public static SealedHistory Of(RunKey run, IEnumerable<StoredEvent> history) => new(run.Tenant, run.Id, [.. history.Select(e => new Event(e.Version, e.Type, e.At, Encoding.UTF8.GetString(e.Body)))]);

    public IReadOnlyList<StoredEvent> Stored() => [.. Events.Select(e => new StoredEvent(e.Version, Guid.Empty, e.Type, Encoding.UTF8.GetBytes(e.Data), e.At))];

    internal sealed record Event(long Version, string Type, DateTimeOffset At, string Data);
}

/// <summary>
/// The code's side of <c>aios debug</c>: the run's code in a sealed process, which is asked for one moment after the other. What only
/// concerns the history (which events, the search, the difference from another run) stays on this side.
/// </summary>
internal sealed class SealedStepper : IAsyncDisposable
{
    private readonly Process process;
    private readonly Task<string> complaints;

    private SealedStepper(Process process)
    {
        this.process = process;
        complaints = process.StandardError.ReadToEndAsync();
    }

    /// <summary>Which seal the code has.</summary>
    public string Seal { get; private set; } = "";

    /// <summary>The process that the code runs in.</summary>
    public int Process { get; private set; }

    /// <summary>Why the code was taken no further, if it was not.</summary>
    public string? Stuck { get; private set; }

    public static async Task<SealedStepper> StartAsync(SealedOrder order, RunKey run, IEnumerable<StoredEvent> history, CancellationToken cancellation)
    {
        var stepper = new SealedStepper(await SealedProcess.StartAsync(order, cancellation));
        try
        {
            await stepper.SendAsync(JsonSerializer.Serialize(SealedHistory.Of(run, history), SealedReplay.Json));
            var first = await stepper.AnswerAsync(cancellation);
            (stepper.Seal, stepper.Process) = (first.Seal!, first.Process ?? 0);
            return stepper;
        }
        catch
        {
            await stepper.DisposeAsync();
            throw;
        }
    }

    /// <summary>The moment at a version of the history.</summary>
    public Moment At(int version)
    {
        // A person waits for it, one at a time.
        var answer = AskAsync().GetAwaiter().GetResult();
        Stuck = answer.Stuck ?? Stuck;
        return answer.Moment!;

        async Task<SealedAnswer> AskAsync()
        {
            await SendAsync(version.ToString(CultureInfo.InvariantCulture));
            return await AnswerAsync(CancellationToken.None);
        }
    }

    /// <summary>Waits until it has come to its end by itself.</summary>
    public async Task EndAsync(CancellationToken cancellation) => await AnswerAsync(cancellation);

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync();
        process.Dispose();
    }

    private async Task SendAsync(string line)
    {
        try
        {
            await process.StandardInput.WriteLineAsync(line);
            await process.StandardInput.FlushAsync();
        }
        catch (IOException)
        {
            // It has ended: its answer says why.
        }
    }

    private async Task<SealedAnswer> AnswerAsync(CancellationToken cancellation)
    {
        if (await process.StandardOutput.ReadLineAsync(cancellation) is not { } line)
        {
            await process.WaitForExitAsync(cancellation);
            throw SealedProcess.Ended(process, await complaints);
        }
        var answer = JsonSerializer.Deserialize<SealedAnswer>(line, SealedReplay.Json)!;
        return answer.Problem is { } problem ? throw new CliException(ExitCode.Invalid, "The run cannot be stepped through.", problem) : answer;
    }
}
