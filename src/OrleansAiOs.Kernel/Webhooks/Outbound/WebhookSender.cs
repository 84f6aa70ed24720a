using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Kernel.Webhooks.Outbound;

/// <summary>
/// Sends what stands in the outbox. A message's way, and what a crash behind each line leaves:
///
/// <code>
/// 1 the run's append commits event and row       a row that waits: this host when it starts, or another that finds this one dead, sends it
/// 2 claim: attempts + 1, due put off by a lease  the lease ends, or the host is found dead: it may leave again
/// 3 send, signed, under the message's id         it may have arrived: it is sent again under the same id, and the receiver knows it
/// 4 settle: delivered, dead, or due again        nothing is left to do
/// </code>
/// So each is sent at least once, and one that was settled never by itself again. Of one run a receiver is told in the order of the history:
/// a message is claimed only when none before it waits. A dead one holds up nobody; it is sent again when a person says so.
///
/// A receiver that is down costs itself its places: each has a number of its own. Nothing is asked of the database while nothing is due; what
/// wakes the sender is an append of this host, the time of the next attempt, and hosts that are found dead.
/// </summary>
public sealed class WebhookSender : IAsyncDisposable
{
    private const int AtOnceEach = 8;

    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan AfterTrouble = TimeSpan.FromSeconds(5);

    // Somebody whose rights are gone, or whom a switch stops, may be let go on: looked at again, without an attempt.
    private static readonly TimeSpan AfterObjection = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan[] Pauses =
    [
        TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(30),
        TimeSpan.FromHours(1), TimeSpan.FromHours(3), TimeSpan.FromHours(6), TimeSpan.FromHours(12),
    ];

    private readonly Outbox outbox;
    private readonly Deliverer deliverer;
    private readonly WebhookView view;
    private readonly Catalogue catalogue;
    private readonly Rights rights;
    private readonly KillSwitchView switches;
    private readonly ILogger<WebhookSender> log;
    private readonly Channel<bool> nudges = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly ConcurrentDictionary<(string Tenant, string Receiver), int> underWay = new();
    private readonly ConcurrentDictionary<Task, bool> attempts = new();
    private readonly Dictionary<(string Tenant, string Receiver), DateTimeOffset> held = []; // when it was said last
    private readonly CancellationTokenSource stopping = new();
    private readonly CancellationTokenSource cutting = new();
    private WorkflowHost? host;
    private Task sending = Task.CompletedTask;
    private volatile bool mustRecover = true;

    internal WebhookSender(Outbox outbox, Deliverer deliverer, WebhookView view, Catalogue catalogue, Rights rights, KillSwitchView switches, ILogger<WebhookSender> log) =>
        (this.outbox, this.deliverer, this.view, this.catalogue, this.rights, this.switches, this.log) = (outbox, deliverer, view, catalogue, rights, switches, log);

    /// <summary>Begins to send what the host's runs have to tell, and what was left by those before it.</summary>
    public void Start(WorkflowHost serving)
    {
        host = serving;
        serving.Appended += OnAppended;
        serving.TookOver += OnTookOver;
        sending = Task.Run(() => SendAllAsync(serving));
    }

    /// <summary>Looks at the outbox: something was put there otherwise than by an append.</summary>
    public void Look() => nudges.Writer.TryWrite(true);

    /// <summary>Begins nothing more, and lets what is under way come to its end for a moment.</summary>
    public async ValueTask DisposeAsync()
    {
        if (host is not null)
        {
            host.Appended -= OnAppended;
            host.TookOver -= OnTookOver;
        }
        if (!stopping.IsCancellationRequested) await stopping.CancelAsync();
        await sending;
        cutting.CancelAfter(TimeSpan.FromSeconds(5));
        await Task.WhenAll(attempts.Keys);
    }

    private void OnAppended(RunAppend append)
    {
        if (append.Outbox is { Count: > 0 }) Look();
    }

    private void OnTookOver()
    {
        mustRecover = true;
        Look();
    }

