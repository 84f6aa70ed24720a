using System.Text;
using System.Xml;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>
/// Walks a document forward only, so that no part of it is held but what a caller asks for. A caller loops over <see cref="Children"/>; in
/// the loop it either takes the child (a text, a number, or its own children) or leaves it, and then it is skipped without being held.
/// </summary>
internal sealed class UblCursor(XmlReader reader, UblLimits limits)
{
    private const string Aggregates = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2";
    private const string Basics = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2";

    private readonly char[] chunk = new char[1024];
    private readonly HashSet<string> currencies = [];
    private readonly List<Gap> gaps = [];
    private bool taken;
    private int groups;

    public IReadOnlyCollection<string> Currencies => currencies;

    public IReadOnlyList<Gap> Gaps => gaps;

    /// <summary>Names children as UBL's own prefixes do, whatever the document's prefixes are.</summary>
    public IEnumerable<string> Children()
    {
        var depth = reader.Depth;
        if (!reader.IsEmptyElement)
        {
            Advance();
            while (reader.NodeType != XmlNodeType.EndElement || reader.Depth != depth)
            {
                if (reader.NodeType != XmlNodeType.Element) { Advance(); continue; }
                taken = false;
                yield return Name();
                if (!taken) Skip();
            }
        }
        Advance();
        taken = true;
    }

    public void Text(ref string? slot, string term)
    {
        var place = Place(term, slot is not null);
        var text = ReadText(place);
        if (text.Length > 0) slot = text;
    }

    /// <summary>For prose: the first occurrence and its first characters will do, so that a long one is neither refused nor held.</summary>
    public void Label(ref string? slot, string term)
    {
        var text = ReadText(Place(term, false), isLabel: true);
        if (text.Length > 0) slot ??= text;
    }

    public void Number(ref decimal? slot, string term)
    {
        var place = Place(term, slot is not null);
        slot = XsdText.ReadDecimal(ReadText(place), place);
    }

    public void Amount(ref decimal? slot, string term)
    {
        // Two are enough to see that one of them is wrong, and a hostile document may invent any number of them.
        if (reader.GetAttribute("currencyID") is { } currency && currencies.Count < 2) currencies.Add(XsdText.Excerpt(currency));
        Number(ref slot, term);
    }

    public void Date(ref DateOnly? slot, string term)
    {
        var place = Place(term, slot is not null);
        slot = XsdText.ReadDate(ReadText(place), place);
    }

    public void Flag(ref bool? slot, string term)
    {
        var place = Place(term, slot is not null);
        slot = XsdText.ReadFlag(ReadText(place), place);
    }

    public string? Attribute(string name) => reader.GetAttribute(name) is { } value ? XsdText.Excerpt(value) : null;

    /// <summary>Notes a missing term of a group that is not kept. No more than will be reported.</summary>
    public void Lacks(string rule, string term)
    {
        if (gaps.Count < En16931.MaxReported) gaps.Add(new Gap(rule, term));
    }

    public void Keep<T>(List<T> list, T group)
    {
        if (++groups > limits.MaxGroups)
            throw Place("The document", false).Refuse($"it has more than {limits.MaxGroups:N0} groups of allowances, charges, taxes or identifiers", "Split it.");
        list.Add(group);
    }

    public void KeepLine(List<Line> lines, Line line)
    {
        if (lines.Count == limits.MaxLines)
            throw Place("BG-25 Invoice line", false).Refuse($"there are more than {limits.MaxLines:N0} lines", "Split the document.");
        lines.Add(line);
    }

    /// <summary>Where the cursor stands, for a message; refuses a second occurrence of what may stand there once.</summary>
    public TermPlace Place(string term, bool isRepeated)
    {
        var position = (IXmlLineInfo)reader;
        var place = new TermPlace($"{term}, {Name()}", position.LineNumber, position.LinePosition);
        return isRepeated ? throw place.Refuse("it occurs twice", "State it once.") : place;
    }

    /// <summary>What follows the root must be nothing, so read it.</summary>
    public void FinishDocument()
    {
        while (!reader.EOF) reader.Read();
    }

    private string Name() => reader.NamespaceURI switch
    {
        Basics => $"cbc:{reader.LocalName}",
        Aggregates => $"cac:{reader.LocalName}",
        _ => reader.LocalName,
    };

    private string ReadText(TermPlace place, bool isLabel = false)
    {
        taken = true;
        if (reader.IsEmptyElement) { Advance(); return ""; }
        var text = new StringBuilder();
        Advance();
        while (reader.NodeType != XmlNodeType.EndElement)
        {
            if (reader.NodeType == XmlNodeType.Element)
                throw place.Refuse($"it holds an element, {XsdText.Quote(reader.Name)}", "Write a plain text.");
            if (reader.HasValue) Append(text, place, isLabel);
            Advance();
        }
        Advance();
        var normal = XsdText.Normalise(text);
        return isLabel ? XsdText.Excerpt(normal, limits.MaxLabelLength) : normal;
    }

    private void Append(StringBuilder text, TermPlace place, bool isLabel)
    {
        for (int count; (count = reader.ReadValueChunk(chunk, 0, chunk.Length)) > 0;)
        {
            if (text.Length <= limits.MaxTextLength) text.Append(chunk, 0, count);
            if (text.Length > limits.MaxTextLength && !isLabel)
                throw place.Refuse($"its text is longer than {limits.MaxTextLength:N0} characters", "Shorten it.");
        }
    }

    private void Skip()
    {
        var depth = reader.Depth;
        if (!reader.IsEmptyElement)
        {
            do Advance();
            while (reader.NodeType != XmlNodeType.EndElement || reader.Depth != depth);
        }
        Advance();
    }

    private void Advance()
    {
        reader.Read();
        if (reader.Depth > limits.MaxDepth)
            throw Place("The document", false).Refuse($"elements are nested more than {limits.MaxDepth} deep", "Send a UBL 2.1 document.");
    }
}
