using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace OrleansAiOs.Kernel.Webhooks;

/// <summary>
/// Signatures on what goes over HTTP: HMAC-SHA-256 over the bytes as they are sent. What is signed:
///
///   Standard   id "." seconds since 1970 "." body      webhook-signature: v1,BASE64 (several, with a space between)
///   Stripe     seconds since 1970 "." body             Stripe-Signature: t=SECONDS,v1=HEX (several v1)
///   GitHub     body                                    X-Hub-Signature-256: sha256=HEX
///
/// An id holds no ".", so nothing of it can be pushed into the time or the body.
/// </summary>
internal static class HookSignature
{
    /// <summary>How far the sender's clock may be from ours, and how long what was caught on its way is of use.</summary>
    public static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(5);

    private const int SignaturesMax = 10;
    private const int IdCharsMax = 200;
    private const string KeyPrefix = "whsec_";

    /// <summary>What a request claims.</summary>
    /// <param name="Scheme">How it is signed, and what its key is.</param>
    /// <param name="Id">The id that the signature binds; null if it binds none.</param>
    /// <param name="Signed">The bytes before the body that are signed with it.</param>
    /// <param name="Signatures">Any of them may be the right one.</param>
    public sealed record Claim(HookScheme Scheme, string? Id, byte[] Signed, IReadOnlyList<byte[]> Signatures);

    /// <summary>Reads the claim; null if there is none, or its time is not now.</summary>
    public static Claim? Read(HookScheme scheme, Func<string, string?> header, DateTimeOffset now)
    {
        switch (scheme)
        {
            case HookScheme.Standard:
                var id = header("webhook-id");
                if (id is not { Length: > 0 and <= IdCharsMax } || id.Any(c => c is <= ' ' or > '~' or '.') || Time(header("webhook-timestamp"), now) is not { } at) return null;
                return Of(id, $"{id}.{at}.", (header("webhook-signature") ?? "").Split(' ').Where(part => part.StartsWith("v1,", StringComparison.Ordinal)).Select(part => FromBase64(part[3..])));
            case HookScheme.Stripe:
                var parts = (header("Stripe-Signature") ?? "").Split(',', StringSplitOptions.TrimEntries);
                if (parts.Where(part => part.StartsWith("t=", StringComparison.Ordinal)).ToList() is not [var time] || Time(time[2..], now) is not { } sent) return null;
                return Of(null, $"{sent}.", parts.Where(part => part.StartsWith("v1=", StringComparison.Ordinal)).Select(part => FromHex(part[3..])));
            default:
                return header("X-Hub-Signature-256") is { } hub && hub.StartsWith("sha256=", StringComparison.Ordinal) ? Of(null, "", [FromHex(hub[7..])]) : null;
        }

        Claim? Of(string? id, string signed, IEnumerable<byte[]?> signatures) =>
            signatures.Take(SignaturesMax).OfType<byte[]>().ToList() is { Count: > 0 } some ? new Claim(scheme, id, Encoding.ASCII.GetBytes(signed), some) : null;
    }

    /// <summary>Whether one of the secrets made one of the signatures. It takes as long whichever does not.</summary>
    public static bool Fits(Claim claim, ReadOnlySpan<byte> body, IReadOnlyList<string> secrets)
    {
        var fits = false;
        foreach (var secret in secrets)
        {
            var expected = Of(KeyOf(claim.Scheme, secret), claim.Signed, body);
            foreach (var signature in claim.Signatures) fits |= CryptographicOperations.FixedTimeEquals(expected, signature);
        }
        return fits;
    }

    /// <summary>The headers of Standard Webhooks, signed with each of the secrets.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Headers(string id, DateTimeOffset at, ReadOnlyMemory<byte> body, IReadOnlyList<string> secrets)
    {
        var seconds = at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var signed = Encoding.ASCII.GetBytes($"{id}.{seconds}.");
        return
        [
            new("webhook-id", id), new("webhook-timestamp", seconds),
            new("webhook-signature", string.Join(' ', secrets.Select(secret => $"v1,{Convert.ToBase64String(Of(KeyOf(HookScheme.Standard, secret), signed, body.Span))}"))),
        ];
    }

    private static byte[] Of(byte[] key, ReadOnlySpan<byte> before, ReadOnlySpan<byte> body)
    {
        using var mac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        mac.AppendData(before);
        mac.AppendData(body);
        return mac.GetHashAndReset();
    }

    // whsec_BASE64 holds a key's bytes, as Standard Webhooks writes them; anything else is its own. Stripe's secrets begin with whsec_ too, and there it is part of the key.
    private static byte[] KeyOf(HookScheme scheme, string secret) =>
        scheme is HookScheme.Standard && secret.StartsWith(KeyPrefix, StringComparison.Ordinal) && FromBase64(secret[KeyPrefix.Length..]) is { Length: > 0 } key ? key : Encoding.UTF8.GetBytes(secret);

    // As it is written, since that is what is signed.
    private static string? Time(string? text, DateTimeOffset now) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && Math.Abs(seconds - now.ToUnixTimeSeconds()) <= (long)Tolerance.TotalSeconds ? text : null;

    private static byte[]? FromBase64(string text)
    {
        var bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text, bytes, out var count) ? bytes[..count] : null;
    }

    private static byte[]? FromHex(string text)
    {
        var bytes = new byte[text.Length / 2];
        return Convert.FromHexString(text, bytes, out _, out _) is System.Buffers.OperationStatus.Done ? bytes : null;
    }
}
