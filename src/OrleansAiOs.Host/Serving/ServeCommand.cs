using System.CommandLine;
using System.Reflection;
using OrleansAiOs.Packs.InvoiceToPay;
using OrleansAiOs.Packs.Refunds;
using OrleansAiOs.Postgres;

namespace OrleansAiOs.Host.Serving;

/// <summary><c>aios serve</c>: the host, until it is told to stop.</summary>
internal static class ServeCommand
{
    /// <summary>Packs that are part of this program.</summary>
    public static IReadOnlyList<Assembly> BuiltIn { get; } = [typeof(InvoicePack).Assembly, typeof(RefundsPack).Assembly];

    public static Command Create()
    {
        var data = new Option<string>("--data") { Description = "The host's folder: private database, owner's key. Default: $AIOS_DATA, else /var/lib/aios for root, ~/.local/share/aios for others." };
        var connection = new Option<string>("--connection") { Description = "An existing PostgreSQL (15 or later) instead of the private one: an Npgsql connection string. Default: $AIOS_CONNECTION." };
        var share = new Option<bool>("--share") { Description = "Other hosts may serve the same database at the same time." };
        var cluster = new Option<string?>("--cluster") { Description = "Join the hosts of the same database in a cluster: where they reach this one, as ADDRESS[:PORT]; without, for hosts of this machine. Default: $AIOS_CLUSTER.", Arity = ArgumentArity.ZeroOrOne, HelpName = "ADDRESS" };
        var port = new Option<int>("--port") { Description = "The port on 127.0.0.1; 0 takes any free one. Default: 8787.", DefaultValueFactory = _ => 8787 };
        var urls = new Option<string>("--urls") { Description = "Where to listen, instead of 127.0.0.1 and the port." };
        var hostNames = new Option<string[]>("--host-name") { Description = "A name, beside localhost, that clients may call this host by.", AllowMultipleArgumentsPerToken = true };
        var packs = new Option<string[]>("--pack") { Description = "A folder with a built pack of workflows.", AllowMultipleArgumentsPerToken = true };
        var quiet = new Option<bool>("--quiet") { Description = "No log on the console." };
        var command = new Command("serve", "Run the host: database, engine and HTTP API.") { data, connection, share, cluster, port, urls, hostNames, packs, quiet };
        command.SetAction(async (parsed, cancellation) =>
        {
            var place = parsed.GetResult(cluster) is null ? Environment.GetEnvironmentVariable("AIOS_CLUSTER") : parsed.GetValue(cluster) ?? "";
            var options = new ServeOptions
            {
                DataFolder = parsed.GetValue(data) ?? HostFolder.DefaultPath,
                ConnectionString = GivenConnection.Read(parsed.GetValue(connection)),
                Shared = parsed.GetValue(share) || place is not null,
                Cluster = place is null ? null : ClusterPlace.Parse(place, name => Environment.GetEnvironmentVariable($"AIOS_{name}")),
                Urls = parsed.GetValue(urls) ?? $"http://127.0.0.1:{parsed.GetValue(port)}",
                HostNames = parsed.GetValue(hostNames) ?? [],
                Packs = BuiltIn,
                PackFolders = parsed.GetValue(packs) ?? [],
                Quiet = parsed.GetValue(quiet),
                Progress = Console.Error.WriteLine,
            };
            if (options is { Cluster: not null, ConnectionString: null })
                throw new StartRefusedException("The hosts of a cluster meet in one database, and this one was to have a private one. Say which: --connection, or AIOS_CONNECTION.");
            await using var server = await AiosServer.StartAsync(options, cancellation);
            Console.WriteLine($"Serving on {server.Address.ToString().TrimEnd('/')} (Ctrl+C stops). The owner's key is in {new HostFolder(options.DataFolder).OwnerKeyPath}.");
            await server.WaitForShutdownAsync(cancellation);
            if (server.Abandoned is not { } why) return 0;
            Console.Error.WriteLine($"{why} This host has stopped; start it anew.");
            return 1;
        });
        return command;
    }
}
