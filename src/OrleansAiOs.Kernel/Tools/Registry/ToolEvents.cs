using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tools.Registry;

// In the stream tool/{server}/{name}, but for the servers, which are in tool-server/{name}.

/// <summary>A tool was seen for the first time. It cannot be called yet.</summary>
/// <param name="Pin">SHA-256 of the definition's canonical JSON.</param>
/// <param name="Unread">Keywords of its schemas that are not checked here.</param>
[StoredAs("tool-registered")]
public sealed record ToolRegistered(ToolDefinition Definition, string Pin, IReadOnlyList<string>? Unread = null) : KernelEvent;

/// <summary>A person (for a code tool, its build) says what this definition does, and that it may be called.</summary>
[StoredAs("tool-approved")]
public sealed record ToolApproved(string Pin, ToolTerms Terms, string Why) : KernelEvent;

/// <summary>The tool is offered with another definition than the one that was approved. It cannot be called until this one is.</summary>
/// <param name="Changed">Where the two differ, as paths into the definition.</param>
[StoredAs("tool-drifted")]
public sealed record ToolDrifted(ToolDefinition Definition, string Pin, IReadOnlyList<string> Changed, IReadOnlyList<string>? Unread = null) : KernelEvent;

/// <summary>The tool cannot be called until a person approves it.</summary>
[StoredAs("tool-quarantined")]
public sealed record ToolQuarantined(string Why) : KernelEvent;

[StoredAs("tool-server-added")]
public sealed record ToolServerAdded(McpServer Server, string Why) : KernelEvent;

[StoredAs("tool-server-removed")]
public sealed record ToolServerRemoved(string Name, string Why) : KernelEvent;

/// <summary>What the person who approves a tool grants it. None of it comes from the tool.</summary>
/// <param name="Effect">What a call does outside. Anything but Pure writes.</param>
/// <param name="Reach">Endpoints (host:port) that are named: private ones, other ports, http.</param>
/// <param name="Fields">Argument paths that a call may set, as "customer.email"; all of them if left out.</param>
/// <param name="Comparison">How it is found out what a call has changed; not at all if left out.</param>
public sealed record ToolTerms(Effect Effect, IReadOnlyList<string>? Reach = null, ToolLimits? Limits = null, IReadOnlyList<string>? Fields = null, ToolComparison? Comparison = null);

/// <summary>By what the target of a writing call is read, before it and after it. Paths are names joined by dots.</summary>
/// <param name="By">The tool that reads, SERVER/NAME; approved as pure.</param>
/// <param name="With">Its arguments: for each the path of an argument of the writing call, or '=' and a JSON constant.</param>
/// <param name="At">Where in its answer the target stands; all of the answer if left out.</param>
/// <param name="Fields">Arguments of the writing call whose field in the target has another path: that path, or nothing if they set no field.</param>
/// <param name="Own">Fields that the receiver sets by itself, as "updatedAt".</param>
public sealed record ToolComparison(string By, IReadOnlyDictionary<string, string> With, string? At = null, IReadOnlyDictionary<string, string>? Fields = null, IReadOnlyList<string>? Own = null);

/// <summary>How much of a tool one host uses.</summary>
/// <param name="Concurrency">Calls under way at once, 1 to 1,000; 16 if left out.</param>
/// <param name="PerSecond">Calls begun per second, 0.001 to 10,000; no limit if left out.</param>
/// <param name="Burst">How many may begin at once after a rest, 1 to 10,000; 1 if left out.</param>
/// <param name="TimeoutSeconds">For one call, 1 to 600; 30 if left out.</param>
public sealed record ToolLimits(int? Concurrency = null, double? PerSecond = null, int? Burst = null, int? TimeoutSeconds = null);

/// <summary>An MCP server, and how it is reached: by a process of its own (argv), or by HTTP (url).</summary>
/// <param name="Argv">The program and its arguments, each as it is; no shell reads them.</param>
/// <param name="Env">Variables of the process; beside them it has PATH, HOME, LANG and TMPDIR alone. A value may hold secret://NAME.</param>
/// <param name="Folder">Where it runs.</param>
/// <param name="Url">The endpoint of a server that speaks streamable HTTP.</param>
/// <param name="Headers">A value may hold secret://NAME.</param>
/// <param name="Reach">Endpoints (host:port) that are named: private ones, other ports, http.</param>
/// <param name="Tools">The tools that are taken from it; all of them if left out, which may be 50.</param>
public sealed record McpServer(string Name, IReadOnlyList<string>? Argv = null, IReadOnlyDictionary<string, string>? Env = null, string? Folder = null, string? Url = null,
    IReadOnlyDictionary<string, string>? Headers = null, IReadOnlyList<string>? Reach = null, IReadOnlyList<string>? Tools = null);
