using Microsoft.CodeAnalysis;

namespace OrleansAiOs.Analyzers;

/// <summary>How a body leads to a member.</summary>
internal enum Reach
{
    /// <summary>It runs this member and no other.</summary>
    Exact,

    /// <summary>It runs this member, or what stands for it in the object's type.</summary>
    Dispatched,

    /// <summary>It runs the delegate that this static member holds.</summary>
    Invoked,
}

/// <summary>A member that a body leads to.</summary>
internal readonly struct Call(ISymbol target, SyntaxNode where, Reach how)
{
    public ISymbol Target => target;

    public SyntaxNode Where => where;

    public Reach How => how;
}

/// <summary>Members as they are led to.</summary>
internal sealed class ReachComparer : IEqualityComparer<(ISymbol Member, Reach How)>
{
    public static readonly ReachComparer Instance = new();

    public bool Equals((ISymbol Member, Reach How) x, (ISymbol Member, Reach How) y) => x.How == y.How && SymbolEqualityComparer.Default.Equals(x.Member, y.Member);

    public int GetHashCode((ISymbol Member, Reach How) one) => SymbolEqualityComparer.Default.GetHashCode(one.Member) * 3 + (int)one.How;
}
