using System.Text.Json;
using System.Text.Json.Nodes;
using Json.Schema;
using OrleansAiOs.Kernel.Tools.Schemas;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Tools.Schemas;

public sealed class ToolSchemaTests
{
    [Theory]
    [InlineData("""{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"],"additionalProperties":false}""", """{"id":5.0}""", null)]
    [InlineData("""{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}""", """{"id":5.5}""", "input.id is a number, and has to be integer")]
    [InlineData("""{"type":"object","properties":{"id":{}},"required":["id"]}""", """{}""", "input.id is missing")]
    [InlineData("""{"type":"object","properties":{"id":{}},"additionalProperties":false}""", """{"ID":1}""", "input.ID is not known to the tool; it knows id")]
    [InlineData("""{"properties":{"a":{"enum":["x","y"]}}}""", """{"a":"z"}""", """input.a has to be one of "x", "y" """)]
    [InlineData("""{"properties":{"a":{"const":1}}}""", """{"a":1.0}""", null)]
    [InlineData("""{"properties":{"a":{"maxLength":2}}}""", """{"a":"🙂🙂"}""", null)]
    [InlineData("""{"properties":{"a":{"pattern":"^[a-z]+$"}}}""", """{"a":"aB"}""", "input.a does not match ^[a-z]+$")]
    [InlineData("""{"properties":{"a":{"type":["string","null"]}}}""", """{"a":null}""", null)]
    [InlineData("""{"properties":{"a":{"items":{"minimum":3}}}}""", """{"a":[3,2]}""", "input.a[1] is less than 3")]
    [InlineData("""{"properties":{"a":{"uniqueItems":true}}}""", """{"a":[1,1.0]}""", "input.a[1] is the same as input.a[0]")]
    [InlineData("""{"properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"object","properties":{"next":{"$ref":"#/$defs/n"}},"required":["v"]}}}""", """{"a":{"v":1,"next":{"next":{"v":1}}}}""", "input.a.next.v is missing")]
    [InlineData("""{"properties":{"a":{"multipleOf":0.01}}}""", """{"a":0.07}""", null)]
    [InlineData("""{"properties":{"a":{"maximum":10}}}""", """{"a":1e400}""", "input.a is more than 10")]
    public void What_is_wrong_is_told_with_its_place(string schema, string value, string? objection) =>
        Objection(schema, value)?.Trim().Should().Be(objection?.Trim());

    [Theory]
    [InlineData("""{"type":"thing"}""", "*no type 'thing'*")]
    [InlineData("""{"$ref":"https://evil.example/schema.json"}""", "*outside of the schema*")]
    [InlineData("""{"$ref":"#/$defs/none"}""", "*refers to nothing*")]
    [InlineData("""{"$dynamicRef":"#x"}""", "*not read here*")]
    [InlineData("""{"pattern":"(?=a)b"}""", "*looks around*")]
    [InlineData("""{"pattern":"("}""", "*pattern*")]
    [InlineData("""{"minLength":-1}""", "*minLength*")]
    [InlineData("""{"required":"a"}""", "*required*")]
    [InlineData("""[1]""", "*a schema is an object*")]
    public void What_no_check_can_do_is_refused(string schema, string why) =>
        FluentActions.Invoking(() => ToolSchema.Read(JsonText.Parse(schema))).Should().Throw<SchemaException>().WithMessage(why);

    [Fact]
    public void What_is_not_read_is_listed() =>
        ToolSchema.Read(JsonText.Parse("""{"type":"object","title":"t","unevaluatedProperties":false,"x-own":1,"properties":{"a":{"frobnicate":1}}}""")).Unread.Should().Equal("frobnicate", "unevaluatedProperties");

    [Fact]
    public void A_schema_that_is_made_to_be_expensive_costs_no_more_than_it_may()
    {
        // Each level asks the next one twice: 2^30 questions if nobody counts.
        var defs = string.Join(',', Enumerable.Range(0, 30).Select(i => $"\"d{i}\":{{\"anyOf\":[{{\"$ref\":\"#/$defs/d{i + 1}\"}},{{\"$ref\":\"#/$defs/d{i + 1}\"}}]}}"));
        Objection($"{{\"$ref\":\"#/$defs/d0\",\"$defs\":{{{defs},\"d30\":false}}}}", "{}").Should().Contain("more than 100,000 steps");
        Objection("""{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}""", "{}").Should().Contain("circle");
        Objection("""{"properties":{"a":{"uniqueItems":true}}}""", $"{{\"a\":[{string.Join(',', Enumerable.Range(0, 10_000))}]}}").Should().Contain("steps");
        var large = () => ToolSchema.Read(JsonText.Parse($"{{\"description\":\"{new string('x', 70_000)}\"}}"));
        large.Should().Throw<SchemaException>().WithMessage("*64 KiB*");
        var deep = () => ToolSchema.Read(JsonText.Parse(string.Concat(Enumerable.Repeat("{\"not\":", 40)) + "true" + new string('}', 40)));
        deep.Should().Throw<SchemaException>().WithMessage("*levels*");
    }

