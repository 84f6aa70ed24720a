using System.Numerics;

namespace OrleansAiOs.Kernel.Tests.Governance.Policies;

/// <summary>Straight from the description.</summary>
internal static class ReferenceEvaluator
{
    private sealed class Fault(string code) : Exception
    {
        public string Code => code;
    }

    public static ModelVerdict Judge(IReadOnlyList<ModelPolicy> policies, ModelRequest request)
    {
        var (permits, forbids) = (new List<ModelPolicy>(), new List<ModelPolicy>());
        (string Id, string Code)? fault = null;
        foreach (var policy in policies)
        {
            try
            {
                if (!Admits(policy.Principal, request.Principal) || !Admits(policy.Action, request.Action) || !Admits(policy.Resource, request.Resource)) continue;
                if (!policy.Conditions.All(condition => Bool(Eval(condition.Test, request)) == condition.IsWhen)) continue;
                (policy.IsPermit ? permits : forbids).Add(policy);
            }
            catch (Fault e)
            {
                fault ??= (policy.Id, e.Code);
            }
        }
        if (fault is { } f) return new ModelVerdict("Deny", "Suggest", Ids(forbids), [], f.Id, f.Code);
        if (forbids.Count > 0 || permits.Count == 0) return new ModelVerdict("Deny", "Suggest", Ids(forbids), [], null, "None");
        var levels = permits.Select(permit => permit.Autonomy ?? (permit.Approval is null ? "auto" : "approve")).ToList();
        var level = levels.Contains("suggest") ? "Suggest" : levels.Contains("approve") ? "Approve" : "Auto";
        return new ModelVerdict(level == "Auto" ? "Allow" : "Hold", level, Ids(permits), [.. permits.Where(permit => permit.Approval is not null).Select(permit => permit.Approval!).Distinct()], null, "None");
    }

    private static string[] Ids(List<ModelPolicy> policies) => [.. policies.Select(policy => policy.Id)];

    private static bool Admits(Scope scope, ModelEntity entity) =>
        (scope.Equal is null || scope.Equal == entity.Uid)
        && (scope.Type is null || scope.Type == entity.Uid.Type)
        && (scope.In is null || scope.In.Any(group => group == entity.Uid || entity.Ancestors.Contains(group)));

    private static object Eval(Node node, ModelRequest request)
    {
        object Of(Node inner) => Eval(inner, request);
        switch (node)
        {
            case Lit literal:
                return literal.Value;
            case Var variable:
                return variable.Name switch { "principal" => request.Principal.Uid, "action" => request.Action.Uid, "resource" => request.Resource.Uid, _ => request.Context };
            case Attr attribute:
                var attributes = Attributes(Of(attribute.Target), request) ?? throw new Fault("MissingEntity");
                if (!attributes.TryGetValue(attribute.Name, out var found)) throw new Fault("MissingAttribute");
                return found is Bad ? throw new Fault("Unreadable") : found;
            case Not not:
                return !Bool(Of(not.Operand));
            case Neg negation:
                return Fit(-(BigInteger)Long(Of(negation.Operand)));
            case Logic { IsAnd: true } and:
                return Bool(Of(and.Left)) && Bool(Of(and.Right));
            case Logic or:
                return Bool(Of(or.Left)) || Bool(Of(or.Right));
            case Choice choice:
                return Bool(Of(choice.Condition)) ? Of(choice.Then) : Of(choice.Otherwise);
            case Relation { Sign: "==" or "!=" } equality:
                var (one, other) = (Deep(Of(equality.Left)), Deep(Of(equality.Right)));
                return Same(one, other) == (equality.Sign == "==");
            case Relation { Sign: "in" } membership:
                var member = Entity(Of(membership.Left));
                var groups = Of(membership.Right) switch
                {
                    Uid group => [group],
                    List<object> set => set.Select(item => Entity(item)).ToList(),
                    _ => throw new Fault("WrongType"),
                };
                return groups.Any(group => IsIn(member, group, request));
            case Relation order:
                var (a, b) = (Long(Of(order.Left)), Long(Of(order.Right)));
                return order.Sign switch { "<" => a < b, "<=" => a <= b, ">" => a > b, _ => a >= b };
            case Is test:
                var entity = Entity(Of(test.Target));
                return entity.Type == test.Type && (test.In is null || Bool(Eval(new Relation("in", test.Target, test.In), request)));
            case Has has:
                var holder = Of(has.Target);
                foreach (var name in has.Path)
                {
                    if (holder is not (Uid or Dictionary<string, object>)) throw new Fault("WrongType");
                    if (Attributes(holder, request) is not { } there || !there.TryGetValue(name, out holder!)) return false;
                    if (holder is Bad { IsNull: true }) throw new Fault("Unreadable");
                }
                return true;
            case Like like:
                return Matches(Text(Of(like.Target)), Flat(like.Pattern));
            case Arithmetic sum:
                var (left, right) = ((BigInteger)Long(Of(sum.Left)), (BigInteger)Long(Of(sum.Right)));
                return Fit(sum.Sign switch { '+' => left + right, '-' => left - right, _ => left * right });
            case SetOf set:
                return set.Items.Select(item => Deep(Of(item))).ToList();
            case RecordOf record:
                return record.Members.ToDictionary(pair => pair.Name, pair => Of(pair.Value));
            case DecimalOf amount:
                return ParseDecimal(Text(Of(amount.Text)));
            case Question { Method: "lessThan" or "lessThanOrEqual" or "greaterThan" or "greaterThanOrEqual" } comparison:
                var (x, y) = (Amount(Of(comparison.Target)), Amount(Of(comparison.Argument!)));
                return comparison.Method switch { "lessThan" => x < y, "lessThanOrEqual" => x <= y, "greaterThan" => x > y, _ => x >= y };
            case Question question:
                var items = Set(Of(question.Target));
                return question.Method switch
                {
                    "isEmpty" => items.Count == 0,
                    "contains" when Deep(Of(question.Argument!)) is var asked => items.Any(item => Same(item, asked)),
                    "containsAll" => Set(Of(question.Argument!)).All(wanted => items.Any(item => Same(item, wanted))),
                    _ => Set(Of(question.Argument!)).Any(wanted => items.Any(item => Same(item, wanted))),
                };
            default:
                throw new InvalidOperationException($"{node} has no meaning here.");
        }
    }

