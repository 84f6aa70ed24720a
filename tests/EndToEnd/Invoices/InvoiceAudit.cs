using System.Text.Json;
using Npgsql;
using OrleansAiOs.Packs.InvoiceToPay;

namespace OrleansAiOs.EndToEnd;

/// <summary>
/// Holds what the receivers did against what the histories say and what had to happen. Payments are counted by amount and creditor, over
/// all references: a redo pays under a new reference, and must still be the only one that paid.
/// </summary>
internal sealed class InvoiceAudit
{
    private readonly List<string> lost = [];
    private readonly List<string> doubled = [];

    private InvoiceAudit()
    {
    }

    /// <summary>What should have happened and has not.</summary>
    public IReadOnlyList<string> Lost => lost;

    /// <summary>What has happened more often than it should.</summary>
    public IReadOnlyList<string> Doubled => doubled;

    public static async Task<InvoiceAudit> TakeAsync(NpgsqlDataSource database, IReadOnlyDictionary<string, BatchInvoice> byRun, Receivers receivers)
    {
        var audit = new InvoiceAudit();
        var ends = await EndsAsync(database);
        var cancelled = await CancelledAsync(database);
        var effects = receivers.Effects();
        var posted = effects.OfType<Posted>().ToLookup(posting => posting.Invoice);
        var reversed = effects.OfType<Reversed>().ToLookup(posting => posting.Invoice);
        var paid = effects.OfType<Paid>().ToLookup(payment => (payment.Creditor, payment.Amount));
        var told = effects.OfType<Told>().ToLookup(message => message.Subject.Split(':')[0]);
        foreach (var (run, invoice) in byRun)
        {
            var payments = paid[(invoice.Creditor, invoice.Amount)].ToList();
            if (invoice.MayBeCancelled && !ends.ContainsKey(run))
            {
                audit.Count(invoice.Number, "payment", payments.Count, expected: false);
                audit.Count(invoice.Number, "reversal", reversed[invoice.Number].Count(), expected: posted[invoice.Number].Any());
                if (!cancelled.Contains(run)) audit.lost.Add($"{invoice.Number}: run {run} has neither completed nor been cancelled");
                continue;
            }
            audit.Count(invoice.Number, "posting", posted[invoice.Number].Count(), invoice.IsPosted);
            audit.Count(invoice.Number, "reversal", reversed[invoice.Number].Count(), invoice.IsReversed);
            audit.Count(invoice.Number, "payment", payments.Count, invoice.IsPaid);
            audit.Count(invoice.Number, "notice", told[invoice.Number].Count(), invoice.IsTold);
            if (!ends.TryGetValue(run, out var end)) audit.lost.Add($"{invoice.Number}: run {run} has not completed");
            else if (Outcome(end) != invoice.Ends) audit.lost.Add($"{invoice.Number}: ended {Outcome(end)} instead of {invoice.Ends}: {end}");
            else if (invoice.IsPaid && payments is [var payment] && end.GetProperty("paymentId").GetString() != payment.Id)
                audit.lost.Add($"{invoice.Number}: settled by payment {end.GetProperty("paymentId")}, and the bank knows {payment.Id}");
        }
        audit.Strangers(effects, byRun.Values);
        return audit;
    }

    private void Count(string number, string what, int count, bool expected)
    {
        if (count < (expected ? 1 : 0)) lost.Add($"{number}: no {what}");
        if (count > (expected ? 1 : 0)) doubled.Add($"{number}: {count} × {what}, and {(expected ? 1 : 0)} expected");
    }

    // An effect that belongs to no invoice would be one too many as well.
    private void Strangers(IReadOnlyList<Effect> effects, IEnumerable<BatchInvoice> invoices)
    {
        var (numbers, amounts) = (invoices.Select(invoice => invoice.Number).ToHashSet(), invoices.Select(invoice => invoice.Amount).ToHashSet());
        doubled.AddRange(effects.Where(effect => effect switch
        {
            Posted posting => !numbers.Contains(posting.Invoice),
            Paid payment => !amounts.Contains(payment.Amount),
            _ => false,
        }).Select(effect => $"of nobody: {effect}"));
    }

    private static SettlementOutcome Outcome(JsonElement settlement) =>
        settlement.GetProperty("outcome") is { ValueKind: JsonValueKind.String } name ? Enum.Parse<SettlementOutcome>(name.GetString()!, ignoreCase: true)
        : (SettlementOutcome)settlement.GetProperty("outcome").GetInt32();

    private static async Task<Dictionary<string, JsonElement>> EndsAsync(NpgsqlDataSource database)
    {
        await using var command = database.CreateCommand("select substr(stream_id, 5), data->>'result' from aios.mt_events where type = 'run-completed'");
        await using var reader = await command.ExecuteReaderAsync();
        var ends = new Dictionary<string, JsonElement>();
        while (await reader.ReadAsync()) ends.Add(reader.GetString(0), JsonSerializer.Deserialize<JsonElement>(reader.GetString(1)));
        return ends;
    }

    private static async Task<HashSet<string>> CancelledAsync(NpgsqlDataSource database)
    {
        await using var command = database.CreateCommand("select substr(stream_id, 5) from aios.mt_events where type = 'run-cancelled'");
        await using var reader = await command.ExecuteReaderAsync();
        var cancelled = new HashSet<string>();
        while (await reader.ReadAsync()) cancelled.Add(reader.GetString(0));
        return cancelled;
    }
}
