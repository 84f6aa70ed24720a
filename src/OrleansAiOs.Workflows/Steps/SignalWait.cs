using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Workflows.Steps;

/// <summary>
/// The code's side of signals: those that came wait in order until they are received; receivers wait in order until one comes.
/// Receiving is no event of its own: what a receiver gets follows from the order of the inputs alone.
/// </summary>
internal sealed class SignalWait(string name)
{
    private readonly Queue<JsonText> arrived = new();
    private readonly LinkedList<Receiver> receivers = new();

    public string Name => name;

    public bool IsAwaited => receivers.Count > 0;

    /// <summary>Since when the first receiver waits.</summary>
    public DateTimeOffset? AwaitedSince => receivers.First?.Value.Since;

    /// <summary>What the receiver that waits longest wants to read.</summary>
    public Type? Awaited => receivers.First?.Value.Type;

    /// <summary>Those that wait.</summary>
    public IEnumerable<object> Receivers => receivers;

    /// <summary>What came and nobody has asked for yet, in order.</summary>
    public IReadOnlyCollection<JsonText> Arrived => arrived;

    /// <summary>Values that no receiver could read: they were passed over.</summary>
    public int PassedOver { get; private set; }

    /// <summary>The last of them.</summary>
    public JsonText LastPassedOver { get; private set; }

    public static Task<T> Receive<T>(WorkflowExecution execution, Signal<T> signal, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested) return Task.FromCanceled<T>(cancellation);
        var wait = execution.SignalsOf(signal.Name);
        var receiver = new Receiver<T> { Since = execution.State.Now };
        // One that cannot be read as T is passed over: a stranger's message must not stop the run for good.
        while (wait.arrived.TryDequeue(out var value))
        {
            if (receiver.TryReceive(value)) return receiver.Task;
            wait.PassOver(value);
        }
        execution.Lenient?.Receives(signal.Name);
        var node = wait.receivers.AddLast(receiver);
        if (cancellation.CanBeCanceled)
            receiver.Registration = cancellation.UnsafeRegister(_ =>
            {
                if (node.List is null) return;
                wait.receivers.Remove(node);
                receiver.Cancel(cancellation);
            }, null);
        return receiver.Task;
    }

    public void Deliver(JsonText value)
    {
        if (receivers.First is not { Value: var receiver } node)
        {
            arrived.Enqueue(value);
        }
        else if (receiver.TryReceive(value))
        {
            receivers.Remove(node);
            receiver.Registration.Dispose();
        }
        else
        {
            PassOver(value);
        }
    }

    private void PassOver(JsonText value) => (PassedOver, LastPassedOver) = (PassedOver + 1, value);

    /// <summary>Gives the receiver that waits something made up.</summary>
    public void Imagine()
    {
        var receiver = receivers.First!.Value;
        receivers.RemoveFirst();
        receiver.Registration.Dispose();
        receiver.Imagine();
    }

    /// <summary>Why the receiver that waits cannot read this value; null if it can, or if none waits.</summary>
    public string? Objection(JsonText value) => receivers.First?.Value.Objection(value);

    private abstract class Receiver
    {
        public DateTimeOffset Since { get; init; }

        public abstract Type Type { get; }

        public CancellationTokenRegistration Registration { get; set; }

        public abstract bool TryReceive(JsonText value);

        public abstract string? Objection(JsonText value);

        public abstract void Imagine();
    }

    private sealed class Receiver<T> : Receiver
    {
        private readonly TaskCompletionSource<T> received = new();

        public Task<T> Task => received.Task;

        public override Type Type => typeof(T);

        public void Cancel(CancellationToken token) => received.TrySetCanceled(token);

        public override void Imagine() => received.TrySetResult(MadeUp.Of<T>());

        public override bool TryReceive(JsonText value)
        {
            try
            {
                return received.TrySetResult(value.To<T>()!);
            }
            catch (Exception)
            {
                return false;
            }
        }

        public override string? Objection(JsonText value)
        {
            try
            {
                value.To<T>(WorkflowJson.Door);
                return null;
            }
            catch (Exception e)
            {
                return e.Message; // also what the type's own constructor says
            }
        }
    }
}
