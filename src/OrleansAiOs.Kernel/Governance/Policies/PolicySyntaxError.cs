namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>One thing that is wrong with a text.</summary>
/// <param name="Line">From 1.</param>
/// <param name="Column">In characters, from 1.</param>
/// <param name="Found">What stands there.</param>
/// <param name="Expected">What may stand there.</param>
/// <param name="Cure">What to write.</param>
public sealed record PolicySyntaxError(int Line, int Column, string Found, string Expected, string Cure)
{
    public override string ToString() => $"line {Line}, column {Column}: found {Found}, expected {Expected}. {Cure}";
}

/// <summary>A text that is no set of policies. It names the first things that are wrong, at most twenty.</summary>
public sealed class PolicySyntaxException(IReadOnlyList<PolicySyntaxError> errors) : Exception(string.Join(Environment.NewLine, errors))
{
    public IReadOnlyList<PolicySyntaxError> Errors => errors;
}

/// <summary>Stops the reading of one policy; the reader goes on behind it.</summary>
internal sealed class PolicyUnreadableException(int at, string found, string expected, string cure) : Exception
{
    public int At => at;

    public string Found => found;

    public string Expected => expected;

    public string Cure => cure;
}
