using System.Globalization;
using System.Text;
using System.Xml;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>A sample's content. Totals and VAT are reckoned from its lines, so that it is right unless <see cref="Broken"/> says so.</summary>
internal sealed record SampleDocument(string Number, SampleSupplier Supplier, DateOnly Issued, params SampleLine[] Lines)
{
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    public InvoiceKind Kind { get; init; }
    public DateOnly? Due { get; init; }
    public string? Order { get; init; }
    public string? Corrects { get; init; }
    public string? Account { get; init; }
    public decimal Freight { get; init; }
    /// <summary>Added to the stated sum of the lines and to nothing else.</summary>
    public decimal Broken { get; init; }
    public int AttachmentBytes { get; init; }

    private string Root => Kind.ToString();
    private decimal LineNet => Lines.Sum(line => line.Net);
    private decimal WithoutVat => LineNet + Freight;
    private IEnumerable<(decimal Rate, decimal Taxable, decimal Tax)> Breakdown =>
        Lines.Select(line => (line.Rate, line.Net))
            .Concat(Freight == 0 ? [] : [(Lines[0].Rate, Net: Freight)])
            .GroupBy(amount => amount.Rate, amount => amount.Net)
            .Select(nets => (nets.Key, nets.Sum(), En16931.Round(nets.Sum() * nets.Key / 100)));
    private decimal Vat => Breakdown.Sum(rate => rate.Tax);

    public byte[] ToUbl()
    {
        using var stream = new MemoryStream();
        using (var xml = XmlWriter.Create(stream, new XmlWriterSettings { Indent = true, NewLineChars = "\n", Encoding = new UTF8Encoding(false) }))
            Write(new UblWriter(xml));
        return stream.ToArray();
    }

    private void Write(UblWriter ubl)
    {
        ubl.Root(Root, () =>
        {
            ubl.Term("CustomizationID", "urn:cen.eu:en16931:2017");
            ubl.Term("ID", Number);
            ubl.Term("IssueDate", Day(Issued));
            if (Kind == InvoiceKind.Invoice && Due is { } due) ubl.Term("DueDate", Day(due));
            ubl.Term($"{Root}TypeCode", Kind == InvoiceKind.Invoice ? Corrects is null ? "380" : "384" : "381");
            ubl.Term("DocumentCurrencyCode", "EUR");
            if (Order is not null) ubl.Group("OrderReference", () => ubl.Term("ID", Order));
            if (Corrects is not null) ubl.Group("BillingReference", () => ubl.Group("InvoiceDocumentReference", () => ubl.Term("ID", Corrects)));
            if (AttachmentBytes > 0) WriteAttachment(ubl);
            WriteParty(ubl, "AccountingSupplierParty", Supplier.Name, Supplier.VatId, Supplier.City, Supplier.Country);
            WriteParty(ubl, "AccountingCustomerParty", "Halvorsen & Roth GmbH", "DE136695976", "Bremen", "DE");
            WritePayment(ubl);
            if (Freight != 0) WriteFreight(ubl);
            WriteVat(ubl);
            WriteTotals(ubl);
            for (var i = 0; i < Lines.Length; i++) WriteLine(ubl, i + 1, Lines[i]);
        });
    }

    private void WriteAttachment(UblWriter ubl) => ubl.Group("AdditionalDocumentReference", () =>
    {
        ubl.Term("ID", "timesheets");
        ubl.Group("Attachment", () => ubl.Attachment("timesheets.pdf", AttachmentBytes));
    });

    private static void WriteParty(UblWriter ubl, string element, string name, string vatId, string city, string country) => ubl.Group(element, () => ubl.Group("Party", () =>
    {
        ubl.Group("PostalAddress", () =>
        {
            ubl.Term("CityName", city);
            ubl.Group("Country", () => ubl.Term("IdentificationCode", country));
        });
        ubl.Group("PartyTaxScheme", () =>
        {
            ubl.Term("CompanyID", vatId);
            ubl.Group("TaxScheme", () => ubl.Term("ID", "VAT"));
        });
        ubl.Group("PartyLegalEntity", () => ubl.Term("RegistrationName", name));
    }));

    private void WritePayment(UblWriter ubl) => ubl.Group("PaymentMeans", () =>
    {
        ubl.Term("PaymentMeansCode", "58");
        if (Kind == InvoiceKind.CreditNote && Due is { } due) ubl.Term("PaymentDueDate", Day(due));
        ubl.Term("PaymentID", Number);
        ubl.Group("PayeeFinancialAccount", () => ubl.Term("ID", Account ?? Supplier.Account));
    });

    private void WriteFreight(UblWriter ubl) => ubl.Group("AllowanceCharge", () =>
    {
        ubl.Term("ChargeIndicator", "true");
        ubl.Term("AllowanceChargeReason", "Freight");
        ubl.Amount("Amount", Freight);
        WriteCategory(ubl, "TaxCategory", Lines[0].Rate);
    });

    private void WriteVat(UblWriter ubl) => ubl.Group("TaxTotal", () =>
    {
        ubl.Amount("TaxAmount", Vat);
        foreach (var (rate, taxable, tax) in Breakdown)
        {
            ubl.Group("TaxSubtotal", () =>
            {
                ubl.Amount("TaxableAmount", taxable);
                ubl.Amount("TaxAmount", tax);
                WriteCategory(ubl, "TaxCategory", rate);
            });
        }
    });

    private void WriteTotals(UblWriter ubl) => ubl.Group("LegalMonetaryTotal", () =>
    {
        ubl.Amount("LineExtensionAmount", LineNet + Broken);
        ubl.Amount("TaxExclusiveAmount", WithoutVat + Broken);
        ubl.Amount("TaxInclusiveAmount", WithoutVat + Broken + Vat);
        if (Freight != 0) ubl.Amount("ChargeTotalAmount", Freight);
        ubl.Amount("PayableAmount", WithoutVat + Broken + Vat);
    });

    private void WriteLine(UblWriter ubl, int number, SampleLine line) => ubl.Group($"{Root}Line", () =>
    {
        ubl.Term("ID", number.ToString(Invariant));
        ubl.Term(Kind == InvoiceKind.Invoice ? "InvoicedQuantity" : "CreditedQuantity", line.Quantity.ToString(Invariant), "unitCode", "C62");
        ubl.Amount("LineExtensionAmount", line.Net);
        if (line.AccountingCost is not null) ubl.Term("AccountingCost", line.AccountingCost);
        ubl.Group("Item", () =>
        {
            ubl.Term("Name", line.Item);
            WriteCategory(ubl, "ClassifiedTaxCategory", line.Rate);
        });
        ubl.Group("Price", () => ubl.Amount("PriceAmount", line.Price));
    });

    private static void WriteCategory(UblWriter ubl, string element, decimal rate) => ubl.Group(element, () =>
    {
        ubl.Term("ID", "S");
        ubl.Term("Percent", rate.ToString(Invariant));
        ubl.Group("TaxScheme", () => ubl.Term("ID", "VAT"));
    });

    private static string Day(DateOnly date) => date.ToString("yyyy-MM-dd", Invariant);
}

internal sealed record SampleSupplier(string Name, string VatId, string City, string Country, string Account);

internal sealed record SampleLine(string Item, decimal Quantity, decimal Price, decimal Rate = 19)
{
    public string? AccountingCost { get; init; }

    public decimal Net => En16931.Round(Quantity * Price);
}
