namespace OrleansAiOs.Sandbox;

/// <summary>What a caller asks to have paid back on the way the order was paid.</summary>
internal sealed record RefundOrder : IBody
{
    public static string Example => """{"order":"S-1001","customer":"Anna Example","amount":"25.00","currency":"EUR","reason":"damaged"}""";

    public string? Order { get; init; }

    public string? Customer { get; init; }

    public decimal? Amount { get; init; }

    public string? Currency { get; init; }

    public string? Reason { get; init; }

    public void RequireReadable()
    {
        Require.Text(Order, "order", charsMax: 100);
        Require.Text(Customer, "customer", charsMax: 200);
        Require.Text(Reason, "reason", charsMax: 200);
        Require.Currency(Currency);
        if (Amount is null)
        {
            throw Require.Invalid("amount", "amount is missing.", "Give what is to be paid back, such as \"25.00\".");
        }
    }
}

/// <summary>Money that went back to a customer; a reversal is another one, which names the first.</summary>
internal sealed record Refund(string Id, string IdempotencyKey, RefundOrder Order, DateTimeOffset At, string? Reverses = null);
