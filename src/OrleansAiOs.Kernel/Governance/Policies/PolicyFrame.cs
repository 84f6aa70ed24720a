namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>One evaluation under way: what is asked, the steps taken, and the fault if there is one. A fault is no exception, since it may come often and must cost little.</summary>
internal ref struct PolicyFrame(in PolicyRequest request)
{
    public readonly ref readonly PolicyRequest Request = ref request;

    private int steps;

    public PolicyFaultCode Code { get; private set; }

    public PolicyExpression? Where { get; private set; }

    public string? Why { get; private set; }

    public readonly bool Faulted => Code is not PolicyFaultCode.None;

    public readonly bool IsExhausted => steps > PolicyLimits.StepsMax;

    /// <summary>False if that was too much.</summary>
    public bool Spend(int amount, PolicyExpression by)
    {
        steps += amount;
        if (steps <= PolicyLimits.StepsMax) return true;
        Fault(by, PolicyFaultCode.StepsExceeded, $"is where the {PolicyLimits.StepsMax:N0} steps of an evaluation are used up. Ask less of large arguments, or split the set");
        return false;
    }

    /// <param name="where">What the sentence is about: it begins with its text.</param>
    /// <param name="code">The kind.</param>
    /// <param name="why">The rest of the sentence.</param>
    public PolicyValue Fault(PolicyExpression where, PolicyFaultCode code, string why)
    {
        // The first one is the cause of what follows.
        if (!Faulted) (Code, Where, Why) = (code, where, why);
        return default;
    }

    /// <summary>Forgets the fault of one policy before the next is judged. The steps stay spent.</summary>
    public void Clear() => (Code, Where, Why) = (PolicyFaultCode.None, null, null);
}
