using System.Text.Json;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>{ "orders": [ { "number": "PO-1", "supplier": "DE123456789", "currency": "EUR", "openAmount": 1000.00 } ] }</summary>
internal static class PurchaseOrderJson
{
    private const int MaxTextLength = 200;
    private const decimal MaxAmount = 99_999_999_999_999m;

    public static IEnumerable<PurchaseOrder> Read(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("orders", out var orders) || orders.ValueKind != JsonValueKind.Array)
            throw new UnreadablePurchaseOrdersException("""the file must be an object with a list: { "orders": [ … ] }""");
        return orders.EnumerateArray().Select(ReadOrder);
    }

    private static PurchaseOrder ReadOrder(JsonElement order, int index)
    {
        var place = $"orders[{index}]";
        if (order.ValueKind != JsonValueKind.Object)
            throw new UnreadablePurchaseOrdersException($"{place} is {Kind(order)} and must be an object");
        return new PurchaseOrder(Text(order, place, "number"), Text(order, place, "supplier"), Text(order, place, "currency"), Amount(order, place, "openAmount"));
    }

    private static string Text(JsonElement order, string place, string field)
    {
        var value = Field(order, place, field);
        if (value.ValueKind != JsonValueKind.String)
            throw new UnreadablePurchaseOrdersException($"{place}.{field} is {Kind(value)} and must be a text");
        // A lone surrogate is valid JSON and no text; TryGet has no such form, so ask for it and translate.
        string text;
        try
        {
            text = value.GetString()!.Trim();
        }
        catch (InvalidOperationException invalid)
        {
            throw new UnreadablePurchaseOrdersException($"{place}.{field} is no valid Unicode text", invalid);
        }
        return text.Length is > 0 and <= MaxTextLength
            ? text
            : throw new UnreadablePurchaseOrdersException($"{place}.{field} has {text.Length} characters and must have 1 to {MaxTextLength}");
    }

    private static decimal Amount(JsonElement order, string place, string field)
    {
        var value = Field(order, place, field);
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDecimal(out var amount))
            throw new UnreadablePurchaseOrdersException($"{place}.{field} is {Kind(value)} and must be a number such as 1000.00");
        return amount is >= 0 and <= MaxAmount
            ? amount
            : throw new UnreadablePurchaseOrdersException($"{place}.{field} is {BrokenRule.Figure(amount)} and must be from 0 to {BrokenRule.Figure(MaxAmount)}");
    }

    private static JsonElement Field(JsonElement order, string place, string field) =>
        order.TryGetProperty(field, out var value) ? value : throw new UnreadablePurchaseOrdersException($"{place}.{field} is missing");

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => "null",
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a text",
        JsonValueKind.Number => $"the number {XsdText.Excerpt(value.GetRawText())}",
        _ => value.GetRawText(),
    };
}
