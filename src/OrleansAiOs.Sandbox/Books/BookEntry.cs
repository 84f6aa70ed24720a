using System.Text.Json.Serialization;

namespace OrleansAiOs.Sandbox;

/// <summary>Whose books an entry belongs to.</summary>
internal enum Receiver
{
    Ledger,
    Bank,
    Notifications,
    Refunds,
}

/// <summary>One line of the journal. Names are explicit, so that a class may be renamed and old journals never notice.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "entry")]
[JsonDerivedType(typeof(RequestReached), "reached")]
[JsonDerivedType(typeof(UnreadableReached), "unreadable")]
[JsonDerivedType(typeof(PostingBooked), "posted")]
[JsonDerivedType(typeof(PaymentMade), "paid")]
[JsonDerivedType(typeof(ReferenceVoided), "voided")]
[JsonDerivedType(typeof(MessageAccepted), "accepted")]
[JsonDerivedType(typeof(RefundBooked), "refunded")]
internal abstract record BookEntry
{
    // Internal, so that it is not written: the kind of entry tells.
    internal abstract Receiver Receiver { get; }
}

internal sealed record RequestReached(SandboxOperation Operation, string Key) : BookEntry
{
    internal override Receiver Receiver => Operation switch
    {
        SandboxOperation.LedgerPost or SandboxOperation.LedgerReverse or SandboxOperation.LedgerRead => Receiver.Ledger,
        SandboxOperation.Notify => Receiver.Notifications,
        SandboxOperation.RefundsPay or SandboxOperation.RefundsReverse => Receiver.Refunds,
        _ => Receiver.Bank,
    };
}

internal sealed record UnreadableReached(Receiver At) : BookEntry
{
    internal override Receiver Receiver => At;
}

internal sealed record PostingBooked(Posting Posting) : BookEntry
{
    internal override Receiver Receiver => Receiver.Ledger;
}

internal sealed record PaymentMade(Payment Payment) : BookEntry
{
    internal override Receiver Receiver => Receiver.Bank;
}

internal sealed record ReferenceVoided(string Reference, DateTimeOffset At) : BookEntry
{
    internal override Receiver Receiver => Receiver.Bank;
}

internal sealed record MessageAccepted(Message Message) : BookEntry
{
    internal override Receiver Receiver => Receiver.Notifications;
}

internal sealed record RefundBooked(Refund Refund) : BookEntry
{
    internal override Receiver Receiver => Receiver.Refunds;
}
