using System.Text;
using System.Xml;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>
/// Reads a UBL 2.1 Invoice or CreditNote in one pass. The document is hostile until read: no DTD, nothing external, limits on size, depth
/// and length, and an embedded attachment runs through without being held. What cannot be read throws
/// <see cref="UnreadableDocumentException"/> and nothing else; what is missing is left to <see cref="En16931"/>.
/// </summary>
public static class UblReader
{
    private const string InvoiceNamespace = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2";
    private const string CreditNoteNamespace = "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2";

    public static Invoice Read(Stream document, UblLimits? limits = null)
    {
        limits ??= UblLimits.Default;
        try
        {
            using var reader = XmlReader.Create(new SizeLimitedStream(document, limits.MaxBytes), Settings(limits));
            reader.MoveToContent();
            var kind = KindOf(reader);
            var cursor = new UblCursor(reader, limits);
            var invoice = new UblDocument(cursor, kind).Read();
            cursor.FinishDocument();
            return invoice;
        }
        catch (XmlException malformed)
        {
            throw NotXml(malformed);
        }
        catch (Exception undecodable) when (undecodable is DecoderFallbackException or NotSupportedException)
        {
            throw new UnreadableDocumentException("The document", "its bytes are not in the encoding it declares", "Send it in UTF-8.", inner: undecodable);
        }
    }

    private static XmlReaderSettings Settings(UblLimits limits) => new()
    {
        DtdProcessing = DtdProcessing.Prohibit,
        XmlResolver = null,
        MaxCharactersInDocument = limits.MaxBytes,
        MaxCharactersFromEntities = 1024,
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
        IgnoreWhitespace = true,
        CloseInput = false,
    };

    private static InvoiceKind KindOf(XmlReader reader) => (reader.LocalName, reader.NamespaceURI) switch
    {
        ("Invoice", InvoiceNamespace) => InvoiceKind.Invoice,
        ("CreditNote", CreditNoteNamespace) => InvoiceKind.CreditNote,
        (var name, var space) => throw new UnreadableDocumentException(
            "The document",
            $"its root is {XsdText.Quote(name)} of namespace {XsdText.Quote(space)}",
            $"Send a UBL 2.1 Invoice ({InvoiceNamespace}) or CreditNote ({CreditNoteNamespace})."),
    };

    private static UnreadableDocumentException NotXml(XmlException malformed)
    {
        // XmlException has no code for it, only this text; a test pins it.
        var hasDtd = malformed.Message.Contains("DTD", StringComparison.Ordinal);
        return new UnreadableDocumentException(
            "The document",
            hasDtd ? "it has a DTD (DOCTYPE)" : $"it is not well-formed XML: {Printable(malformed.Message)}",
            hasDtd ? "Remove the DOCTYPE: entities and external references are never resolved." : "Send the document as its software wrote it, unabridged.",
            malformed.LineNumber,
            malformed.LinePosition,
            malformed);
    }

    /// <summary>The reader's message may quote what it found, which may be anything; and it ends with the place, which we give ourselves.</summary>
    private static string Printable(string message)
    {
        var place = message.LastIndexOf(" Line ", StringComparison.Ordinal);
        var kept = (place > 0 ? message[..place] : message).TrimEnd('.');
        var printable = string.Concat(kept.Select(character => char.IsControl(character) || char.IsSurrogate(character) ? '?' : character));
        return printable.Length <= 300 ? printable : printable[..300] + "…";
    }
}
