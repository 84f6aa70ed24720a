using System.Text;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Governance.Policies;

/// <summary>The same request for the code that is tested, and its verdict in the words of the model.</summary>
internal static class ModelBridge
{
    public static PolicyRequest Real(ModelRequest request) => new(Real(request.Principal), Real(request.Action), Real(request.Resource), Real(request.Context),
        request.Others.ToDictionary(pair => Real(pair.Key), pair => Real(pair.Value)));

    /// <summary>The reference reads what the arguments mean, not their text.</summary>
    public static ModelRequest Plain(ModelRequest request) => request with { Context = request.Context.ToDictionary(pair => pair.Key, pair => pair.Value is ModelJson json ? json.Value : pair.Value) };

    public static ModelVerdict Plain(PolicyVerdict verdict) => new(verdict.Decision.ToString(), verdict.Autonomy.ToString(), [.. verdict.Policies.Select(Id)], [.. verdict.Approvals.Select(demand => demand.ToString())],
        verdict.Fault?.Policy is { } id ? Id(id) : null, (verdict.Fault?.Code ?? PolicyFaultCode.None).ToString());

    private static string Id(string qualified) => qualified[(qualified.IndexOf('/', StringComparison.Ordinal) + 1)..];

    private static PolicyEntity Real(ModelEntity entity) => new(Real(entity.Uid), Real(entity.Attributes), entity.Ancestors.Select(Real));

    private static EntityUid Real(Uid uid) => new(uid.Type, uid.Id);

    private static PolicyRecord Real(Dictionary<string, object> members) => new([.. members.Select(pair => KeyValuePair.Create(pair.Key, Real(pair.Key, pair.Value)))]);

    private static PolicyValue Real(string name, object value) => value switch
    {
        bool b => PolicyValue.From(b),
        long l => PolicyValue.From(l),
        Dec d => PolicyValue.From(d.Units / 10_000m),
        string s => PolicyValue.From(s),
        Uid uid => PolicyValue.From(Real(uid)),
        List<object> set => PolicyValue.SetOf([.. set.Select(item => Real(name, item))]),
        Dictionary<string, object> record => PolicyValue.From(Real(record)),
        ModelJson json when name == "amounts" => PolicyValue.JsonAmounts(new JsonText(Utf8(json))),
        ModelJson json => PolicyValue.Json(new JsonText(Utf8(json))),
        _ => throw new InvalidOperationException($"{value} has no real counterpart."),
    };

    // An empty JsonText is null; an empty text is no JSON.
    private static byte[] Utf8(ModelJson json) => json.Text == "" ? " "u8.ToArray() : Encoding.UTF8.GetBytes(json.Text);
}
