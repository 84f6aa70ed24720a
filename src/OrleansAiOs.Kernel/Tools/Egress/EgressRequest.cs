namespace OrleansAiOs.Kernel.Tools.Egress;

/// <summary>One call outside.</summary>
internal sealed record EgressRequest
{
    public required string Tenant { get; init; }

    /// <summary>For whom it is, as a person would name it: "tool crm/update". Never a part of what is sent.</summary>
    public required string For { get; init; }

    public required HttpMethod Method { get; init; }

    public required Uri Url { get; init; }

    /// <summary>Headers as they were declared: a value may hold secret://NAME, which is resolved here and nowhere before.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; } = [];

    public ReadOnlyMemory<byte>? Body { get; init; }

    public string? ContentType { get; init; }

    /// <summary>Headers that are made from secrets and what is sent; they stay with the origin they were made for.</summary>
    public EgressSignature? Signature { get; init; }

    public Reach Reach { get; init; } = Reach.Public;

    /// <summary>Whether the call goes where the answer sends it on to.</summary>
    public bool FollowsRedirects { get; init; } = true;

    /// <summary>The whole call; the options' if left out.</summary>
    public TimeSpan? Within { get; init; }
}

/// <param name="Secrets">By name, without the form of a handle; each is resolved like one in a header.</param>
/// <param name="Headers">From their values, in the same order.</param>
internal sealed record EgressSignature(IReadOnlyList<string> Secrets, Func<IReadOnlyList<string>, IEnumerable<KeyValuePair<string, string>>> Headers);

/// <summary>What came back, read to its end or to the cap, with every secret of the call taken out again.</summary>
/// <param name="IsCut">The answer was longer than is read; <paramref name="Body"/> is empty then.</param>
/// <param name="Redirects">How often the call was sent on.</param>
internal sealed record EgressAnswer(int Status, string? ContentType, byte[] Body, bool IsCut, TimeSpan? RetryAfter, int Redirects)
{
    public bool IsSuccess => Status is >= 200 and < 300;
}

/// <summary>The host does not make this call, or did not go on with it. Its text holds no secret.</summary>
/// <param name="redirects">0: nothing has left. More: a receiver has had the call, and sent it on to where it may not go.</param>
public sealed class EgressRefusedException(string message, int redirects = 0) : Exception(message)
{
    public int Redirects => redirects;
}

/// <summary>A call that left, or may have left, and ended without an answer. Its text holds no secret.</summary>
/// <param name="never">It is certain that the receiver never had it.</param>
public sealed class EgressFailedException(string message, bool never = false) : Exception(message)
{
    public bool NeverArrived => never;
}
