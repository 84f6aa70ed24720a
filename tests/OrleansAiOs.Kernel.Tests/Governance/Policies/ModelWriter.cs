using System.Text;

namespace OrleansAiOs.Kernel.Tests.Governance.Policies;

/// <summary>Writes the model as text of the language: brackets only where they have to be, so that the reader's precedences are tried.</summary>
internal static class ModelWriter
{
    private const int Expression = 0, Or = 1, And = 2, Compared = 3, Sum = 4, Product = 5, Signed = 6, Member = 7;

    public static string Text(IEnumerable<ModelPolicy> policies) => string.Join("\n", policies.Select(Text));

    private static string Text(ModelPolicy policy)
    {
        var text = new StringBuilder($"@id(\"{policy.Id}\")\n");
        if (policy.Autonomy is not null) text.Append($"@autonomy(\"{policy.Autonomy}\") ");
        if (policy.Approval is not null) text.Append($"@approval(\"{policy.Approval}\") ");
        text.Append($"{(policy.IsPermit ? "permit" : "forbid")} (principal{Text(policy.Principal)}, action{Text(policy.Action, isAction: true)}, resource{Text(policy.Resource)})");
        foreach (var (isWhen, test) in policy.Conditions) text.Append($"\n  {(isWhen ? "when" : "unless")} {{ {Text(test, Expression)} }}");
        return text.Append("; // done\n").ToString();
    }

    private static string Text(Scope scope, bool isAction = false) => scope switch
    {
        { Equal: { } uid } => $" == {Text(uid)}",
        { In: { } groups } => $"{(scope.Type is null ? "" : $" is {scope.Type}")} in {(isAction ? $"[{string.Join(", ", groups.Select(Text))}]" : Text(groups[0]))}",
        { Type: { } type } => $" is {type}",
        _ => "",
    };

    public static string Text(Uid uid) => $"{uid.Type}::{Quote(uid.Id)}";

    public static string Text(Node node, int needed)
    {
        var (level, text) = Write(node);
        return level < needed ? $"({text})" : text;
    }

    private static (int Level, string Text) Write(Node node) => node switch
    {
        Lit { Value: bool b } => (Member, b ? "true" : "false"),
        Lit { Value: long l } => (l < 0 ? Signed : Member, $"{l}"),
        Lit { Value: string s } => (Member, Quote(s)),
        Lit { Value: Uid uid } => (Member, Text(uid)),
        Var variable => (Member, variable.Name),
        Attr { InBrackets: true } attribute => (Member, $"{Text(attribute.Target, Member)}[{Quote(attribute.Name)}]"),
        Attr attribute => (Member, $"{Text(attribute.Target, Member)}.{attribute.Name}"),
        Not not => (Signed, $"!{Text(not.Operand, Member)}"),
        Neg negation => (Signed, $"-{Text(negation.Operand, Member)}"),
        Logic { IsAnd: true } and => (And, $"{Text(and.Left, And)} && {Text(and.Right, Compared)}"),
        Logic or => (Or, $"{Text(or.Left, Or)} || {Text(or.Right, And)}"),
        Choice choice => (Expression, $"if {Text(choice.Condition, Expression)} then {Text(choice.Then, Expression)} else {Text(choice.Otherwise, Expression)}"),
        Relation relation => (Compared, $"{Text(relation.Left, Sum)} {relation.Sign} {Text(relation.Right, Sum)}"),
        Is test => (Compared, $"{Text(test.Target, Sum)} is {test.Type}{(test.In is null ? "" : $" in {Text(test.In, Sum)}")}"),
        Has has => (Compared, $"{Text(has.Target, Sum)} has {(has.Quoted ? Quote(has.Path[0]) : string.Join('.', has.Path))}"),
        Like like => (Compared, $"{Text(like.Target, Sum)} like \"{string.Concat(like.Pattern.Select(part => part is null ? "*" : Quote(part)[1..^1].Replace("*", "\\*", StringComparison.Ordinal)))}\""),
        Arithmetic { Sign: '*' } product => (Product, $"{Text(product.Left, Product)} * {Text(product.Right, Signed)}"),
        Arithmetic sum => (Sum, $"{Text(sum.Left, Sum)} {sum.Sign} {Text(sum.Right, Product)}"),
        SetOf set => (Member, $"[{string.Join(", ", set.Items.Select(item => Text(item, Expression)))}]"),
        RecordOf record => (Member, $"{{{string.Join(", ", record.Members.Select(member => $"{Quote(member.Name)}: {Text(member.Value, Expression)}"))}}}"),
        DecimalOf amount => (Member, $"decimal({Text(amount.Text, Expression)})"),
        Question question => (Member, $"{Text(question.Target, Member)}.{question.Method}({(question.Argument is null ? "" : Text(question.Argument, Expression))})"),
        _ => throw new InvalidOperationException($"{node} cannot be written."),
    };

    private static string Quote(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var c in text)
        {
            quoted.Append(c switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\0' => "\\0",
                'é' => "\\u{e9}",
                'A' => "\\x41",
                _ => c.ToString(),
            });
        }
        return quoted.Append('"').ToString();
    }
}
