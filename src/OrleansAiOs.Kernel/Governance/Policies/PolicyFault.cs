namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>What stopped a policy from being judged. Each denies.</summary>
public enum PolicyFaultCode : byte
{
    None,

    /// <summary>An attribute that is read is not there.</summary>
    MissingAttribute,

    /// <summary>An entity that is read is not among those of the request.</summary>
    MissingEntity,

    /// <summary>An operator was given a value of a type it does not work on.</summary>
    WrongType,

    /// <summary>A sum, difference or product is beyond what a long holds.</summary>
    Overflow,

    /// <summary>A text is no decimal.</summary>
    BadDecimal,

    /// <summary>A value is null, no JSON, or a number that is too big or too fine.</summary>
    Unreadable,

    /// <summary>The evaluation needs more than <see cref="PolicyLimits.StepsMax"/> steps.</summary>
    StepsExceeded,

    /// <summary>The policies in force cannot be had: the text is of a newer build, there are too many, or the store does not answer.</summary>
    PoliciesUnavailable,

    /// <summary>The evaluator itself failed, which is a bug.</summary>
    Internal,
}

/// <summary>Why nothing could be judged.</summary>
/// <param name="Policy">The policy that was at fault, <c>name/id</c>; null if it was none.</param>
/// <param name="Code">What kind of fault.</param>
/// <param name="Line">Where in the policy's text, from 1; 0 if nowhere.</param>
/// <param name="Column">In characters, from 1; 0 if nowhere.</param>
/// <param name="Message">What is wrong, with what, and what to do.</param>
public sealed record PolicyFault(string? Policy, PolicyFaultCode Code, int Line, int Column, string Message)
{
    public override string ToString() => Policy is null ? Message : $"{Policy}, line {Line}, column {Column}: {Message}";
}
