using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Workflows.Stepping;

/// <summary>
/// A run as it stood at one event: the event has just been recorded, and the code has done all that it does before the next one. So at
/// an input with commands behind it the code is about to ask for the first of them; at the last event of a turn it is at rest.
/// </summary>
/// <param name="Version">The event's version.</param>
/// <param name="Type">Its stored name.</param>
/// <param name="Text">The event in a line.</param>
/// <param name="At">Its time.</param>
/// <param name="IsCommand">The code asked for it; else it came from outside.</param>
/// <param name="AskedAt">The line that asked for it.</param>
/// <param name="Status">Where the run stood.</param>
/// <param name="Open">Operations without an outcome.</param>
/// <param name="AwaitedSignals">Signals the code awaited.</param>
/// <param name="Fields">The workflow object's own fields.</param>
/// <param name="Frames">The code's asynchronous methods, the outermost first: where each awaits, and its variables.</param>
/// <param name="Line">Where the code is about to ask for the next event; null when it is at rest.</param>
/// <param name="Difference">Why the code could not be taken further: it does not do what the history says.</param>
public sealed record Moment(long Version, string Type, string Text, DateTimeOffset At, bool IsCommand, CodePlace? AskedAt, RunStatus Status, IReadOnlyList<RunWait> Open,
    IReadOnlyList<string> AwaitedSignals, IReadOnlyList<Variable> Fields, IReadOnlyList<CodeFrame> Frames, CodePlace? Line, string? Difference);

/// <param name="Value">JSON-like, cut where it is long or deep.</param>
public sealed record Variable(string Name, string Type, string Value);

/// <summary>One asynchronous method under way.</summary>
/// <param name="Waits">The line it awaits at; null while it runs, or without symbols.</param>
public sealed record CodeFrame(string Method, CodePlace? Waits, IReadOnlyList<Variable> Locals);
