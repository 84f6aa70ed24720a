using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OrleansAiOs.Kernel.Tests.Governance.Policies;

/// <summary>Policies and requests at random, over one small world, so that they meet often. Most of what it writes is well typed; enough is not.</summary>
internal sealed class RandomModel(int seed)
{
    private readonly Random random = new(seed);

    private static readonly Uid[] People = [new("User", "ana"), new("User", "b\"e\\n"), new("Agent", "x"), new("Bank::Clerk", "é")];
    private static readonly Uid[] Groups = [new("Role", "controller"), new("Role", "clerk"), new("Tenant", "default"), new("Group", "A*"), new("Group", "empty")];
    private static readonly Uid[] Actions = [new("Action", "call"), new("Action", "start"), new("Action", "read")];
    private static readonly Uid[] ActionGroups = [new("Action", "writes"), new("Action", "all")];
    private static readonly Uid[] Tools = [new("Tool", "bank.pay"), new("Tool", "mail.send"), new("File", "bank.pay")];
    private static readonly Uid[] Strangers = [new("User", "boss"), new("User", "nobody")];
    private static readonly string[] Names = ["name", "level", "limit", "tags", "home", "boss", "args", "amounts", "active", "due date", "in", "order", "total"];
    private static readonly string[] Texts = ["", "DE", "DE*", "DE12 3456", "*", "a\nb", "Aé\"\\", "bank.pay", "12.50", "-0.0001", "1.23456", "922337203685477.5807", "922337203685477.5808", "12", "\0"];
    private static readonly long[] Longs = [0, 1, -1, 2, 3, 7, 100, 4_611_686_018_427_387_904, long.MaxValue, long.MinValue];
    private static readonly string[] Demands = ["controller", "clerk|controller, quorum=2", "director, not=initiator, within=P1D, escalate=board"];

    // A JSON number: its text, what it is as written, what it is as an amount (null: cannot be read).
    private static readonly (string Text, object? Written, long? Units)[] Numbers =
    [
        ("0", 0L, 0), ("-0", 0L, 0), ("1", 1L, 10_000), ("150", 150L, 1_500_000), ("150.00", new Dec(1_500_000), 1_500_000), ("12.5", new Dec(125_000), 125_000),
        ("-0.0001", new Dec(-1), -1), ("0.12345", null, null), ("1.0000000", new Dec(10_000), 10_000), ("1e2", 100L, 1_000_000), ("1.50e1", new Dec(150_000), 150_000),
        ("1E-5", null, null), ("1e-4", new Dec(1), 1), ("9223372036854775807", long.MaxValue, null), ("-9223372036854775808", long.MinValue, null), ("9223372036854775808", null, null),
        ("922337203685477.5807", new Dec(long.MaxValue), long.MaxValue), ("922337203685477.5808", null, null), ("-922337203685477.5808", new Dec(long.MinValue), long.MinValue),
        ("1e400", null, null), ("123456789012345678901234567890123456789012345", null, null),
    ];

    private T Pick<T>(IReadOnlyList<T> from) => from[random.Next(from.Count)];

    private bool OneIn(int n) => random.Next(n) == 0;

    private T[] Some<T>(int max, Func<T> make) => [.. Enumerable.Range(0, random.Next(max + 1)).Select(_ => make())];

    public List<ModelPolicy> Policies() => [.. Enumerable.Range(0, random.Next(1, 9)).Select(i => Policy($"p{i}"))];

    private ModelPolicy Policy(string id)
    {
        var isPermit = !OneIn(3);
        var demands = isPermit ? random.Next(8) : 9;
        return new ModelPolicy(id, isPermit, demands switch { 0 => "suggest", 1 => "auto", 2 => "approve", _ => null }, demands is 2 or 3 ? Pick(Demands) : null,
            AScope([.. People, .. Groups]), ActionScope(), AScope([.. Tools, .. Groups]), Some(2, () => (!OneIn(3), Bool(random.Next(5)))));
    }

    private Scope AScope(Uid[] from) => random.Next(6) switch
    {
        0 => new Scope(Pick(from), null, null),
        1 => new Scope(null, [Pick(from)], OneIn(2) ? Pick(from).Type : null),
        2 => new Scope(null, null, Pick(from).Type),
        _ => new Scope(null, null, null),
    };

    private Scope ActionScope() => random.Next(4) switch
    {
        0 => new Scope(Pick(Actions), null, null),
        1 => new Scope(null, Some(3, () => Pick([.. Actions, .. ActionGroups])), null),
        _ => new Scope(null, null, null),
    };

    // ------------------------------------------------------------------ conditions

    private Node Any(int depth) => random.Next(8) switch { 0 => Bool(depth), 1 => Long(depth), 2 => String(depth), 3 => Amount(depth), 4 => Entity(depth), 5 => Set(depth), 6 => Record(depth), _ => Path(depth) };

    private Node Mostly(Node right, int depth) => OneIn(25) ? Any(depth - 1) : right;

