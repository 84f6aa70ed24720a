using System.CommandLine;
using OrleansAiOs.Host.Serving;
using OrleansAiOs.Postgres.Embedded;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios db: the private database of a host on this machine.</summary>
internal static class DbCommand
{
    private const string Supervise = "supervise";

    public static Command Create()
    {
        var data = new Option<string?>("--data") { Description = "The host's data folder.", HelpName = "DIR" };
        return new Command("db", "Look after the private database of a host on this machine.").With(Stop(data), Backup(data), Restore(data), Supervisor());
    }

    /// <summary>The supervisor ends in its own order; nobody may end it on a signal after a time.</summary>
    public static bool HandlesSignalsItself(Command command) => command.Name == Supervise;

    private static Command Stop(Option<string?> data)
    {
        var force = new Option<bool>("--force") { Description = "Also while a host uses it." };
        return new Command("stop", "Stop the database now instead of 30 s after its last host.").With(data, force).Does(async call =>
        {
            var ran = await EmbeddedPostgres.StopAsync(Options(call, data), call.Get(force), call.Cancellation);
            call.Terminal.Note(ran ? "stopped" : "it was not running");
            return ExitCode.Done;
        });
    }

    private static Command Backup(Option<string?> data)
    {
        var file = new Argument<string>("FILE") { Description = "Where to; replaced if it is there, whole or not at all." };
        return new Command("backup", "Write the whole database to a file, also while a host runs.").With(file, data).Does(async call =>
        {
            await EmbeddedPostgres.BackupAsync(Options(call, data), call.Get(file), call.Cancellation);
            call.Terminal.Note($"wrote {Path.GetFullPath(call.Get(file))}");
            if (Folder(call, data).NotInTheDatabase.ToList() is { Count: > 0 } beside)
                call.Terminal.Note($"It does not hold these, without which no host starts on it elsewhere, or not as the same: {string.Join(", ", beside)}{(Elsewhere is null ? "" : $", {Elsewhere}")}. Keep copies apart from it.");
            return ExitCode.Done;
        });
    }

    private static Command Restore(Option<string?> data)
    {
        var file = new Argument<string>("FILE") { Description = "What `aios db backup` wrote." };
        var force = new Option<bool>("--force") { Description = "Also when the database holds runs, which are then lost." };
        return new Command("restore", "Replace the database by a backup. No host may run.").With(file, force, data).Does(async call =>
        {
            if (Elsewhere is null && Folder(call, data).KernelSecret is null)
                call.Terminal.Note($"{Folder(call, data).KernelSecretPath} is not there, and no host starts on what a host has sealed without it. Put it there, from the folder of the host whose backup this is, before the next start; and what else `aios db backup` named.");
            await EmbeddedPostgres.RestoreAsync(Options(call, data), call.Get(file), call.Get(force), call.Cancellation);
            call.Terminal.Note($"restored from {Path.GetFullPath(call.Get(file))}");
            return ExitCode.Done;
        });
    }

    private static Command Supervisor()
    {
        var arguments = new Argument<string[]>("ARGUMENTS") { Arity = ArgumentArity.OneOrMore };
        var command = new Command(Supervise, "What a host runs to look after its database.") { Hidden = true };
        return command.With(arguments).Does(call => EmbeddedSupervisor.RunAsync(call.Get(arguments)));
    }

    private static string? Elsewhere => Environment.GetEnvironmentVariable("AIOS_KERNEL_SECRET");

    private static HostFolder Folder(Invocation call, Option<string?> data) => new(HostAddress.FolderPath(call.Get(data)));

    private static EmbeddedPostgresOptions Options(Invocation call, Option<string?> data) => new()
    {
        DataFolder = Folder(call, data).Postgres,
        Progress = call.Terminal.Note,
    };
}