    private static bool Bool(object value) => value is bool b ? b : throw new Fault("WrongType");

    private static long Long(object value) => value is long l ? l : throw new Fault("WrongType");

    private static long Amount(object value) => value is Dec d ? d.Units : throw new Fault("WrongType");

    private static string Text(object value) => value is string s ? s : throw new Fault("WrongType");

    private static Uid Entity(object value) => value is Uid uid ? uid : throw new Fault("WrongType");

    private static List<object> Set(object value) => value is List<object> set ? set : throw new Fault("WrongType");

    private static object Fit(BigInteger exact) => exact >= long.MinValue && exact <= long.MaxValue ? (long)exact : throw new Fault("Overflow");

    // Null for an entity of which nothing is known.
    private static Dictionary<string, object>? Attributes(object holder, ModelRequest request) => holder switch
    {
        Dictionary<string, object> record => record,
        Uid uid => Known(uid, request)?.Attributes,
        _ => throw new Fault("WrongType"),
    };

    private static ModelEntity? Known(Uid uid, ModelRequest request) =>
        new[] { request.Principal, request.Resource, request.Action }.FirstOrDefault(entity => entity.Uid == uid) ?? request.Others.GetValueOrDefault(uid);

    private static bool IsIn(Uid member, Uid group, ModelRequest request) => member == group || Known(member, request)?.Ancestors.Contains(group) == true;

    private static object Deep(object value) => HoldsBad(value) ? throw new Fault("Unreadable") : value;

    private static bool HoldsBad(object value) => value switch
    {
        Bad => true,
        List<object> set => set.Any(HoldsBad),
        Dictionary<string, object> record => record.Values.Any(HoldsBad),
        _ => false,
    };

    private static bool Same(object a, object b) => (a, b) switch
    {
        (List<object> one, List<object> other) => one.All(item => other.Any(theirs => Same(item, theirs))) && other.All(item => one.Any(ours => Same(item, ours))),
        (Dictionary<string, object> one, Dictionary<string, object> other) => one.Count == other.Count && one.All(pair => other.TryGetValue(pair.Key, out var theirs) && Same(pair.Value, theirs)),
        _ => a.GetType() == b.GetType() && a.Equals(b),
    };

    private static object ParseDecimal(string text)
    {
        var parts = text.Split('.');
        var whole = parts[0].StartsWith('-') ? parts[0][1..] : parts[0];
        if (parts.Length != 2 || whole == "" || parts[1].Length is 0 or > 4 || !whole.All(char.IsAsciiDigit) || !parts[1].All(char.IsAsciiDigit)) throw new Fault("BadDecimal");
        var units = BigInteger.Parse(whole) * 10_000 + BigInteger.Parse(parts[1].PadRight(4, '0'));
        if (parts[0].StartsWith('-')) units = -units;
        return units >= long.MinValue && units <= long.MaxValue ? new Dec((long)units) : throw new Fault("BadDecimal");
    }

    public static List<char?> Flat(string?[] pattern) => [.. pattern.SelectMany(part => part is null ? new char?[] { null } : part.Select(c => (char?)c))];

    public static bool Matches(string text, List<char?> pattern)
    {
        // reach[j]: the pattern up to j fits the text read so far.
        var reach = new bool[pattern.Count + 1];
        reach[0] = true;
        for (var j = 0; j < pattern.Count && pattern[j] is null; j++) reach[j + 1] = true;
        foreach (var c in text)
        {
            var next = new bool[pattern.Count + 1];
            for (var j = 0; j < pattern.Count; j++) next[j + 1] = pattern[j] is null ? next[j] || reach[j + 1] : reach[j] && pattern[j] == c;
            reach = next;
        }
        return reach[^1];
    }
}
