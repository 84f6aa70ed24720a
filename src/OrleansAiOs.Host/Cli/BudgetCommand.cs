using System.CommandLine;
using System.Globalization;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios budget: what many runs may spend together, and how far one run may go.</summary>
internal static class BudgetCommand
{
    private static readonly string[] Periods = ["total", "day", "month"];
    private static readonly string[] WhenSpent = ["deny", "wait", "approve"];

    public static Command Create(ClientOptions client) => new Command("budget", "Limit what runs spend together, and how far one run may go.")
        .With(List(client), Show(client), Set(client), Remove(client), Limits(client), Limit(client), RemoveLimit(client));

    private static Argument<string> Name() => new("BUDGET") { Description = "The budget's name." };

    private static Command List(ClientOptions client) => client.Query("list", "List the budgets, and how each stands.").Does(call => client.ShowAsync<PageDocument<BudgetDocument>>(call, ApiPaths.Budgets, page =>
    {
        if (page.Items is { Count: > 0 } budgets)
            call.Terminal.Table(["budget", "of", "tool", "period", "unit", "limit", "spent", "set aside", "free", "then"], budgets.SelectMany(budget => budget.Units.Select(unit => (IEnumerable<Cell>)
                [budget.Id, budget.Principal ?? "the tenant", budget.Tool ?? "", budget.Current, unit.Unit, Amount(unit.Limit), Amount(unit.Settled), Amount(unit.Granted), Free(unit), Then(budget.WhenSpent, budget.Roles)])));
        else call.Terminal.Note("no budgets");
    }));

    private static Command Show(ClientOptions client)
    {
        var name = Name();
        return client.Query("show", "One budget, and the runs that hold the most of it.", name).Does(call => client.ShowAsync<BudgetDocument>(call, ApiPaths.Budget(call.Get(name)), budget => Tell(call.Terminal, budget)));
    }

    private static void Tell(Terminal terminal, BudgetDocument budget)
    {
        terminal.Line($"{budget.Id}: what {budget.Principal ?? "the tenant"} spends{(budget.Tool is null ? "" : $" on {budget.Tool}")}, {budget.Current}{(budget.EndsAt is { } end ? $" until {Human.Time(end)}" : "")}; when it is spent: {Then(budget.WhenSpent, budget.Roles)}");
        terminal.Table(["unit", "limit", "spent", "set aside", "free"], budget.Units.Select(unit => (IEnumerable<Cell>)[unit.Unit, Amount(unit.Limit), Amount(unit.Settled), Amount(unit.Granted), Free(unit)]));
        if (budget.Runs is { Count: > 0 } runs)
            terminal.Table(["run", "unit", "set aside", "of it spent", "asked"], runs.Select(run => (IEnumerable<Cell>)[run.Run, run.Unit, Amount(run.Granted), Amount(run.Spent), Human.Time(run.AskedAt)]));
    }