    public Node Bool(int depth)
    {
        if (depth <= 0) return OneIn(3) ? new Lit(OneIn(2)) : OneIn(2) ? new Attr(new Var("context"), "active", false) : new Has(new Var(OneIn(2) ? "context" : "principal"), [Pick(Names)], true);
        var d = depth - 1;
        return Mostly(random.Next(16) switch
        {
            0 => new Not(Bool(d)),
            1 => new Logic(true, Bool(d), Bool(d)),
            2 => new Logic(false, Bool(d), Bool(d)),
            3 => new Choice(Bool(d), Bool(d), Bool(d)),
            4 => new Relation(OneIn(2) ? "==" : "!=", Any(d), Any(d)),
            5 => Twins(d),
            6 => new Relation(Pick(["<", "<=", ">", ">="]), Long(d), Long(d)),
            7 => new Relation("in", Entity(d), OneIn(2) ? Entity(d) : new SetOf(Some(3, () => Entity(d)))),
            8 => new Is(Entity(d), Pick(["User", "Agent", "Tool", "Bank::Clerk"]), OneIn(2) ? Entity(d) : null),
            9 => new Has(OneIn(2) ? Record(d) : Entity(d), OneIn(2) ? [Pick(Names)] : ["order", "total"], false) is var has && has.Path.Any(name => name is "in" or "due date") ? has with { Quoted = true } : has,
            10 when OneIn(2) => new Like(String(d), [.. Enumerable.Range(0, random.Next(4)).Select(_ => OneIn(2) ? null : Pick(Texts))]),
            // Of few letters, so that the parts of a pattern overlap.
            10 => new Like(new Lit(string.Concat(Some(5, () => Pick(["a", "b"])))), [.. Enumerable.Range(0, random.Next(6)).Select(_ => Pick([null, null, "a", "b", "ab", "aa"]))]),
            11 => new Question(Pick(["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"]), Amount(d), Amount(d)),
            12 => new Question("contains", Set(d), Any(d)),
            13 => new Question(Pick(["containsAll", "containsAny"]), Set(d), Set(d)),
            14 => new Question("isEmpty", Set(d), null),
            _ => Bool(0),
        }, depth);
    }

    // Two of one type are more often equal.
    private Node Twins(int d)
    {
        Func<int, Node> make = Pick<Func<int, Node>>([Long, String, Amount, Entity, Set, Record]);
        return new Relation("==", make(d), make(d));
    }

    private Node Long(int depth) => depth <= 0 || OneIn(3)
        ? OneIn(2) ? new Lit(Pick(Longs)) : new Attr(new Var("principal"), "level", OneIn(4))
        : Mostly(random.Next(6) switch
        {
            5 => new Attr(new Attr(new Var("principal"), "boss", false), "level", false),
            0 => new Neg(Long(depth - 1)),
            1 => new Choice(Bool(depth - 1), Long(depth - 1), Long(depth - 1)),
            2 => new Attr(new Attr(new Var("context"), "args", false), Pick(["total", "level"]), false),
            _ => new Arithmetic(Pick(['+', '-', '*']), Long(depth - 1), Long(depth - 1)),
        }, depth);

    private Node String(int depth) => depth <= 0 || OneIn(2)
        ? new Lit(Pick(Texts))
        : Mostly(OneIn(2) ? new Attr(Pick([new Var("principal"), new Var("resource")]), "name", false) : Path(depth), depth);

    private Node Amount(int depth) => random.Next(depth <= 0 ? 2 : 4) switch
    {
        0 => new DecimalOf(new Lit(Pick(["12.50", "0.0", "-0.0001", "150.00", "922337203685477.5807"]))),
        1 => new Attr(new Var("principal"), "limit", false),
        2 => new DecimalOf(new Attr(new Var("resource"), "name", false)),
        _ => Mostly(new Attr(new Attr(new Var("context"), "amounts", false), Pick(["total", "level"]), OneIn(3)), depth),
    };

    private Node Entity(int depth) => random.Next(depth <= 0 ? 2 : 4) switch
    {
        0 => new Var(Pick(["principal", "resource", "action"])),
        1 => new Lit(Pick([.. People, .. Groups, .. Tools, .. Strangers])),
        2 => new Attr(new Var("principal"), "boss", false),
        _ => new Choice(Bool(depth - 1), Entity(depth - 1), Entity(depth - 1)),
    };

    private Node Set(int depth) => depth <= 0 || OneIn(3)
        ? new Attr(new Var(OneIn(2) ? "context" : "principal"), "tags", false)
        : new SetOf(Some(4, () => Any(depth - 2)));

    private Node Record(int depth) => depth <= 0 || OneIn(2)
        ? OneIn(2) ? new Var("context") : new Attr(new Var("context"), Pick(["args", "amounts", "home"]), false)
        : new RecordOf([.. Some(3, () => Pick(Names)).Distinct().Select(name => (name, Any(depth - 2)))]);

