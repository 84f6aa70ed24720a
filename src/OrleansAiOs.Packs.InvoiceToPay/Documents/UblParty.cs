namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>A party and its identifiers. cac:Party of seller and buyer, and payee and tax representative, which have no wrapper.</summary>
internal static class UblParty
{
    public static Party Read(UblCursor cursor, string? endpointRule = null, string? endpoint = null)
    {
        string? name = null, tradingName = null, vatId = null, taxId = null, legalId = null, country = null;
        var ids = new List<string>();
        var hasAddress = false;
        foreach (var child in cursor.Children())
        {
            switch (child)
            {
                case "cbc:EndpointID" when endpointRule is not null && cursor.Attribute("schemeID") is null:
                    cursor.Lacks(endpointRule, $"Scheme identifier of the {endpoint}");
                    break;
                case "cac:PartyIdentification": ReadIdentification(cursor, ids); break;
                case "cac:PartyName": ReadFirst(cursor, "cbc:Name", ref tradingName, "Trading name"); break;
                case "cac:PostalAddress": hasAddress = true; ReadCountry(cursor, ref country); break;
                case "cac:PartyTaxScheme": ReadTaxScheme(cursor, ref vatId, ref taxId); break;
                case "cac:PartyLegalEntity": ReadLegalEntity(cursor, ref name, ref legalId); break;
            }
        }
        return new Party
        {
            Name = name ?? "",
            TradingName = tradingName,
            VatId = vatId,
            TaxId = taxId,
            LegalId = legalId,
            Ids = ids,
            HasAddress = hasAddress,
            Country = country,
        };
    }

    public static void ReadCountry(UblCursor cursor, ref string? country)
    {
        foreach (var child in cursor.Children())
            if (child == "cac:Country") ReadFirst(cursor, "cbc:IdentificationCode", ref country, "Country code");
    }

    private static void ReadIdentification(UblCursor cursor, List<string> ids)
    {
        foreach (var child in cursor.Children())
        {
            // A SEPA creditor reference (BT-90) stands here too and identifies a mandate, not a party.
            if (child != "cbc:ID" || cursor.Attribute("schemeID") == "SEPA") continue;
            string? id = null;
            cursor.Text(ref id, "Party identifier");
            if (id is not null) cursor.Keep(ids, id);
        }
    }

    private static void ReadTaxScheme(UblCursor cursor, ref string? vatId, ref string? taxId)
    {
        string? companyId = null, scheme = null;
        foreach (var child in cursor.Children())
        {
            if (child == "cbc:CompanyID") cursor.Text(ref companyId, "VAT or tax identifier");
            else if (child == "cac:TaxScheme") ReadFirst(cursor, "cbc:ID", ref scheme, "Tax scheme");
        }
        if (UblGroups.IsVat(scheme)) vatId ??= companyId;
        else taxId ??= companyId;
    }

    private static void ReadLegalEntity(UblCursor cursor, ref string? name, ref string? legalId)
    {
        foreach (var child in cursor.Children())
        {
            if (child == "cbc:RegistrationName") cursor.Label(ref name, "Name");
            else if (child == "cbc:CompanyID") cursor.Text(ref legalId, "Legal registration identifier");
        }
    }

    private static void ReadFirst(UblCursor cursor, string element, ref string? slot, string term)
    {
        foreach (var child in cursor.Children())
            if (child == element) cursor.Label(ref slot, term);
    }
}
