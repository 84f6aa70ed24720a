using System.Collections.Concurrent;
using OrleansAiOs.Workflows;
using Polly;
using Polly.CircuitBreaker;

namespace OrleansAiOs.Kernel.Tools.Calling;

/// <summary>
/// A breaker for each tool: when half of at least eight calls within 30 s fail without a word of the receiver, it is left alone for 15 s,
/// and asked again with one call. Within one attempt only: when the next attempt is, the engine says.
/// </summary>
internal sealed class Breakers(TimeProvider time)
{
    private static readonly TimeSpan Break = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<(string Tenant, string Tool), (ResiliencePipeline<ToolResult> Pipeline, CircuitBreakerStateProvider State)> breakers = new();

    /// <exception cref="WithheldException">The breaker is open: nothing was sent.</exception>
    public async Task<ToolResult> CallAsync(string tenant, string tool, Func<CancellationToken, ValueTask<ToolResult>> call, CancellationToken cancellation)
    {
        try
        {
            return await breakers.GetOrAdd((tenant, tool), _ => Make()).Pipeline.ExecuteAsync(call, cancellation);
        }
        catch (BrokenCircuitException e)
        {
            throw new WithheldException($"tool {tool}: its last calls failed one after the other, so it is left alone for a while (breaker open). The call is made by itself when it is asked again.", retry: true, e.RetryAfter ?? Break);
        }
    }

    /// <summary>closed, open or halfOpen.</summary>
    public string StateOf(string tenant, string tool) => breakers.TryGetValue((tenant, tool), out var breaker) ? breaker.State.CircuitState switch
    {
        CircuitState.Open or CircuitState.Isolated => "open",
        CircuitState.HalfOpen => "halfOpen",
        _ => "closed",
    } : "closed";

    private (ResiliencePipeline<ToolResult>, CircuitBreakerStateProvider) Make()
    {
        var state = new CircuitBreakerStateProvider();
        return (new ResiliencePipelineBuilder<ToolResult> { TimeProvider = time }.AddCircuitBreaker(new CircuitBreakerStrategyOptions<ToolResult>
        {
            FailureRatio = 0.5,
            MinimumThroughput = 8,
            SamplingDuration = TimeSpan.FromSeconds(30),
            BreakDuration = Break,
            StateProvider = state,
            // A no of the receiver, or of the host itself, is not the receiver's illness; one that was never reached may be.
            ShouldHandle = new PredicateBuilder<ToolResult>().Handle<ToolFailedException>().Handle<TimeoutException>().Handle<WithheldException>(withheld => withheld.Retry)
                .Handle<HttpRequestException>(e => e.StatusCode is null or >= System.Net.HttpStatusCode.InternalServerError),
        }).Build(), state);
    }
}
