using System.Diagnostics;
using FsCheck;
using FsCheck.Fluent;
using OrleansAiOs.Kernel.Governance.Policies;

namespace OrleansAiOs.Kernel.Tests.Governance.Policies;

public sealed class PolicyParserTests
{
    private const string Sound = "@id(\"p\") permit (principal, action, resource)";

    [Theory]
    [InlineData("", 1, 1, "the end of the text", "a policy", "permit (principal")]
    [InlineData("permit (principal, action, resource);", 1, 1, "'permit'", "@id", "@id(\"small-payments\")")]
    [InlineData("@id(\"p\") allow (principal, action, resource);", 1, 10, "'allow'", "permit or forbid", "Write permit.")]
    [InlineData("@id(\"p\") permit (principal = User::\"a\", action, resource);", 1, 28, "'='", "==", "Equality is written ==")]
    [InlineData("@id(\"p\") permit (principal == User::ana, action, resource);", 1, 40, "','", "'::'", "Type::\"id\"")]
    [InlineData("@id(\"p\") permit (principal == ?principal, action, resource);", 1, 31, "'?'", "an entity", "no templates")]
    [InlineData("@id(\"p\") permit (action, principal, resource);", 1, 18, "'action'", "principal", "all three in order")]
    [InlineData("@id(\"p\") permit (principal, action in [Action::\"a\", Acton::\"b\"], resource);", 1, 53, "an action of the type Acton", "the type Action", "never match")]
    [InlineData("@id(\"p\") permit (principal, action is Call, resource);", 1, 36, "'is'", "','", "resource follows")]
    [InlineData("@id(\"p\")\n  permit (principal, action, resource)\n", 3, 1, "the end of the text", "';'", "ends with ';'")]
    [InlineData(Sound + " when { context.a & true };", 1, 64, "'&'", "'}'", "&&")]
    [InlineData(Sound + " when { context.a and true };", 1, 64, "'and'", "'}'", "&&")]
    [InlineData(Sound + " when { not context.a };", 1, 54, "'not'", "a value", "!")]
    [InlineData(Sound + " when { context.a == null };", 1, 67, "'null'", "a value", "has")]
    [InlineData(Sound + " when { context.a == 1.5 };", 1, 67, "the number 1", "a whole number", "decimal(\"12.50\")")]
    [InlineData(Sound + " when { 1 < 2 < 3 };", 1, 60, "'<'", "&&", "do not follow one another")]
    [InlineData(Sound + " when { context.a / 2 == 1 };", 1, 64, "'/'", "'}'", "no division")]
    [InlineData(Sound + " when { context.a == 'x' };", 1, 67, "'''", "a word", "double quotes")]
    [InlineData(Sound + " when { context.a == \"x };", 1, 67, "a string without an end", "closing", "\\n")]
    [InlineData(Sound + " when { context.a like x };", 1, 69, "'x'", "a pattern", "like \"DE*\"")]
    [InlineData(Sound + " when { amount > 3 };", 1, 54, "'amount'", "a value", "context.amount")]
    [InlineData(Sound + " when { };", 1, 54, "'}'", "a condition", "leave the clause out")]
    [InlineData(Sound + " when { ip(\"127.0.0.1\") == 1 };", 1, 54, "'ip('", "decimal", "not part of this language")]
    [InlineData(Sound + " when { decimal(\"1\") == 1 };", 1, 62, "\"1\"", "a decimal", "both sides of the point")]
    [InlineData(Sound + " when { 9223372036854775808 == 1 };", 1, 54, "the number 9223372036854775808", "up to", "digits")]
    [InlineData(Sound + " when { context.a.matches(\"x\") };", 1, 64, "'.matches'", "a question", ".contains")]
    [InlineData(Sound + " when { [1].contains() };", 1, 58, "'.contains' with 0", "a question", "one argument")]
    [InlineData(Sound + " when { context.in };", 1, 62, "'in'", "an attribute", "context[\"in\"]")]
    [InlineData(Sound + " when { {a: 1, a: 2} == 1 };", 1, 61, "'a' a second time", "once", "Take one away")]
    [InlineData(Sound + " when { \"\\q\" == \"\" };", 1, 55, "a backslash before 'q'", "an escape", "\\u{1f600}")]
    [InlineData("@aproval(\"controller\") " + Sound + ";", 1, 2, "@aproval", "@approval", "Correct it")]
    [InlineData("@approval(\"quorum=2\") " + Sound + ";", 1, 11, "the string \"quorum=2\"", "who signs", "roles that may sign come first")]
    [InlineData("@approval(\"a, quorum=99\") " + Sound + ";", 1, 11, "quorum=99", "who signs", "from 1 to 20")]
    [InlineData("@approval(\"a, within=P1M\") " + Sound + ";", 1, 11, "within=P1M", "who signs", "PT24H")]
    [InlineData("@approval(\"a, escalate=b\") " + Sound + ";", 1, 11, "escalate=b", "who signs", "add within")]
    [InlineData("@approval(\"a, b\") " + Sound + ";", 1, 11, "a, b", "who signs", "controller|treasurer")]
    [InlineData("@approval(\"a, not=b\") " + Sound + ";", 1, 11, "not=b", "who signs", "'initiator'")]
    [InlineData("@approval(\"a, quorum=2, quorum=3\") " + Sound + ";", 1, 11, "quorum=2, quorum=3", "who signs", "twice")]
    [InlineData("@autonomy(\"some\") " + Sound + ";", 1, 11, "some", "suggest", "approve waits")]
    [InlineData("@autonomy(\"approve\") " + Sound + ";", 1, 2, "without @approval", "both", "@approval(\"controller\")")]
    [InlineData("@autonomy(\"auto\") @approval(\"a\") " + Sound + ";", 1, 20, "@autonomy(\"auto\")", "one of them", "take @autonomy away")]
    [InlineData("@id(\"a b\") permit (principal, action, resource);", 1, 5, "\"a b\"", "letters", "small-payments")]
    [InlineData("@id(\"p\") @approval(\"a\") forbid (principal, action, resource);", 1, 11, "@approval", "nothing but @id", "on the permit")]
    [InlineData("// it looks \u202e harmless\n" + Sound + ";", 1, 13, "U+202E", "read as it is shown", "Remove it")]
    public void What_is_wrong_is_named_with_line_column_and_cure(string text, int line, int column, string found, string expected, string cure)
    {
        var error = Errors(text).Should().ContainSingle().Subject;
        error.Should().Match<PolicySyntaxError>(e => e.Line == line && e.Column == column, $"of {error}");
        error.Found.Should().Contain(found);
        error.Expected.Should().Contain(expected);
        error.Cure.Should().Contain(cure);
    }

