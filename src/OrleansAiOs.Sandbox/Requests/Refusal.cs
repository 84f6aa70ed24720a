using System.Net.Mime;

namespace OrleansAiOs.Sandbox;

/// <summary>A definite no, told as an RFC 9457 problem that names the field and the cure.</summary>
internal sealed class Refusal(int status, string code, string detail) : Exception(detail)
{
    private readonly Dictionary<string, object> figures = [];

    public string? Field { get; init; }

    public string? Cure { get; init; }

    public string? Allow { get; init; }

    /// <summary>Adds a member of its own to the problem, so that a program need not parse the text.</summary>
    public Refusal With(string name, object figure)
    {
        figures[name] = figure;
        return this;
    }

    public SandboxReply ToReply()
    {
        var problem = new Dictionary<string, object>
        {
            ["type"] = "urn:aios:sandbox:" + code,
            ["title"] = code.Replace('-', ' '),
            ["status"] = status,
            ["detail"] = Message,
        };
        AddIfKnown("field", Field);
        AddIfKnown("cure", Cure);
        foreach (var (name, figure) in figures)
        {
            problem[name] = figure;
        }

        var reply = SandboxReply.Json(status, problem, MediaTypeNames.Application.ProblemJson);
        return Allow is null ? reply : reply.With("Allow", Allow);

        void AddIfKnown(string name, string? value)
        {
            if (value is not null)
            {
                problem[name] = value;
            }
        }
    }
}
