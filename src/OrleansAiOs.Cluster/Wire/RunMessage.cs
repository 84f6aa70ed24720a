using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Turns;
using OrleansAiOs.Workflows.Versions;

namespace OrleansAiOs.Cluster.Wire;

/// <summary>An input between hosts: its name, and the arguments that make it again.</summary>
[GenerateSerializer, Immutable, Alias("aios.message")]
internal sealed record RunMessage([property: Id(0)] string Kind, [property: Id(1)] object?[] Parts);

/// <summary>What became of an input.</summary>
[GenerateSerializer, Immutable, Alias("aios.reply")]
internal sealed record RunReply([property: Id(0)] object? Answer, [property: Id(1)] FaultForm? Fault = null, [property: Id(2)] bool IsElsewhere = false)
{
    /// <summary>The activation is leaving: ask again, and another is found.</summary>
    public static RunReply Elsewhere { get; } = new(null, IsElsewhere: true);

    public static RunReply Of(object? answer) => new(InputForms.Form(answer));

    public static RunReply Of(Exception fault) => new(null, fault switch
    {
        CommandRefusedException refused => new FaultForm(FaultKind.Refused, refused.Message, (int)refused.Refusal, refused.RetryAfter),
        HistoryWentOnException => new FaultForm(FaultKind.HistoryWentOn, ""),
        _ => new FaultForm(FaultKind.Broke, fault.Message),
    });

    /// <summary>Gives it to who waits for it.</summary>
    public void Give(Input input, RunKey run)
    {
        if (Fault is null) input.Relay(InputForms.Part(Answer, null));
        else input.Fail(Fault.Kind switch
        {
            FaultKind.Refused => new CommandRefusedException((Refusal)Fault.Refusal, Fault.Message, Fault.RetryAfter),
            FaultKind.HistoryWentOn => new HistoryWentOnException(run),
            _ => new InvalidOperationException(Fault.Message),
        });
    }
}

[GenerateSerializer, Immutable, Alias("aios.fault")]
internal sealed record FaultForm([property: Id(0)] FaultKind Kind, [property: Id(1)] string Message, [property: Id(2)] int Refusal = 0, [property: Id(3)] TimeSpan? RetryAfter = null);

[GenerateSerializer, Alias("aios.fault-kind")]
internal enum FaultKind
{
    Refused,
    HistoryWentOn,
    Broke,
}
