using System.CommandLine;

namespace OrleansAiOs.Host.Cli;

/// <summary>What every verb that talks to a host takes.</summary>
internal sealed class ClientOptions
{
    public Option<string?> Url { get; } = new("--url") { Description = "The host's address." };

    public Option<string?> Key { get; } = new("--key") { Description = "The key to act with. Other users of this machine see command lines: prefer AIOS_KEY." };

    public Option<string?> Data { get; } = new("--data") { Description = "The host's data folder.", HelpName = "DIR" };

    public Option<bool> Json { get; } = new("--json") { Description = "Print the host's answer as JSON." };

    private Option<string?> OnBehalfOf { get; } = new("--on-behalf-of") { Description = "Whom the key's holder, a service or agent, acts for: user/NAME. It needs a grant to act for them.", HelpName = "PRINCIPAL" };

    private Option<string?> IdempotencyKey { get; } = new("--idempotency-key") { Description = "Names this command: sent twice under one key, it is done once.", HelpName = "KEY" };

    /// <summary>A verb that only looks, with its own arguments and options first.</summary>
    public Command Query(string name, string description, params Symbol[] own) => new Command(name, description).With([.. own, Url, Key, OnBehalfOf, Data, Json]);

    /// <summary>A verb that changes something.</summary>
    public Command Change(string name, string description, params Symbol[] own) => Query(name, description, own).With(IdempotencyKey);

    public ApiClient Connect(Invocation call) => new(Address(call), call.Get(IdempotencyKey));

    /// <summary>Shows what stands under a path: as the host answers with --json, else as <paramref name="tell"/> has it.</summary>
    public async Task<int> ShowAsync<T>(Invocation call, string path, Action<T> tell)
    {
        using var api = Connect(call);
        var json = await api.GetAsync(path, call.Cancellation);
        if (call.Get(Json)) call.Terminal.Json(json);
        else tell(api.Read<T>(json));
        return ExitCode.Done;
    }

    public HostAddress Address(Invocation call) => HostAddress.Find(call.Get(Url), call.Get(Key), call.Get(Data)) with { OnBehalfOf = call.Get(OnBehalfOf) };

    public static Argument<string> Run() => new("RUN") { Description = "The run's id." };
}
