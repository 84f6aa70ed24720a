using System.Globalization;

namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>Reads the words of one policy, and expressions out of them. Neither its stack nor the tree it makes is deeper than <see cref="PolicyLimits.NestingMax"/> allows.</summary>
internal sealed class PolicyReader
{
    private static readonly string[] Reserved = ["true", "false", "if", "then", "else", "in", "like", "has", "is", "__cedar"];
    private const int SignsInFrontMax = 4;

    private readonly string text;
    private int nesting;

    // Behind the last word that was taken.
    private int takenTo;

    public PolicyReader(string text, int at) => (this.text, Current) = (text, PolicyTokens.Next(text, at));

    public PolicyToken Current { get; private set; }

    private PolicyToken Following => PolicyTokens.Next(text, Current.End);

    public PolicyToken Move()
    {
        var taken = Current;
        takenTo = taken.End;
        Current = Following;
        return taken;
    }

    public PolicyUnreadableException Refuse(string expected, string cure) => new(Current.At, Current.ToString(), expected, cure);

    public PolicyToken Take(string sign, string because) => Current.Is(sign) ? Move() : throw Refuse($"'{sign}'", Sentence(because));

    /// <summary>Takes a sign without looking at what is behind it, which belongs to the next policy.</summary>
    public void TakeLast(string sign, string because)
    {
        if (!Current.Is(sign)) throw Refuse($"'{sign}'", Cure() ?? Sentence(because));
    }

    public PolicyToken TakeName(string expected, string cure) => Current.Kind is PolicyTokenKind.Name ? Move() : throw Refuse(expected, cure);

    public (PolicyToken Token, string Text) TakeString(string expected, string cure)
    {
        if (Current.Kind is not PolicyTokenKind.String) throw Refuse(expected, cure);
        var token = Move();
        return (token, PolicyTokens.Unescape(token, pattern: false)[0]);
    }

    public string TakeType()
    {
        var name = TakeIdentifier("a type", "An entity's type is a name, such as User or Bank::Account.");
        while (Current.Is("::"))
        {
            Move();
            name = $"{name}::{TakeIdentifier("the rest of a type", "A type is written Bank::Account.")}";
        }
        return name;
    }

    public EntityUid TakeEntity()
    {
        if (Current.Is("?")) throw Refuse("an entity", "There are no templates here; name the entity: Role::\"controller\".");
        var name = TakeIdentifier("an entity", "An entity is written Type::\"id\", such as Role::\"controller\".");
        while (true)
        {
            Take("::", "an entity is written Type::\"id\", such as Role::\"controller\"");
            if (Current.Kind is PolicyTokenKind.String) return new EntityUid(name, TakeString("", "").Text);
            name = $"{name}::{TakeIdentifier("the entity's id", "The id stands in double quotes: Role::\"controller\".")}";
        }
    }

    private string TakeIdentifier(string expected, string cure)
    {
        var token = TakeName(expected, cure);
        return Reserved.Contains(token.Raw) ? throw new PolicyUnreadableException(token.At, token.ToString(), expected, $"'{token.Raw}' is a word of the language. {cure}") : token.Raw;
    }

    public List<T> TakeList<T>(string open, string close, Func<T> item)
    {
        Take(open, $"a list begins with '{open}'");
        var items = new List<T>();
        while (!Current.Is(close))
        {
            items.Add(item());
            if (!Current.Is(",")) break;
            Move();
        }
        Take(close, $"the items of a list are parted by ',', and it ends with '{close}'");
        return items;
    }

    /// <summary><c>Expr ::= Or | 'if' Expr 'then' Expr 'else' Expr</c></summary>
    public PolicyExpression ReadExpression()
    {
        if (++nesting > PolicyLimits.NestingMax) throw TooDeep();
        PolicyExpression read;
        if (Current.IsWord("if") && !Following.Is("::"))
        {
            var at = Move().At;
            var condition = ReadExpression();
            TakeWord("then", "a choice is written: if a then b else c");
            var then = ReadExpression();
            TakeWord("else", "a choice has two outcomes: if a then b else c");
            read = Bounded(new ChoiceTerm(condition, then, ReadExpression(), at));
        }
        else
        {
            read = ReadChain("||", isAnd: false, () => ReadChain("&&", isAnd: true, ReadRelation));
        }
        nesting--;
        return read;
    }

    private void TakeWord(string word, string because)
    {
        if (!Current.IsWord(word)) throw Refuse($"'{word}'", Sentence(because));
        Move();
    }

