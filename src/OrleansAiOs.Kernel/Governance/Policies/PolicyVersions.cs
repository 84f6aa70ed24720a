using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>A change of the policies that is refused, and why.</summary>
public sealed class PolicyRefusedException(PolicyRefusal refusal, string message) : Exception(message)
{
    public PolicyRefusal Refusal => refusal;
}

public enum PolicyRefusal
{
    /// <summary>There is no such policy, or no such number of it.</summary>
    NotFound,

    /// <summary>It does not fit what is in force.</summary>
    Conflict,

    /// <summary>It is not what it has to be.</summary>
    Invalid,
}

/// <summary>Puts texts of policies, and brings them into force. Each change is an event; a change that somebody else made meanwhile is decided on.</summary>
public sealed class PolicyVersions(EventStreams streams, Catalogue catalogue, PolicyView view)
{
    public const int NameCharsMax = 100;
    public const int NoteCharsMax = 1_000;

    /// <summary>Puts a text. It has to be read without an error, and so do its cases; whether they hold is asked when it is activated.</summary>
    /// <returns>Its number. Put twice in a row, the same text with the same cases has one number.</returns>
    /// <exception cref="PolicySyntaxException">The text is none.</exception>
    /// <exception cref="PolicyCasesException">The cases are none.</exception>
    /// <exception cref="PolicyRefusedException">The name or the note is none.</exception>
    public async Task<long> PutAsync(string tenant, string name, string text, string? cases, string? note, string by, CancellationToken cancellation = default)
    {
        CheckName(name);
        if (note?.Length > NoteCharsMax) throw new PolicyRefusedException(PolicyRefusal.Invalid, $"A note has at most {NoteCharsMax} characters; this one has {note.Length}.");
        var read = PolicyText.Parse(text);
        if (cases is not null) PolicyCases.Parse(cases);
        while (true)
        {
            var history = await HistoryOf(tenant, name, cancellation);
            if (history.Put is [.., var last] && last.Hash == read.Hash && last.Cases == cases) return last.Number;
            var number = history.Put.Count + 1;
            if (await TryAppend(tenant, history, new PolicyProposed(number, text, read.Hash, cases, note), by, cancellation)) return number;
        }
    }

    /// <summary>Brings a text that was put into force, in the place of what is in force under its name.</summary>
    /// <param name="tenant">Whose.</param>
    /// <param name="name">The policy's name.</param>
    /// <param name="number">Which of its texts.</param>
    /// <param name="replaces">What has to be in force for this to be done, 0 for nothing; null if it does not matter.</param>
    /// <param name="by">Who does it.</param>
    /// <param name="cancellation">Gives up before anything is changed.</param>
    /// <returns>False if it was in force already.</returns>
    /// <exception cref="PolicyRefusedException">There is no such text; it cannot be read or its own cases do not hold; something else is in force; or too many policies would be.</exception>
    public async Task<bool> ActivateAsync(string tenant, string name, long number, long? replaces, string by, CancellationToken cancellation = default)
    {
        while (true)
        {
            var history = await GetAsync(tenant, name, cancellation);
            var put = history.Put.FirstOrDefault(put => put.Number == number)
                ?? throw new PolicyRefusedException(PolicyRefusal.NotFound, $"Policy '{name}' has no number {number}; its last is {history.Put.Count}.");
            if (history.Active == number) return false;
            if (replaces is { } expected && (history.Active ?? 0) != expected)
                throw new PolicyRefusedException(PolicyRefusal.Conflict, $"Of policy '{name}' {(history.Active is { } active ? $"number {active}" : "nothing")} is in force, and not {(expected == 0 ? "nothing" : $"number {expected}")}. Look at it, and decide anew.");
            var text = Sound(name, put);
            await catalogue.FreshAsync(cancellation);
            // What else is in force may be unreadable to this build; replacing one such text after the other has to be possible.
            if (view.With(tenant, name, number, text) is { Trouble: { } trouble } next && next.Policies.Count == 0 && view.ActiveFor(tenant).Trouble is null)
                throw new PolicyRefusedException(PolicyRefusal.Invalid, $"With it, nothing could be judged: {trouble}");
            if (await TryAppend(tenant, history, new PolicyActivated(number, put.Text, put.Hash), by, cancellation)) return true;
        }
    }

    /// <summary>Takes what is in force under a name out of force. Without a "base" of its own, a tenant has the built-in one.</summary>
    /// <returns>False if nothing was in force.</returns>
    /// <exception cref="PolicyRefusedException">There is no such policy, or no reason is given.</exception>
    public async Task<bool> RetireAsync(string tenant, string name, string why, string by, CancellationToken cancellation = default)
    {
        if (string.IsNullOrWhiteSpace(why) || why.Length > NoteCharsMax) throw new PolicyRefusedException(PolicyRefusal.Invalid, $"Retiring a policy needs a reason of 1 to {NoteCharsMax} characters: whoever misses it reads it.");
        while (true)
        {
            var history = await GetAsync(tenant, name, cancellation);
            if (history.Active is null) return false;
            if (await TryAppend(tenant, history, new PolicyRetired(why), by, cancellation)) return true;
        }
    }

    /// <summary>What was done under a name.</summary>
    /// <exception cref="PolicyRefusedException">Nothing was ever put under it.</exception>
    public Task<PolicyHistory> GetAsync(string tenant, string name, CancellationToken cancellation = default)
    {
        CheckName(name);
        return Find();

        async Task<PolicyHistory> Find() => await HistoryOf(tenant, name, cancellation) is { Put.Count: > 0 } history
            ? history
            : throw new PolicyRefusedException(PolicyRefusal.NotFound, $"There is no policy '{name}'{(name == BasePolicy.Name ? " of your own; the built-in one is in force" : "")}.");
    }

    private async Task<PolicyHistory> HistoryOf(string tenant, string name, CancellationToken cancellation) =>
        PolicyHistory.Fold(name, await streams.ReadAsync(tenant, PolicyHistory.StreamOf(name), cancellation));

    private async Task<bool> TryAppend(string tenant, PolicyHistory history, KernelEvent e, string by, CancellationToken cancellation)
    {
        try
        {
            await streams.AppendAsync(tenant, PolicyHistory.StreamOf(history.Name), history.Version, [e], by, cancellation);
            return true;
        }
        catch (StreamConflictException)
        {
            // Somebody was at the same policy: it is decided on what they did.
            return false;
        }
    }

    private static PolicyText Sound(string name, PutPolicy put)
    {
        PolicyText text;
        try
        {
            text = PolicyText.Parse(put.Text);
        }
        catch (PolicySyntaxException e)
        {
            throw new PolicyRefusedException(PolicyRefusal.Invalid, $"Policy '{name}', number {put.Number}, cannot be read by this build: {e.Errors[0]}");
        }
        if (put.Cases is null) return text;
        var failed = PolicyCases.Parse(put.Cases).Run([(name, text)]).Where(result => !result.Holds).ToList();
        return failed.Count == 0
            ? text
            : throw new PolicyRefusedException(PolicyRefusal.Invalid, $"Policy '{name}', number {put.Number}, does not do what its cases say ({failed.Count} of them): {string.Join(" ", failed.Take(5).Select(result => $"[{result.Case}] {result.Difference}"))}");
    }

    private static void CheckName(string name)
    {
        if (name is not { Length: > 0 and <= NameCharsMax } || name[0] is '.' or '-' || !name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_' or '.'))
            throw new PolicyRefusedException(PolicyRefusal.Invalid, $"A policy's name has 1 to {NameCharsMax} small letters, digits, '-', '_' and '.', and begins with a letter or digit.");
    }
}
