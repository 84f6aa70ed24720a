using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Host.Api;

/// <summary>A refusal with its HTTP status.</summary>
internal sealed class ProblemException(int status, string title, string detail) : Exception(detail)
{
    public int Status => status;

    public string Title => title;
}

/// <summary>Turns every exception into a problem document (RFC 9457). What is not known to be the caller's fault says nothing of the inside.</summary>
internal static class Problems
{
    public static async Task HandleAsync(HttpContext context, RequestDelegate next, ILogger log)
    {
        try
        {
            await next(context);
            if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentType: null }) await WriteAsync(context, context.Response.StatusCode, DescribeStatus(context.Response.StatusCode));
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to read an answer.
        }
        catch (Exception e)
        {
            if (context.Response.HasStarted) throw;
            var (status, title, detail) = Describe(e);
            if (status == 500) ApiLog.Broke(log, e, context.Request.Method, context.Request.Path);
            if (e is CommandRefusedException { RetryAfter: { } after }) context.Response.Headers.RetryAfter = Math.Max(1, (int)Math.Ceiling(after.TotalSeconds)).ToString(null, null);
            await WriteAsync(context, status, (title, detail), e is EffectsToChooseException choose ? choose.Effects : null);
        }
    }

    private static Task WriteAsync(HttpContext context, int status, (string Title, string Detail) problem, IReadOnlyList<EffectBeyond>? effects = null)
    {
        context.Response.StatusCode = status;
        var details = new ProblemDetails { Status = status, Title = problem.Title, Detail = problem.Detail, Type = $"https://www.rfc-editor.org/rfc/rfc9110#name-{status}" };
        if (effects is not null) details.Extensions["effects"] = effects.Select(EffectView.Of).ToList();
        return context.Response.WriteAsJsonAsync(details,
            (JsonSerializerOptions?)null, "application/problem+json", CancellationToken.None);
    }

    private static (string Title, string Detail) DescribeStatus(int status) => status switch
    {
        404 => ("Not found", "There is nothing at this address. The OpenAPI document at /api/v1/openapi.json lists what there is."),
        405 => ("Method not allowed", "This address does not take this method. The OpenAPI document at /api/v1/openapi.json says which it takes."),
        _ => ("Refused", $"The request was refused with status {status}."),
    };

    private static (int Status, string Title, string Detail) Describe(Exception e) => e switch
    {
        ProblemException problem => (problem.Status, problem.Title, problem.Message),
        QuotaExceededException full => (429, "Over quota", full.Message),
        CommandRefusedException refused => refused.Refusal switch
        {
            Refusal.NotFound => (404, "Not found", refused.Message),
            Refusal.Conflict => (409, "Conflict", refused.Message),
            Refusal.Invalid => (422, "Invalid", refused.Message),
            Refusal.Forbidden => (403, "Not allowed", refused.Message),
            _ => (503, "Busy", refused.Message),
        },
        PolicyRefusedException refused => refused.Refusal switch
        {
            PolicyRefusal.NotFound => (404, "Not found", refused.Message),
            PolicyRefusal.Conflict => (409, "Conflict", refused.Message),
            _ => (422, "Invalid", refused.Message),
        },
        PolicySyntaxException or PolicyCasesException => (422, "Invalid", e.Message),
        PayloadTooLargeException large => (413, "Too large", large.Message),
        BadHttpRequestException { StatusCode: 413 } => (413, "Too large", "The body is larger than this endpoint takes: 1 MB, a signal 256 KB, a payload 64 MB."),
        BadHttpRequestException { InnerException: JsonException json } => (400, "Unreadable JSON", json.Message),
        BadHttpRequestException bad => (bad.StatusCode, "Bad request", bad.Message),
        JsonException json => (400, "Unreadable JSON", json.Message),
        // What the reader throws for half a character (a lone surrogate) where nothing turns it into a JsonException.
        InvalidOperationException { Source: "System.Text.Json.Rethrowable" } => (400, "Unreadable JSON", "A string or a member's name holds half a character (a lone surrogate, \\ud800 to \\udfff)."),
        _ => (500, "Something broke", "The host could not carry this out, and has written the cause to its log. Nothing is known to have changed; send it again with the same Idempotency-Key."),
    };
}

internal static partial class ApiLog
{
    [LoggerMessage(1, LogLevel.Error, "{Method} {Path} broke")]
    public static partial void Broke(ILogger log, Exception exception, string method, string path);

    [LoggerMessage(2, LogLevel.Warning, "Not ready: the database does not answer")]
    public static partial void NotReady(ILogger log, Exception exception);
}