    [Fact]
    public void Several_policies_that_are_wrong_are_all_named()
    {
        Errors($"{Sound};\n@id(\"a\") permit (principal);\n\n@id(\"p\") {Sound[9..]};\n@id(\"c\") permit (principal, action, resource) when {{ 1 = 1 }};\n").Select(e => (e.Line, e.Column))
            .Should().Equal((2, 27), (4, 5), (5, 56));
    }

    public static TheoryData<string, string> TooMuch => new()
    {
        { new string(' ', PolicyLimits.TextCharsMax + 1), "characters" },
        { string.Concat(Enumerable.Range(0, PolicyLimits.PoliciesPerTextMax + 1).Select(i => $"@id(\"p{i}\")permit(principal,action,resource);\n")), "at most 500" },
        { $"{Sound} when {{ {new string('(', 60_000)}", "nesting" },
        { $"{Sound} when {{ {new string('[', 60_000)}", "nesting" },
        { $"{Sound} when {{ {string.Concat(Enumerable.Repeat("if ", 20_000))}", "nesting" },
        { $"{Sound} when {{ context{string.Concat(Enumerable.Repeat(".a", 30_000))} }};", "nesting" },
        { $"{Sound} when {{ 1{string.Concat(Enumerable.Repeat("+1", 30_000))} == 1 }};", "nesting" },
        { $"{Sound} when {{ {new string('!', 60_000)}true }};", "at most 4" },
        { $"{Sound} when {{ context has {string.Concat(Enumerable.Repeat("a.", 30_000))}a }};", "nesting" },
        { $"{Sound} when {{ \"\" == \"{new string('a', PolicyLimits.LiteralCharsMax + 1)}\" }};", "4096" },
        { $"{Sound} when {{ \"\" like \"{string.Concat(Enumerable.Repeat("*a", 33))}\" }};", "32" },
    };

