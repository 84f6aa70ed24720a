using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using OrleansAiOs.Packs.Refunds.Requests;

namespace OrleansAiOs.Packs.Refunds.Tests.Cases;

/// <summary>
/// Makes the data set, refund-cases.jsonl. What is expected is said here, case by case or kind by kind, and not computed by the pack's rules.
/// </summary>
internal static class RefundCases
{
    public static readonly DateOnly Today = new(2026, 1, 1);
    public static readonly string Photo = new('a', 64);
    public static readonly string[] Ana = ["user/ana"];
    public static readonly string[] Agent = ["user/ana", "agent/refunds"];
    public static readonly string[] Nobody = [];
    private static readonly JsonSerializerOptions Escaped = new() { Encoder = JavaScriptEncoder.Default };
    private static readonly string[] Currencies = ["EUR", "USD", "GBP", "CHF"];
    private static readonly string[] People = ["Anna Müller", "Jean-Luc Picard", "Zoë O'Neill", "王小明", "Søren Å"];

    public static IReadOnlyList<RefundCase> All()
    {
        List<RefundCase> cases = [];
        Good(cases);
        Signed(cases);
        Unsigned(cases);
        Rejected(cases);
        Over(cases);
        HostileCases.AddTo(cases);
        return cases;
    }

    public static ShopOrder Order(string id = "S-1", decimal paid = 100, string currency = "EUR", string customer = "Anna Müller", int daysAgo = 20, int? deliveredDaysAgo = 10) =>
        new(id, customer, paid, currency, Today.AddDays(-daysAgo), deliveredDaysAgo is { } days ? Today.AddDays(-days) : null);

    public static string Body(ShopOrder order, string amount, string reason = "Damaged", bool evidence = true, string? note = null, string? customer = null, string? currency = null) =>
        $"{{\"order\":\"{order.Id}\",\"customer\":{Quoted(customer ?? order.Customer)},\"amount\":{amount},\"currency\":{Quoted(currency ?? order.Currency)},\"reason\":\"{reason}\""
        + (evidence ? $",\"evidence\":[\"{Photo}\"]" : "") + (note is null ? "" : $",\"note\":{Quoted(note)}") + "}";

    public static string Quoted(string text) => JsonSerializer.Serialize(text, Escaped);

    public static string Money(decimal amount) => amount.ToString("0.00", CultureInfo.InvariantCulture);

    public static void Add(List<RefundCase> cases, string kind, IReadOnlyList<ShopOrder> orders, params Request[] requests) =>
        cases.Add(new RefundCase($"{kind}-{cases.Count(other => other.Kind == kind) + 1:00}", kind, orders, requests));

    /// <summary>One request for one order.</summary>
    public static void One(List<RefundCase> cases, string kind, ShopOrder order, string body, string[] acts, RefundOutcome outcome, decimal? paid = null, string[]? signers = null, string? why = null, string[]? by = null) =>
        Add(cases, kind, [order], new Request(by ?? Ana, body, acts, outcome, paid, signers, why));

    // ---- what nobody has to look at ----

    private static void Good(List<RefundCase> cases)
    {
        foreach (var amount in new[] { 0.01m, 1m, 9.99m, 20m, 49.99m, 50m })
            foreach (var currency in Currencies)
                One(cases, "auto", Order(currency: currency, customer: People[cases.Count % People.Length]), Body(Order(currency: currency, customer: People[cases.Count % People.Length]), Money(amount)), Nobody, RefundOutcome.Paid, amount);
        foreach (var (reason, delivered) in new (string, int?)[] { ("WrongItem", 10), ("NotArrived", null), ("Withdrawn", 14), ("Withdrawn", null) })
            foreach (var amount in new[] { 5m, 30m, 45.5m })
                One(cases, "auto", Order(deliveredDaysAgo: delivered), Body(Order(), Money(amount), reason, evidence: reason == "WrongItem"), Nobody, RefundOutcome.Paid, amount);
        foreach (var amount in new[] { 0.5m, 10m, 20m }) One(cases, "auto-agent", Order(), Body(Order(), Money(amount)), Nobody, RefundOutcome.Paid, amount, by: Agent);
        foreach (var amount in new[] { "\"25.00\"", "\"25\"", "25", "25.0", "\"000025.00\"" }) One(cases, "auto-written", Order(), Body(Order(), amount), Nobody, RefundOutcome.Paid, 25);
        foreach (var fault in new[] { "LoseRequest", "LoseReply", "FailBefore", "FailAfter", "GarbageBefore", "GarbageAfter", "TooManyRequests", "HangBefore", "HangAfter" })
            cases.Add(new RefundCase($"auto-faulty-{fault}", "auto-faulty", [Order()], [new Request(Ana, Body(Order(), "25.00"), fault.StartsWith("Hang", StringComparison.Ordinal) ? ["pass 2"] : Nobody, RefundOutcome.Paid, 25)], [fault]));
        for (var i = 0; i < 4; i++) One(cases, "auto-crash", Order(), Body(Order(), Money(10 + i)), ["crash"], RefundOutcome.Paid, 10 + i);
        foreach (var amount in new[] { 5m, 25m, 50m }) One(cases, "charge-back", Order(), Body(Order(), Money(amount)), ["charge-back"], RefundOutcome.ChargedBack, amount, why: "CB-1");
    }

