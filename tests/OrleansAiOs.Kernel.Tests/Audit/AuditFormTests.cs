using System.Text;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Workflows.Audit;

namespace OrleansAiOs.Kernel.Tests.Audit;

/// <summary>What is hashed on the way to the database must be what is hashed on the way back: jsonb gives back another text of the same value.</summary>
public sealed class AuditFormTests(KernelDatabase database) : IClassFixture<KernelDatabase>
{
    private const string Breaking = "\"\\{}[]:,-0e x";

    private static string Form(string json)
    {
        var buffer = AuditBuffer.Emptied();
        AuditForm.Write(Encoding.UTF8.GetBytes(json), buffer);
        return Encoding.UTF8.GetString(buffer.Written);
    }

    [Theory]
    [InlineData("""{"b":1,"a":2}""", """{"a":2,"b":1}""")]
    [InlineData(""" { "a" : [ 1 , { "c" : null , "b" : true } ] , "" : false } """, """{"":false,"a":[1,{"b":true,"c":null}]}""")]
    [InlineData("""{"a":1,"b":2,"a":3}""", """{"a":3,"b":2}""")]
    [InlineData("""{"aa":1,"a":2,"ab":3}""", """{"a":2,"aa":1,"ab":3}""")]
    [InlineData("""[1.0,1.00,1e2,1.50e1,-0,-0.00,1E-3,-1.5E+2,0e5,12345678901234567890.123]""", """[1.0,1.00,100,15.0,0,0.00,0.001,-150,0,12345678901234567890.123]""")]
    [InlineData(""" "\u00e4\u002f\/\"\\\u000a\u001f\ud83d\ude00\u0041" """, "\"ä//\\\"\\\\\\n\\u001f😀A\"")]
    [InlineData("""{"\u0061":1,"b":{"z":1,"y":{"x":1,"w":2}}}""", """{"a":1,"b":{"y":{"w":2,"x":1},"z":1}}""")]
    [InlineData("{}", "{}")]
    [InlineData("[]", "[]")]
    [InlineData("\"\"", "\"\"")]
    public void A_value_has_one_form(string json, string form)
    {
        Form(json).Should().Be(form);
        Form(form).Should().Be(form);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{\"a\"}")]
    [InlineData("[1,]2")]
    [InlineData("\"a")]
    [InlineData("\"\\x\"")]
    [InlineData("\"\\ud800\"")]
    [InlineData("{} {}")]
    [InlineData("nul")]
    [InlineData("1e999999999")]
    public void What_no_database_takes_has_none(string json)
    {
        var form = () => Form(json);
        form.Should().Throw<FormatException>();
    }

    [Fact]
    public void What_stands_in_its_form_already_is_taken_as_it_is_and_else_made_the_long_way()
    {
        // White space in front leads the long way round.
        var random = new Random(5);
        for (var i = 0; i < 20_000; i++)
        {
            var value = RandomJson.Value(random, 3);
            var form = Form(value);
            Form(" " + value).Should().Be(form);
            Form(form).Should().Be(form);
            Form(" " + form).Should().Be(form);
            var at = random.Next(form.Length);
            var broken = form.Remove(at, 1).Insert(at, Breaking[random.Next(Breaking.Length)].ToString());
            Try(broken).Should().Be(Try(" " + broken), broken);
        }

        static string Try(string json)
        {
            try
            {
                return Form(json);
            }
            catch (FormatException)
            {
                return "none";
            }
        }
    }

    [Fact]
    public async Task Two_thousand_random_values_have_the_same_form_before_they_were_stored_and_after()
    {
        var random = new Random(4);
        var values = Enumerable.Range(0, 2000).Select(_ => RandomJson.Value(random, 4)).ToArray();
        await using var command = database.Source.CreateCommand("select v::jsonb::text from unnest($1::text[]) with ordinality t(v, o) order by o");
        command.Parameters.AddWithValue(values);
        await using var reader = await command.ExecuteReaderAsync();
        for (var i = 0; await reader.ReadAsync(); i++) Form(reader.GetString(0)).Should().Be(Form(values[i]), "it was sent as {0}", values[i]);
    }
}

/// <summary>JSON as people and machines write it, hostile corners included: escapes, exponents, doubled members, white space, other scripts.</summary>
internal static class RandomJson
{
    private static readonly string[] Texts =
    [
        "a", "b", "aa", "ab", "", "z z", "\\u00e4", "ä", "😀", "\\ud83d\\ude00", "\\u000a", "\\n", "\\t\\b\\f\\r", "\\u001f", "\\\"", "\\\\", "\\/", "/", "\u007f", "\u2028", "\\u2028", "<script>", "=cmd", "\\u0041", "Ω", "日本語", "\ufeff", "e\u0301",
    ];

    private static readonly string[] Numbers =
    [
        "0", "-0", "-0.0", "1", "-1", "1.0", "1.00", "0.10", "1e2", "1E+2", "1.50e1", "1.5e-3", "-2.5E-10", "12345678901234567890", "0.000000000000000000001", "1e100", "-0e7", "99999999999999999999.99", "1e-100", "4e0", "0.5e0", "100e-2",
    ];

    public static string Value(Random random, int depth) => random.Next(depth > 0 ? 8 : 5) switch
    {
        0 => Numbers[random.Next(Numbers.Length)],
        1 => Text(random),
        2 => "true",
        3 => "null",
        4 => $"{random.Next(-1000, 1000)}.{random.Next(1000)}",
        5 => $"[{Space(random)}{string.Join($"{Space(random)},{Space(random)}", Enumerable.Range(0, random.Next(4)).Select(_ => Value(random, depth - 1)))}{Space(random)}]",
        _ => $"{{{Space(random)}{string.Join($"{Space(random)},{Space(random)}", Enumerable.Range(0, random.Next(random.Next(20) == 0 ? 60 : 6)).Select(_ => $"{Text(random)}{Space(random)}:{Space(random)}{Value(random, depth - 1)}"))}{Space(random)}}}",
    };

    public static string Text(Random random) => $"\"{string.Concat(Enumerable.Range(0, random.Next(4)).Select(_ => Texts[random.Next(Texts.Length)]))}\"";

    private static string Space(Random random) => random.Next(4) switch { 0 => " ", 1 => "\n\t", _ => "" };
}