    private PolicyExpression ReadChain(string sign, bool isAnd, Func<PolicyExpression> operand)
    {
        var first = operand();
        if (!Current.Is(sign)) return first;
        var operands = new List<PolicyExpression> { first };
        while (Current.Is(sign))
        {
            Move();
            operands.Add(operand());
        }
        return Bounded(new ChainTest(isAnd, operands));
    }

    private PolicyExpression ReadRelation()
    {
        var left = ReadSum();
        var related = Current switch
        {
            { Kind: PolicyTokenKind.Sign, Raw: "==" or "!=" } => Then(sign => new EqualityTest(sign == "==", left, ReadSum())),
            { Kind: PolicyTokenKind.Sign, Raw: "<" or "<=" or ">" or ">=" } => Then(sign =>
            {
                var right = ReadSum();
                return new OrderTest(sign switch { "<" => OrderSign.Less, "<=" => OrderSign.LessOrEqual, ">" => OrderSign.Greater, _ => OrderSign.GreaterOrEqual }, PolicyValueKind.Long, left, right, right.End);
            }),
            { Kind: PolicyTokenKind.Name, Raw: "in" } => Then(_ => new InTest(left, ReadSum())),
            { Kind: PolicyTokenKind.Name, Raw: "has" } => Then(_ => ReadHas(left)),
            { Kind: PolicyTokenKind.Name, Raw: "like" } => Then(_ => ReadLike(left)),
            { Kind: PolicyTokenKind.Name, Raw: "is" } => Then(_ => ReadIs(left)),
            _ => null,
        };
        if (related is null) return left;
        if (Current is { Kind: PolicyTokenKind.Sign, Raw: "==" or "!=" or "<" or "<=" or ">" or ">=" } or { Kind: PolicyTokenKind.Name, Raw: "in" or "has" or "like" or "is" })
            throw Refuse("&&, || or the end of the comparison", "Comparisons do not follow one another: write a < b && b < c, or use brackets.");
        return Bounded(related);
    }

    private PolicyExpression Then(Func<string, PolicyExpression> read) => read(Move().Raw);

    private HasTest ReadHas(PolicyExpression target)
    {
        var end = Current.End;
        if (Current.Kind is PolicyTokenKind.String) return new HasTest(target, [TakeString("", "").Text], end);
        var path = new List<string> { TakeIdentifier("an attribute's name", "Write it plainly or in quotes: context has amount, context has \"due date\".") };
        while (Current.Is("."))
        {
            Move();
            end = Current.End;
            path.Add(TakeIdentifier("an attribute's name", "Write: context has args.order.total."));
        }
        return path.Count > PolicyLimits.NestingMax ? throw TooDeep() : new HasTest(target, path, end);
    }

    private LikeTest ReadLike(PolicyExpression text)
    {
        if (Current.Kind is not PolicyTokenKind.String) throw Refuse("a pattern", "A pattern is a string that stands there itself: context.target like \"DE*\".");
        var token = Move();
        var parts = PolicyTokens.Unescape(token, pattern: true);
        return parts.Count - 1 > PolicyLimits.WildcardsMax
            ? throw new PolicyUnreadableException(token.At, $"{parts.Count - 1} wildcards", $"at most {PolicyLimits.WildcardsMax}", "Use fewer.")
            : new LikeTest(text, parts, token.End);
    }

    // "is T in E" is "is T && in E".
    private PolicyExpression ReadIs(PolicyExpression entity)
    {
        var end = Current.End;
        var test = new IsTest(entity, TakeType(), end);
        if (!Current.IsWord("in")) return test;
        Move();
        return new ChainTest(isAnd: true, [test, Bounded(new InTest(entity, ReadSum()))]);
    }

    private PolicyExpression ReadSum()
    {
        var sum = ReadProduct();
        while (Current.Is("+") || Current.Is("-"))
            sum = Bounded(new ArithmeticTerm(Move().Raw == "+" ? ArithmeticSign.Plus : ArithmeticSign.Minus, sum, ReadProduct()));
        return sum;
    }

    private PolicyExpression ReadProduct()
    {
        var product = ReadSigned();
        while (Current.Is("*"))
        {
            Move();
            product = Bounded(new ArithmeticTerm(ArithmeticSign.Times, product, ReadSigned()));
        }
        return product;
    }

