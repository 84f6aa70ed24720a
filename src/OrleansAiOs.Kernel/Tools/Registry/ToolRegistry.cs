using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tools.Registry;

/// <summary>
/// What may be done about tools. A tool is one stream: it is seen (registered, or drifted if its definition is another than before), and a
/// person approves exactly the definition they were shown, by its pin, and says what it does. Between the two it cannot be called.
/// Every act is decided on the stream as it is and appended behind it; who was slower decides again.
/// </summary>
public sealed class ToolRegistry(EventStreams streams, ToolView view, Catalogue catalogue)
{
    private const int ToolsMax = 5000;
    private const int WhyCharsMax = 1000;

    // A server that never comes to rest fills no stream: behind so many changes it is in quarantine all the same.
    private const int DriftsMax = 20;

    public ToolView View => view;

    /// <summary>Takes note of a definition that is offered.</summary>
    /// <returns>The tool as it is then.</returns>
    /// <exception cref="DefinitionException">It cannot be kept.</exception>
    public async Task<ToolState> SeeAsync(string tenant, ToolDefinition offered, string? by, CancellationToken cancellation = default)
    {
        var unread = DefinitionRules.Check(offered);
        var pin = offered.Pin();
        await catalogue.FreshAsync(cancellation);
        return await ChangeAsync(tenant, offered.Id, by, state =>
        {
            if (state?.Pin == pin) return [];
            if (state is { Drifts: >= DriftsMax }) return [];
            if (state is not null) return [new ToolDrifted(offered, pin, DefinitionRules.Differences(state.Definition, offered), unread.Count == 0 ? null : unread)];
            if (view.List(tenant).Count >= ToolsMax) throw new CommandRefusedException(Refusal.Invalid, $"There are {ToolsMax:N0} tools, the most a tenant has.");
            var seen = new ToolRegistered(offered, pin, unread.Count == 0 ? null : unread);
            return Shadowed(tenant, offered) is { } other
                ? [seen, new ToolQuarantined($"it has the name of {other.Definition.Id}, which another server offers. Whoever reads the name alone would take one for the other.")]
                : [seen];
        }, cancellation);
    }

    /// <summary>Lets a tool be called, as the definition with this pin, on these terms.</summary>
    /// <param name="pin">The pin the person was shown, or its first 12 digits at least.</param>
    /// <exception cref="CommandRefusedException">There is no such tool, it is another by now, or the terms are none.</exception>
    public async Task<ToolState> ApproveAsync(string tenant, string id, string pin, ToolTerms terms, string why, string by, CancellationToken cancellation = default)
    {
        CheckWhy(why);
        if (terms.Comparison is not null) await catalogue.FreshAsync(cancellation);
        if (pin.Length < 12) throw new CommandRefusedException(Refusal.Invalid, "pin: name at least the first 12 digits of the pin that `aios tools show` tells, so that what is approved is what was read.");
        return await ChangeAsync(tenant, id, by, state =>
        {
            if (state is null) throw NoTool(id);
            if (!state.Pin.StartsWith(pin, StringComparison.Ordinal))
                throw new CommandRefusedException(Refusal.Conflict, $"Tool {id} is {state.Pin[..12]} now, not {(pin.Length > 12 ? pin[..12] : pin)}: it has changed since it was looked at. See `aios tools show {id}` and approve what stands there, if it is right.");
            if (DefinitionRules.Objection(terms, state.Definition) is { } objection) throw new CommandRefusedException(Refusal.Invalid, objection);
            if (terms.Comparison is { } comparison && Objection(tenant, comparison) is { } unreadable) throw new CommandRefusedException(Refusal.Invalid, unreadable);
            return [new ToolApproved(state.Pin, terms, why)];
        }, cancellation);
    }

    /// <summary>Stops a tool until it is approved again.</summary>
    /// <exception cref="CommandRefusedException">There is no such tool.</exception>
    public Task<ToolState> QuarantineAsync(string tenant, string id, string why, string by, CancellationToken cancellation = default)
    {
        CheckWhy(why);
        return ChangeAsync(tenant, id, by, state => state is null ? throw NoTool(id) : state.Status is ToolStatus.Quarantined ? [] : [new ToolQuarantined($"{by} stopped it: {why}")], cancellation);
    }

    /// <summary>Takes note of a tool that is part of this build: whoever wrote the effect class is trusted as far as the workflows beside it. Stopped by a person, it stays stopped.</summary>
    /// <param name="terms">Its effect class, and what else its code says; what that leaves open stays as a person has said it.</param>
    public async Task DeclareAsync(ToolDefinition code, ToolTerms terms, CancellationToken cancellation = default)
    {
        var before = view.Find(RunKey.DefaultTenant, code.Id);
        var state = await SeeAsync(RunKey.DefaultTenant, code, null, cancellation);
        var isStopped = before is { Status: ToolStatus.Quarantined } || state is { Status: ToolStatus.Quarantined, Changed.Count: 0 };
        if (isStopped || state.Status is ToolStatus.Approved && JsonText.From(Declared(state.Terms)).Equals(JsonText.From(state.Terms))) return;
        await ChangeAsync(RunKey.DefaultTenant, code.Id, null, now => now?.Pin != state.Pin ? [] : [new ToolApproved(state.Pin, Declared(now.Terms), "declared in the code of this build")], cancellation);

        ToolTerms Declared(ToolTerms? said) => said is null ? terms : said with { Effect = terms.Effect, Fields = terms.Fields ?? said.Fields, Comparison = terms.Comparison ?? said.Comparison };
    }

