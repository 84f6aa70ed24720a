using System.Collections.Concurrent;
using Microsoft.CodeAnalysis;
using OrleansAiOs.Analyzers.Rules;

namespace OrleansAiOs.Analyzers;

/// <summary>The rules, and their named members as symbols of one compilation. Made once for each.</summary>
internal sealed class BanTable
{
    public static readonly Rule[] Rules =
    [
        new ClockRule(), new IdentifierRule(), new ChanceRule(), new TimerRule(), new SchedulerRule(), new BlockingRule(), new OutsideRule(), new MachineRule(), new StaticStateRule(), new HashRule(),
    ];

    private readonly Dictionary<ISymbol, List<(Rule Rule, Ban Ban)>> byType = new(SymbolEqualityComparer.Default);
    private readonly ConcurrentDictionary<ISymbol, (Rule Rule, Ban Ban)[]> byMember = new(SymbolEqualityComparer.Default);

    public BanTable(Compilation compilation)
    {
        foreach (var rule in Rules)
            foreach (var ban in rule.Bans)
                foreach (var type in compilation.GetTypesByMetadataName(ban.Type))
                {
                    if (!byType.TryGetValue(type, out var bans)) byType.Add(type, bans = []);
                    bans.Add((rule, ban));
                }
    }

    /// <summary>What speaks against a member, as far as its name and its signature tell.</summary>
    public (Rule Rule, Ban Ban)[] Of(ISymbol member) => byMember.GetOrAdd(member, Find);

    private (Rule, Ban)[] Find(ISymbol member)
    {
        if (member.ContainingType is not { } declaring) return [];
        List<(Rule, Ban)>? found = null;
        for (INamedTypeSymbol? type = declaring; type is not null; type = type.BaseType) Look(type);
        foreach (var type in declaring.AllInterfaces) Look(type);
        return found?.ToArray() ?? [];

        void Look(INamedTypeSymbol type)
        {
            if (!byType.TryGetValue(type.OriginalDefinition, out var bans)) return;
            foreach (var (rule, ban) in bans)
                if ((ban.AndDerived || SymbolEqualityComparer.Default.Equals(type, declaring)) && ban.Covers(member)) (found ??= []).Add((rule, ban));
        }
    }
}
