using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Gating;

/// <summary>
/// The one gate that every call of a tool passes, twice:
///
///   in the turn that asks for an attempt, before its append: the answer is recorded with the attempt (StepScheduled, AttemptStarted), so
///   nothing leaves without a record of who asked, what was answered, under which policy, within which budget;
///   and again just before it is sent, since what was true at the append may be so no more: a key revoked, a switch thrown, a budget spent.
///
/// A crash between the two leaves the answer in the history and nothing sent: the next host starts the attempt anew, and asks anew.
/// A gate that throws lets nothing through.
/// </summary>
public interface IEffectGate
{
    /// <summary>Whether an attempt may be made. In the run's turn: it must be quick, and may only look at what is in memory.</summary>
    GateRecord Judge(EffectIntent intent);

    /// <summary>Whether an attempt that was allowed may be sent now.</summary>
    /// <param name="intent">What is about to be sent, signatures included.</param>
    /// <param name="recorded">What was answered in the turn.</param>
    /// <param name="cancellation">The host goes down.</param>
    /// <returns>Null to let it go; else the answer that takes the place of the recorded one.</returns>
    ValueTask<GateRecord?> RecheckAsync(EffectIntent intent, GateRecord recorded, CancellationToken cancellation);

    /// <summary>The run is over: what was set aside for it and not spent is free again. May be told more than once.</summary>
    void Ended(RunKey run, RunSpending spent);

    /// <summary>Takes a place among the calls that may be under way at once. It must be quick, and may only look at what is in memory.</summary>
    /// <param name="intent">What is about to be sent.</param>
    /// <param name="priority">The run's: of those that wait, the highest is next.</param>
    /// <param name="again">If it has to wait: called when it is worth asking again. Never before this has returned; perhaps for nothing, perhaps more than once.</param>
    /// <param name="awaits">What it waits for, in words for people.</param>
    /// <returns>The place, to be given back when nothing of the call is under way any more; null if it has to wait its turn.</returns>
    EffectPlace? Enter(EffectIntent intent, int priority, Action again, out string? awaits)
    {
        awaits = null;
        return EffectPlace.Unlimited;
    }

    /// <summary>Whether a call that has passed all else may be sent on its place: what limits calls may be another by now, and a host that nobody has heard of for long holds no places.</summary>
    bool Holds(EffectIntent intent, EffectPlace place) => true;

    /// <summary>Lets a run be open: one that is about to be started, or reset after its end.</summary>
    /// <param name="run">Which.</param>
    /// <param name="chain">Who acts in it, on whose behalf.</param>
    /// <param name="wasOver">It is there, and was over.</param>
    /// <exception cref="QuotaExceededException">As many are open as may be.</exception>
    ValueTask AdmitAsync(RunKey run, IReadOnlyList<string> chain, bool wasOver) => default;

    /// <summary>What was admitted was refused, or was there already: it takes no place that it did not have.</summary>
    void CameToNothing(RunKey run)
    {
    }
}

/// <summary>A call of a tool that is about to be made.</summary>
/// <param name="Workflow">The run's workflow.</param>
/// <param name="Epoch">The redo epoch of the step; with run and step it makes the idempotency key.</param>
/// <param name="Attempt">The number of the attempt.</param>
/// <param name="Activity">The tool's name.</param>
/// <param name="Input">What it is called with: exactly what would be sent.</param>
/// <param name="Charge">What the tool says it costs and moves, if it says so.</param>
/// <param name="Title">What it does, in words the tool makes from the arguments, if it does.</param>
/// <param name="Chain">Who acts, on whose behalf: first the one it is done for, each next one acts for the one before it. Behind them, marked with a '+', who reset or forked the run, or told the schedule behind it what to start.</param>
/// <param name="At">The time of the turn, or of the send.</param>
/// <param name="IsUndo">It undoes what an earlier step did.</param>
/// <param name="IsInquiry">The receiver is only asked what became of an earlier attempt.</param>
/// <param name="Hold">What it was held for, if it was: the signatures answer this.</param>
/// <param name="Signatures">Decisions given on the hold.</param>
/// <param name="Spent">What the run has spent: before this attempt when it is judged, with it when it is checked again.</param>
public sealed record EffectIntent(RunKey Run, string Workflow, int Step, int Epoch, int Attempt, string Activity, Effect Effect, JsonText Input, Charge? Charge, string? Title, IReadOnlyList<string> Chain, DateTimeOffset At,
    bool IsUndo, bool IsInquiry, HoldTerms? Hold, IReadOnlyList<EffectSigned> Signatures, RunSpending Spent)
{
    /// <summary>What an earlier attempt of the same effect, which may have had it, has set aside; it is in <see cref="Spent"/>, and what it moves counts once.</summary>
    public Charge? Earlier { get; init; }

    /// <summary>It only reads what another call of the step is about to change, or has changed. Its call is in the charge of that one.</summary>
    public bool IsReading { get; init; }

    /// <summary>What leaves with it, when it is checked again; null when it is judged.</summary>
    public Departure? Departure { get; init; }

    /// <summary>How often the run was reset or forked before the effect was asked for.</summary>
    public int Resets => Epoch / Branch.EpochsPerReset;
}

/// <summary>A call's place among those that may be under way at once.</summary>
public class EffectPlace : IDisposable
{
    /// <summary>Nothing limits the call.</summary>
    public static readonly EffectPlace Unlimited = new();

    protected EffectPlace()
    {
    }

    /// <summary>Gives it back.</summary>
    public virtual void Dispose() => GC.SuppressFinalize(this);
}

/// <summary>
/// The attempts that one turn lets go, as one object for all of them. Each is checked by itself before it is sent, at any time and in any
/// order, but <see cref="EffectIntent.Spent"/> of each holds the charges of all: so it can be told what those have in it that were not sent yet.
/// </summary>
/// <param name="Pending">What of <see cref="EffectIntent.Spent"/> stands for effects that are not over, those that leave now among them.</param>
/// <param name="First">By step, the charges of attempts whose effect cannot have happened before they are sent.</param>
public sealed record Departure(RunSpending Pending, IReadOnlyDictionary<int, (string Tool, Charge Charge)> First)
{
    /// <summary>One object, one departure: equal ones are not the same.</summary>
    public bool Equals(Departure? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
}