    /// <summary>Makes an MCP server known. What it offers is looked at next, and approved tool by tool.</summary>
    /// <exception cref="CommandRefusedException">It is not one, or there is another of its name.</exception>
    public async Task AddServerAsync(string tenant, McpServer server, string why, string by, CancellationToken cancellation = default)
    {
        CheckWhy(why);
        if (ServerRules.Objection(server) is { } objection) throw new CommandRefusedException(Refusal.Invalid, objection);
        await catalogue.FreshAsync(cancellation);
        var stream = $"tool-server/{server.Name}";
        while (true)
        {
            var history = await streams.ReadAsync(tenant, stream, cancellation);
            if (history is [.., { Event: ToolServerAdded }]) throw new CommandRefusedException(Refusal.Conflict, $"There is a server '{server.Name}'. Remove it first; its tools are in quarantine then until they are approved anew.");
            if (view.List(tenant).FirstOrDefault(tool => tool.Definition.Server == server.Name && tool.Definition.Kind is not ToolKind.Mcp) is { } taken)
                throw new CommandRefusedException(Refusal.Conflict, $"'{server.Name}' is the server of {taken.Definition.Id}, which is no MCP tool. Give this one another name.");
            if (await AppendedAsync(tenant, stream, history.Count, [new ToolServerAdded(server, why)], by, cancellation)) break;
        }
        // Another program under an old name is another offer, whatever it calls its tools.
        await StopAllOfAsync(tenant, server.Name, $"its server was added anew by {by}.", by, cancellation);
    }

    /// <returns>False if there is none of this name, and nothing was left of one.</returns>
    public async Task<bool> RemoveServerAsync(string tenant, string name, string why, string by, CancellationToken cancellation = default)
    {
        CheckWhy(why);
        var stream = $"tool-server/{name}";
        while (true)
        {
            var history = await streams.ReadAsync(tenant, stream, cancellation);
            var isThere = history is [.., { Event: ToolServerAdded }];
            if (isThere && !await AppendedAsync(tenant, stream, history.Count, [new ToolServerRemoved(name, why)], by, cancellation)) continue;
            // Also of one that is removed already: a host that died behind the removal has left its tools as they were.
            return history.Count > 0 && await StopAllOfAsync(tenant, name, $"its server was removed by {by}: {why}", by, cancellation) || isThere;
        }
    }

    /// <summary>Tools that their server now offers with definitions that cannot be kept: whatever they are, they are not what was approved.</summary>
    internal async Task StopUnkeptAsync(string tenant, string server, IReadOnlyList<(string Tool, string Why)> refused, CancellationToken cancellation)
    {
        foreach (var (name, why) in refused)
            if (view.Find(tenant, $"{server}/{name}") is { Status: not ToolStatus.Quarantined } tool)
                await ChangeAsync(tenant, tool.Definition.Id, null, state => state is null or { Status: ToolStatus.Quarantined } ? [] : [new ToolQuarantined($"its definition was changed by whoever offers it, into one that cannot be kept: {why}.")], cancellation);
    }

    /// <returns>Whether there was one that could still be called.</returns>
    private async Task<bool> StopAllOfAsync(string tenant, string server, string why, string by, CancellationToken cancellation)
    {
        var stopped = false;
        await catalogue.FreshAsync(cancellation);
        foreach (var tool in view.List(tenant).Where(tool => tool.Definition.Server == server && tool.Definition.Kind is ToolKind.Mcp))
            await ChangeAsync(tenant, tool.Definition.Id, by, state =>
            {
                if (state is null or { Status: ToolStatus.Quarantined }) return [];
                stopped = true;
                return [new ToolQuarantined(why)];
            }, cancellation);
        return stopped;
    }

    private string? Objection(string tenant, ToolComparison comparison)
    {
        if (view.Find(tenant, comparison.By) is not { Status: ToolStatus.Approved, Terms.Effect: Effect.Pure } reader) return $"comparison.by: {comparison.By} is no tool that is approved as pure. Approve it first; what reads for another may change nothing.";
        return reader.Definition.InputSchema.ToElement().TryGetProperty("required", out var required) && required.EnumerateArray().Select(name => name.GetString()!).FirstOrDefault(name => !comparison.With.ContainsKey(name)) is { } missing
            ? $"comparison.with: {comparison.By} requires '{missing}', and nothing says where to take it from." : null;
    }

    private ToolState? Shadowed(string tenant, ToolDefinition offered)
    {
        var name = DefinitionRules.Folded(offered.Name);
        return view.List(tenant).FirstOrDefault(tool => tool.Definition.Server != offered.Server && DefinitionRules.Folded(tool.Definition.Name) == name);
    }

