using System.Text.Json.Serialization;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

[JsonConverter(typeof(JsonStringEnumConverter<OrderStatus>))]
public enum OrderStatus
{
    Matched,
    None,
    Unknown,
    OtherSupplier,
    OtherCurrency,
    Exceeded,
}

/// <summary>How a document stands to its purchase order, and why in words for the person who may have to approve.</summary>
public sealed record OrderMatch(OrderStatus Status, string Why, string? Number = null, decimal? OpenAmount = null, decimal? ClaimedAmount = null)
{
    [JsonIgnore] public bool NeedsApproval => Status != OrderStatus.Matched;
}

public sealed class UnreadablePurchaseOrdersException : Exception
{
    internal UnreadablePurchaseOrdersException(string found, Exception? inner = null)
        : base($"The purchase orders cannot be read: {found}.", inner)
    {
    }
}
