using System.Text.Json;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Retention;

/// <summary>The runs a run is tied to: what its history says of its parent and its children. While one of them is open, it is kept.</summary>
internal static class Kin
{
    /// <summary>Events that may name one.</summary>
    public static readonly string[] NamedBy = ["run-started", "child-scheduled", "child-replaced"];

    public static string? NamedIn(StoredEvent e)
    {
        if (!NamedBy.Contains(e.Type)) return null;
        using var body = JsonDocument.Parse(e.Body);
        var holder = e.Type != "run-started" ? body.RootElement : body.RootElement.TryGetProperty("parent", out var parent) ? parent : default;
        return holder.ValueKind is JsonValueKind.Object && holder.TryGetProperty("run", out var run) ? run.GetString() : null;
    }
}