    private Node Path(int depth)
    {
        var name = Pick(Names);
        return new Attr(depth <= 0 ? new Var(Pick(["context", "principal", "resource"])) : Path(depth - 1 - random.Next(2)), name, name is "in" or "due date" || OneIn(4));
    }

    // ------------------------------------------------------------------ requests

    public ModelRequest Request()
    {
        var others = Strangers.Take(random.Next(2)).Concat(Groups.Take(1)).Select(uid => Entity(uid, Groups)).ToDictionary(entity => entity.Uid);
        var context = Attributes();
        if (!OneIn(4))
        {
            var json = Json();
            context["args"] = json;
            context["amounts"] = json with { Value = json.Amounts };
        }
        return new ModelRequest(Entity(Pick(People), Groups), Entity(Pick(Actions), ActionGroups), Entity(Pick(Tools), Groups), context, others);
    }

    private ModelEntity Entity(Uid uid, Uid[] groups) => new(uid, Attributes(), [.. Some(3, () => Pick(groups))]);

    private Dictionary<string, object> Attributes()
    {
        var attributes = new Dictionary<string, object>();
        void Add(string name, Func<object> value)
        {
            if (!OneIn(5)) attributes[name] = OneIn(20) ? Value(1) : value();
        }
        Add("name", () => Pick(Texts));
        Add("level", () => Pick(Longs));
        Add("limit", () => new Dec(Pick([0L, 1, -1, 125_000, 1_500_000, long.MaxValue])));
        Add("tags", () => Some(4, () => Value(1)).ToList());
        Add("home", () => Some(2, () => Pick(Names)).Distinct().ToDictionary(name => name, _ => Value(1)));
        Add("boss", () => Pick([.. People, .. Strangers]));
        Add("active", () => OneIn(2));
        if (OneIn(10)) attributes["due date"] = "2026-11-30";
        // Many attributes are looked up in another way than few.
        if (OneIn(6))
            for (var i = 0; i < 12; i++) attributes[$"more{i}"] = (long)i;
        return attributes;
    }

    private object Value(int depth) => random.Next(depth > 0 ? 7 : 5) switch
    {
        0 => OneIn(2),
        1 => Pick(Longs),
        2 => Pick(Texts),
        3 => new Dec(Pick([0L, 1, 125_000, 1_500_000])),
        4 => Pick([.. People, .. Groups]),
        5 => Some(12, () => Value(depth - 1)).ToList(),
        _ => Some(2, () => Pick(Names)).Distinct().ToDictionary(name => name, _ => Value(depth - 1)),
    };

    private ModelJson Json()
    {
        if (OneIn(15)) return new ModelJson(Pick(["", "{", "{\"total\":1,\"total\":2}", "{\"order\":{\"a\":1,\"\\u0061\":2}}", "{\"total\":NaN}", "[1,]", new string('[', 40) + new string(']', 40)]), new Bad(false), new Bad(false));
        var text = new StringBuilder();
        var (value, amounts) = Json(text, 3, isRoot: true);
        return new ModelJson(text.ToString(), value, amounts);
    }

    private (object Written, object Amounts) Json(StringBuilder text, int depth, bool isRoot = false)
    {
        switch (isRoot && !OneIn(8) ? 5 : random.Next(depth > 0 ? 7 : 4))
        {
            case 0:
                text.Append("null");
                return (new Bad(true), new Bad(true));
            case 1:
                var b = OneIn(2);
                text.Append(b ? "true" : "false");
                return (b, b);
            case 2:
                var s = Pick(Texts);
                text.Append(JsonSerializer.Serialize(s, OneIn(2) ? JsonSerializerOptions.Default : Relaxed));
                return (s, s);
            case 3:
                var number = Pick(Numbers);
                text.Append(CultureInfo.InvariantCulture, $" {number.Text} ");
                return (number.Written ?? new Bad(false), number.Units is { } units ? new Dec(units) : new Bad(false));
            case 4:
                text.Append('[');
                var items = Enumerable.Range(0, random.Next(10) < 8 ? random.Next(4) : 12).Select(i => Json(i == 0 ? text : text.Append(','), depth - 1)).ToList();
                text.Append(']');
                return (Whole([.. items.Select(item => item.Written)]), Whole([.. items.Select(item => item.Amounts)]));
            default:
                var (written, amounts) = (new Dictionary<string, object>(), new Dictionary<string, object>());
                text.Append('{');
                foreach (var name in Some(5, () => Pick(Names)).Distinct())
                {
                    text.Append(written.Count == 0 ? "" : ",").Append(JsonSerializer.Serialize(name)).Append(':');
                    (written[name], amounts[name]) = Json(text, depth - 1);
                }
                text.Append('}');
                return (written, amounts);
        }
    }

    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    // A set is compared as a whole: one item that cannot be read, and none of it can.
    private static object Whole(List<object> items) => items.Any(Holds) ? new Bad(false) : items;

    private static bool Holds(object value) => value switch
    {
        Bad => true,
        List<object> set => set.Any(Holds),
        Dictionary<string, object> record => record.Values.Any(Holds),
        _ => false,
    };
}
