namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>The document's own level: which element is which term of EN 16931.</summary>
internal sealed class UblDocument(UblCursor cursor, InvoiceKind kind)
{
    private readonly List<PrecedingInvoice> preceding = [];
    private readonly List<PaymentInstruction> payments = [];
    private readonly List<AllowanceCharge> allowanceCharges = [];
    private readonly List<VatTotal> vatTotals = [];
    private readonly List<Line> lines = [];
    private string? customization, number, typeCode, currency, vatCurrency, buyerReference, order, salesOrder, accountingCost, deliveryCountry;
    private DateOnly? issueDate, dueDate, paymentDueDate, taxPointDate, deliveryDate;
    private Party? seller, buyer, payee, taxRepresentative;
    private Period? period;
    private Totals? totals;

    public Invoice Read()
    {
        foreach (var child in cursor.Children())
        {
            if (child.StartsWith("cbc:", StringComparison.Ordinal)) ReadTerm(child);
            else ReadGroup(child);
        }
        return ToInvoice();
    }

    private void ReadTerm(string child)
    {
        switch (child)
        {
            case "cbc:CustomizationID": cursor.Text(ref customization, "BT-24 Specification identifier"); break;
            case "cbc:ID": cursor.Text(ref number, "BT-1 Invoice number"); break;
            case "cbc:IssueDate": cursor.Date(ref issueDate, "BT-2 Issue date"); break;
            case "cbc:DueDate": cursor.Date(ref dueDate, "BT-9 Due date"); break;
            case "cbc:InvoiceTypeCode" or "cbc:CreditNoteTypeCode": cursor.Text(ref typeCode, "BT-3 Type code"); break;
            case "cbc:TaxPointDate": cursor.Date(ref taxPointDate, "BT-7 VAT point date"); break;
            case "cbc:DocumentCurrencyCode": cursor.Text(ref currency, "BT-5 Currency"); break;
            case "cbc:TaxCurrencyCode": cursor.Text(ref vatCurrency, "BT-6 VAT accounting currency"); break;
            case "cbc:AccountingCost": cursor.Text(ref accountingCost, "BT-19 Buyer accounting reference"); break;
            case "cbc:BuyerReference": cursor.Text(ref buyerReference, "BT-10 Buyer reference"); break;
        }
    }

    private void ReadGroup(string child)
    {
        switch (child)
        {
            case "cac:InvoicePeriod": period = UblGroups.ReadPeriod(cursor); break;
            case "cac:OrderReference": ReadOrder(); break;
            case "cac:BillingReference": ReadPreceding(); break;
            case "cac:AccountingSupplierParty": seller = ReadOnce(seller, "BG-4 Seller", () => ReadWrappedParty("BR-62", "Seller electronic address (BT-34)")); break;
            case "cac:AccountingCustomerParty": buyer = ReadOnce(buyer, "BG-7 Buyer", () => ReadWrappedParty("BR-63", "Buyer electronic address (BT-49)")); break;
            case "cac:PayeeParty": payee = ReadOnce(payee, "BG-10 Payee", () => UblParty.Read(cursor)); break;
            case "cac:TaxRepresentativeParty":
                taxRepresentative = ReadOnce(taxRepresentative, "BG-11 Tax representative", () => UblParty.Read(cursor));
                break;
            case "cac:Delivery": ReadDelivery(); break;
            case "cac:AdditionalDocumentReference": ReadSupportingDocument(); break;
            case "cac:PaymentMeans": cursor.Keep(payments, UblGroups.ReadPayment(cursor, ref paymentDueDate)); break;
            case "cac:AllowanceCharge": cursor.Keep(allowanceCharges, UblGroups.ReadAllowanceCharge(cursor)); break;
            case "cac:TaxTotal": cursor.Keep(vatTotals, UblGroups.ReadVatTotal(cursor)); break;
            case "cac:LegalMonetaryTotal": totals = ReadOnce(totals, "BG-22 Document totals", () => UblGroups.ReadTotals(cursor)); break;
            case "cac:InvoiceLine" when kind == InvoiceKind.Invoice:
            case "cac:CreditNoteLine" when kind == InvoiceKind.CreditNote:
                cursor.KeepLine(lines, UblLine.Read(cursor));
                break;
        }
    }

    private T ReadOnce<T>(T? already, string term, Func<T> read) where T : class
    {
        cursor.Place(term, already is not null);
        return read();
    }

    private Party ReadWrappedParty(string endpointRule, string endpoint)
    {
        Party? party = null;
        foreach (var child in cursor.Children())
            if (child == "cac:Party") party = ReadOnce(party, "Party", () => UblParty.Read(cursor, endpointRule, endpoint));
        return party ?? new Party();
    }

    private void ReadOrder()
    {
        foreach (var child in cursor.Children())
        {
            if (child == "cbc:ID") cursor.Text(ref order, "BT-13 Purchase order reference");
            else if (child == "cbc:SalesOrderID") cursor.Text(ref salesOrder, "BT-14 Sales order reference");
        }
    }

    private void ReadPreceding()
    {
        string? precedingNumber = null;
        DateOnly? date = null;
        foreach (var child in cursor.Children())
        {
            if (child != "cac:InvoiceDocumentReference") continue;
            foreach (var term in cursor.Children())
            {
                if (term == "cbc:ID") cursor.Text(ref precedingNumber, "BT-25 Preceding invoice number");
                else if (term == "cbc:IssueDate") cursor.Date(ref date, "BT-26 Preceding invoice date");
            }
        }
        cursor.Keep(preceding, new PrecedingInvoice(precedingNumber ?? "", date));
    }

    private void ReadDelivery()
    {
        foreach (var child in cursor.Children())
        {
            if (child == "cbc:ActualDeliveryDate") cursor.Date(ref deliveryDate, "BT-72 Actual delivery date");
            else if (child == "cac:DeliveryLocation") deliveryCountry ??= UblGroups.ReadDeliveryCountry(cursor);
        }
    }

    /// <summary>Its attachment, of megabytes perhaps, is left and so skipped.</summary>
    private void ReadSupportingDocument()
    {
        string? id = null;
        foreach (var child in cursor.Children())
            if (child == "cbc:ID") cursor.Label(ref id, "BT-122 Supporting document reference");
        if (id is null) cursor.Lacks("BR-52", "Supporting document reference (BT-122)");
    }

    private Invoice ToInvoice() => new()
    {
        Kind = kind,
        Customization = customization ?? "",
        Number = number ?? "",
        TypeCode = typeCode ?? "",
        IssueDate = issueDate,
        // A credit note has no cbc:DueDate: EN 16931 binds BT-9 to the payment means there.
        DueDate = dueDate ?? paymentDueDate,
        TaxPointDate = taxPointDate,
        Currency = currency ?? "",
        VatCurrency = vatCurrency,
        BuyerReference = buyerReference,
        OrderNumber = string.Equals(order, "NA", StringComparison.OrdinalIgnoreCase) ? null : order,
        SalesOrderNumber = salesOrder,
        AccountingCost = accountingCost,
        Seller = seller,
        Buyer = buyer,
        Payee = payee,
        TaxRepresentative = taxRepresentative,
        Period = period,
        DeliveryDate = deliveryDate,
        DeliveryCountry = deliveryCountry,
        Preceding = preceding,
        PaymentInstructions = payments,
        AllowanceCharges = allowanceCharges,
        VatTotals = vatTotals,
        Totals = totals,
        Lines = lines,
        Gaps = cursor.Gaps,
        OtherCurrencies = [.. cursor.Currencies.Where(stated => stated != currency)],
    };
}
