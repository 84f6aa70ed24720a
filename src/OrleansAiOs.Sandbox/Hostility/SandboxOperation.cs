using System.Text.Json.Serialization;

namespace OrleansAiOs.Sandbox;

/// <summary>What a caller can ask of a receiver, and what hostility is told per.</summary>
public enum SandboxOperation
{
    [JsonStringEnumMemberName("ledger.post")]
    LedgerPost,

    [JsonStringEnumMemberName("ledger.reverse")]
    LedgerReverse,

    [JsonStringEnumMemberName("ledger.read")]
    LedgerRead,

    [JsonStringEnumMemberName("bank.pay")]
    BankPay,

    [JsonStringEnumMemberName("bank.inquire")]
    BankInquire,

    [JsonStringEnumMemberName("bank.void")]
    BankVoid,

    [JsonStringEnumMemberName("notify")]
    Notify,

    [JsonStringEnumMemberName("refunds.pay")]
    RefundsPay,

    [JsonStringEnumMemberName("refunds.reverse")]
    RefundsReverse,
}
