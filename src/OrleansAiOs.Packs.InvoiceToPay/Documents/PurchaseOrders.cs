using System.Text.Json;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>An order a document may refer to. <see cref="OpenAmount"/> is what may still be invoiced, without VAT; what is paid under this listing is taken off.</summary>
public sealed record PurchaseOrder(string Number, string Supplier, string Currency, decimal OpenAmount);

/// <summary>The open purchase orders, from a JSON file that people edit and that may therefore be wrong.</summary>
public sealed class PurchaseOrders
{
    private readonly Dictionary<string, PurchaseOrder> orders = new(StringComparer.OrdinalIgnoreCase);

    public static readonly PurchaseOrders None = new([]);

    public PurchaseOrders(IEnumerable<PurchaseOrder> orders)
    {
        foreach (var order in orders)
            if (!this.orders.TryAdd(order.Number, order))
                throw new UnreadablePurchaseOrdersException($"order '{order.Number}' is listed twice. List it once");
    }

    public static PurchaseOrders Read(Stream json)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 8, CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            return new PurchaseOrders(PurchaseOrderJson.Read(document.RootElement));
        }
        catch (JsonException malformed)
        {
            throw new UnreadablePurchaseOrdersException($"not valid JSON at line {malformed.LineNumber + 1}, byte {malformed.BytePositionInLine + 1}", malformed);
        }
    }

    /// <summary>Finds the document's order. Only a match needs no person; none of the others is a reason to reject.</summary>
    public OrderMatch Match(Invoice invoice)
    {
        if (invoice.OrderNumber is not { } number)
            return new OrderMatch(OrderStatus.None, "the document names no purchase order (BT-13)");
        if (!orders.TryGetValue(number, out var order))
            return new OrderMatch(OrderStatus.Unknown, $"purchase order '{number}' is not known", number);
        if (!IsFrom(invoice.Seller, order.Supplier))
            return new OrderMatch(OrderStatus.OtherSupplier, $"purchase order '{number}' is for supplier '{order.Supplier}', and the document is from '{invoice.Seller?.DisplayName}'", number);

        var claimed = invoice.Sign * (invoice.Totals?.WithoutVat ?? 0);
        if (!string.Equals(invoice.Currency, order.Currency, StringComparison.OrdinalIgnoreCase))
            return new OrderMatch(OrderStatus.OtherCurrency, $"purchase order '{number}' is in {order.Currency}, and the document in {invoice.Currency}", order.Number, order.OpenAmount, claimed);
        if (claimed > order.OpenAmount)
            return new OrderMatch(OrderStatus.Exceeded, $"{Money(claimed)} without VAT is more than the {Money(order.OpenAmount)} still open on purchase order '{number}', by {Money(claimed - order.OpenAmount)}", order.Number, order.OpenAmount, claimed);
        return new OrderMatch(OrderStatus.Matched, $"{Money(claimed)} without VAT is within the {Money(order.OpenAmount)} open on purchase order '{number}'", order.Number, order.OpenAmount, claimed);

        string Money(decimal amount) => $"{BrokenRule.Figure(amount)} {order.Currency}";
    }

    private static bool IsFrom(Party? seller, string supplier) =>
        seller is not null && seller.AllIds.Any(id => DocumentFingerprint.FoldId(id) == DocumentFingerprint.FoldId(supplier));
}
