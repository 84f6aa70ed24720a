using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Postgres.Appending;

/// <summary>The JSON columns of a summary row. Empty is null, so that an index holds only what is there.</summary>
internal static class RowJson
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public static byte[]? Write<T>(IReadOnlyCollection<T>? values) => values is null or { Count: 0 } ? null : JsonSerializer.SerializeToUtf8Bytes(values, values.GetType(), Options);

    public static IReadOnlyDictionary<string, string>? ReadAttributes(byte[]? json) => json is null ? null : JsonSerializer.Deserialize<Dictionary<string, string>>(json, Options);

    public static IReadOnlyList<RunWait> ReadWaits(byte[]? json) => json is null ? [] : JsonSerializer.Deserialize<List<RunWait>>(json, Options)!;
}
