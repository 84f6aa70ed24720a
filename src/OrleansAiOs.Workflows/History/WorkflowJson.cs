using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace OrleansAiOs.Workflows.History;

/// <summary>How values become JSON: strict where they come from outside, tolerant of members that later versions add where they come from history.</summary>
public static class WorkflowJson
{
    /// <summary>For what the engine stored itself. Unknown members are passed over, so an older build reads a newer record.</summary>
    public static JsonSerializerOptions Stored { get; } = Make(JsonUnmappedMemberHandling.Skip, duplicates: true);

    /// <summary>For what comes from outside: no unknown and no doubled members, at most 32 levels deep.</summary>
    public static JsonSerializerOptions Door { get; } = Make(JsonUnmappedMemberHandling.Disallow, duplicates: false);

    /// <summary>Members in the order in which the audit trail hashes them (AuditForm): what is written so is not put in order on its way to the database.</summary>
    internal static void InOrder(JsonTypeInfo type)
    {
        foreach (var (order, property) in type.Properties.OrderBy(property => property.Name, StringComparer.Ordinal).Index()) property.Order = order;
    }

    private static JsonSerializerOptions Make(JsonUnmappedMemberHandling unmapped, bool duplicates)
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web)
        {
            // Web defaults read "1" as a number; money is not read by guessing.
            NumberHandling = JsonNumberHandling.Strict,
            PropertyNameCaseInsensitive = false,
            UnmappedMemberHandling = unmapped,
            AllowDuplicateProperties = duplicates,
            MaxDepth = 32,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            RespectRequiredConstructorParameters = !duplicates,
            RespectNullableAnnotations = !duplicates,
            TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { InOrder } },
        };
        options.Converters.Add(new JsonStringEnumConverter());
        options.MakeReadOnly();
        return options;
    }
}