    private async Task<ToolState> ChangeAsync(string tenant, string id, string? by, Func<ToolState?, IReadOnlyList<KernelEvent>> decide, CancellationToken cancellation)
    {
        var stream = $"tool/{id}";
        while (true)
        {
            var history = await streams.ReadAsync(tenant, stream, cancellation);
            var state = ToolState.Fold(history);
            var events = decide(state);
            if (events.Count == 0) return state!;
            if (!await AppendedAsync(tenant, stream, history.Count, events, by, cancellation)) continue;
            await catalogue.FreshAsync(cancellation);
            return ToolState.Fold(await streams.ReadAsync(tenant, stream, cancellation))!;
        }
    }

    private async Task<bool> AppendedAsync(string tenant, string stream, long version, IReadOnlyList<KernelEvent> events, string? by, CancellationToken cancellation)
    {
        try
        {
            await streams.AppendAsync(tenant, stream, version, events, by, cancellation);
            return true;
        }
        catch (StreamConflictException)
        {
            return false;
        }
    }

    private static void CheckWhy(string why)
    {
        if (string.IsNullOrWhiteSpace(why) || why.Length > WhyCharsMax || why.Contains('\0'))
            throw new CommandRefusedException(Refusal.Invalid, $"why: a reason of 1 to {WhyCharsMax} characters; whoever looks at this later reads it.");
    }

    private static CommandRefusedException NoTool(string id) => new(Refusal.NotFound, $"There is no tool '{(id.Length <= 200 ? id : id[..200])}'. `aios tools list` tells which there are.");
}

/// <summary>What an MCP server has to be before it is kept.</summary>
internal static class ServerRules
{
    // They make a program load or run something else than it says.
    private static readonly string[] Forbidden = ["LD_", "DYLD_", "NODE_OPTIONS", "NODE_PATH", "PYTHONSTARTUP", "PYTHONPATH", "PYTHONHOME", "PERL5", "RUBYOPT", "RUBYLIB", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS",
        "BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PS4", "IFS", "GIT_", "DOTNET_STARTUP_HOOKS", "DOTNET_ADDITIONAL_DEPS", "CORECLR_", "COR_", "PATH", "HOME", "GCONV_PATH", "LOCPATH", "GLIBC_TUNABLES", "MALLOC_", "NIX_", "npm_config_"];

    public static string? Objection(McpServer server)
    {
        try
        {
            DefinitionRules.Check(new ToolDefinition { Kind = ToolKind.Mcp, Server = server.Name, Name = "x", InputSchema = JsonText.Parse("{}") });
            if (server.Argv is null == server.Url is null) return "A server is reached by a process (argv) or by HTTP (url): name one of the two.";
            if (server.Tools is { Count: > DefinitionRules.ToolsPerServerMax }) return $"tools: at most {DefinitionRules.ToolsPerServerMax} of one server.";
            if (server.Url is { } address)
            {
                if (server.Env is not null || server.Folder is not null) return "env and folder belong to a server with a process.";
                if (!Uri.TryCreate(address, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.UserInfo.Length > 0 || url.Fragment.Length > 0 || address.Length > 2000 || Secrets.SecretHandle.IsIn(address))
                    return "url: an absolute one of http or https, without user, password, fragment or secret.";
                _ = Reach.Of(server.Reach);
                foreach (var (name, value) in server.Headers ?? new Dictionary<string, string>()) DefinitionRules.CheckHeader(name, value);
                return null;
            }
            if (server.Headers is not null || server.Reach is not null) return "headers and reach belong to a server with a URL.";
            if (server.Argv is not { Count: > 0 and <= 100 } argv || argv[0].Length == 0) return "argv: the program, then its arguments; 1 to 100 of them.";
            if (argv.Any(argument => argument.Length > 4096 || argument.Contains('\0'))) return "argv: an argument has at most 4,096 characters, none of them U+0000.";
            if (argv.Any(Secrets.SecretHandle.IsIn)) return "argv: every user of a machine can read the arguments of its programs. Put the secret into env.";
            foreach (var (name, value) in server.Env ?? new Dictionary<string, string>())
            {
                if (name.Length is 0 or > 100 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_') || char.IsAsciiDigit(name[0])) return $"env: '{name}' is no name of a variable.";
                if (Forbidden.Any(start => start.EndsWith('_') ? name.StartsWith(start, StringComparison.OrdinalIgnoreCase) : string.Equals(name, start, StringComparison.OrdinalIgnoreCase))) return $"env: {name} makes a program load or run something else; it is not set.";
                if (value.Length > 4096 || value.Any(char.IsControl)) return $"env: the value of {name} has control characters, or more than 4,096.";
                if (Secrets.SecretHandle.Objection(value) is { } objection) return $"env: {name}: {objection}.";
            }
            return null;
        }
        catch (DefinitionException e)
        {
            return $"{e.Message}.";
        }
        catch (FormatException e)
        {
            return $"reach: {e.Message}";
        }
    }
}