    [Fact]
    public void A_pattern_cannot_run_for_ever() =>
        Objection("""{"properties":{"a":{"pattern":"^(a+)+$"}}}""", $"{{\"a\":\"{new string('a', 50_000)}b\"}}").Should().Contain("does not match");

    /// <summary>Another implementation of the standard says the same of ten thousand random pairs.</summary>
    [Fact]
    public void It_says_what_another_reader_of_the_standard_says()
    {
        var random = new Random(77);
        var (right, wrong) = (0, 0);
        for (var i = 0; i < 10_000; i++)
        {
            var (schema, value) = (RandomSchema(random, 3).ToJsonString(), RandomValue(random, 3)?.ToJsonString() ?? "null");
            using var instance = JsonDocument.Parse(value);
            var reference = JsonSchema.FromText(schema).Evaluate(instance.RootElement, new EvaluationOptions { EvaluateAs = SpecVersion.Draft202012 }).IsValid;
            (Objection(schema, value) is null).Should().Be(reference, "of {0} and {1}", schema, value);
            if (reference) right++;
            else wrong++;
        }
        right.Should().BeGreaterThan(1000);
        wrong.Should().BeGreaterThan(1000);
    }

    private static JsonNode RandomSchema(Random random, int depth)
    {
        var schema = new JsonObject();
        for (var n = random.Next(1, 4); n > 0; n--)
        {
            switch (random.Next(depth > 0 ? 22 : 14))
            {
                case 0 or 1: schema["type"] = Pick("null", "boolean", "object", "array", "number", "integer", "string"); break;
                case 2: schema["enum"] = new JsonArray(RandomValue(random, 1), RandomValue(random, 1), 1, "a"); break;
                case 3: schema["const"] = RandomValue(random, 1); break;
                case 4: schema["minimum"] = random.Next(-3, 4); break;
                case 5: schema["exclusiveMaximum"] = random.Next(-3, 4); break;
                case 6: schema["multipleOf"] = random.Next(1, 4) * 0.5m; break;
                case 7: schema["minLength"] = random.Next(4); break;
                case 8: schema["maxLength"] = random.Next(4); break;
                case 9: schema["pattern"] = Pick("a", "^b", "c$", "[ab]{2}", "^$"); break;
                case 10: schema["minItems"] = random.Next(3); break;
                case 11: schema["uniqueItems"] = true; break;
                case 12: schema["required"] = new JsonArray(Pick("a", "b", "c")); break;
                case 13: schema["maxProperties"] = random.Next(3); break;
                case 14: schema["properties"] = new JsonObject { ["a"] = RandomSchema(random, depth - 1), ["b"] = RandomSchema(random, depth - 1) }; break;
                case 15: schema["additionalProperties"] = random.Next(2) == 0 ? JsonValue.Create(false) : RandomSchema(random, depth - 1); break;
                case 16: schema["items"] = RandomSchema(random, depth - 1); break;
                case 17: schema["prefixItems"] = new JsonArray(RandomSchema(random, depth - 1)); break;
                case 18: schema[Pick("anyOf", "oneOf", "allOf")] = new JsonArray(RandomSchema(random, depth - 1), RandomSchema(random, depth - 1)); break;
                case 19: schema["not"] = RandomSchema(random, depth - 1); break;
                case 20: (schema["if"], schema["then"], schema["else"]) = (RandomSchema(random, depth - 1), RandomSchema(random, depth - 1), RandomSchema(random, depth - 1)); break;
                default: (schema["patternProperties"], schema["propertyNames"]) = (new JsonObject { [Pick("a", "^b")] = RandomSchema(random, depth - 1) }, new JsonObject { ["maxLength"] = random.Next(1, 3) }); break;
            }
        }
        return schema;

        string Pick(params string[] of) => of[random.Next(of.Length)];
    }

    private static JsonNode? RandomValue(Random random, int depth) => random.Next(depth > 0 ? 8 : 5) switch
    {
        0 => null,
        1 => random.Next(2) == 0,
        2 => random.Next(-4, 5),
        3 => random.Next(-8, 9) * 0.5m,
        4 => new string([.. Enumerable.Range(0, random.Next(4)).Select(_ => "abc"[random.Next(3)])]),
        5 => new JsonArray([.. Enumerable.Range(0, random.Next(4)).Select(_ => RandomValue(random, depth - 1))]),
        _ => new JsonObject(Enumerable.Range(0, random.Next(4)).Select(i => KeyValuePair.Create("abcd"[i].ToString(), RandomValue(random, depth - 1)))),
    };

    private static string? Objection(string schema, string value)
    {
        using var document = JsonDocument.Parse(value);
        return ToolSchema.Read(JsonText.Parse(schema)).Objection(document.RootElement);
    }
}