    private static Command Set(ClientOptions client)
    {
        var name = Name();
        var limit = new Option<string[]?>("--limit") { Description = "At most so much of a unit (calls, tokens, cost:USD, amount:EUR, …); may be repeated.", HelpName = "UNIT=AMOUNT" };
        var period = new Option<string?>("--period") { Description = $"How long it lasts before it begins anew, by UTC: {string.Join(", ", Periods)}. Default: total." };
        period.AcceptOnlyFromAmong(Periods);
        var principal = new Option<string?>("--principal") { Description = "Only what is done by or for this principal. Default: all of the tenant.", HelpName = "PRINCIPAL" };
        var tool = new Option<string?>("--tool") { Description = "Only calls of this activity or tool. Default: all.", HelpName = "NAME" };
        var then = new Option<string?>("--when-spent") { Description = "What becomes of a call it does not cover: deny, wait for the next period or a raise, or approve. Default: deny." };
        then.AcceptOnlyFromAmong(WhenSpent);
        var role = new Option<string[]?>("--role") { Description = "Who may sign for more; may be repeated.", HelpName = "ROLE" };
        return client.Change("set", "Make a budget, or change one: what is not said stays as it is.", name, limit, period, principal, tool, then, role).Does(async call =>
        {
            using var api = client.Connect(call);
            var old = (await api.GetAsync<PageDocument<BudgetDocument>>(ApiPaths.Budgets, call.Cancellation)).Items.Find(budget => budget.Id == call.Get(name));
            var limits = old?.Units.ToDictionary(unit => unit.Unit, unit => unit.Limit) ?? [];
            foreach (var (unit, amount) in Amounts("--limit", call.Get(limit))) limits[unit] = amount;
            if (limits.Count == 0) throw CliException.Usage("Say how much there is: --limit UNIT=AMOUNT, such as --limit amount:EUR=1000.");
            var whenSpent = call.Get(then) ?? old?.WhenSpent ?? "deny";
            var json = await api.CommandAsync(HttpMethod.Put, ApiPaths.Budget(call.Get(name)), new
            {
                limits, period = call.Get(period) ?? old?.Period ?? "total", principal = call.Get(principal) ?? old?.Principal, tool = call.Get(tool) ?? old?.Tool, whenSpent,
                roles = call.Has(role) ? call.Get(role) : whenSpent == "approve" ? old?.Roles.ToArray() : null,
            }, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else call.Terminal.Note(api.Read<ChangedDocument>(json).Changed ? $"budget {call.Get(name)} holds from now on" : $"budget {call.Get(name)} stood so already");
            return ExitCode.Done;
        });
    }

    private static Command Remove(ClientOptions client)
    {
        var name = Name();
        return client.Change("remove", "Take a budget away: nothing is limited by it any more.", name).Does(call =>
            client.SendAsync(call, HttpMethod.Delete, ApiPaths.Budget(call.Get(name)), null, $"removed the budget {call.Get(name)}"));
    }

    private static Command Limits(ClientOptions client) => client.Query("limits", "List how far one run may go.").Does(call => client.ShowAsync<PageDocument<RunLimitDocument>>(call, ApiPaths.RunLimits, page =>
        call.Terminal.Table(["tool", "at most", "targets", "then", ""], page.Items.Select(limit => (IEnumerable<Cell>)
            [limit.Tool, string.Join(", ", limit.Units.Select(unit => $"{Amount(unit.Value)} {unit.Key}")), limit.Targets?.ToString(CultureInfo.InvariantCulture) ?? "", Then(limit.OnHit, limit.Roles), limit.BuiltIn ? "built in" : ""]))));

    private static Command Limit(ClientOptions client)
    {
        var tool = Tool();
        var most = new Option<string[]?>("--most") { Description = "At most so much of a unit in one run (calls, tokens, amount:EUR, …); may be repeated.", HelpName = "UNIT=AMOUNT" };
        var targets = new Option<int?>("--targets") { Description = "At most so many different targets (accounts, customers) in one run.", HelpName = "N" };
        var then = new Option<string>("--on-hit") { Description = "What becomes of a call beyond it: deny or approve.", DefaultValueFactory = _ => "deny" };
        then.AcceptOnlyFromAmong("deny", "approve");
        var role = new Option<string[]?>("--role") { Description = "Who may sign for more; may be repeated.", HelpName = "ROLE" };
        return client.Change("limit", "Limit what one run may do with a tool. Say all of it.", tool, most, targets, then, role).Does(call =>
            client.SendAsync(call, HttpMethod.Put, ApiPaths.RunLimits, new
            {
                tool = call.Get(tool), units = Amounts("--most", call.Get(most)).ToDictionary(pair => pair.Unit, pair => pair.Amount), targets = call.Get(targets), onHit = call.Get(then), roles = call.Has(role) ? call.Get(role) : null,
            }, $"a run's limit for {call.Get(tool)} holds from its next call on"));
    }

    private static Command RemoveLimit(ClientOptions client)
    {
        var tool = Tool();
        return client.Change("remove-limit", "Take a limit away. Without one of its own, '*' has the built-in one.", tool).Does(call =>
            client.SendAsync(call, HttpMethod.Delete, ApiPaths.RunLimit(call.Get(tool)), null, $"removed the limit for {call.Get(tool)}"));
    }

    private static Argument<string> Tool() => new("TOOL") { Description = "The name of an activity or tool; '*' for all calls of a run together." };

    private static IEnumerable<(string Unit, decimal Amount)> Amounts(string option, string[]? given)
    {
        foreach (var text in given ?? [])
        {
            var at = text.LastIndexOf('=');
            // No thousands separators: "1,000" is a thousand here and one there.
            if (at < 1 || !decimal.TryParse(text[(at + 1)..], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var amount))
                throw CliException.Usage($"{option}: '{text}' is no UNIT=AMOUNT. Write the unit, '=', and digits with at most one point, such as amount:EUR=1000.50.");
            yield return (text[..at], amount);
        }
    }

    private static string Amount(decimal amount) => amount.ToString("#,0.#########", CultureInfo.InvariantCulture);

    private static Cell Free(UnitStandingDocument unit) => unit.Free > 0 ? Amount(unit.Free) : new Cell(Amount(unit.Free), Human.StyleOf("failed"));

    private static string Then(string what, List<string> roles) => roles.Count == 0 ? what : $"{what} by {string.Join(" or ", roles)}";
}

internal sealed record BudgetDocument(string Id, string Period, string Current, string WhenSpent, List<string> Roles, List<UnitStandingDocument> Units, string? Principal = null, string? Tool = null,
    DateTimeOffset? EndsAt = null, List<RunStandingDocument>? Runs = null);

internal sealed record UnitStandingDocument(string Unit, decimal Limit, decimal Settled, decimal Granted, decimal Free);

internal sealed record RunStandingDocument(string Run, string Unit, decimal Granted, decimal Spent, DateTimeOffset AskedAt);

internal sealed record RunLimitDocument(string Tool, Dictionary<string, decimal> Units, string OnHit, List<string> Roles, int? Targets = null, bool BuiltIn = false);

internal sealed record ChangedDocument(bool Changed);
