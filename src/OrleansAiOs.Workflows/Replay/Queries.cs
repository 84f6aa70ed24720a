using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Replay;

/// <summary>
/// The questions the code answers. Nothing of a query is stored: it is answered from the live activation between two turns, or from
/// one that was replayed for it, also of a closed run. Its handler runs in the code's place, on the run's scheduler, and may do nothing
/// but read: what would ask something of the engine is refused, and if it set the code going by other means (completed a task that the
/// code awaits), that is an error too, and the activation, which is no longer what the history says, is thrown away by the host.
/// </summary>
internal sealed class Queries(DeterministicScheduler scheduler)
{
    private readonly Dictionary<string, Func<JsonText?, JsonText>> handlers = new(StringComparer.Ordinal);
    private string? reading;

    /// <summary>A handler did more than read: this activation is not to be used again.</summary>
    public bool Spoiled { get; private set; }

    public string NamesForPeople => handlers.Count == 0 ? "none" : string.Join(", ", handlers.Keys.Order(StringComparer.Ordinal));

    /// <summary>The last handler given for a name answers.</summary>
    public void Add<T>(Query<T> query, Func<T> handler)
    {
        DemandMore();
        handlers[query.Name] = input => input is null ? JsonText.From(handler()) : throw new QueryArgumentException("it takes no argument");
    }

    public void Add<TIn, TOut>(Query<TIn, TOut> query, Func<TIn, TOut> handler)
    {
        DemandMore();
        handlers[query.Name] = input =>
        {
            TIn value;
            try
            {
                value = (input ?? JsonText.From<object?>(null)).To<TIn>(WorkflowJson.Door)!;
            }
            catch (Exception e)
            {
                throw new QueryArgumentException(input is null ? $"it takes an argument: {e.Message}" : $"its argument cannot be read: {e.Message}");
            }
            return JsonText.From(handler(value));
        };
    }

    public bool Knows(string name) => handlers.ContainsKey(name);

    /// <param name="name">The query's.</param>
    /// <param name="input">Its argument; null without one.</param>
    public Answer Ask(string name, JsonText? input) => Read($"the handler of query '{name}'", () => handlers[name](input));

    /// <summary>Runs code that may only read.</summary>
    public Answer Read(string who, Func<JsonText> code)
    {
        JsonText value = default;
        Exception? thrown = null;
        reading = who;
        var ran = scheduler.RunToQuiescence(_ =>
        {
            try
            {
                value = code();
            }
            catch (Exception e)
            {
                thrown = e;
            }
        }, null);
        reading = null;
        if (ran > 1) Spoiled = true;
        return Spoiled ? new Answer(default, thrown as QueryChangesException ?? new QueryChangesException(who)) : new Answer(value, thrown);
    }

    /// <exception cref="QueryChangesException">A handler that may only read asks for something.</exception>
    public void DemandMore()
    {
        if (reading is null) return;
        Spoiled = true;
        throw new QueryChangesException(reading);
    }

    internal readonly record struct Answer(JsonText Value, Exception? Thrown);
}

/// <summary>A query was asked with an argument that it does not take.</summary>
internal sealed class QueryArgumentException(string message) : Exception(message);

/// <summary>Code that may only read asked something of the engine.</summary>
internal sealed class QueryChangesException(string who)
    : InvalidOperationException($"{char.ToUpperInvariant(who[0])}{who[1..]} may only read what the code holds: it started something, or set the code going. Use an update for what changes the run.");
