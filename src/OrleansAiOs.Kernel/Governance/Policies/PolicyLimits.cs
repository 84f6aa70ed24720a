namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>What keeps policies total: every text, every request and every evaluation is bounded. What is beyond a limit is refused, or is a fault, which denies.</summary>
public static class PolicyLimits
{
    /// <summary>Characters of one text.</summary>
    public const int TextCharsMax = 65_536;

    /// <summary>Policies in one text.</summary>
    public const int PoliciesPerTextMax = 500;

    /// <summary>Policies that are in force for one tenant, over all its texts.</summary>
    public const int PoliciesPerTenantMax = 2_000;

    /// <summary>How deep expressions may nest, brackets included.</summary>
    public const int NestingMax = 64;

    /// <summary>Characters of one string in a text.</summary>
    public const int LiteralCharsMax = 4_096;

    /// <summary>Wildcards in one pattern.</summary>
    public const int WildcardsMax = 32;

    /// <summary>Steps of one evaluation, all policies together: one for each expression, one more for each value looked at in it, and for each 1,024 characters of a string.</summary>
    public const int StepsMax = 50_000;

    /// <summary>Bytes of a call's arguments that a policy may look at.</summary>
    public const int ArgumentBytesMax = 1_048_576;

    /// <summary>How deep a call's arguments may nest.</summary>
    public const int ArgumentsDepthMax = 32;
}
