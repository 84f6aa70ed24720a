using OrleansAiOs.Analyzers.Fixes;

namespace OrleansAiOs.Analyzers.Rules;

internal sealed class ChanceRule() : Rule("AIOS003", "Workflow code throws dice")
{
    private const string Says = "gives another value on every replay. Record(() => …) keeps the first one.";

    public override IEnumerable<Ban> Bans =>
    [
        // With a seed it is the same sequence every time.
        new("System.Random", ".ctor", Says) { Overloads = constructor => constructor.Parameters.IsEmpty },
        new("System.Random", "Shared", Says) { Fix = (Fix.Record, "") },
        new("System.Security.Cryptography.RandomNumberGenerator", "*", Says) { AndDerived = true, Fix = (Fix.Record, "") },
        new("System.IO.Path", "GetRandomFileName", Says) { Fix = (Fix.Record, "") },
    ];
}
