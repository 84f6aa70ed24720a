using System.CommandLine;
using System.CommandLine.Invocation;
using Npgsql;
using OrleansAiOs.Host.Demo;
using OrleansAiOs.Host.Serving;
using OrleansAiOs.Postgres;
using OrleansAiOs.Postgres.Embedded;
using OrleansAiOs.Postgres.Schema;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Host.Cli;

/// <summary>The program's verbs, and how a command line becomes an exit code.</summary>
internal static class AiosCommand
{
    private const string About = """
        aios: durable workflows on PostgreSQL. `aios serve` runs the host, the other verbs talk to it.

        Where the host is:  --url, AIOS_URL, the file 'endpoint' in the data folder, else http://127.0.0.1:8787.
        Which key is sent:  --key, AIOS_KEY, the file 'owner.key' in the data folder (to this machine only).
        Data folder:        --data, AIOS_DATA, /var/lib/aios as root, else ~/.local/share/aios.
        Data goes to stdout, everything else to stderr. --json prints what the host answered.

        Exit codes:
          0  done
          1  the run failed, was cancelled or terminated, or a check found a problem
          2  the command line is wrong
          3  not found
          4  refused: no valid key, or its roles do not allow this
          5  conflict: it does not fit the state the run is in
          6  invalid: the host cannot read what it was sent
          7  the host is unreachable, busy or broken; try again
          8  the run is not over yet
          9  a replay differs from the history
          10 it cannot be replayed
          130  interrupted
        """;

    // A verb that holds something (a host, a sandbox) lets go of it in order; the longest of them drains for ten seconds.
    private static readonly TimeSpan PatienceAfterInterrupt = TimeSpan.FromMinutes(1);

    public static RootCommand Build()
    {
        var client = new ClientOptions();
        return new RootCommand(About)
        {
            ServeCommand.Create(),
            DemoCommand.Create(),
            SandboxCommand.Create(),
            NewCommand.Create(),
            StartCommand.Create(client),
            ListCommand.Create(client),
            ShowCommand.Create(client),
            ExplainCommand.Create(client),
            HistoryCommand.Create(client),
            ExportCommand.Create(client),
            ImportCommand.Create(),
            ReplayCommand.Create(client),
            ReplayCommand.CreateSealed(),
            ResultCommand.Create(client),
            SignalCommand.Create(client),
            QueryCommand.Create(client),
            UpdateCommand.Create(client),
            CancelCommand.Create(client),
            TerminateCommand.Create(client),
            PauseCommand.Create(client),
            ResumeCommand.Create(client),
            UnparkCommand.Create(client),
            ResolveCommand.Create(client),
            BulkCommands.Create(client),
            BulkCommands.CreatePurge(client),
            SchedulesCommand.Create(client),
            RetryNowCommand.Create(client),
            SkipCommand.Create(client),
            ResetCommand.Create(client),
            ForkCommand.Create(client),
            MigrateCommand.Create(client),
            MigrateDatabaseCommand.Create(),
            ApprovalsCommand.Create(client),
            DecideCommand.CreateApprove(client),
            DecideCommand.CreateReject(client),
            DelegateCommand.Create(client),
            KillCommands.CreateKill(client),
            KillCommands.CreateRelease(client),
            KillCommands.CreateList(client),
            KeysCommand.Create(client),
            ToolsCommand.Create(client),
            SecretsCommand.Create(client),
            WebhooksCommand.Create(client),
            PolicyCommand.Create(client),
            BudgetCommand.Create(client),
            QuotaCommand.Create(client),
            PrincipalsCommand.Create(client),
            GrantsCommand.Create(client),
            TenantsCommand.Create(client),
            DbCommand.Create(),
            DebugCommand.Create(client),
            VerifyCommand.Create(),
            AuditCommand.Create(client),
            SimCommand.Create(),
            DoctorCommand.Create(client),
        };
    }

    /// <summary>Runs a command line. Tests hand in writers; the program has the console's.</summary>
    public static async Task<int> RunAsync(string[] args, TextWriter? output = null, TextWriter? error = null, CancellationToken cancellation = default)
    {
        // "@file" is a value of ours (--input @file), not a file of further arguments.
        var parsed = Build().Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        var invocation = new InvocationConfiguration
        {
            Output = output ?? Console.Out,
            Error = error ?? Console.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = DbCommand.HandlesSignalsItself(parsed.CommandResult.Command) ? null : PatienceAfterInterrupt,
        };
        if (parsed.Action is ParseErrorAction wrong)
        {
            // What is said about a wrong command line is not data.
            invocation.Output = invocation.Error;
            wrong.ShowHelp = args.Length == 0;
            await parsed.InvokeAsync(invocation, cancellation);
            return ExitCode.Usage;
        }
        try
        {
            return await parsed.InvokeAsync(invocation, cancellation);
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Interrupted;
        }
        catch (Exception e)
        {
            var (code, detail) = e switch
            {
                CliException ended => (ended.Code, ended.Detail),
                EmbeddedPostgresException or NpgsqlException or IOException or UnauthorizedAccessException or StartRefusedException or SchemaTooNewException or FormatException or HostFencedException => (ExitCode.Failed, null),
                _ => (ExitCode.Failed, $"This is a fault in aios: {e}"),
            };
            Terminal.For(invocation).Problem(e.Message, detail);
            return code;
        }
    }
}