    // ---- what somebody signs ----

    private static void Signed(List<RefundCase> cases)
    {
        foreach (var amount in new[] { 50.01m, 51m, 75m, 99.99m, 100m, 150m, 249.5m, 333.33m, 499.99m, 500m })
            foreach (var lead in new[] { "user/lea", "user/leo", "user/lisa" })
                One(cases, "signed", Order(paid: 600), Body(Order(paid: 600), Money(amount)), [$"sign {lead}"], RefundOutcome.Paid, amount, [lead]);
        foreach (var amount in new[] { 500.01m, 501m, 999m, 2500m, 4999.99m, 5000m })
        {
            One(cases, "signed-large", Order(paid: 5000), Body(Order(paid: 5000), Money(amount)), ["sign user/lea", "sign user/carl"], RefundOutcome.Paid, amount, ["user/lea", "user/carl"]);
            One(cases, "signed-large", Order(paid: 5000), Body(Order(paid: 5000), Money(amount)), ["sign user/carl", "crash", "sign user/leo"], RefundOutcome.Paid, amount, ["user/carl", "user/leo"]);
        }
        foreach (var amount in new[] { 1m, 20m, 45m, 60m, 100m })
            One(cases, "signed-high-risk", Order(), Body(Order(), Money(amount), "NotArrived", evidence: false), ["sign user/lea", "sign user/fay"], RefundOutcome.Paid, amount, ["user/lea", "user/fay"]);
        One(cases, "signed-high-risk", Order(paid: 900), Body(Order(paid: 900), "900.00", "NotArrived", evidence: false), ["sign user/lea", "sign user/carl", "sign user/fay"], RefundOutcome.Paid, 900, ["user/lea", "user/carl", "user/fay"]);
        foreach (var amount in new[] { 60m, 120m, 300m }) One(cases, "signed-by-the-director", Order(paid: 500), Body(Order(paid: 500), Money(amount)), ["wait 25", "sign user/dora"], RefundOutcome.Paid, amount, ["user/dora"]);
        foreach (var amount in new[] { 20.01m, 35m, 50m, 80m }) One(cases, "signed-agent", Order(), Body(Order(), Money(amount)), ["sign user/lea"], RefundOutcome.Paid, amount, ["user/lea"], by: Agent);
        foreach (var (asked, half) in new[] { (10m, 5m), (20m, 10m), (0.99m, 0.49m), (33.33m, 16.66m), (90m, 45m) })
            One(cases, "signed-half", Order(), Body(Order(), Money(asked), evidence: false), ["sign user/leo"], RefundOutcome.Paid, half, ["user/leo"], "half of it");
        foreach (var asked in new[] { 40.01m, 50m, 9999m }) One(cases, "signed-cut", Order(paid: 40), Body(Order(paid: 40), Money(asked)), ["sign user/lea"], RefundOutcome.Paid, 40, ["user/lea"], "40.00 was paid");
        foreach (var amount in new[] { 60m, 200m, 450m }) One(cases, "charge-back", Order(paid: 500), Body(Order(paid: 500), Money(amount)), ["sign user/lea", "charge-back"], RefundOutcome.ChargedBack, amount, ["user/lea"]);
        foreach (var amount in new[] { 60m, 80m }) One(cases, "charge-back", Order(), Body(Order(), Money(amount)), ["sign user/lea", "crash", "charge-back", "crash"], RefundOutcome.ChargedBack, amount, ["user/lea"]);
    }

    // ---- what nobody signs ----

    private static void Unsigned(List<RefundCase> cases)
    {
        foreach (var amount in new[] { 50.01m, 60m, 75m, 99m, 100m, 180m, 240m, 320m, 410m, 500m })
        {
            One(cases, "refused", Order(paid: 600), Body(Order(paid: 600), Money(amount)), ["refuse user/lea"], RefundOutcome.Denied, why: "user/lea refused to sign");
            One(cases, "expired", Order(paid: 600), Body(Order(paid: 600), Money(amount)), Nobody, RefundOutcome.Denied, why: "Nobody signed");
        }
        foreach (var amount in new[] { 501m, 800m, 5000m })
        {
            One(cases, "refused-by-one-of-two", Order(paid: 5000), Body(Order(paid: 5000), Money(amount)), ["sign user/lea", "refuse user/carl"], RefundOutcome.Denied, why: "user/carl refused to sign");
            One(cases, "expired-with-one-of-two", Order(paid: 5000), Body(Order(paid: 5000), Money(amount)), ["sign user/lea"], RefundOutcome.Denied, why: "Nobody signed");
            One(cases, "expired-with-one-of-two", Order(paid: 5000), Body(Order(paid: 5000), Money(amount)), ["sign user/carl"], RefundOutcome.Denied, why: "Nobody signed");
        }
        foreach (var amount in new[] { 5m, 40m, 90m }) One(cases, "expired-without-the-fraud-desk", Order(), Body(Order(), Money(amount), "NotArrived", evidence: false), ["sign user/lea"], RefundOutcome.Denied, why: "Nobody signed");
    }

