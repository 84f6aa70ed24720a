using System.CommandLine;

namespace OrleansAiOs.Host.Cli;

/// <summary>One use of a verb: its arguments, where its words go, and when to stop.</summary>
internal sealed class Invocation(ParseResult parsed, CancellationToken cancellation)
{
    public ParseResult Parsed => parsed;

    public Terminal Terminal { get; } = Terminal.For(parsed.InvocationConfiguration);

    public CancellationToken Cancellation => cancellation;

    public T? Get<T>(Option<T> option) => parsed.GetValue(option);

    public T Get<T>(Argument<T> argument) => parsed.GetRequiredValue(argument);

    public bool Has(Option option) => parsed.GetResult(option) is { Implicit: false };
}

internal static class Verb
{
    public static Command Does(this Command command, Func<Invocation, Task<int>> action)
    {
        command.SetAction((parsed, cancellation) => action(new Invocation(parsed, cancellation)));
        return command;
    }

    public static Command With(this Command command, params IEnumerable<Symbol> symbols)
    {
        foreach (var symbol in symbols)
        {
            switch (symbol)
            {
                case Argument argument: command.Add(argument); break;
                case Option option: command.Add(option); break;
                case Command verb: command.Add(verb); break;
            }
        }
        return command;
    }
}
