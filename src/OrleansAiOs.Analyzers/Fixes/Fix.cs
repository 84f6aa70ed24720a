namespace OrleansAiOs.Analyzers.Fixes;

/// <summary>The kinds of code fix.</summary>
internal static class Fix
{
    /// <summary>The expression becomes the text given.</summary>
    public const string Replace = nameof(Replace);

    /// <summary><c>x</c> becomes <c>Record(() => x)</c>.</summary>
    public const string Record = nameof(Record);

    /// <summary>The run's <c>Time</c> becomes an argument.</summary>
    public const string AddTime = nameof(AddTime);

    /// <summary><c>x.ConfigureAwait(false)</c> becomes <c>x</c>.</summary>
    public const string Unwrap = nameof(Unwrap);

    /// <summary><c>x.Result</c>, <c>x.Wait()</c> and <c>x.GetAwaiter().GetResult()</c> become <c>await x</c>.</summary>
    public const string Await = nameof(Await);

    /// <summary><c>Thread.Sleep(x)</c> becomes <c>await Sleep(x)</c>.</summary>
    public const string Sleep = nameof(Sleep);
}