    // ---- what the rules reject ----

    private static void Rejected(List<RefundCase> cases)
    {
        foreach (var id in new[] { "S-2", "S-10", "s-1", "S--1", "S1" }) One(cases, "rejected-no-order", Order(), Body(Order(id), "10.00"), Nobody, RefundOutcome.Rejected, why: $"no order {id}");
        foreach (var name in new[] { "Anna Muller", "anna müller", "Anna Müller ", " Anna Müller", "Anna  Müller", "Ben Müller" }) One(cases, "rejected-customer", Order(), Body(Order(), "10.00", customer: name), Nobody, RefundOutcome.Rejected, why: "not placed by");
        foreach (var days in new[] { 181, 365, 1000 }) One(cases, "rejected-too-late", Order(daysAgo: days), Body(Order(), "10.00"), Nobody, RefundOutcome.Rejected, why: "more than 180 days");
        foreach (var days in new[] { 15, 20, 100 }) One(cases, "rejected-too-late", Order(daysAgo: 120, deliveredDaysAgo: days), Body(Order(), "10.00", "Withdrawn"), Nobody, RefundOutcome.Rejected, why: "14 days");
        foreach (var days in new[] { 0, 1, 2 }) One(cases, "rejected-too-early", Order(daysAgo: days, deliveredDaysAgo: null), Body(Order(), "10.00", "NotArrived"), Nobody, RefundOutcome.Rejected, why: "may still arrive");
        One(cases, "rejected-too-early", Order(daysAgo: -5, deliveredDaysAgo: null), Body(Order(), "10.00"), Nobody, RefundOutcome.Rejected, why: "yet to come");
        One(cases, "failed-at-the-provider", Order(Sandbox.Refunds.ClosedOrder), Body(Order(Sandbox.Refunds.ClosedOrder), "10.00"), Nobody, RefundOutcome.Failed, why: "closed");
        One(cases, "failed-at-the-provider", Order(Sandbox.Refunds.ClosedOrder), Body(Order(Sandbox.Refunds.ClosedOrder), "60.00"), ["sign user/lea"], RefundOutcome.Failed, why: "closed");
    }

    // ---- several requests ----

    private static void Over(List<RefundCase> cases)
    {
        // What was paid back and charged back is not paid back again; what was only held and refused may be asked for anew.
        Add(cases, "again-after-charge-back", [Order(paid: 30)], new Request(Ana, Body(Order(paid: 30), "30.00"), ["charge-back"], RefundOutcome.ChargedBack, 30), new Request(Ana, Body(Order(paid: 30), "30.00"), Nobody, RefundOutcome.Rejected, Why: "in full"));
        Add(cases, "again-after-refusal", [Order()], new Request(Ana, Body(Order(), "100.00"), ["refuse user/lea"], RefundOutcome.Denied), new Request(Ana, Body(Order(), "40.00"), Nobody, RefundOutcome.Paid, 40));
        Add(cases, "again-after-expiry", [Order()], new Request(Ana, Body(Order(), "100.00"), Nobody, RefundOutcome.Denied), new Request(Ana, Body(Order(), "100.00"), ["sign user/leo"], RefundOutcome.Paid, 100, ["user/leo"]));
        foreach (var (first, second, rest) in new[] { (30m, 80m, 70m), (50m, 60m, 50m), (10m, 1000m, 90m) })
            Add(cases, "what-is-left", [Order()], new Request(Ana, Body(Order(), Money(first)), Nobody, RefundOutcome.Paid, first), new Request(["user/ben"], Body(Order(), Money(second)), ["sign user/lea"], RefundOutcome.Paid, rest, ["user/lea"], "what is left"));
        // Two small ones a quarter are nothing; the third is looked at.
        ShopOrder[] orders = [.. Enumerable.Range(1, 7).Select(i => Order($"S-{i}"))];
        Add(cases, "often", orders, [.. orders.Select((order, i) => i < 2 ? new Request(Ana, Body(order, "10.00"), Nobody, RefundOutcome.Paid, 10)
            : i < 5 ? new Request(Ana, Body(order, "10.00"), ["sign user/lea"], RefundOutcome.Paid, 10, ["user/lea"])
            : new Request(Ana, Body(order, "10.00"), ["sign user/lea", "sign user/fay"], RefundOutcome.Paid, 10, ["user/lea", "user/fay"]))]);
        ShopOrder[] theirs = [.. Enumerable.Range(1, 4).Select(i => Order($"S-{i}", customer: $"Customer {i}"))];
        Add(cases, "often-others", theirs, [.. theirs.Select(order => new Request(Ana, Body(order, "10.00"), Nobody, RefundOutcome.Paid, 10))]);
    }
}
