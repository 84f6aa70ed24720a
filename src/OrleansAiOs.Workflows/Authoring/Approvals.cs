namespace OrleansAiOs.Workflows;

/// <summary>Who decides: a person or account, its roles, and how the host knows that it is them.</summary>
/// <param name="Id">The name of the person or account.</param>
/// <param name="Roles">The roles held at the moment of the decision.</param>
/// <param name="Verified">How the host verified them, e.g. "key".</param>
public sealed record Decider(string Id, IReadOnlyList<string> Roles, string Verified);

/// <summary>How an approval ended.</summary>
/// <param name="Granted">True only if somebody entitled said yes before the deadline.</param>
/// <param name="By">Who decided; null when the deadline passed.</param>
/// <param name="Comment">What they said.</param>
public sealed record Decision(bool Granted, Decider? By, string? Comment)
{
    /// <summary>Nobody decided before the deadline.</summary>
    public bool Expired => By is null;
}
