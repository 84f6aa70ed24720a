using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Packs.InvoiceToPay.Documents;
using OrleansAiOs.Packs.InvoiceToPay.Receivers;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Packs.InvoiceToPay;

/// <summary>Registers the pipeline. Settings: INVOICE_LEDGER, INVOICE_BANK and INVOICE_DESK (base addresses), INVOICE_ORDERS (a JSON file), INVOICE_APPROVAL_ABOVE, INVOICE_PAY_TIMEOUT (seconds).</summary>
public sealed class InvoicePack : IPack
{
    private const string SandboxAddress = "http://127.0.0.1:8788/";

    public void AddServices(IServiceCollection services, Func<string, string?> setting)
    {
        services.AddSingleton(ReadSettings(setting));
        services.AddSingleton<IInvoiceRegister, InvoiceTable>();
        services.AddSingleton(provider => new LedgerClient(ReceiverHttp.Connect(provider, "the ledger", setting("INVOICE_LEDGER") ?? SandboxAddress)));
        services.AddSingleton(provider => new BankClient(ReceiverHttp.Connect(provider, "the bank", setting("INVOICE_BANK") ?? SandboxAddress)));
        services.AddSingleton(provider => new DeskClient(ReceiverHttp.Connect(provider, "the notification desk", setting("INVOICE_DESK") ?? SandboxAddress)));
    }

    private static InvoiceSettings ReadSettings(Func<string, string?> setting)
    {
        var settings = new InvoiceSettings();
        if (setting("INVOICE_ORDERS") is { } file)
        {
            using var json = File.OpenRead(file);
            settings = settings with { PurchaseOrders = PurchaseOrders.Read(json) };
        }
        if (setting("INVOICE_APPROVAL_ABOVE") is { } above)
            settings = settings with
            {
                OneApprovalAbove = decimal.TryParse(above, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var amount)
                    ? amount
                    : throw new FormatException($"AIOS_INVOICE_APPROVAL_ABOVE is an amount such as 10000.00, not '{above}'."),
            };
        if (setting("INVOICE_PAY_TIMEOUT") is { } timeout)
            settings = settings with
            {
                PayTimeout = double.TryParse(timeout, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and <= 3600
                    ? TimeSpan.FromSeconds(seconds)
                    : throw new FormatException($"AIOS_INVOICE_PAY_TIMEOUT is a number of seconds up to 3600, such as 30, not '{timeout}'."),
            };
        return settings;
    }
}
