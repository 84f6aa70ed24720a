namespace OrleansAiOs.Host.Cli;

/// <summary>The API's addresses.</summary>
internal static class ApiPaths
{
    public const string Schedules = "/api/v1/schedules";

    public static string Schedule(string id) => $"{Schedules}/{Segment("schedule's name", id)}";

    public const string Tools = "/api/v1/tools";
    public const string Calls = "/api/v1/tools/calls";
    public const string ToolServers = "/api/v1/tool-servers";
    public const string Secrets = "/api/v1/secrets";

    public static string Tool(string id) => $"{Tools}/{Segment("tool", id)}";

    public static string ToolServer(string name) => $"{ToolServers}/{Segment("server's name", name)}";

    public static string Secret(string name) => $"{Secrets}/{Segment("secret's name", name)}";

    public const string Webhooks = "/api/v1/webhooks";
    public const string WebhookSources = "/api/v1/webhook-sources";

    public static string Webhook(string name) => $"{Webhooks}/{Segment("webhook's name", name)}";

    public static string WebhookSource(string name) => $"{WebhookSources}/{Segment("source's name", name)}";

    public const string Runs = "/api/v1/runs";
    public const string Bulk = "/api/v1/runs:bulk";
    public const string Approvals = "/api/v1/approvals";
    public const string Keys = "/api/v1/keys";
    public const string Policies = "/api/v1/policies";
    public const string Principals = "/api/v1/principals";
    public const string Grants = "/api/v1/grants";
    public const string Tenants = "/api/v1/tenants";
    public const string Me = "/api/v1/me";
    public const string SigningKeys = "/api/v1/signing-keys";
    public const string Delegations = "/api/v1/delegations";
    public const string KillSwitches = "/api/v1/kill-switches";
    public const string Budgets = "/api/v1/budgets";
    public const string Quotas = "/api/v1/quotas";
    public const string RunLimits = "/api/v1/run-limits";

    public static string RunLimit(string tool) => $"{RunLimits}/{Segment("tool", tool)}";

    public static string Budget(string name) => $"{Budgets}/{Segment("budget's name", name)}";

    public static string Quota(string name) => $"{Quotas}/{Segment("quota's name", name)}";

    public static string Run(string id) => $"{Runs}/{Segment("run id", id)}";

    public static string Principal(string id) => id.Split('/') is [{ Length: > 0 } kind, { Length: > 0 } name]
        ? $"{Principals}/{Segment("principal's kind", kind)}/{Segment("principal's name", name)}" : throw CliException.Usage($"'{id}' is no principal: write user/NAME, service/NAME or agent/NAME.");

    public static string Key(string name) => $"{Keys}/{Segment("key name", name)}";

    public static string Policy(string name) => $"{Policies}/{Segment("policy's name", name)}";

    public static string Segment(string what, string text) =>
        // A URL swallows "." and ".." and would speak of something else.
        text is "" or "." or ".." ? throw CliException.Usage($"'{text}' is no {what}.") : Uri.EscapeDataString(text);

    public static string Query(string path, params IEnumerable<(string Name, string? Value)> parameters)
    {
        var query = string.Join('&', parameters.Where(p => p.Value is not null).Select(p => $"{p.Name}={Uri.EscapeDataString(p.Value!)}"));
        return query == "" ? path : $"{path}?{query}";
    }
}
