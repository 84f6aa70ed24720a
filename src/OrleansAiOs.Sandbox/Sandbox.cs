namespace OrleansAiOs.Sandbox;

/// <summary>A ledger, a bank, a notification desk and a payer of refunds with books of their own, free of sockets and of ambient time.</summary>
/// <remarks>
/// The life of a request:
/// 1. <see cref="Routes"/> reads it, touching no books. What cannot be read is refused and counted as unreadable.
/// 2. Under the one lock, <see cref="FaultDraw"/> says whether something hostile befalls it, and where: before the books, after them, or held.
/// 3. It reaches its receiver: one journal line. The receiver decides and books: another line. Both are with the operating system
///    before the in-memory books change, so after a kill the journal holds every effect somebody may have been told of, and
///    maybe one more whose reply was never sent: to the caller a lost reply.
/// One lock for everything is what makes a void and a payment under one reference exclude each other.
/// </remarks>
public sealed class Sandbox : IDisposable
{
    private readonly Lock gate = new();
    private readonly Ledger ledger;
    private readonly Bank bank;
    private readonly Notifications notifications;
    private readonly Refunds refunds;
    private readonly FaultDraw faults;
    private readonly HeldRequests held;
    private readonly Routes routes;
    private readonly Journal? journal;

    public Sandbox(SandboxOptions? options = null)
        : this(options ?? new SandboxOptions(), apply => options?.DataFolder is { } folder ? Journal.Open(folder, apply) : null)
    {
    }

    internal Sandbox(SandboxOptions options, Func<Action<BookEntry>, Journal?> openJournal)
    {
        ledger = new Ledger(Record_NeedsLock, options.Time);
        bank = new Bank(Record_NeedsLock, options.Time);
        notifications = new Notifications(Record_NeedsLock, options.Time);
        refunds = new Refunds(Record_NeedsLock, options.Time);
        faults = new FaultDraw(options.Hostility);
        held = new HeldRequests(options.Time, gate, call => Reach_NeedsLock(call));
        routes = new Routes(ledger, bank, notifications, refunds, this);
        journal = openJournal(Apply);
    }

    /// <summary>Answers one request. Completes at once: a hang is a reply, to be acted out by whoever carries it.</summary>
    public ValueTask<SandboxReply> HandleAsync(SandboxRequest request, CancellationToken ct = default)
    {
        ct.ThrowIfCancellationRequested();
        var call = Resolve(request);
        lock (gate)
        {
            return ValueTask.FromResult(Deal_NeedsLock(call));
        }
    }

    /// <summary>What reached each receiver and what it booked, for a checker to find the lost and the doubled.</summary>
    public SandboxBooks Books()
    {
        lock (gate)
        {
            return new SandboxBooks(ledger.Books(), bank.Books(), notifications.Books(), refunds.Books(), held.Count);
        }
    }

    /// <summary>Replaces all hostility; what is held already stays held.</summary>
    public void BeHostile(Hostility hostility)
    {
        lock (gate)
        {
            faults.Replace(hostility);
        }
    }

    public HostilityReport HostilityNow()
    {
        lock (gate)
        {
            return new HostilityReport(faults.Settings, faults.Dealt, held.List());
        }
    }

    /// <summary>Delivers held requests in the order they came, all or those under one key, and says how many.</summary>
    public int ReleaseHeld(string? key = null)
    {
        lock (gate)
        {
            return held.Release(key);
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            held.Dispose();
            journal?.Dispose();
        }
    }

    private Call Resolve(SandboxRequest request)
    {
        try
        {
            return routes.Resolve(request);
        }
        catch (Refusal refusal)
        {
            return new Call(null, "", () => Refuse_NeedsLock(request, refusal));
        }
    }

    private SandboxReply Deal_NeedsLock(Call call)
    {
        var drawn = call.Operation is { } operation ? faults.Next(operation, call.Key) : null;
        switch (drawn?.Fault)
        {
            case null:
                return Reach_NeedsLock(call);
            case Fault.LoseRequest:
                return SandboxReply.AbortConnection;
            case Fault.Hold:
                held.Add(call, drawn.Hold);
                return drawn.Hold.Caller == HeldCaller.Hang ? SandboxReply.Hang : SandboxReply.AbortConnection;
            case Fault.LoseReply or Fault.FailAfter or Fault.HangAfter or Fault.GarbageAfter:
                Reach_NeedsLock(call);
                break;
            default:
                Reach_NeedsLock(call with { Book = () => SandboxReply.Failed });
                break;
        }

        return drawn.Fault switch
        {
            Fault.LoseReply => SandboxReply.AbortConnection,
            Fault.TooManyRequests => SandboxReply.TooManyRequests(faults.Settings.RetryAfter),
            Fault.FailBefore or Fault.FailAfter => SandboxReply.Failed,
            Fault.HangBefore or Fault.HangAfter => SandboxReply.Hang,
            _ => SandboxReply.Garbage,
        };
    }

    /// <summary>Counts the request and books it. A definite no is an answer like any other: it too can get lost on its way back.</summary>
    private SandboxReply Reach_NeedsLock(Call call)
    {
        try
        {
            // A read of the ledger belongs to no key and changes nothing worth checking.
            if (call.Operation is { } operation and not SandboxOperation.LedgerRead)
            {
                Record_NeedsLock(new RequestReached(operation, call.Key));
            }

            return call.Book();
        }
        catch (Refusal refusal)
        {
            return refusal.ToReply();
        }
    }

    private SandboxReply Refuse_NeedsLock(SandboxRequest request, Refusal refusal)
    {
        if (Routes.ReceiverOf(request) is { } receiver)
        {
            Record_NeedsLock(new UnreadableReached(receiver));
        }

        return refusal.ToReply();
    }

    private void Record_NeedsLock(BookEntry entry)
    {
        journal?.Append(entry);
        Apply(entry);
    }

    private void Apply(BookEntry entry)
    {
        switch (entry.Receiver)
        {
            case Receiver.Ledger:
                ledger.Apply(entry);
                break;
            case Receiver.Bank:
                bank.Apply(entry);
                break;
            case Receiver.Refunds:
                refunds.Apply(entry);
                break;
            default:
                notifications.Apply(entry);
                break;
        }
    }
}