    [Theory]
    [MemberData(nameof(TooMuch))]
    public void What_is_too_long_or_too_deep_is_refused(string text, string expected) => Errors(text)[0].ToString().Should().Contain(expected);

    [Fact]
    public void A_long_chain_of_ands_is_no_nesting()
    {
        var text = $"{Sound} when {{ {string.Join(" && ", Enumerable.Repeat("principal.level == 3", 2_000))} }};";
        new Asked().Of(text).Decision.Should().Be(PolicyDecision.Allow);
    }

    [Fact]
    public void Commas_may_end_a_list_and_comments_stand_anywhere()
    {
        new Asked().Of("// one\n@id(\"p\") // two )\npermit (principal, action in [Action::\"call\",], resource) // three\nwhen { [decimal(\"1.0\"), 2,].contains(decimal(\"1.0\") // four ))\n ) };").Decision.Should().Be(PolicyDecision.Allow);
    }

    private static IReadOnlyList<PolicySyntaxError> Errors(string text)
    {
        var parse = () => PolicyText.Parse(text);
        return parse.Should().Throw<PolicySyntaxException>().Which.Errors;
    }

    /// <summary>10,000 texts that were written at random and then spoilt at random: each is read or refused with places and cures, and what is read can be asked.</summary>
    [Fact]
    public void No_text_whatsoever_makes_the_reader_or_the_evaluator_throw_or_linger()
    {
        var (read, refused, slowest) = (0, 0, TimeSpan.Zero);
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
        {
            var text = Spoilt(seed);
            var started = Stopwatch.GetTimestamp();
            try
            {
                var active = ActivePolicies.Of(1, [("spoilt", 1, PolicyText.Parse(text))]);
                active.Evaluate(ModelBridge.Real(new RandomModel(seed).Request())).Fault?.Code.Should().NotBe(PolicyFaultCode.Internal);
                read++;
            }
            catch (PolicySyntaxException e)
            {
                var lines = text.Split('\n');
                e.Errors.Should().NotBeEmpty();
                foreach (var error in e.Errors)
                    if (error.Line > lines.Length || error.Column > lines[error.Line - 1].Length + 1 || error.Found == "" || error.Expected == "" || error.Cure == "") Assert.Fail($"Seed {seed}: {error}\n{text}");
                refused++;
            }
            var took = Stopwatch.GetElapsedTime(started);
            if (took > slowest) slowest = took;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(10_000).WithReplay(20261129, 11));
        read.Should().BeGreaterThan(500);
        refused.Should().BeGreaterThan(5_000);
        slowest.Should().BeLessThan(TimeSpan.FromSeconds(5), "a text is read in time in proportion to its length, also on a busy machine");
    }

    private static readonly string[] Pieces = ["@id(\"x\")", "permit", "forbid", "(", ")", "{", "}", "[", "]", "\"", "\\", "::", "==", "=", "&&", "||", "!", "-", "*", ".", ",", ";", "//", "\n", "if", "then", "else", "in", "is", "has", "like",
        "when", "unless", "principal", "context", "decimal(\"1.0\")", "9223372036854775808", "\ud83d", "\u202e", "é", "\0", "'", "@approval(\"a\")", "__cedar", " "];

    private static string Spoilt(int seed)
    {
        var random = new Random(seed);
        var text = random.Next(5) == 0 ? string.Concat(Enumerable.Range(0, random.Next(60)).Select(_ => Pieces[random.Next(Pieces.Length)])) : ModelWriter.Text(new RandomModel(seed).Policies());
        for (var i = random.Next(4); i > 0; i--)
        {
            var at = random.Next(text.Length + 1);
            var length = Math.Min(random.Next(12), text.Length - at);
            text = random.Next(4) switch
            {
                0 => text.Remove(at, length),
                1 => text.Insert(at, Pieces[random.Next(Pieces.Length)]),
                2 => text.Insert(at, text.Substring(at, length)),
                _ => string.Concat(text.AsSpan(0, at), ((char)random.Next(0x3000)).ToString(), text.AsSpan(Math.Min(text.Length, at + 1))),
            };
        }
        return text;
    }
}
