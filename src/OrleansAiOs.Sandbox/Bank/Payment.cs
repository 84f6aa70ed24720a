namespace OrleansAiOs.Sandbox;

/// <summary>Money that has left.</summary>
internal sealed record Payment(
    string Id,
    string Reference,
    string Creditor,
    string Iban,
    decimal Amount,
    string Currency,
    DateTimeOffset PaidAt);
