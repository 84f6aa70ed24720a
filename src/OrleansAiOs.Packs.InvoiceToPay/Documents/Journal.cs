using System.Text.Json.Serialization;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>One amount on one side of one account; the other side is zero.</summary>
public sealed record Posting(string Account, string Name, decimal Debit, decimal Credit, string Why);

/// <summary>What goes to the ledger for one document, in its currency. Debit and credit are always equal, to the last digit.</summary>
public sealed record Journal(string Currency, IReadOnlyList<Posting> Postings)
{
    [JsonIgnore] public decimal Debit => Postings.Sum(posting => posting.Debit);
    [JsonIgnore] public decimal Credit => Postings.Sum(posting => posting.Credit);
    [JsonIgnore] public bool IsBalanced => Debit == Credit;
    [JsonIgnore] public bool NeedsCoding => Postings.Any(posting => posting.Account == Documents.Account.NeedsCoding.Number);

    /// <summary>The same amounts on the other sides: what a rejection, a refused payment or a cancel posts.</summary>
    public Journal Reversed(string why) => this with
    {
        Postings = [.. Postings.Select(posting => posting with { Debit = posting.Credit, Credit = posting.Debit, Why = why })],
    };
}
