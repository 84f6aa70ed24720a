using System.Text.Json.Serialization;

namespace OrleansAiOs.Sandbox;

/// <summary>How hostile the sandbox is. The script goes first; what it leaves alone is drawn by the odds.</summary>
public sealed record Hostility : IBody
{
    public static readonly Hostility None = new();

    static string IBody.Example =>
        """{"seed":1,"odds":{"bank.pay":{"loseReply":0.1,"hold":0.05}},"script":[{"operation":"bank.pay","nth":2,"fault":"hold"}],"hold":{"forMs":500,"caller":"abort"},"retryAfterSeconds":1}""";

    /// <summary>The same seed gives the n-th request of an operation and key the same fault, whatever else arrives meanwhile.</summary>
    public long Seed { get; init; }

    /// <summary>Probabilities of each fault per operation; those of one operation add up to at most 1.</summary>
    public IReadOnlyDictionary<SandboxOperation, IReadOnlyDictionary<Fault, double>> Odds { get; init; } =
        new Dictionary<SandboxOperation, IReadOnlyDictionary<Fault, double>>();

    public IReadOnlyList<ScriptedFault> Script { get; init; } = [];

    public Hold Hold { get; init; } = new();

    [JsonPropertyName("retryAfterSeconds")]
    [JsonConverter(typeof(SecondsConverter))]
    public TimeSpan RetryAfter { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>What is wrong with these settings, or null.</summary>
    internal string? Flaw()
    {
        foreach (var (operation, odds) in Odds)
        {
            if (odds is null || odds.Values.Any(p => p is not (>= 0 and <= 1)) || odds.Values.Sum() > 1 + 1e-9)
            {
                return $"odds of {operation}: each must lie between 0 and 1, and so must their sum.";
            }
        }

        if (Script.Any(step => step is not { Nth: >= 1 }))
        {
            return "script: every step needs an nth of at least 1.";
        }

        var holds = Script.Select(step => step.Hold).OfType<Hold>().Append(Hold);
        return holds.Any(hold => hold.For < TimeSpan.Zero || hold.For > TimeSpan.FromDays(1)) || RetryAfter < TimeSpan.Zero
            ? "hold.forMs must lie between 0 and a day, retryAfterSeconds must not be negative."
            : null;
    }
}

/// <summary>How a request is held.</summary>
public sealed record Hold
{
    /// <summary>How late it is delivered; null holds it until <see cref="Sandbox.ReleaseHeld"/>.</summary>
    [JsonPropertyName("forMs")]
    [JsonConverter(typeof(MillisecondsConverter))]
    public TimeSpan? For { get; init; }

    public HeldCaller Caller { get; init; }
}

/// <summary>A fault for one certain request: the <see cref="Nth"/> match since the step before it, of the same match, was dealt.</summary>
public sealed record ScriptedFault
{
    public required SandboxOperation Operation { get; init; }

    public required Fault Fault { get; init; }

    public int Nth { get; init; } = 1;

    /// <summary>Only requests with this idempotency key or reference; null takes any.</summary>
    public string? Key { get; init; }

    /// <summary>For <see cref="Fault.Hold"/>; null takes the general setting.</summary>
    public Hold? Hold { get; init; }
}
