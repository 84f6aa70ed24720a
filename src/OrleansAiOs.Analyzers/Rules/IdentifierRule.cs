using OrleansAiOs.Analyzers.Fixes;

namespace OrleansAiOs.Analyzers.Rules;

internal sealed class IdentifierRule() : Rule("AIOS002", "Workflow code makes an identifier that replay cannot make again")
{
    public override IEnumerable<Ban> Bans =>
    [
        new("System.Guid", "NewGuid CreateVersion7", "is another one on every replay. Use NewGuid(), the workflow's own.") { Fix = (Fix.Replace, "NewGuid()") },
    ];
}
