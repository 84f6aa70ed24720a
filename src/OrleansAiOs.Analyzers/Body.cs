using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace OrleansAiOs.Analyzers;

/// <summary>Something that workflow code may not do.</summary>
internal sealed class Offence(Rule rule, string what, string says, SyntaxNode where, (string Kind, string Text)? fix)
{
    public Rule Rule => rule;

    public string What => what;

    public string Says => says;

    public SyntaxNode Where => where;

    public (string Kind, string Text)? Fix => fix;
}

/// <summary>What one body does, as far as the rules care: its offences, and what it calls in this compilation.</summary>
internal sealed class Body
{
    public List<Offence> Offences { get; } = [];

    public List<Call> Calls { get; } = [];

    /// <param name="roots">The body's operations.</param>
    /// <param name="code">What is workflow code.</param>
    /// <param name="bans">The rules.</param>
    /// <param name="isDirect">It is workflow code itself, not called by it.</param>
    /// <param name="runsDelegates">Whether its lambdas are taken to run; not so in the initialiser of a static field, which keeps them for whom they concern.</param>
    public static Body Read(IEnumerable<IOperation> roots, WorkflowCode code, BanTable bans, bool isDirect, bool runsDelegates = true)
    {
        var body = new Body();
        var ahead = new Stack<IOperation>(roots.Reverse());
        // A local function runs only if something that runs here names it.
        var locals = new Dictionary<ISymbol, IOperation?>(SymbolEqualityComparer.Default);
        while (ahead.Count > 0)
        {
            var operation = ahead.Pop();
            switch (operation)
            {
                case INameOfOperation:
                case IAnonymousFunctionOperation lambda when !runsDelegates || code.IsActivity(lambda.Symbol):
                    continue;
                case ILocalFunctionOperation local:
                    if ((local.Body ?? local.IgnoredBody) is not { } inside) continue; // one without a body, while it is being typed
                    if (locals.ContainsKey(local.Symbol)) ahead.Push(inside);
                    else locals.Add(local.Symbol, inside);
                    continue;
                case IInvocationOperation { TargetMethod.MethodKind: MethodKind.DelegateInvoke, Instance: { } holder } when Held(holder) is { } held:
                    body.Calls.Add(new Call(held, operation.Syntax, Reach.Invoked));
                    break;
                case IInvocationOperation { TargetMethod: var called } call:
                    Named(called, call);
                    if (!code.RunsElsewhere(called)) break;
                    body.Object(operation, bans, isDirect);
                    foreach (var child in call.ChildOperations)
                        if (child is not IArgumentOperation { Value.Type.TypeKind: TypeKind.Delegate }) ahead.Push(child);
                    continue;
                case IMethodReferenceOperation { Method: var method } when runsDelegates && !code.IsActivity(method):
                    Named(method, operation);
                    break;
                case IObjectCreationOperation { Constructor: { } constructor }:
                    body.Uses(constructor, operation, bans);
                    break;
                case IPropertyReferenceOperation { Property: var property }:
                    body.Uses(property, operation, bans);
                    break;
                case IFieldReferenceOperation { Field: { IsConst: false } field }:
                    body.Uses(field, operation, bans);
                    break;
                case IBinaryOperation { OperatorMethod: { } binary }:
                    body.Uses(binary, operation, bans);
                    break;
                case ICompoundAssignmentOperation { OperatorMethod: { } compound }:
                    body.Uses(compound, operation, bans);
                    break;
                case IUnaryOperation { OperatorMethod: { } unary }:
                    body.Uses(unary, operation, bans);
                    break;
                case IConversionOperation { OperatorMethod: { } conversion }:
                    body.Uses(conversion, operation, bans);
                    break;
                case IUsingOperation or IUsingDeclarationOperation or IForEachLoopOperation or IAwaitOperation:
                    foreach (var implied in Implied.By(operation)) body.Uses(implied, operation, bans);
                    break;
            }
            body.Object(operation, bans, isDirect);
            foreach (var child in operation.ChildOperations.Reverse()) ahead.Push(child);
        }
        return body;

        void Named(IMethodSymbol method, IOperation at)
        {
            if (method.MethodKind is not MethodKind.LocalFunction) body.Uses(method.ReducedFrom ?? method, at, bans);
            else if (!locals.TryGetValue(method.OriginalDefinition, out var unread)) locals.Add(method.OriginalDefinition, null);
            else if (unread is not null)
            {
                locals[method.OriginalDefinition] = null;
                ahead.Push(unread);
            }
        }
    }

    // The static member of this compilation that holds the delegate; one of an object runs, for all that is known, as soon as the object is made.
    private static ISymbol? Held(IOperation holder)
    {
        while (holder is IConversionOperation conversion) holder = conversion.Operand;
        if (holder is IConditionalAccessInstanceOperation)
        {
            var outer = holder.Parent;
            while (outer is not (IConditionalAccessOperation or null)) outer = outer.Parent;
            return outer is IConditionalAccessOperation { Operation: var checkedFirst } ? Held(checkedFirst) : null;
        }
        return holder is IMemberReferenceOperation { Member: { IsStatic: true, OriginalDefinition: IFieldSymbol or IPropertySymbol } member } && !member.OriginalDefinition.DeclaringSyntaxReferences.IsEmpty
            ? member.OriginalDefinition : null;
    }

    private void Uses(ISymbol used, IOperation at, BanTable bans)
    {
        var definition = used.OriginalDefinition;
        var banned = false;
        foreach (var (rule, ban) in bans.Of(definition))
        {
            if (ban.Uses is { } which && !which(at)) continue;
            Offences.Add(new Offence(rule, Name(definition), ban.Says, at.Syntax, ban.Fix));
            banned = true;
        }
        if (banned) return;
        // A call of base runs what is named, whatever the object is.
        if (at is not (IInvocationOperation { IsVirtual: false } or IMethodReferenceOperation { IsVirtual: false }) && Dispatch.IsOpen(definition)) Calls.Add(new Call(definition, at.Syntax, Reach.Dispatched));
        else if (!definition.DeclaringSyntaxReferences.IsEmpty || definition is IMethodSymbol { MethodKind: MethodKind.Constructor, IsImplicitlyDeclared: true }) Calls.Add(new Call(definition, at.Syntax, Reach.Exact));
    }

    private void Object(IOperation operation, BanTable bans, bool isDirect)
    {
        foreach (var rule in BanTable.Rules)
            if (rule.Objection(operation, isDirect) is { } objection)
                Offences.Add(new Offence(rule, objection.What, objection.Says, operation is ILockOperation or IForEachLoopOperation ? Head(operation.Syntax) : operation.Syntax, null));
    }

    // Not the whole statement: its head is what is meant.
    private static SyntaxNode Head(SyntaxNode statement) => statement switch
    {
        Microsoft.CodeAnalysis.CSharp.Syntax.LockStatementSyntax l => l.Expression,
        Microsoft.CodeAnalysis.CSharp.Syntax.CommonForEachStatementSyntax f => f.Expression,
        _ => statement,
    };

    private static string Name(ISymbol member) => member switch
    {
        IMethodSymbol { MethodKind: MethodKind.Constructor } => $"new {member.ContainingType.Name}(…)",
        IMethodSymbol { MethodKind: MethodKind.UserDefinedOperator or MethodKind.Conversion } => $"an operator of {member.ContainingType.Name}",
        IMethodSymbol => $"{member.ContainingType.Name}.{member.Name}()",
        _ => $"{member.ContainingType.Name}.{member.Name}",
    };
}
