namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>The groups that document and line share, or that are small.</summary>
internal static class UblGroups
{
    public static bool IsVat(string? scheme) => string.Equals(scheme, "VAT", StringComparison.OrdinalIgnoreCase);

    public static Period ReadPeriod(UblCursor cursor)
    {
        DateOnly? start = null, end = null;
        string? code = null;
        foreach (var child in cursor.Children())
        {
            if (child == "cbc:StartDate") cursor.Date(ref start, "BT-73 or BT-134 Period start");
            else if (child == "cbc:EndDate") cursor.Date(ref end, "BT-74 or BT-135 Period end");
            else if (child == "cbc:DescriptionCode") cursor.Text(ref code, "BT-8 VAT point date code");
        }
        return new Period(start, end, code);
    }

    public static string? ReadDeliveryCountry(UblCursor cursor)
    {
        string? country = null;
        foreach (var child in cursor.Children())
        {
            if (child != "cac:Address") continue;
            UblParty.ReadCountry(cursor, ref country);
            if (country is null) cursor.Lacks("BR-57", "Deliver-to country code (BT-80)");
        }
        return country;
    }

    public static PaymentInstruction ReadPayment(UblCursor cursor, ref DateOnly? dueDate)
    {
        string? code = null, remittance = null, account = null, accountName = null, mandate = null;
        DateOnly? stated = null;
        foreach (var child in cursor.Children())
        {
            switch (child)
            {
                case "cbc:PaymentMeansCode": cursor.Text(ref code, "BT-81 Payment means code"); break;
                case "cbc:PaymentDueDate": cursor.Date(ref stated, "BT-9 Due date"); break;
                case "cbc:PaymentID": cursor.Label(ref remittance, "BT-83 Remittance information"); break;
                case "cac:PayeeFinancialAccount":
                    foreach (var term in cursor.Children())
                    {
                        if (term == "cbc:ID") cursor.Text(ref account, "BT-84 Payment account");
                        else if (term == "cbc:Name") cursor.Label(ref accountName, "BT-85 Payment account name");
                    }
                    break;
                case "cac:PaymentMandate":
                    foreach (var term in cursor.Children())
                        if (term == "cbc:ID") cursor.Label(ref mandate, "BT-89 Mandate reference");
                    break;
            }
        }
        dueDate ??= stated;
        return new PaymentInstruction { Code = code, Remittance = remittance, StatedAccount = account, AccountName = accountName, Mandate = mandate };
    }

    public static AllowanceCharge ReadAllowanceCharge(UblCursor cursor)
    {
        var place = cursor.Place("Allowance or charge", false);
        bool? isCharge = null;
        decimal? amount = null, baseAmount = null, percentage = null;
        string? reason = null, reasonCode = null;
        VatCategory? vat = null;
        foreach (var child in cursor.Children())
        {
            switch (child)
            {
                case "cbc:ChargeIndicator": cursor.Flag(ref isCharge, "Charge indicator"); break;
                case "cbc:Amount": cursor.Amount(ref amount, "BT-92, BT-99, BT-136, BT-141 or BT-147 Amount"); break;
                case "cbc:BaseAmount": cursor.Amount(ref baseAmount, "BT-93, BT-100, BT-137, BT-142 or BT-148 Base amount"); break;
                case "cbc:MultiplierFactorNumeric": cursor.Number(ref percentage, "BT-94, BT-101, BT-138 or BT-143 Percentage"); break;
                case "cbc:AllowanceChargeReason": cursor.Label(ref reason, "BT-97, BT-104, BT-139 or BT-144 Reason"); break;
                case "cbc:AllowanceChargeReasonCode": cursor.Label(ref reasonCode, "BT-98, BT-105, BT-140 or BT-145 Reason code"); break;
                case "cac:TaxCategory": vat ??= ReadVatCategory(cursor, out _); break;
            }
        }
        return new AllowanceCharge
        {
            IsCharge = isCharge ?? throw place.Refuse("it has no cbc:ChargeIndicator", "Say whether it is an allowance (false) or a charge (true)."),
            Amount = amount,
            BaseAmount = baseAmount,
            Percentage = percentage,
            Reason = reason ?? reasonCode,
            Vat = vat,
        };
    }

