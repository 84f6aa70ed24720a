using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Packs.Refunds.Payments;
using OrleansAiOs.Packs.Refunds.Requests;
using OrleansAiOs.Packs.Refunds.Rules;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Packs.Refunds;

/// <summary>What the shop decides.</summary>
public sealed record RefundSettings
{
    /// <summary>The shop's orders, from AIOS_REFUND_ORDERS.</summary>
    public ShopOrders Orders { get; init; } = ShopOrders.None;

    /// <summary>How long a refund that was paid is watched for a charge-back; 0 not at all. From AIOS_REFUND_WATCH_DAYS.</summary>
    public TimeSpan ChargeBackWindow { get; init; } = TimeSpan.FromDays(120);
}

/// <summary>Registers the workflow. Settings: REFUND_PAYMENTS (base address of the payment provider), REFUND_ORDERS (a JSON file), REFUND_WATCH_DAYS (0 to 400).</summary>
public sealed class RefundsPack : IPack
{
    private const string SandboxAddress = "http://127.0.0.1:8788/";
    private const int WatchDaysMax = 400;

    public void AddServices(IServiceCollection services, Func<string, string?> setting)
    {
        services.AddSingleton(ReadSettings(setting));
        services.AddSingleton<IRefundRegister, RefundTable>();
        services.AddSingleton(provider => new PaymentsClient(ReceiverHttp.Connect(provider, "the payment provider", setting("REFUND_PAYMENTS") ?? SandboxAddress)));
    }

    private static RefundSettings ReadSettings(Func<string, string?> setting)
    {
        var settings = new RefundSettings();
        if (setting("REFUND_ORDERS") is { } file)
        {
            using var json = File.OpenRead(file);
            settings = settings with { Orders = ShopOrders.Read(json) };
        }
        if (setting("REFUND_WATCH_DAYS") is { } days)
            settings = settings with
            {
                ChargeBackWindow = double.TryParse(days, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var watched) && watched <= WatchDaysMax
                    ? TimeSpan.FromDays(watched)
                    : throw new FormatException($"AIOS_REFUND_WATCH_DAYS is a number of days from 0 to {WatchDaysMax}, such as 120, not '{days}'."),
            };
        return settings;
    }
}