    private async Task SendAllAsync(WorkflowHost serving)
    {
        var time = serving.Options.Time;
        using var timer = time.CreateTimer(static self => ((WebhookSender)self!).Look(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        try
        {
            while (true)
            {
                if (await LookOrWaitAsync(serving) is { } next) timer.Change(next > TimeSpan.Zero ? next : TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
                await nudges.Reader.ReadAsync(stopping.Token);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // What waits is for the next one.
        }
    }

    private async Task<TimeSpan?> LookOrWaitAsync(WorkflowHost serving)
    {
        try
        {
            return await LookAsync(serving);
        }
        catch (Exception e) when (e is not OperationCanceledException || !stopping.IsCancellationRequested)
        {
            log.SenderTrouble(e);
            return AfterTrouble;
        }
    }

    // How long until it has to look again; null: until it is woken.
    private async Task<TimeSpan?> LookAsync(WorkflowHost serving)
    {
        var now = serving.Now;
        if (mustRecover)
        {
            mustRecover = false;
            try
            {
                await outbox.RecoverAsync(serving.Options.HostId, alone: !serving.Options.Shared, now, stopping.Token);
            }
            catch
            {
                mustRecover = true;
                throw;
            }
        }
        var isHeldUp = false;
        foreach (var (tenant, receiver) in await outbox.DueAsync(now, stopping.Token))
        {
            // Who has all its places taken is looked at again when one is free.
            var places = AtOnceEach - underWay.GetValueOrDefault((tenant, receiver));
            if (places <= 0) continue;
            await catalogue.FreshAsync(stopping.Token);
            if (view.Find(tenant, receiver) is null) await catalogue.NowAsync(stopping.Token);
            if (view.Find(tenant, receiver)?.Webhook is not { } hook)
            {
                await outbox.GiveUpAsync(tenant, receiver, Outbox.ReceiverGone, stopping.Token);
                continue;
            }
            if (Objection(tenant, hook) is { } objection)
            {
                isHeldUp = true;
                if (held.TryGetValue((tenant, receiver), out var said) && now - said < AfterObjection) continue;
                log.HeldUp(tenant, receiver, objection);
                held[(tenant, receiver)] = now;
                continue;
            }
            held.Remove((tenant, receiver));
            var claimed = await outbox.ClaimAsync(tenant, receiver, now, Lease, serving.Options.HostId, places, stopping.Token);
            foreach (var message in claimed) Begin(serving, hook, message);
            if (claimed.Count < places) await outbox.PutOffAsync(tenant, receiver, now, stopping.Token);
        }
        var next = await outbox.NextAsync(now, stopping.Token) - serving.Now;
        return isHeldUp && !(next < AfterObjection) ? AfterObjection : next;
    }

    /// <summary>Why a receiver is not told at the moment; null if it is. It sees runs with the eyes of who asked for it.</summary>
    internal string? Objection(string tenant, Webhook hook) =>
        switches.Stops(tenant, [.. hook.Chain.Select(PrincipalId.Of)], $"webhook:{hook.Name}") is { } thrown ? $"the kill switch of the {thrown.Target.ToString().ToLowerInvariant()} '{thrown.Id}' is thrown: {thrown.Why}"
        : rights.Objection(tenant, hook.Chain, "run.read", "run/*");

    private void Begin(WorkflowHost serving, Webhook hook, Message message)
    {
        underWay.AddOrUpdate((message.Tenant, message.Receiver), 1, static (_, count) => count + 1);
        var attempt = Task.Run(() => AttemptAsync(serving, hook, message));
        attempts[attempt] = true;
        attempt.ContinueWith(ended => attempts.TryRemove(ended, out _), TaskScheduler.Default);
    }

    private async Task AttemptAsync(WorkflowHost serving, Webhook hook, Message message)
    {
        try
        {
            var outcome = await OutcomeAsync(serving, hook, message);
            var isLast = outcome.Hopeless || message.Attempts >= (hook.Attempts ?? WebhookRules.AttemptsDefault);
            var state = outcome.Trouble is null ? DeliveryState.Delivered : isLast ? DeliveryState.Dead : DeliveryState.Waiting;
            if (state is DeliveryState.Dead) log.Dead(message.Tenant, message.Receiver, message.Run, message.Id, outcome.Trouble!);
            await outbox.SettleAsync(message, state, outcome.Status, outcome.Trouble, serving.Now + (state is DeliveryState.Waiting ? PauseAfter(message.Attempts, outcome.RetryAfter) : TimeSpan.Zero), CancellationToken.None);
        }
        catch (Exception e)
        {
            // What became of it is not recorded: it leaves again when the lease ends.
            if (!cutting.IsCancellationRequested) log.SenderTrouble(e);
        }
        finally
        {
            underWay.AddOrUpdate((message.Tenant, message.Receiver), 0, static (_, count) => count - 1);
            Look();
        }
    }

    // What nobody has thought of is a failed attempt like any other: else it would go on for ever.
    private async Task<Outcome> OutcomeAsync(WorkflowHost serving, Webhook hook, Message message)
    {
        try
        {
            return await deliverer.SendAsync(hook, message, serving.Now, cutting.Token);
        }
        catch (Exception e) when (!cutting.IsCancellationRequested)
        {
            log.SenderTrouble(e);
            return new Outcome(null, $"The attempt broke off ({e.GetType().Name}); the host's log says where.");
        }
    }

    /// <summary>Longer each time, and never the same for many that failed together.</summary>
    internal static TimeSpan PauseAfter(int attempts, TimeSpan? retryAfter)
    {
        var pause = Pauses[Math.Min(attempts, Pauses.Length) - 1] * (0.8 + 0.4 * Random.Shared.NextDouble());
        return retryAfter > pause ? retryAfter.Value : pause;
    }
}
