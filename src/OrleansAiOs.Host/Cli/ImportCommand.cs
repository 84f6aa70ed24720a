using System.CommandLine;
using OrleansAiOs.Host.Serving;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Postgres;
using OrleansAiOs.Postgres.Embedded;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Export;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios import: another installation's runs as evidence in this one. Goes to the database, whether a host serves it or not.</summary>
internal static class ImportCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "What aios export wrote." };
        var data = new Option<string?>("--data") { Description = "The host's data folder; its private database takes the runs, also while a host runs.", HelpName = "DIR" };
        var connection = new Option<string?>("--connection") { Description = "An external database instead. Default: $AIOS_CONNECTION.", HelpName = "STRING" };
        return new Command("import", "Take in runs of another installation: to show, replay and debug; they never go on here.").With(file, data, connection).Does(async call =>
        {
            if (!File.Exists(call.Get(file))) throw new CliException(ExitCode.NotFound, $"There is no file '{call.Get(file)}'.");
            await using var content = File.OpenRead(call.Get(file));
            var given = GivenConnection.Read(call.Get(connection));
            if (given is not null) await ImportAsync(call, content, given);
            else
                await EmbeddedPostgres.UseAsync(new EmbeddedPostgresOptions { DataFolder = new HostFolder(HostAddress.FolderPath(call.Get(data))).Postgres, Progress = call.Terminal.Note },
                    connectionString => ImportAsync(call, content, connectionString), call.Cancellation);
            return ExitCode.Done;
        });
    }

    private static async Task ImportAsync(Invocation call, FileStream content, string connectionString)
    {
        await using var store = await PostgresStore.OpenUnchangedAsync(connectionString, toWrite: true, call.Cancellation);
        try
        {
            var identity = new IdentityView();
            await new Catalogue(new EventStreams(store.Queries), [identity], TimeProvider.System).FreshAsync(call.Cancellation);
            var report = await HistoryImport.ImportAsync(store, store.Payloads, content, Environment.UserName, TimeProvider.System, call.Cancellation, tenant => identity.FindTenant(tenant) is not null);
            call.Terminal.Line($"{report.Runs} runs with {report.Events} events and {report.Payloads} documents imported; they are inert here."
                + (report.AlreadyThere > 0 ? $" {report.AlreadyThere} had been imported before." : ""));
        }
        catch (MalformedExportException e)
        {
            throw new CliException(ExitCode.Invalid, $"{call.Parsed.CommandResult.Tokens[0].Value} cannot be imported. {e.Message}", "Nothing was imported.");
        }
        catch (CommandRefusedException e)
        {
            throw new CliException(e.Refusal is Refusal.Conflict ? ExitCode.Conflict : ExitCode.Invalid, e.Message);
        }
    }
}
