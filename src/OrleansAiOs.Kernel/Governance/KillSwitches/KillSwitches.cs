using System.Collections.Concurrent;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.KillSwitches;

/// <summary>What a kill switch stops: nothing of it passes the gate until it is released. Runs that meet it wait; none is lost.</summary>
public enum KillTarget
{
    /// <summary>Everything a principal does, and everything done on its behalf.</summary>
    Principal,

    /// <summary>Every call of a tool.</summary>
    Tool,

    /// <summary>Everything of a tenant; its id is the tenant's.</summary>
    Tenant,
}

[StoredAs("kill-switch-thrown")]
public sealed record KillSwitchThrown(KillTarget Target, string Id, string Why) : KernelEvent;

[StoredAs("kill-switch-released")]
public sealed record KillSwitchReleased(KillTarget Target, string Id, string Why) : KernelEvent;

/// <summary>A switch that is thrown.</summary>
public sealed record ThrownSwitch(KillTarget Target, string Id, string Why, string? By, DateTimeOffset Since);

/// <summary>Which switches are thrown. A stream for each target, "kill/{target}/{id}", under its tenant.</summary>
public sealed class KillSwitchView : IKernelView
{
    private readonly ConcurrentDictionary<(string Tenant, KillTarget Target, string Id), ThrownSwitch> thrown = new();

    public void Apply(RecordedEvent e)
    {
        if (e.Event is KillSwitchThrown on) thrown[(e.Tenant, on.Target, on.Id)] = new ThrownSwitch(on.Target, on.Id, on.Why, e.By, e.At);
        else if (e.Event is KillSwitchReleased off) thrown.TryRemove((e.Tenant, off.Target, off.Id), out _);
    }

    public ThrownSwitch? Find(string tenant, KillTarget target, string id) => thrown.GetValueOrDefault((tenant, target, id));

    /// <summary>The switch that stops a call: of the tenant, of anybody in the chain, or of the tool.</summary>
    public ThrownSwitch? Stops(string tenant, IReadOnlyList<string> chain, string tool)
    {
        if (thrown.IsEmpty) return null;
        return Find(tenant, KillTarget.Tenant, tenant) ?? Find(tenant, KillTarget.Tool, tool) ?? Find(tenant, KillTarget.Tool, KillSwitches.ToolOf(tool)) ?? chain.Select(principal => Find(tenant, KillTarget.Principal, principal)).FirstOrDefault(found => found is not null);
    }

    public IReadOnlyList<ThrownSwitch> List(string tenant) => [.. thrown.Where(pair => pair.Key.Tenant == tenant).Select(pair => pair.Value).OrderBy(s => s.Since)];
}

/// <summary>Throws and releases kill switches. Throwing one that is thrown, and releasing one that is not, changes nothing.</summary>
public sealed class KillSwitches(EventStreams streams)
{
    private const int IdCharsMax = 200;
    private const int WhyCharsMax = 1000;
    private const string ServersTool = "tool:"; // as calls of tools are recorded

    /// <returns>False if it was thrown already.</returns>
    public Task<bool> ThrowAsync(string tenant, KillTarget target, string id, string why, string by, CancellationToken cancellation = default) =>
        ChangeAsync(tenant, target, id, why, by, toThrown: true, cancellation);

    /// <returns>False if it was not thrown.</returns>
    public Task<bool> ReleaseAsync(string tenant, KillTarget target, string id, string why, string by, CancellationToken cancellation = default) =>
        ChangeAsync(tenant, target, id, why, by, toThrown: false, cancellation);

    private async Task<bool> ChangeAsync(string tenant, KillTarget target, string id, string why, string by, bool toThrown, CancellationToken cancellation)
    {
        if (id.Length is 0 or > IdCharsMax) throw new ArgumentException($"What a kill switch stops has a name of 1 to {IdCharsMax} characters; this one has {id.Length}.", nameof(id));
        if (string.IsNullOrWhiteSpace(why) || why.Length > WhyCharsMax) throw new ArgumentException($"A kill switch needs a reason of 1 to {WhyCharsMax} characters: whoever finds work standing still reads it.", nameof(why));
        if (target is KillTarget.Tenant && id != tenant) throw new ArgumentException($"A tenant's switch is its own: '{id}' is not '{tenant}'.", nameof(id));
        var name = NameOf(target, id);
        var changed = await ChangeAsync(name);
        // Switches were stored as they were typed once: such a one is thrown no more, but it is listed until it is released.
        if (!toThrown && AsTyped(target, name) is { } typed && typed != name) changed |= await ChangeAsync(typed);
        return changed;

        Task<bool> ChangeAsync(string which) => streams.DecideAsync(tenant, $"kill/{target.ToString().ToLowerInvariant()}/{which}", history =>
            history is [.., { Event: KillSwitchThrown }] == toThrown ? [] : [toThrown ? new KillSwitchThrown(target, which, why) : new KillSwitchReleased(target, which, why)], by, cancellation: cancellation);
    }

    /// <summary>The tool of a server by the name it has at the gate, where it was named as lists name it ("crm/update"). Another name is as it is.</summary>
    internal static string ToolOf(string name) => name.Contains('/') && !name.Contains(':') ? ServersTool + name : name;

    // What the gate looks for: a switch under any other name stops nothing.
    private static string NameOf(KillTarget target, string id)
    {
        if (target is KillTarget.Tool)
            return !id.StartsWith(ServersTool, StringComparison.Ordinal) || id.IndexOf('/') > ServersTool.Length ? ToolOf(id)
                : throw new ArgumentException($"'{id}' is no tool: write {ServersTool}SERVER/NAME, or the name of an activity (\"bank.pay\").", nameof(id));
        if (target is KillTarget.Tenant) return id;
        var name = PrincipalId.Of(id);
        return name == PrincipalId.Engine || PrincipalId.TryParse(name, out _) ? name
            : throw new ArgumentException($"'{id}' is no principal: write user/NAME, service/NAME or agent/NAME, the name of {PrincipalId.NameRule}.", nameof(id));
    }

    private static string? AsTyped(KillTarget target, string name) => target switch
    {
        KillTarget.Principal => PrincipalId.ForPeople(name),
        KillTarget.Tool when name.StartsWith(ServersTool, StringComparison.Ordinal) => name[ServersTool.Length..],
        _ => null,
    };
}