    private PolicyExpression ReadSigned()
    {
        var sign = Current;
        if (!sign.Is("!") && !sign.Is("-")) return ReadMember(ReadPrimary());
        var places = new List<int>();
        while (Current.Is(sign.Raw))
        {
            if (places.Count == SignsInFrontMax) throw Refuse($"at most {SignsInFrontMax} times '{sign.Raw}'", "Take two away.");
            places.Add(Move().At);
        }
        // The smallest long has no positive twin, so the sign is read with the number.
        PolicyExpression operand;
        if (sign.Raw == "-" && Current.Kind is PolicyTokenKind.Number && Following is var behind && !behind.Is(".") && !behind.Is("["))
        {
            operand = ReadNumber(negativeAt: places[^1]);
            places.RemoveAt(places.Count - 1);
        }
        else
        {
            operand = ReadMember(ReadPrimary());
        }
        for (var i = places.Count - 1; i >= 0; i--) operand = Bounded<PolicyExpression>(sign.Raw == "!" ? new NotTest(operand, places[i]) : new NegationTerm(operand, places[i]));
        return operand;
    }

    private LiteralTerm ReadNumber(int? negativeAt)
    {
        if (Following is { Kind: PolicyTokenKind.Sign, Raw: "." } point && PolicyTokens.Next(text, point.End).Kind is PolicyTokenKind.Number)
            throw Refuse("a whole number", "A number with a fraction is written decimal(\"12.50\").");
        var token = Move();
        if (token.Raw.Length > 30 || !Int128.TryParse(token.Raw, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            || (negativeAt is null ? number > long.MaxValue : number > (Int128)long.MaxValue + 1))
            throw new PolicyUnreadableException(token.At, token.ToString(), "a number up to 9223372036854775807", "Larger amounts have no place in a policy; check the digits.");
        return new LiteralTerm(PolicyValue.From((long)(negativeAt is null ? number : -number)), negativeAt ?? token.At, token.End);
    }

    private PolicyExpression ReadMember(PolicyExpression target)
    {
        while (true)
        {
            if (Current.Is("."))
            {
                Move();
                var name = Current;
                var identifier = TakeIdentifier("an attribute's name", "An attribute whose name is a word of the language, or has other signs, is read context[\"in\"].");
                target = Bounded(Current.Is("(") ? ReadMethod(target, name) : new AttributeTerm(target, identifier, name.End));
            }
            else if (Current.Is("["))
            {
                Move();
                var (_, name) = TakeString("an attribute's name", "An attribute is read by a name in quotes: context[\"due date\"]; sets have no places.");
                target = Bounded(new AttributeTerm(target, name, Take("]", "the name of one attribute stands in the brackets").End));
            }
            else
            {
                return target;
            }
        }
    }

    private PolicyExpression ReadMethod(PolicyExpression target, PolicyToken name)
    {
        var arguments = TakeList("(", ")", ReadExpression);
        var end = takenTo;
        var wanted = name.Raw == "isEmpty" ? 0 : 1;
        PolicyExpression? method = arguments.Count != wanted ? null : name.Raw switch
        {
            "contains" => new SetTest(SetQuestion.Contains, target, arguments[0], end),
            "containsAll" => new SetTest(SetQuestion.ContainsAll, target, arguments[0], end),
            "containsAny" => new SetTest(SetQuestion.ContainsAny, target, arguments[0], end),
            "isEmpty" => new SetTest(SetQuestion.IsEmpty, target, null, end),
            "lessThan" => new OrderTest(OrderSign.Less, PolicyValueKind.Decimal, target, arguments[0], end),
            "lessThanOrEqual" => new OrderTest(OrderSign.LessOrEqual, PolicyValueKind.Decimal, target, arguments[0], end),
            "greaterThan" => new OrderTest(OrderSign.Greater, PolicyValueKind.Decimal, target, arguments[0], end),
            "greaterThanOrEqual" => new OrderTest(OrderSign.GreaterOrEqual, PolicyValueKind.Decimal, target, arguments[0], end),
            _ => null,
        };
        return method ?? throw new PolicyUnreadableException(name.At, $"'.{name.Raw}' with {arguments.Count} arguments", "a question of the language",
            "There are, with one argument, .contains, .containsAll and .containsAny of sets and .lessThan, .lessThanOrEqual, .greaterThan and .greaterThanOrEqual of decimals; and .isEmpty().");
    }

    private PolicyExpression ReadPrimary()
    {
        var token = Current;
        switch (token.Kind)
        {
            case PolicyTokenKind.Number:
                return ReadNumber(negativeAt: null);
            case PolicyTokenKind.String:
                return new LiteralTerm(PolicyValue.From(TakeString("", "").Text), token.At, token.End);
            case PolicyTokenKind.Name:
                return ReadNamed(token);
            case PolicyTokenKind.Sign when token.Raw == "(":
                Move();
                var inner = ReadExpression();
                Take(")", "a bracket is closed behind one expression");
                return inner;
            case PolicyTokenKind.Sign when token.Raw == "[":
                var items = TakeList("[", "]", ReadExpression);
                return Bounded(new SetTerm(items, token.At, takenTo));
            case PolicyTokenKind.Sign when token.Raw == "{":
                return ReadRecord(token);
            default:
                throw Refuse("a value", Cure() ?? "A value is a literal, principal, action, resource, context, an entity such as Role::\"controller\", [ … ], { … } or ( … ).");
        }
    }

    private PolicyExpression ReadRecord(PolicyToken open)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var members = TakeList("{", "}", () =>
        {
            var at = Current;
            var name = at.Kind is PolicyTokenKind.String ? TakeString("", "").Text : TakeIdentifier("a member's name", "A record is written { name: value }.");
            if (!names.Add(name)) throw new PolicyUnreadableException(at.At, $"{at} a second time", "each name once", "Take one away.");
            Take(":", "a record is written { name: value }");
            return new KeyValuePair<string, PolicyExpression>(name, ReadExpression());
        });
        return Bounded(new RecordTerm(members, open.At, takenTo));
    }

