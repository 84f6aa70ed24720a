using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Governance.Policies;

/// <summary>A request for tests: Ana, a controller of the default tenant, calls bank.pay.</summary>
internal sealed record Asked
{
    public string Principal { get; init; } = "user/ana";

    public string[] Roles { get; init; } = ["controller"];

    public string Action { get; init; } = "call";

    public string Tool { get; init; } = "bank.pay";

    public string Args { get; init; } = "{}";

    public (string Name, PolicyValue Value)[] Context { get; init; } = [];

    public PolicyRequest Request()
    {
        var json = new JsonText(System.Text.Encoding.UTF8.GetBytes(Args));
        return new PolicyRequest(
            new PolicyEntity(new EntityUid("Principal", Principal), PolicyRecord.Of(("kind", PolicyValue.From("user")), ("level", PolicyValue.From(3))), [.. Roles.Select(role => new EntityUid("Role", role)), new EntityUid("Tenant", "default")]),
            new PolicyEntity(new EntityUid("Action", Action)),
            new PolicyEntity(new EntityUid("Tool", Tool), PolicyRecord.Of(("kind", PolicyValue.From("http")), ("effect", PolicyValue.From("atMostOnce")))),
            PolicyRecord.Of([("args", PolicyValue.Json(json)), ("amounts", PolicyValue.JsonAmounts(json)), .. Context]));
    }

    public PolicyVerdict Of(string text) => ActivePolicies.Of(1, [("test", 1, PolicyText.Parse(text))]).Evaluate(Request());

    /// <summary>The verdict of one permit with this condition.</summary>
    public PolicyVerdict When(string condition) => Of($"@id(\"p\") permit (principal, action, resource) when {{ {condition} }};");
}
