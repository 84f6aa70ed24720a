namespace OrleansAiOs.Workflows;

/// <summary>What a receiver says of an attempt whose outcome was unknown.</summary>
public sealed class Reconciled<T>
{
    private Reconciled(ReconciledAs verdict, T? result, string why) => (Verdict, Result, Why) = (verdict, result, why);

    /// <summary>Which of the three it is.</summary>
    public ReconciledAs Verdict { get; }

    /// <summary>The result, if it happened.</summary>
    public T? Result { get; }

    /// <summary>How it is known, for the history.</summary>
    public string Why { get; }

    /// <summary>It took effect, with this result.</summary>
    public static Reconciled<T> Happened(T result, string why = "") => new(ReconciledAs.Happened, result, why);

    /// <summary>
    /// It did not take effect and never will. Say so only when the receiver from now on refuses the reference (a void), or after a
    /// settle time longer than the dispatch window and the request's time-out together: a request may still be on its way.
    /// </summary>
    public static Reconciled<T> NeverWill(string why) => new(ReconciledAs.NeverWill, default, why);

    /// <summary>It cannot be told yet. The receiver is asked again later.</summary>
    public static Reconciled<T> StillUnknown(string why) => new(ReconciledAs.StillUnknown, default, why);

    internal Reconciled<TTo> Select<TTo>(Func<T, TTo> convert) =>
        new(Verdict, Verdict is ReconciledAs.Happened ? convert(Result!) : default, Why);
}

/// <summary>The three answers to "did it happen?".</summary>
public enum ReconciledAs
{
    /// <summary>Yes.</summary>
    Happened,

    /// <summary>No, and it never will.</summary>
    NeverWill,

    /// <summary>Not known yet.</summary>
    StillUnknown,
}
