namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

internal static class UblLine
{
    public static Line Read(UblCursor cursor)
    {
        string? id = null, unit = null, accountingCost = null, itemName = null;
        decimal? quantity = null, net = null;
        Period? period = null;
        VatCategory? vat = null;
        var price = new PriceTerms();
        var allowanceCharges = new List<AllowanceCharge>();
        foreach (var child in cursor.Children())
        {
            switch (child)
            {
                case "cbc:ID": cursor.Text(ref id, "BT-126 Line identifier"); break;
                case "cbc:InvoicedQuantity" or "cbc:CreditedQuantity":
                    unit = cursor.Attribute("unitCode");
                    cursor.Number(ref quantity, "BT-129 Quantity");
                    break;
                case "cbc:LineExtensionAmount": cursor.Amount(ref net, "BT-131 Line net amount"); break;
                case "cbc:AccountingCost": cursor.Text(ref accountingCost, "BT-133 Line accounting reference"); break;
                case "cac:InvoicePeriod": period = UblGroups.ReadPeriod(cursor); break;
                case "cac:AllowanceCharge": cursor.Keep(allowanceCharges, UblGroups.ReadAllowanceCharge(cursor)); break;
                case "cac:Item": vat = ReadItem(cursor, ref itemName); break;
                case "cac:Price": price.Read(cursor); break;
            }
        }
        return new Line
        {
            Id = id ?? "",
            Quantity = quantity,
            Unit = unit,
            Net = net,
            AccountingCost = accountingCost,
            Period = period,
            ItemName = itemName ?? "",
            Vat = vat,
            Price = price.Net,
            BaseQuantity = price.BaseQuantity,
            PriceDiscount = price.Discount?.Amount,
            GrossPrice = price.Discount?.BaseAmount,
            AllowanceCharges = allowanceCharges,
        };
    }

    private static VatCategory? ReadItem(UblCursor cursor, ref string? name)
    {
        VatCategory? vat = null;
        var hasCategory = false;
        foreach (var child in cursor.Children())
        {
            switch (child)
            {
                case "cbc:Name": cursor.Label(ref name, "BT-153 Item name"); break;
                case "cac:StandardItemIdentification": ReadIdentifier(cursor, "cbc:ID", "schemeID", "BR-64", "Scheme of an item standard identifier (BT-157)"); break;
                case "cac:CommodityClassification": ReadIdentifier(cursor, "cbc:ItemClassificationCode", "listID", "BR-65", "Scheme of an item classification (BT-158)"); break;
                case "cac:AdditionalItemProperty": ReadAttribute(cursor); break;
                case "cac:ClassifiedTaxCategory":
                    cursor.Place("BT-151 VAT category of the item", hasCategory);
                    hasCategory = true;
                    vat = UblGroups.ReadVatCategory(cursor, out _);
                    break;
            }
        }
        return vat;
    }

    private static void ReadIdentifier(UblCursor cursor, string element, string scheme, string rule, string term)
    {
        foreach (var child in cursor.Children())
            if (child == element && cursor.Attribute(scheme) is null) cursor.Lacks(rule, term);
    }

    private static void ReadAttribute(UblCursor cursor)
    {
        var (hasName, hasValue) = (false, false);
        foreach (var child in cursor.Children()) (hasName, hasValue) = (hasName || child == "cbc:Name", hasValue || child == "cbc:Value");
        if (!hasName || !hasValue) cursor.Lacks("BR-54", "Name (BT-160) or value (BT-161) of an item attribute");
    }

    private sealed class PriceTerms
    {
        public decimal? Net;
        public decimal? BaseQuantity;
        public AllowanceCharge? Discount;

        public void Read(UblCursor cursor)
        {
            foreach (var child in cursor.Children())
            {
                if (child == "cbc:PriceAmount") cursor.Amount(ref Net, "BT-146 Item net price");
                else if (child == "cbc:BaseQuantity") cursor.Number(ref BaseQuantity, "BT-149 Price base quantity");
                else if (child == "cac:AllowanceCharge") Discount ??= UblGroups.ReadAllowanceCharge(cursor);
            }
        }
    }
}
