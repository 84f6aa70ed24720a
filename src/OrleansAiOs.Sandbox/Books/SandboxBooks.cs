namespace OrleansAiOs.Sandbox;

/// <summary>Everything that reached the receivers and what they booked; rows in order of first arrival.</summary>
/// <param name="Held">Requests on their way, which have reached nobody yet.</param>
public sealed record SandboxBooks(LedgerBooks Ledger, BankBooks Bank, NotificationBooks Notify, RefundBooks Refunds, int Held);

/// <param name="Unreadable">Requests refused before a key was known: bad JSON, no key, no such path.</param>
public sealed record LedgerBooks(long Unreadable, IReadOnlyList<LedgerKeyBooks> Keys, IReadOnlyList<LedgerReferenceBooks> References);

/// <summary>Effects of one idempotency key; more than one in all would be a fault of the ledger.</summary>
public sealed record LedgerKeyBooks(string Key, long Reached, long Postings, long Reversals);

/// <summary>Effects of one document; more than one posting is a caller that changed its key.</summary>
public sealed record LedgerReferenceBooks(string Reference, long Postings, long Reversals);

public sealed record BankBooks(long Unreadable, IReadOnlyList<BankReferenceBooks> References);

/// <summary>Effects of one payment reference; more than one payment is a caller that paid twice.</summary>
/// <param name="Reference">As the caller gave it, compared character for character.</param>
/// <param name="Reached">Payment orders that reached the bank, refused ones too.</param>
/// <param name="Payments">Orders paid.</param>
/// <param name="Inquiries">Times the bank was asked.</param>
/// <param name="VoidRequests">Times the bank was told to void.</param>
/// <param name="Voids">1 when the reference is voided.</param>
public sealed record BankReferenceBooks(string Reference, long Reached, long Payments, long Inquiries, long VoidRequests, long Voids);

public sealed record NotificationBooks(long Unreadable, IReadOnlyList<NotificationKeyBooks> Keys);

public sealed record NotificationKeyBooks(string Key, long Reached, long Messages);

public sealed record RefundBooks(long Unreadable, IReadOnlyList<RefundKeyBooks> Keys, IReadOnlyList<RefundOrderBooks> Orders);

/// <summary>Effects of one idempotency key; more than one in all would be a fault of the provider.</summary>
public sealed record RefundKeyBooks(string Key, long Reached, long Refunds, long Reversals);

/// <summary>Effects of one order in one currency; more paid back than was asked for is a caller that paid twice.</summary>
public sealed record RefundOrderBooks(string Order, string Currency, long Refunds, long Reversals, decimal Refunded, decimal Reversed);
