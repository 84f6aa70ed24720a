using System.Security.Cryptography;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Identity;

/// <summary>A right that is to be given.</summary>
/// <param name="To">A principal, or "role/NAME" for everybody who holds a role of the tenant's own.</param>
/// <param name="Actions">1 to 20 of them.</param>
/// <param name="Resource">"workflow/refunds", "tool/crm.*", "user/ana" for act-for, "*".</param>
public sealed record NewGrant(string To, IReadOnlyList<string> Actions, string Resource, DateTimeOffset? Expires = null, string? Why = null);

/// <summary>Gives grants and takes them back.</summary>
public sealed class Grants(EventStreams streams, IdentityView view)
{
    private const int ActionsMax = 20;
    private const int ActionCharsMax = 64;
    private const int ResourceCharsMax = 300;
    private const int GrantsMax = 500;

    /// <param name="receipt">The command's idempotency key: under the same, the first grant is answered again.</param>
    /// <returns>The grant's id.</returns>
    public async Task<string> GiveAsync(string tenant, NewGrant grant, string by, string? receipt = null, CancellationToken cancellation = default)
    {
        Check(grant);
        var (id, mark) = ($"g-{RandomNumberGenerator.GetHexString(12, lowercase: true)}", Keys.Receipt(by, receipt));
        await streams.DecideAsync(tenant, StreamOf(grant.To), history =>
        {
            if (mark is not null && history.Select(e => e.Event).OfType<GrantGiven>().FirstOrDefault(given => given.Receipt == mark) is { } first)
            {
                id = first.Grant;
                return [];
            }
            if (!IsRole(grant.To) && history.Count == 0) throw Principals.NotThere(grant.To);
            if (history.Aggregate<RecordedEvent, IReadOnlyList<Grant>>([], Grant.Apply).Count >= GrantsMax)
                throw new CommandRefusedException(Refusal.Conflict, $"{grant.To} holds {GrantsMax} grants, the most there are. Take some back, or give fewer of a wider resource.");
            return [new GrantGiven(id, grant.To, grant.Actions, grant.Resource, grant.Expires, grant.Why, mark)];
        }, by, cancellation: cancellation);
        return id;
    }

    /// <exception cref="CommandRefusedException">There is no such grant.</exception>
    public async Task TakeAsync(string tenant, string id, string? why, string by, CancellationToken cancellation = default)
    {
        var grant = view.GrantsOf(tenant).FirstOrDefault(grant => grant.Id == id) ?? throw NotThere();
        await streams.DecideAsync(tenant, StreamOf(grant.To), history =>
            history.Aggregate<RecordedEvent, IReadOnlyList<Grant>>([], Grant.Apply).Any(given => given.Id == id) ? [new GrantTaken(id, why)] : throw NotThere(), by, cancellation: cancellation);

        CommandRefusedException NotThere() => new(Refusal.NotFound, $"There is no grant '{id}'.");
    }

    private static bool IsRole(string to) => to.StartsWith(Grant.RoleStreamPrefix, StringComparison.Ordinal);

    private static string StreamOf(string to) => IsRole(to) ? to : Principal.StreamOf(to);

    /// <exception cref="CommandRefusedException">It says too much, or nothing.</exception>
    public static void Check(NewGrant grant)
    {
        if (IsRole(grant.To))
        {
            var role = grant.To[Grant.RoleStreamPrefix.Length..];
            if (!PrincipalId.IsName(role)) throw Invalid($"to: role/NAME, the name of {PrincipalId.NameRule}.");
            if (BuiltInRole.Is(role)) throw Invalid($"to: what '{role}' may do is fixed. Give the grant to a principal, or to a role of your own.");
        }
        else
        {
            Principals.CheckId(grant.To);
        }
        if (grant.Actions.Count is 0 or > ActionsMax) throw Invalid($"actions: 1 to {ActionsMax} of them.");
        foreach (var action in grant.Actions)
            if (!IsAction(action)) throw Invalid($"actions: write them as run.start, run.* or *; '{action}' is none.");
        if (grant.Resource is not { Length: > 0 and <= ResourceCharsMax } || grant.Resource.Any(c => c is < ' ' or '\u007f') || grant.Resource.IndexOf('*') is >= 0 and var star && star != grant.Resource.Length - 1)
            throw Invalid($"resource: 1 to {ResourceCharsMax} characters, with a '*' at its end or none: workflow/refunds, tool/crm.*, run/*.");
        if (grant.Actions.Contains(Rights.ActFor) && (grant.Actions.Count > 1 || !PrincipalId.TryParse(grant.Resource, out _)))
            throw Invalid($"resource: '{Rights.ActFor}' is granted by itself, on one principal: user/NAME.");
        if (grant.Actions.Contains(Rights.ActFor) && (IsRole(grant.To) || !PrincipalId.TryParse(grant.To, out var kind) || kind is PrincipalKind.User))
            throw Invalid($"to: '{Rights.ActFor}' is for one service or agent. A person acts with a key of their own.");
    }

    private static bool IsAction(string? action) => action is { Length: > 0 and <= ActionCharsMax }
        && (action == "*" || action.Split('.') is [var noun, var verb] && IsWord(noun) && IsWord(verb) && (noun, verb) is not ("*", "*") || action == Rights.ActFor);

    private static bool IsWord(string word) => word == "*" || word.Length > 0 && word.All(c => char.IsAsciiLetterLower(c) || c is '-');

    private static CommandRefusedException Invalid(string message) => new(Refusal.Invalid, message);
}