    /// <summary>A category under another tax scheme than VAT is no category to EN 16931, so the rules will find it missing.</summary>
    public static VatCategory? ReadVatCategory(UblCursor cursor, out string? exemptionReason)
    {
        string? code = null, scheme = null, reason = null, reasonCode = null;
        decimal? rate = null;
        foreach (var child in cursor.Children())
        {
            switch (child)
            {
                case "cbc:ID": cursor.Text(ref code, "BT-95, BT-102, BT-118 or BT-151 VAT category"); break;
                case "cbc:Percent": cursor.Number(ref rate, "BT-96, BT-103, BT-119 or BT-152 VAT rate"); break;
                case "cbc:TaxExemptionReason": cursor.Label(ref reason, "BT-120 VAT exemption reason"); break;
                case "cbc:TaxExemptionReasonCode": cursor.Label(ref reasonCode, "BT-121 VAT exemption reason code"); break;
                case "cac:TaxScheme":
                    foreach (var term in cursor.Children())
                        if (term == "cbc:ID") cursor.Text(ref scheme, "Tax scheme");
                    break;
            }
        }
        exemptionReason = reason ?? reasonCode;
        return code is not null && IsVat(scheme) ? new VatCategory(code, rate) : null;
    }

    public static VatTotal ReadVatTotal(UblCursor cursor)
    {
        decimal? amount = null;
        string? currency = null;
        var breakdowns = new List<VatBreakdown>();
        foreach (var child in cursor.Children())
        {
            if (child == "cac:TaxSubtotal") cursor.Keep(breakdowns, ReadVatBreakdown(cursor));
            else if (child == "cbc:TaxAmount")
            {
                currency = cursor.Attribute("currencyID");
                cursor.Number(ref amount, "BT-110 or BT-111 Total VAT amount");
            }
        }
        return new VatTotal(amount, currency, breakdowns);
    }

    private static VatBreakdown ReadVatBreakdown(UblCursor cursor)
    {
        decimal? taxable = null, tax = null;
        VatCategory? vat = null;
        string? exemptionReason = null;
        foreach (var child in cursor.Children())
        {
            switch (child)
            {
                case "cbc:TaxableAmount": cursor.Amount(ref taxable, "BT-116 VAT category taxable amount"); break;
                case "cbc:TaxAmount": cursor.Amount(ref tax, "BT-117 VAT category tax amount"); break;
                case "cac:TaxCategory": vat ??= ReadVatCategory(cursor, out exemptionReason); break;
            }
        }
        return new VatBreakdown(taxable, tax, vat, exemptionReason);
    }

    public static Totals ReadTotals(UblCursor cursor)
    {
        decimal? lineNet = null, withoutVat = null, withVat = null, allowances = null, charges = null, prepaid = null, rounding = null, payable = null;
        string? currency = null;
        foreach (var child in cursor.Children())
        {
            switch (child)
            {
                case "cbc:LineExtensionAmount": cursor.Amount(ref lineNet, "BT-106 Sum of line net amounts"); break;
                case "cbc:TaxExclusiveAmount": cursor.Amount(ref withoutVat, "BT-109 Total without VAT"); break;
                case "cbc:TaxInclusiveAmount": cursor.Amount(ref withVat, "BT-112 Total with VAT"); break;
                case "cbc:AllowanceTotalAmount": cursor.Amount(ref allowances, "BT-107 Sum of allowances"); break;
                case "cbc:ChargeTotalAmount": cursor.Amount(ref charges, "BT-108 Sum of charges"); break;
                case "cbc:PrepaidAmount": cursor.Amount(ref prepaid, "BT-113 Paid amount"); break;
                case "cbc:PayableRoundingAmount": cursor.Amount(ref rounding, "BT-114 Rounding amount"); break;
                case "cbc:PayableAmount":
                    currency = cursor.Attribute("currencyID");
                    cursor.Amount(ref payable, "BT-115 Amount due for payment");
                    break;
            }
        }
        return new Totals
        {
            LineNet = lineNet,
            Allowances = allowances,
            Charges = charges,
            WithoutVat = withoutVat,
            WithVat = withVat,
            Prepaid = prepaid,
            Rounding = rounding,
            Payable = payable,
            PayableCurrency = currency,
        };
    }
}
