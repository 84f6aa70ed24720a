using System.Text.Json;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Packs.Refunds.Requests;

/// <summary>An order as the shop knows it: what was paid, by whom, and when it came.</summary>
public sealed record ShopOrder(string Id, string Customer, decimal Paid, string Currency, DateOnly PaidOn, DateOnly? DeliveredOn = null);

/// <summary>The shop's orders, from AIOS_REFUND_ORDERS: a JSON array of orders.</summary>
public sealed class ShopOrders
{
    private readonly Dictionary<string, ShopOrder> byId = new(StringComparer.Ordinal);

    /// <exception cref="FormatException">Two orders have one id, or one was not paid.</exception>
    public ShopOrders(IEnumerable<ShopOrder> orders)
    {
        foreach (var order in orders)
        {
            if (order.Paid <= 0) throw new FormatException($"Order '{order.Id}' was paid with {order.Paid}: give more than 0.");
            if (!byId.TryAdd(order.Id, order)) throw new FormatException($"Order '{order.Id}' stands twice among the orders.");
        }
    }

    public static ShopOrders None { get; } = new([]);

    /// <exception cref="FormatException">It is no list of orders; the message says where and why.</exception>
    public static ShopOrders Read(Stream json)
    {
        try
        {
            return new ShopOrders(JsonSerializer.Deserialize<List<ShopOrder>>(json, WorkflowJson.Door) ?? throw new JsonException("it is null"));
        }
        catch (JsonException e)
        {
            throw new FormatException($"The orders cannot be read at {e.Path ?? "their beginning"}: {e.Message} Write [{{\"id\":\"S-1\",\"customer\":\"Anna Example\",\"paid\":40.00,\"currency\":\"EUR\",\"paidOn\":\"2026-01-31\",\"deliveredOn\":\"2026-02-03\"}}].", e);
        }
    }

    public ShopOrder? Find(string id) => byId.GetValueOrDefault(id);
}
