using System.Diagnostics;
using OrleansAiOs.Host.Cli;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Packs.InvoiceToPay;
using OrleansAiOs.Packs.InvoiceToPay.Documents;

namespace OrleansAiOs.Host.Demo;

/// <summary>The sample people: each with a key of their own, so that four eyes are two people.</summary>
internal sealed class DemoPeople
{
    private const decimal BuyerLimit = 5_000m;
    private const decimal ControllerLimit = 50_000m;

    // Until a host that died is known to be dead; another answers meanwhile that it cannot tell.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly Func<HostAddress> host;
    private readonly Dictionary<string, string> keys = new(StringComparer.Ordinal);

    public static readonly IReadOnlyList<string> Rules =
    [
        $"ben ({Roles.Buyer}) approves documents without a known order up to {BuyerLimit:N2}, and refuses those that do not fit their order",
        $"carla ({Roles.Controller}) approves up to {ControllerLimit:N2}",
    ];

    private DemoPeople(Func<HostAddress> host) => this.host = host;

    /// <summary>Who brings documents in, and looks.</summary>
    public const string Clerk = "anna";

    /// <param name="host">Where the next request goes, with the owner's key.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<DemoPeople> HireAsync(Func<HostAddress> host, CancellationToken cancellation)
    {
        var people = new DemoPeople(host);
        var owner = host(); // one of them: that a key is revoked, the others know a moment later
        foreach (var (name, role) in new[] { (Clerk, BuiltInRole.Operator), ("ben", Roles.Buyer), ("carla", Roles.Controller) })
            people.keys.Add(name, await KeyAsync(owner, name, role, cancellation));
        return people;
    }

    /// <summary>Who holds a role; null if none of them.</summary>
    public static string? Holder(string role) => role switch { Roles.Buyer => "ben", Roles.Controller => "carla", _ => null };

    public ApiClient As(string name, string? commandKey = null) => new(host() with { Key = keys[name] }, commandKey);

    /// <summary>Asks in the clerk's name.</summary>
    public async Task<T> LookAsync<T>(string path, CancellationToken cancellation)
    {
        using var api = As(Clerk);
        return await api.GetAsync<T>(path, cancellation);
    }

    /// <summary>Sends a command in somebody's name, under one key until a host takes it.</summary>
    public async Task<string> SendAsync(string name, string path, object body, CancellationToken cancellation)
    {
        var key = Guid.NewGuid().ToString();
        var watch = Stopwatch.StartNew();
        while (true)
        {
            using var api = As(name, key);
            try
            {
                return await api.CommandAsync(HttpMethod.Post, path, body, cancellation);
            }
            catch (CliException e) when (e.Code is ExitCode.Unavailable && watch.Elapsed < Patience)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(500), cancellation);
            }
        }
    }

    /// <summary>What the printed rules say.</summary>
    public static bool DecidesYes(string role, ForApproval subject) => role switch
    {
        Roles.Buyer => subject.OrderStatus is OrderStatus.None or OrderStatus.Unknown && subject.Amount <= BuyerLimit,
        _ => subject.Amount <= ControllerLimit,
    };

    // A key is shown once, so each demo makes new ones.
    private static async Task<string> KeyAsync(HostAddress owner, string name, string role, CancellationToken cancellation)
    {
        using var api = new ApiClient(owner);
        var keys = await api.GetAsync<PageDocument<KeyDocument>>(ApiPaths.Keys, cancellation);
        if (keys.Items.Any(key => key.Name == name && key.RevokedAt is null)) await api.CommandAsync(HttpMethod.Delete, ApiPaths.Key(name), null, cancellation);
        using var again = new ApiClient(owner);
        return again.Read<KeyDocument>(await again.CommandAsync(HttpMethod.Post, ApiPaths.Keys, new { name, roles = new[] { role } }, cancellation)).Key!;
    }
}
