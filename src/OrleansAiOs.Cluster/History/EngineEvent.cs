using System.Text.Json;
using System.Text.Json.Serialization;

namespace OrleansAiOs.Cluster.History;

/// <summary>An event of the engine on its way through Marten: the bytes that the engine wrote, under the name it gave them.</summary>
[JsonConverter(typeof(Converter))]
internal sealed record EngineEvent(byte[] Body)
{
    internal sealed class Converter : JsonConverter<EngineEvent>
    {
        public override EngineEvent Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            using var document = JsonDocument.ParseValue(ref reader);
            return new EngineEvent(JsonSerializer.SerializeToUtf8Bytes(document.RootElement));
        }

        public override void Write(Utf8JsonWriter writer, EngineEvent value, JsonSerializerOptions options) => writer.WriteRawValue(value.Body, skipInputValidation: true);
    }
}
