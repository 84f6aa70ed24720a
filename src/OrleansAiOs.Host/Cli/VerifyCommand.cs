using System.CommandLine;
using System.Reflection;
using OrleansAiOs.Host.Serving;
using OrleansAiOs.Postgres;
using OrleansAiOs.Postgres.Embedded;
using OrleansAiOs.Testing.Checking;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios verify: the invariants the simulator checks, over a live database. Reads one snapshot, changes nothing, calls nobody.</summary>
internal static class VerifyCommand
{
    private const int ShownMax = 100;

    public static Command Create()
    {
        var data = new Option<string?>("--data") { Description = "The host's data folder; its private database is read, also while a host runs.", HelpName = "DIR" };
        var connection = new Option<string?>("--connection") { Description = "An external database instead. Default: $AIOS_CONNECTION.", HelpName = "STRING" };
        var packs = new Option<string[]>("--pack") { Description = "A folder with a built pack: histories of its workflows are replayed too.", AllowMultipleArgumentsPerToken = true };
        return new Command("verify", "Check every run's history, summary row and wake-up against the engine's invariants.").With(data, connection, packs).Does(async call =>
        {
            var given = GivenConnection.Read(call.Get(connection));
            var registry = new WorkflowRegistry();
            foreach (var assembly in ServeCommand.BuiltIn.Concat((call.Get(packs) ?? []).SelectMany(PackLoader.FromFolder)).Distinct<Assembly>()) registry.AddFrom(assembly);
            var found = 0L;
            if (given is not null) found = await VerifyAsync(call, given, registry);
            else
                await EmbeddedPostgres.UseAsync(new EmbeddedPostgresOptions { DataFolder = new HostFolder(HostAddress.FolderPath(call.Get(data))).Postgres, Progress = call.Terminal.Note },
                    async connectionString => found = await VerifyAsync(call, connectionString, registry), call.Cancellation);
            return found == 0 ? ExitCode.Done : ExitCode.Failed;
        });
    }

    private static async Task<long> VerifyAsync(Invocation call, string connectionString, WorkflowRegistry registry)
    {
        await using var store = await PostgresStore.OpenUnchangedAsync(connectionString, toWrite: false, call.Cancellation);
        // A workflow this build does not hold cannot be replayed, which says nothing against its history.
        var (known, others) = (new HistoryChecker(new CheckerOptions { Registry = registry }), new HistoryChecker(new CheckerOptions()));
        long runs = 0, events = 0, replayed = 0, found = 0;
        await foreach (var run in store.EveryRunAsync(call.Cancellation))
        {
            runs++;
            events += run.History.Count;
            var replays = run.Row is not null && registry.Knows(run.Row.Workflow);
            if (replays) replayed++;
            foreach (var violation in (replays ? known : others).Check(new RunFacts(run.Run, run.History, run.Row, run.WakeUp)))
                if (++found <= ShownMax) call.Terminal.Line(violation.ToString());
        }
        if (found > ShownMax) call.Terminal.Line($"… and {found - ShownMax} more");
        call.Terminal.Line($"{runs} runs with {events} events, {replayed} of them replayed: {(found == 0 ? "every invariant holds" : $"{found} violations")}");
        return found;
    }
}
