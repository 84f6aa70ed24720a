using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows.Gating;

/// <summary>A gate that throws has not said yes.</summary>
internal static class BrokenGate
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(15);

    public static GateRecord Waits(DateTimeOffset now, Exception e) =>
        new(GateAnswer.Wait, Why: Failure.Clean($"The gate could not judge ({e.GetType().Name}: {e.Message}); nothing passes until it can."), RetryAt: now + Pause);
}
