namespace OrleansAiOs.Sandbox;

/// <summary>What a caller asks to have told to somebody.</summary>
internal sealed record MessageOrder : IBody
{
    public static string Example => """{"to":"ap@example.com","subject":"Paid","text":"INV-1 was paid."}""";

    public string? To { get; init; }

    public string? Subject { get; init; }

    public string? Text { get; init; }

    public void RequireReadable()
    {
        Require.Text(To, "to", charsMax: 200);
        Require.Text(Subject, "subject", charsMax: 500);
        Require.Text(Text, "text", charsMax: 100_000);
    }
}

/// <summary>A message that was accepted.</summary>
internal sealed record Message(string Id, string IdempotencyKey, MessageOrder Order, DateTimeOffset AcceptedAt);
