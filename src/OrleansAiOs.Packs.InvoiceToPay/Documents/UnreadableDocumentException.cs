namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>The bytes are not a UBL document we can take: where, what was found, and what the sender should do.</summary>
public sealed class UnreadableDocumentException : Exception
{
    internal UnreadableDocumentException(string term, string found, string cure, int line = 0, int position = 0, Exception? inner = null)
        : base($"{term}{Place(line, position)}: {found}. {cure}", inner)
    {
        (Term, Found, Cure, Line, Position) = (term, found, cure, line, position);
    }

    /// <summary>The term of EN 16931 and its element, such as "BT-9 Due date, cbc:DueDate"; or "The document".</summary>
    public string Term { get; }
    public string Found { get; }
    public string Cure { get; }
    public int Line { get; }
    public int Position { get; }

    private static string Place(int line, int position) => line > 0 ? $" (line {line}, position {position})" : "";
}
