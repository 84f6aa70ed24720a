using System.Text;
using System.Text.Json;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>
/// The entities of a file of cases, and values in it. The form is that of Cedar's entities: { "uid", "attrs", "parents" }, and in values
/// { "__entity": { "type", "id" } } and { "__extn": { "fn": "decimal", "arg": "12.50" } }. An entity is also named by text: <c>Role::controller</c>.
/// </summary>
internal sealed class CaseEntities
{
    private sealed record Told(EntityUid Uid, PolicyRecord Attributes, IReadOnlyList<EntityUid> Parents);

    private const int AncestorsMax = 100_000;

    private int ancestorsInAll;
    private readonly Dictionary<EntityUid, Told> told = [];
    private readonly Dictionary<EntityUid, PolicyEntity> known = [];

    public IReadOnlyDictionary<EntityUid, PolicyEntity> Known => known;

    public static CaseEntities Read(CaseReader? list)
    {
        var entities = new CaseEntities();
        foreach (var item in list?.Items() ?? [])
        {
            var read = Tell(item);
            if (!entities.told.TryAdd(read.Uid, read)) throw item.Wrong($"{read.Uid} stands above already");
        }
        foreach (var read in entities.told.Values) entities.known[read.Uid] = entities.Whole(read, list!);
        return entities;
    }

    /// <summary>One that is told in full, or named: then it is as the list has it, or has no attributes and is in nothing.</summary>
    public PolicyEntity Entity(CaseReader item)
    {
        if (item.Json.ValueKind is JsonValueKind.Object && item.Json.TryGetProperty("uid", out _)) return Whole(Tell(item), item);
        var uid = Uid(item);
        return known.GetValueOrDefault(uid) ?? new PolicyEntity(uid);
    }

    /// <summary>An action is also named without its type.</summary>
    public PolicyEntity Action(CaseReader item) =>
        item.Json.ValueKind is JsonValueKind.String && !item.String().Contains("::", StringComparison.Ordinal) ? new PolicyEntity(new EntityUid("Action", item.String())) : Entity(item);

    /// <summary>
    /// A context as the gate makes it: "args" as it came, "amounts" the same with every number a decimal, "amount" always a decimal.
    /// </summary>
    public static PolicyRecord Context(CaseReader item)
    {
        if (item.Json.ValueKind is not JsonValueKind.Object) throw item.Wrong("write an object { … }");
        var members = new List<KeyValuePair<string, PolicyValue>>();
        foreach (var member in item.Json.EnumerateObject())
        {
            if (member.Name == "amounts") throw item.Wrong("\"amounts\" is made from \"args\"; leave it out");
            var at = new CaseReader(member.Value, $"{item.Path}.{member.Name}");
            if (member.Name == "args")
            {
                var args = new JsonText(Encoding.UTF8.GetBytes(member.Value.GetRawText()));
                members.Add(new("args", PolicyValue.Json(args)));
                members.Add(new("amounts", PolicyValue.JsonAmounts(args)));
            }
            else
            {
                members.Add(new(member.Name, member is { Name: "amount", Value.ValueKind: JsonValueKind.Number } ? PolicyDecimal.OfJson(member.Value.GetRawText(), asDecimal: true) : Value(at)));
            }
        }
        return new PolicyRecord(members);
    }

    /// <summary>A record as Cedar writes it, without the gate's additions.</summary>
    internal static PolicyRecord Record(CaseReader item) => Value(item) is { Kind: PolicyValueKind.Record } record ? record.AsRecord : throw item.Wrong("write an object { … }");

    private static Told Tell(CaseReader item)
    {
        var fields = item.Object("uid", "attrs", "parents");
        return new Told(Uid(fields.Need("uid")), fields.Find("attrs") is { } attrs ? Record(attrs) : PolicyRecord.Empty, [.. (fields.Find("parents")?.Items() ?? []).Select(Uid)]);
    }

    private PolicyEntity Whole(Told entity, CaseReader at)
    {
        var ancestors = new HashSet<EntityUid>();
        var open = new Stack<EntityUid>(entity.Parents);
        while (open.TryPop(out var parent))
        {
            if (!ancestors.Add(parent)) continue;
            // A long chain is short to write, and each link of it is in all above it.
            if (++ancestorsInAll > AncestorsMax) throw at.Wrong($"the entities are in one another more than {AncestorsMax} times, counted along their parents; make fewer, or flatter ones");
            if (!told.TryGetValue(parent, out var further)) continue;
            foreach (var next in further.Parents) open.Push(next);
        }
        return new PolicyEntity(entity.Uid, entity.Attributes, ancestors);
    }

    private static EntityUid Uid(CaseReader item)
    {
        if (item.Json.ValueKind is JsonValueKind.Object)
        {
            var fields = item.Object("type", "id");
            return new EntityUid(fields.Need("type").String(), fields.Need("id").String());
        }
        var text = item.String();
        var at = text.EndsWith('"') ? text.IndexOf("::\"", StringComparison.Ordinal) : text.IndexOf("::", StringComparison.Ordinal);
        if (at < 1) throw item.Wrong($"'{text}' names no entity; write Role::controller, or {{ \"type\": \"Role\", \"id\": \"controller\" }}");
        return new EntityUid(text[..at], text.EndsWith('"') ? text[(at + 3)..^1] : text[(at + 2)..]);
    }

    private static PolicyValue Value(CaseReader item)
    {
        switch (item.Json.ValueKind)
        {
            case JsonValueKind.Object when item.Json.TryGetProperty("__entity", out var entity):
                return PolicyValue.From(Uid(new CaseReader(entity, $"{item.Path}.__entity")));
            case JsonValueKind.Object when item.Json.TryGetProperty("__extn", out var extension):
                var call = new CaseReader(extension, $"{item.Path}.__extn").Object("fn", "arg");
                return call.Need("fn").String() == "decimal" && PolicyDecimal.TryParse(call.Need("arg").String(), out var units)
                    ? PolicyValue.FromUnits(units)
                    : throw call.Wrong("write { \"fn\": \"decimal\", \"arg\": \"12.50\" }");
            case JsonValueKind.Object:
                return PolicyValue.From(new PolicyRecord([.. item.Json.EnumerateObject().Select(member => KeyValuePair.Create(member.Name, Value(new CaseReader(member.Value, $"{item.Path}.{member.Name}"))))]));
            case JsonValueKind.Array:
                return PolicySet.Of([.. item.Items().Select(Value)]);
            default:
                return PolicyValue.Json(new JsonText(Encoding.UTF8.GetBytes(item.Json.GetRawText()))).Resolve();
        }
    }
}
