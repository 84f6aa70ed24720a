using OrleansAiOs.Host.Cli;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Packs.InvoiceToPay;
using OrleansAiOs.Packs.InvoiceToPay.Documents;

namespace OrleansAiOs.Host.Demo;

/// <summary>The sample people: each with a key of their own, so that four eyes are two people.</summary>
internal sealed class DemoPeople : IDisposable
{
    private const decimal BuyerLimit = 5_000m;
    private const decimal ControllerLimit = 50_000m;

    private readonly Dictionary<string, (string Name, ApiClient Api)> deciders = new(StringComparer.Ordinal);

    public static readonly IReadOnlyList<string> Rules =
    [
        $"ben ({Roles.Buyer}) approves documents without a known order up to {BuyerLimit:N2}, and refuses those that do not fit their order",
        $"carla ({Roles.Controller}) approves up to {ControllerLimit:N2}",
    ];

    private DemoPeople(ApiClient clerk) => Clerk = clerk;

    /// <summary>anna, who brings documents in.</summary>
    public ApiClient Clerk { get; }

    public static async Task<DemoPeople> HireAsync(HostAddress owner, CancellationToken cancellation)
    {
        var people = new DemoPeople(await KeyAsync(owner, "anna", BuiltInRole.Operator, cancellation));
        foreach (var (name, role) in new[] { ("ben", Roles.Buyer), ("carla", Roles.Controller) })
            people.deciders[role] = (name, await KeyAsync(owner, name, role, cancellation));
        return people;
    }

    public (string Name, ApiClient Api) For(string role) => deciders[role];

    public bool HasRole(string role) => deciders.ContainsKey(role);

    /// <summary>What the printed rules say.</summary>
    public static bool DecidesYes(string role, ForApproval subject) => role switch
    {
        Roles.Buyer => subject.OrderStatus is OrderStatus.None or OrderStatus.Unknown && subject.Amount <= BuyerLimit,
        _ => subject.Amount <= ControllerLimit,
    };

    public void Dispose()
    {
        Clerk.Dispose();
        foreach (var (_, api) in deciders.Values) api.Dispose();
    }

    // A key is shown once, so each demo makes new ones.
    private static async Task<ApiClient> KeyAsync(HostAddress owner, string name, string role, CancellationToken cancellation)
    {
        using var api = new ApiClient(owner);
        var keys = await api.GetAsync<PageDocument<KeyDocument>>(ApiPaths.Keys, cancellation);
        if (keys.Items.Any(key => key.Name == name && key.RevokedAt is null)) await api.CommandAsync(HttpMethod.Delete, ApiPaths.Key(name), null, cancellation);
        using var again = new ApiClient(owner);
        var made = again.Read<KeyDocument>(await again.CommandAsync(HttpMethod.Post, ApiPaths.Keys, new { name, roles = new[] { role } }, cancellation));
        return new ApiClient(owner with { Key = made.Key });
    }
}