    private PolicyExpression ReadNamed(PolicyToken token)
    {
        if (Following.Is("::"))
        {
            var entity = TakeEntity();
            return new LiteralTerm(PolicyValue.From(entity), token.At, takenTo);
        }
        if (Following.Is("(")) return ReadFunction(token);
        switch (token.Raw)
        {
            case "true":
            case "false":
                Move();
                return new LiteralTerm(PolicyValue.From(token.Raw == "true"), token.At, token.End);
            case "principal":
            case "action":
            case "resource":
            case "context":
                Move();
                return new VariableTerm(token.Raw switch { "principal" => PolicyVariable.Principal, "action" => PolicyVariable.Action, "resource" => PolicyVariable.Resource, _ => PolicyVariable.Context }, token.At, token.End);
            default:
                throw Refuse("a value", Cure() ?? $"'{token.Raw}' is not known. The variables are principal, action, resource and context; a text stands in double quotes; an attribute is read context.{token.Raw}.");
        }
    }

    private PolicyExpression ReadFunction(PolicyToken name)
    {
        if (name.Raw is "principal" or "action" or "resource" or "context" or "true" or "false" || name.Raw != "decimal")
            throw new PolicyUnreadableException(name.At, $"'{name.Raw}('", "decimal(\"…\"), the one function", "Questions are asked of a value: context.tags.contains(\"urgent\"). The types ip, datetime and duration of Cedar are not part of this language.");
        Move();
        var arguments = TakeList("(", ")", ReadExpression);
        if (arguments.Count != 1) throw new PolicyUnreadableException(name.At, $"decimal with {arguments.Count} arguments", "one", "Write decimal(\"12.50\").");
        if (arguments[0] is LiteralTerm { Value: { Kind: PolicyValueKind.String } literal } && !PolicyDecimal.TryParse(literal.AsString, out _))
            throw new PolicyUnreadableException(arguments[0].At, literal.ToString(), "a decimal such as \"12.50\"", $"Digits stand on both sides of the point, at most {PolicyDecimal.Places} behind it; the largest is 922337203685477.5807.");
        return Bounded(new DecimalTerm(arguments[0], name.At, takenTo));
    }

    private string? Cure() => Current switch
    {
        { Kind: PolicyTokenKind.Sign, Raw: "=" } => "Equality is written ==.",
        { Kind: PolicyTokenKind.Sign, Raw: "&" } => "And is written &&.",
        { Kind: PolicyTokenKind.Sign, Raw: "|" } => "Or is written ||.",
        { Kind: PolicyTokenKind.Sign, Raw: "/" or "%" } => "There is no division; multiply the other side.",
        { Kind: PolicyTokenKind.Sign, Raw: "?" } => "There are no templates here; name the entity.",
        { Kind: PolicyTokenKind.Name, Raw: "and" } => "And is written &&.",
        { Kind: PolicyTokenKind.Name, Raw: "or" } => "Or is written ||.",
        { Kind: PolicyTokenKind.Name, Raw: "not" } => "Not is written !.",
        { Kind: PolicyTokenKind.Name, Raw: "null" } => "There is no null; ask with 'has' whether an attribute is there.",
        { Kind: PolicyTokenKind.Name, Raw: "if" } => "Put the choice in brackets: (if a then b else c).",
        _ => null,
    };

    private T Bounded<T>(T expression) where T : PolicyExpression => expression.Depth <= PolicyLimits.NestingMax ? expression : throw TooDeep();

    private PolicyUnreadableException TooDeep() => Refuse($"nesting of at most {PolicyLimits.NestingMax}", "Split the condition into several policies, or join with && and ||, which do not nest.");

    private string Sentence(string because) => Cure() ?? $"{char.ToUpperInvariant(because[0])}{because[1..]}.";
}
