using System.Text;
using System.Text.Json;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Tests.Shared;

/// <summary>
/// What every store must do. A store's test project derives one class from each of the suites (appends, lists, wake-ups and hosts,
/// transactions). Each test has a tenant of its own, so they can share a store; what has no tenant has unique names and dates.
/// </summary>
public abstract class RunStoreConformance
{
    private static int dates;

    protected abstract IRunStore Store { get; }

    protected string Tenant { get; } = $"t-{Guid.NewGuid():N}";

    /// <summary>A moment, in whole microseconds, that no other test of this process is near.</summary>
    protected DateTimeOffset Moment { get; } = new DateTimeOffset(3000, 1, 1, 0, 0, 0, TimeSpan.Zero).AddYears(Interlocked.Increment(ref dates)).AddMicroseconds(123457);

    protected RunKey Run(string id = "r", string? tenant = null) => new(tenant ?? Tenant, id);

    protected NewEvent Event(string body = """{"signal":"go","value":1}""", string type = "signal-received", DateTimeOffset? at = null) =>
        new(Guid.CreateVersion7(), type, Encoding.UTF8.GetBytes(body), at ?? Moment);

    protected RunRow Row(RunKey run, RunStatus status = RunStatus.Running, string workflow = "w", string? businessKey = null, Dictionary<string, string>? attributes = null,
        IReadOnlyList<RunWait>? waits = null, DateTimeOffset? startedAt = null, string host = "h", bool busy = false) =>
        new(run, workflow, null, status, host, busy, businessKey, attributes, waits ?? [], startedAt ?? Moment, Moment, status is RunStatus.Running or RunStatus.Parked ? null : Moment);

    protected async Task<AppendResult> Append(RunKey run, long expected, int events = 1, RunRow? row = null, WakeUpChange? wakeUp = null) =>
        await Store.AppendAsync(new RunAppend(run, expected, [.. Enumerable.Range(0, events).Select(_ => Event())], row, wakeUp));

    protected async Task<IReadOnlyList<StoredEvent>> History(RunKey run, long from = 1) => await Store.ReadAsync(run, from, default);

    /// <summary>A database may normalise white space and the order of members; the value stays the same.</summary>
    protected static bool SameJson(byte[] a, byte[] b)
    {
        using var left = JsonDocument.Parse(a);
        using var right = JsonDocument.Parse(b);
        return JsonElement.DeepEquals(left.RootElement, right.RootElement);
    }
}
