using System.Globalization;
using System.Xml;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>UBL's elements with its usual prefixes, for the samples.</summary>
internal sealed class UblWriter(XmlWriter xml)
{
    private const string Aggregates = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2";
    private const string Basics = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2";

    public void Root(string name, Action content)
    {
        xml.WriteStartElement(name, $"urn:oasis:names:specification:ubl:schema:xsd:{name}-2");
        xml.WriteAttributeString("xmlns", "cac", null, Aggregates);
        xml.WriteAttributeString("xmlns", "cbc", null, Basics);
        content();
        xml.WriteEndElement();
    }

    public void Group(string name, Action content)
    {
        xml.WriteStartElement("cac", name, Aggregates);
        content();
        xml.WriteEndElement();
    }

    public void Term(string name, string text, string? attribute = null, string? value = null)
    {
        xml.WriteStartElement("cbc", name, Basics);
        if (attribute is not null) xml.WriteAttributeString(attribute, value);
        xml.WriteString(text);
        xml.WriteEndElement();
    }

    public void Amount(string name, decimal amount) => Term(name, amount.ToString("0.00", CultureInfo.InvariantCulture), "currencyID", "EUR");

    /// <summary>Bytes that look like nothing in particular, and are the same every time.</summary>
    public void Attachment(string file, int bytes)
    {
        xml.WriteStartElement("cbc", "EmbeddedDocumentBinaryObject", Basics);
        xml.WriteAttributeString("mimeCode", "application/pdf");
        xml.WriteAttributeString("filename", file);
        var block = new byte[3 * 1024];
        for (var (state, left) = (1u, bytes); left > 0; left -= block.Length)
        {
            for (var i = 0; i < block.Length; i++) block[i] = (byte)((state = state * 1664525 + 1013904223) >> 24);
            xml.WriteBase64(block, 0, Math.Min(block.Length, left));
        }
        xml.WriteEndElement();
    }
}
