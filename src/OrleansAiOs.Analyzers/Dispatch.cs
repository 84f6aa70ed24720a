using System.Collections.Concurrent;
using Microsoft.CodeAnalysis;

namespace OrleansAiOs.Analyzers;

/// <summary>
/// What a call through an interface, or of a member that can be overridden, may run: the members of this compilation that stand for it in
/// types which workflow code, or what it calls, makes objects of (rapid type analysis). An implementation that only activities use is not
/// among them: code may have a clock for its activities and another for its workflows.
/// </summary>
/// <param name="compilation">Where the implementations are looked for.</param>
/// <param name="code">What is workflow code.</param>
/// <param name="read">Reads what a member does.</param>
internal sealed class Dispatch(Compilation compilation, WorkflowCode code, Func<ISymbol, Reach, CancellationToken, Body> read)
{
    private readonly ConcurrentDictionary<ISymbol, (INamedTypeSymbol Type, ISymbol Member)[]> candidates = new(SymbolEqualityComparer.Default);
    private readonly object sync = new();
    private INamedTypeSymbol[]? types;
    private HashSet<ISymbol>? made;

    public IEnumerable<ISymbol> Of(ISymbol member, CancellationToken cancellation)
    {
        var possible = Candidates(member);
        if (possible.Length == 0) return [];
        var living = Made(cancellation);
        return possible.Where(one => living.Contains(one.Type)).Select(one => one.Member).Distinct<ISymbol>(SymbolEqualityComparer.Default);
    }

    /// <summary>Whether an object's type may have a say in which member runs. What every object has (ToString, Equals) is not followed.</summary>
    public static bool IsOpen(ISymbol member) => member.ContainingType is { SpecialType: not SpecialType.System_Object } type && !member.IsStatic
        && (type.TypeKind is TypeKind.Interface || (member.IsAbstract || member.IsVirtual || member.IsOverride) && !member.IsSealed && !type.IsSealed);

    private (INamedTypeSymbol Type, ISymbol Member)[] Candidates(ISymbol member) => candidates.GetOrAdd(member, _ =>
        IsOpen(member) ? [.. Types().Select(type => (Type: type, Member: StandsFor(member, type)!)).Where(one => one.Member is not null && !SymbolEqualityComparer.Default.Equals(one.Member, member))] : []);

    private static ISymbol? StandsFor(ISymbol member, INamedTypeSymbol type)
    {
        ISymbol? found = null;
        if (member.ContainingType.TypeKind is TypeKind.Interface)
        {
            foreach (var implemented in type.AllInterfaces)
                if (SymbolEqualityComparer.Default.Equals(implemented.OriginalDefinition, member.ContainingType.OriginalDefinition))
                    found ??= implemented.GetMembers(member.Name).Where(m => SymbolEqualityComparer.Default.Equals(m.OriginalDefinition, member)).Select(type.FindImplementationForInterfaceMember).FirstOrDefault();
        }
        else
        {
            for (var t = type; found is null && t is not null; t = t.BaseType)
                found = t.GetMembers(member.Name).FirstOrDefault(m => Overrides(m, member));
        }
        return found is { OriginalDefinition: { DeclaringSyntaxReferences.IsEmpty: false } definition } ? definition : null;
    }

    private static bool Overrides(ISymbol? one, ISymbol member)
    {
        for (; one is not null; one = one is IMethodSymbol method ? method.OverriddenMethod : (one as IPropertySymbol)?.OverriddenProperty)
            if (one.IsOverride && Overridden(one) is { } overridden && SymbolEqualityComparer.Default.Equals(overridden.OriginalDefinition, member)) return true;
        return false;

        static ISymbol? Overridden(ISymbol of) => of is IMethodSymbol method ? method.OverriddenMethod : (of as IPropertySymbol)?.OverriddenProperty;
    }

    private INamedTypeSymbol[] Types()
    {
        lock (sync) return types ??= [.. All(compilation.Assembly.GlobalNamespace).Where(type => type.TypeKind is TypeKind.Class or TypeKind.Struct && !type.IsAbstract && !type.IsStatic)];
    }

    // The types that workflow code, or what it leads to, makes objects of: to a fixed point, for what is made decides what is led to.
    private HashSet<ISymbol> Made(CancellationToken cancellation)
    {
        lock (sync) if (made is not null) return made;
        var living = new HashSet<ISymbol>(SymbolEqualityComparer.Default);
        var seen = new HashSet<(ISymbol, Reach)>(ReachComparer.Instance);
        var open = new List<ISymbol>();
        var ahead = new Queue<(ISymbol Member, Reach How)>();
        foreach (var type in Types())
            foreach (var member in type.GetMembers())
                if (code.Includes(member)) Lead(member, Reach.Exact);
        while (ahead.Count > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            var (member, how) = ahead.Dequeue();
            if (how is Reach.Dispatched && Candidates(member) is { Length: > 0 } possible)
            {
                open.Add(member);
                foreach (var (type, standing) in possible)
                    if (living.Contains(type)) Lead(standing, Reach.Exact);
            }
            if (member is IMethodSymbol { MethodKind: MethodKind.Constructor } && living.Add(member.ContainingType))
                foreach (var waiting in open.ToList())
                    foreach (var (type, standing) in Candidates(waiting))
                        if (SymbolEqualityComparer.Default.Equals(type, member.ContainingType)) Lead(standing, Reach.Exact);
            foreach (var call in read(member, how, cancellation).Calls) Lead(call.Target, call.How);
        }
        lock (sync) return made ??= living;

        void Lead(ISymbol to, Reach how)
        {
            if (seen.Add((to, how))) ahead.Enqueue((to, how));
        }
    }

    private static IEnumerable<INamedTypeSymbol> All(INamespaceOrTypeSymbol within)
    {
        foreach (var member in within.GetMembers())
        {
            if (member is INamedTypeSymbol type) yield return type;
            if (member is INamespaceOrTypeSymbol inner)
                foreach (var nested in All(inner)) yield return nested;
        }
    }
}
