using System.Diagnostics;
using System.Reflection;
using System.Text;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Governance.Policies;

/// <summary>Whoever writes the arguments or the policies cannot make a verdict late: what takes too many steps denies.</summary>
public sealed class PolicyBoundsTests
{
    public static TheoryData<string, string> Heavy => new()
    {
        // Two sets of 60,000 texts, compared.
        { $"{{\"a\":[{string.Join(',', Enumerable.Range(0, 60_000).Select(i => $"\"{i}\""))}],\"b\":[{string.Join(',', Enumerable.Range(0, 60_000).Select(i => $"\"{60_000 - i}\""))}]}}", "context.args.a.containsAll(context.args.b)" },
        // A pattern that nearly fits at every place of a long text.
        { $"{{\"a\":\"{new string('a', 900_000)}\"}}", $"context.args.a like \"*{new string('a', 2_000)}b*\"" },
        { $"{{\"a\":\"{new string('a', 900_000)}\"}}", string.Join(" || ", Enumerable.Range(0, 2_000).Select(i => $"context.args.a == \"{i}\"")) },
    };

    [Theory]
    [MemberData(nameof(Heavy))]
    public void What_takes_too_many_steps_denies(string args, string condition)
    {
        var started = Stopwatch.GetTimestamp();
        var verdict = new Asked { Args = args }.When(condition);
        verdict.Fault.Should().Match<PolicyFault>(fault => fault.Code == PolicyFaultCode.StepsExceeded && fault.Policy == "test/p");
        verdict.Decision.Should().Be(PolicyDecision.Deny);
        Stopwatch.GetElapsedTime(started).Should().BeLessThan(TimeSpan.FromSeconds(5), "also on a busy machine");
    }

    [Fact]
    public void When_the_steps_are_used_up_later_policies_are_not_judged_and_nothing_is_permitted()
    {
        var many = PolicyText.Parse($"@id(\"many\") permit (principal, action, resource) when {{ {string.Join(" && ", Enumerable.Repeat("principal.level+1+1+1+1+1+1 > 3", 1_500))} }};");
        var texts = Enumerable.Range(0, 4).Select(i => ($"t{i}", 1L, many)).Append(("z", 1, PolicyText.Parse("@id(\"all\") permit (principal, action, resource);")));
        var verdict = ActivePolicies.Of(1, texts).Evaluate(new Asked().Request());
        verdict.Decision.Should().Be(PolicyDecision.Deny);
        verdict.Fault!.Code.Should().Be(PolicyFaultCode.StepsExceeded);
        verdict.Fault.Policy.Should().NotBe("z/all");
    }

    [Theory]
    [InlineData(31)]
    [InlineData(32)]
    public void Sets_in_sets_in_sets_are_compared_without_looking_twice(int depth)
    {
        // Naively, each level doubles the work: 2^31 looks for a text of 70 characters.
        string Nested(string inner) => $"{new string('[', depth - 1)}{inner}{new string(']', depth - 1)}";
        var started = Stopwatch.GetTimestamp();
        var verdict = new Asked { Args = $"{{\"a\":{Nested("1")},\"b\":{Nested("1")},\"c\":{Nested("2")}}}" }.When("context.args.a == context.args.b && context.args.a != context.args.c");
        verdict.Decision.Should().Be(PolicyDecision.Allow, verdict.Reason);
        Stopwatch.GetElapsedTime(started).Should().BeLessThan(TimeSpan.FromSeconds(5), "also on a busy machine");
    }

    [Fact]
    public void Arguments_that_are_too_long_or_too_deep_deny_when_they_are_looked_at()
    {
        new Asked { Args = $"{{\"a\":\"{new string('a', PolicyLimits.ArgumentBytesMax)}\"}}" }.When("context.args has a").Fault!.Code.Should().Be(PolicyFaultCode.Unreadable);
        new Asked { Args = new string('[', 33) + new string(']', 33) }.When("context.args == 1").Fault!.Code.Should().Be(PolicyFaultCode.Unreadable);
        new Asked { Args = new string('[', 33) + new string(']', 33) }.When("true").Decision.Should().Be(PolicyDecision.Allow);
    }

    [Fact]
    public void A_tenant_with_too_many_policies_is_denied_everything_and_told_so()
    {
        var text = PolicyText.Parse(string.Concat(Enumerable.Range(0, 500).Select(i => $"@id(\"p{i}\")permit(principal,action,resource);\n")));
        var policies = ActivePolicies.Of(1, Enumerable.Range(0, 5).Select(i => ($"n{i}", 1L, text)));
        policies.Evaluate(new Asked().Request()).Should().Match<PolicyVerdict>(v => v.Decision == PolicyDecision.Deny && v.Fault!.Code == PolicyFaultCode.PoliciesUnavailable && v.Fault.Message.Contains("2500"));
    }

    private static bool Optimised => typeof(ActivePolicies).Assembly.GetCustomAttribute<DebuggableAttribute>() is not { IsJITOptimizerDisabled: true };

    [Fact]
    public void A_hundred_policies_are_judged_in_microseconds()
    {
        var text = new StringBuilder();
        for (var i = 0; i < 100; i++)
        {
            text.AppendLine((i % 4) switch
            {
                0 => $"@id(\"p{i}\") permit (principal, action == Action::\"call\", resource == Tool::\"tool{i}\") when {{ context.amount.lessThan(decimal(\"500.00\")) }};",
                1 => $"@id(\"p{i}\") permit (principal in Role::\"role{i}\", action, resource is Tool) when {{ resource.effect == \"pure\" }};",
                2 => $"@id(\"p{i}\") forbid (principal, action in [Action::\"call\", Action::\"start\"], resource) when {{ context.args.order.country like \"X{i}*\" || principal.level < {i - 200} }};",
                _ => $"@id(\"p{i}\") permit (principal in Role::\"controller\", action == Action::\"call\", resource) when {{ principal has kind && context.args.order.total > {i} && [\"DE\", \"FR\", \"IT\"].contains(context.args.order.country) }};",
            });
        }
        var policies = ActivePolicies.Of(1, [("hundred", 1, PolicyText.Parse(text.ToString()))]);
        var asked = new Asked { Context = [("amount", PolicyValue.From(12.50m))] };
        var args = new JsonText("""{"order":{"country":"DE","total":150},"lines":[1,2,3]}"""u8.ToArray());
        var still = asked.Request();

        // Fresh arguments each time, as in production: reading them is part of it.
        PolicyVerdict Once() => policies.Evaluate(still with { Context = PolicyRecord.Of(("args", PolicyValue.Json(args)), ("amount", PolicyValue.From(12.50m))) });
        Once().Should().Match<PolicyVerdict>(v => v.Decision == PolicyDecision.Allow && v.Policies.Count == 25, Once().Reason);
        for (var i = 0; i < 3_000; i++) Once();
        var best = double.MaxValue;
        for (var round = 0; round < 20; round++)
        {
            var started = Stopwatch.GetTimestamp();
            for (var i = 0; i < 200; i++) Once();
            best = Math.Min(best, Stopwatch.GetElapsedTime(started).TotalMicroseconds / 200);
        }
        // 50 of the 100 have their conditions evaluated. A release build takes 10 µs; what the tests are built as is not optimised.
        best.Should().BeLessThan(Optimised ? 50 : 1_000);
    }
}
