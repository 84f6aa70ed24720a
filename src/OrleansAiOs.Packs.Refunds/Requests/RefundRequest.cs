using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Packs.Refunds.Requests;

/// <summary>Why a customer wants money back.</summary>
public enum RefundReason
{
    Damaged,
    WrongItem,
    NotArrived,
    Withdrawn,
}

/// <summary>
/// A customer's request, as it was asked for. It comes from outside and is read strictly: nothing in it names where the money goes (it goes
/// back the way it came), and nothing in its texts is ever followed.
/// </summary>
/// <param name="Order">The order's id: 1 to 40 letters, digits and '-'.</param>
/// <param name="Customer">The name the order was placed under, to the letter; at most 100 characters.</param>
/// <param name="Amount">What is asked for: more than 0, below 1,000,000, at most two places.</param>
/// <param name="Currency">The order's currency, three capital letters.</param>
/// <param name="Reason">One of <see cref="RefundReason"/>, as written there.</param>
/// <param name="Evidence">SHA-256 digests of uploaded payloads (photos, letters), in hexadecimal; at most 10.</param>
/// <param name="Note">What the customer writes, at most 1,000 characters. For people only.</param>
public sealed partial record RefundRequest(string Order, string Customer, decimal Amount, string Currency, RefundReason Reason, IReadOnlyList<string> Evidence, string? Note = null)
{
    private const int CustomerCharsMax = 100;
    private const int NoteCharsMax = 1_000;
    private const int EvidenceMax = 10;
    private static readonly string[] Members = ["order", "customer", "amount", "currency", "reason", "evidence", "note"];

    /// <summary>Reads a request: the request, or everything that is wrong with it.</summary>
    public static (RefundRequest? Request, IReadOnlyList<string> Wrong) Read(JsonText json)
    {
        JsonElement root;
        try
        {
            root = JsonElement.Parse(json.Utf8.Span, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 3 });
        }
        catch (JsonException)
        {
            return (null, ["the request is no flat JSON object, or a member stands in it twice"]);
        }
        if (root.ValueKind is not JsonValueKind.Object) return (null, [$"the request is no JSON object with {string.Join(", ", Members)}"]);

        List<string> wrong = [.. root.EnumerateObject().Where(member => !Members.Contains(member.Name)).Take(3).Select(member => $"'{Visible(member.Name)}' is no member of a request: there are {string.Join(", ", Members)}")];
        var order = Text(root, "order", wrong, text => OrderForm().IsMatch(text), "1 to 40 letters, digits and '-'");
        var customer = Text(root, "customer", wrong, text => text.Length <= CustomerCharsMax && !string.IsNullOrWhiteSpace(text), $"the name the order was placed under, at most {CustomerCharsMax} characters");
        var currency = Text(root, "currency", wrong, text => CurrencyForm().IsMatch(text), "three capital letters, such as EUR");
        var reason = Text(root, "reason", wrong, text => Enum.GetNames<RefundReason>().Contains(text), $"one of {string.Join(", ", Enum.GetNames<RefundReason>())}");
        var amount = AmountOf(root, wrong);
        var evidence = EvidenceOf(root, wrong);
        var note = root.TryGetProperty("note", out var given) && given.ValueKind is not JsonValueKind.Null ? Text(root, "note", wrong, text => text.Length <= NoteCharsMax, $"a text of at most {NoteCharsMax:N0} characters") : null;
        return wrong.Count > 0 ? (null, wrong) : (new RefundRequest(order!, customer!, amount, currency!, Enum.Parse<RefundReason>(reason!), evidence, note), []);
    }

    /// <summary>A text from outside, cut, and with everything in it that is no ASCII letter, digit or plain sign written out.</summary>
    internal static string Visible(string text) =>
        string.Concat((text.Length <= 40 ? text : text[..40]).Select(c => c is >= ' ' and <= '~' ? c.ToString() : $"\\u{(int)c:x4}")) + (text.Length <= 40 ? "" : "…");

    private static string? Text(JsonElement root, string name, List<string> wrong, Func<string, bool> fits, string what)
    {
        if (!root.TryGetProperty(name, out var value)) wrong.Add($"{name} is missing: give {what}");
        else if (value.ValueKind is not JsonValueKind.String || !fits(value.GetString()!)) wrong.Add($"{name}: {Visible(value.GetRawText())} is not {what}");
        else return value.GetString();
        return null;
    }

    // By its own characters, as a string or a number: never through a double, and without signs, exponents and separators.
    private static decimal AmountOf(JsonElement root, List<string> wrong)
    {
        const string What = "an amount such as 25.00: more than 0, below 1,000,000, at most two places";
        if (!root.TryGetProperty("amount", out var value))
        {
            wrong.Add($"amount is missing: give {What}");
            return 0;
        }
        var written = value.ValueKind is JsonValueKind.String ? value.GetString()! : value.GetRawText();
        if (value.ValueKind is JsonValueKind.String or JsonValueKind.Number && AmountForm().IsMatch(written) && decimal.Parse(written, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture) is > 0 and var amount) return amount;
        wrong.Add($"amount: {Visible(written)} is not {What}");
        return 0;
    }

    private static List<string> EvidenceOf(JsonElement root, List<string> wrong)
    {
        if (!root.TryGetProperty("evidence", out var value) || value.ValueKind is JsonValueKind.Null) return [];
        List<string> digests = [];
        if (value.ValueKind is JsonValueKind.Array && value.GetArrayLength() <= EvidenceMax)
        {
            foreach (var item in value.EnumerateArray())
                if (item.ValueKind is JsonValueKind.String && DigestForm().IsMatch(item.GetString()!)) digests.Add(item.GetString()!);
            if (digests.Count == value.GetArrayLength() && digests.Distinct(StringComparer.Ordinal).Count() == digests.Count) return digests;
        }
        wrong.Add($"evidence: give up to {EvidenceMax} different SHA-256 digests of uploaded payloads, in small hexadecimal digits");
        return [];
    }

    [GeneratedRegex(@"\A[A-Za-z0-9-]{1,40}\z", RegexOptions.NonBacktracking)]
    private static partial Regex OrderForm();

    [GeneratedRegex(@"\A[A-Z]{3}\z", RegexOptions.NonBacktracking)]
    private static partial Regex CurrencyForm();

    [GeneratedRegex(@"\A[0-9]{1,6}(\.[0-9]{1,2})?\z", RegexOptions.NonBacktracking)]
    private static partial Regex AmountForm();

    [GeneratedRegex(@"\A[0-9a-f]{64}\z", RegexOptions.NonBacktracking)]
    private static partial Regex DigestForm();
}
