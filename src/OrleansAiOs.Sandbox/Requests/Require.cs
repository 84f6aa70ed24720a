using System.Diagnostics.CodeAnalysis;

namespace OrleansAiOs.Sandbox;

/// <summary>The conditions on single values, each refused with its field and its cure.</summary>
internal static class Require
{
    public const int ReferenceCharsMax = 200;

    public static string Text([NotNull] string? value, string field, int charsMax)
    {
        if (value is null || value.Length == 0 || value.Length > charsMax)
        {
            throw Invalid(field, $"{field} is {(string.IsNullOrEmpty(value) ? "missing" : $"{value.Length} characters long")}.", $"Give 1 to {charsMax} characters.");
        }

        return value;
    }

    /// <summary>Any characters, compared one for one; only what no URL path can carry is refused.</summary>
    public static string Reference([NotNull] string? value)
    {
        var reference = Text(value, "reference", ReferenceCharsMax);
        return reference is "." or ".." || reference.Contains('\0', StringComparison.Ordinal)
            ? throw Invalid("reference", "reference is a dot segment or holds a NUL, which a URL cannot carry.", "Give any other characters.")
            : reference;
    }

    public static string Currency([NotNull] string? value) =>
        value is { Length: 3 } && !value.AsSpan().ContainsAnyExceptInRange('A', 'Z')
            ? value
            : throw Invalid("currency", "currency is missing or no currency code.", "Give three capital letters, such as EUR.");

    public static string IdempotencyKey(string? value) =>
        value is { Length: >= 1 and <= 200 } && !value.AsSpan().ContainsAnyExceptInRange(' ', '~')
            ? value
            : throw new Refusal(400, "no-key", "This request needs one idempotency key.")
            {
                Field = "Idempotency-Key",
                Cure = "Send the header once, with 1 to 200 printable ASCII characters.",
            };

    public static Refusal Invalid(string field, string detail, string cure) =>
        new(422, "invalid", detail) { Field = field, Cure = cure };

    public static Refusal KeyReused(string key) =>
        new(422, "key-reused", $"The key {key} has already answered another request.")
        {
            Field = "Idempotency-Key",
            Cure = "Repeat the first request unchanged, or take a new key.",
        };
}
