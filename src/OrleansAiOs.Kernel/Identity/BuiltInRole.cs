using System.Collections.Frozen;

namespace OrleansAiOs.Kernel.Identity;

/// <summary>
/// Roles that mean the same in every tenant. Any other name is a role of the tenant's own ("controller"): whoever holds one may see runs
/// and decide the approvals that name it, and has what the tenant grants to "role/NAME".
/// </summary>
public static class BuiltInRole
{
    /// <summary>Everything of the tenant; of the tenant "default": also other tenants' being there, never what is in them.</summary>
    public const string Owner = "owner";

    /// <summary>Starts, sees and steers runs and schedules. Deletes nothing, and manages nobody.</summary>
    public const string Operator = "operator";

    /// <summary>Sees runs, schedules, tools, policies and budgets.</summary>
    public const string Viewer = "viewer";

    /// <summary>Sees everything of the tenant, who holds which right among it; of the tenant "default": also the audit trail over all tenants. Changes nothing.</summary>
    public const string Auditor = "auditor";

    /// <summary>The platform's business, not a tenant's: that there are other tenants, and the one trail over all of them. No grant gives these.</summary>
    private static readonly string[] PlatformActions = ["tenant.", "audit."];

    private static readonly string[] Everybody = ["api.read"];

    private static readonly string[] OfOwnName = ["run.read", "schedule.read", "approval.read", "approval.decide"];

    private static readonly FrozenDictionary<string, string[]> Actions = new Dictionary<string, string[]>
    {
        [Owner] = ["*"],
        [Operator] =
        [
            "run.read", "run.start", "run.signal", "run.update", "run.cancel", "run.terminate", "run.pause", "run.resume", "run.unpark", "run.resolve", "run.retry", "run.skip", "run.reset", "run.fork",
            "run.migrate", "schedule.*", "payload.write", "approval.*", "tool.call", "tool.read", "policy.read", "budget.read", "webhook.read",
        ],
        [Viewer] = ["run.read", "schedule.read", "approval.read", "tool.read", "policy.read", "budget.read", "webhook.read"],
        [Auditor] = ["*.read"],
    }.ToFrozenDictionary();

    public static IEnumerable<string> Names => Actions.Keys.Order(StringComparer.Ordinal);

    public static bool Is(string role) => Actions.ContainsKey(role);

    /// <summary>Whether a role by itself lets its holder do something in a tenant.</summary>
    internal static bool Allows(string tenant, string role, string action)
    {
        if (IsPlatforms(action) && (tenant != Tenants.Platform || role != Owner && (role != Auditor || !action.StartsWith("audit.", StringComparison.Ordinal)))) return false;
        foreach (var pattern in Actions.GetValueOrDefault(role) ?? OfOwnName)
            if (Grant.Names(pattern, action)) return true;
        return false;
    }

    /// <summary>Whether an action is the platform's, which only a role in its tenant allows.</summary>
    internal static bool IsPlatforms(string action) => Array.Exists(PlatformActions, kind => action.StartsWith(kind, StringComparison.Ordinal));

    /// <summary>What anybody may do who is somebody.</summary>
    internal static bool AllowsAnybody(string action) => Everybody.Contains(action);

    /// <summary>The actions a role brings, as patterns.</summary>
    public static IReadOnlyList<string> ActionsOf(string role) => Actions.GetValueOrDefault(role) ?? OfOwnName;
}
