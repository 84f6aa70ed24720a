using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Registry;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tools.Calling;

/// <summary>A declared HTTP call: the input becomes path, query and body, and the answer's status what the engine may conclude from it.</summary>
internal sealed class HttpToolCall(EgressClient egress)
{
    public const string DefaultIdempotencyHeader = "Idempotency-Key";

    public async Task<ToolResult> CallAsync(ToolState tool, JsonElement input, ActivityContext context, TimeSpan within, CancellationToken cancellation)
    {
        var (id, http) = (tool.Definition.Id, tool.Definition.Http!);
        var carriesBody = http.Method is "POST" or "PUT" or "PATCH";
        var (url, left) = Url(http, input, carriesBody, id);
        var headers = new List<KeyValuePair<string, string>> { new("Accept", "application/json, text/*;q=0.5"), new("User-Agent", "aios") };
        headers.AddRange(http.Headers ?? new Dictionary<string, string>());
        if (context.Effect is not Effect.Pure) headers.Add(new(http.IdempotencyHeader ?? DefaultIdempotencyHeader, context.Key.Value));
        EgressAnswer answer;
        try
        {
            answer = await egress.SendAsync(new EgressRequest
            {
                Tenant = context.Tenant,
                For = $"tool {id}",
                Method = new HttpMethod(http.Method),
                Url = url,
                Headers = headers,
                Body = carriesBody ? JsonSerializer.SerializeToUtf8Bytes(left) : null,
                Reach = Reach.Of(tool.Terms!.Reach),
                Within = within,
            }, cancellation);
        }
        catch (Exception e) when (e is SecretDeniedException or EgressRefusedException { Redirects: 0 })
        {
            throw new WithheldException(e.Message);
        }
        catch (EgressFailedException e) when (e.NeverArrived)
        {
            throw new WithheldException(e.Message, retry: true);
        }
        catch (Exception e) when (e is EgressRefusedException or EgressFailedException)
        {
            throw new ToolFailedException(e.Message);
        }
        if (answer.IsSuccess) return answer.IsCut ? Answers.TooLarge(tool) : Answers.Of(tool, answer.Body, answer.ContentType);
        // What a redirect ended in says nothing of the receiver that had the call first.
        var said = $"tool {id}: {url.GetLeftPart(UriPartial.Path)} answered {answer.Status}{(answer.Body.Length == 0 ? "" : $": \"{Answers.Visible(Encoding.UTF8.GetString(answer.Body), 500)}\"")}";
        throw answer switch
        {
            { Redirects: > 0 } when http.Method is not ("GET" or "HEAD") => new ToolFailedException(said),
            { Status: 429 } => new RefusedException(said, retry: true, answer.RetryAfter),
            { Status: >= 400 and < 600 } => new HttpRequestException(said, null, (HttpStatusCode)answer.Status),
            _ => new ToolFailedException(said),
        };
    }

    // Members that the URL names are taken out of the input; what is left is the body, or the query.
    private static (Uri Url, Dictionary<string, JsonElement> Left) Url(HttpCall http, JsonElement input, bool carriesBody, string id)
    {
        var rest = input.EnumerateObject().ToDictionary(member => member.Name, member => member.Value, StringComparer.Ordinal);
        var inQuery = http.Url.IndexOf('?', StringComparison.Ordinal) is >= 0 and var at ? at : int.MaxValue;
        var text = DefinitionRules.Place().Replace(http.Url, match =>
        {
            var name = match.Groups[1].Value;
            var value = Text(input.GetProperty(name), name, id);
            rest.Remove(name);
            // A segment of dots would lead to another address than the one that was approved.
            if (match.Index < inQuery && value is "" or "." or "..") throw new WithheldException($"tool {id}: input.{name} is '{value}', which is no part of a path.");
            return Uri.EscapeDataString(value);
        });
        if (!carriesBody && rest.Count > 0)
        {
            var query = string.Join('&', rest.SelectMany(member => (member.Value.ValueKind is JsonValueKind.Array ? member.Value.EnumerateArray().ToArray() : [member.Value])
                .Where(value => value.ValueKind is not JsonValueKind.Null).Select(value => $"{Uri.EscapeDataString(member.Key)}={Uri.EscapeDataString(Text(value, member.Key, id))}")));
            text += (inQuery == int.MaxValue ? "?" : "&") + query;
        }
        return (new Uri(text), rest);
    }

    private static string Text(JsonElement value, string name, string id) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Number => value.GetRawText(),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        _ => throw new WithheldException(string.Create(CultureInfo.InvariantCulture, $"tool {id}: input.{name} stands in the URL, and is no text, number or boolean.")),
    };
}
