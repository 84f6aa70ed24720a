using System.Data.Common;
using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OrleansAiOs.Kernel.Audit;
using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Postgres;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Audit;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Kernel.Tests.Audit;

/// <summary>A database of its own with a store, an auditor that signs when it is told to, and a file of checkpoints outside.</summary>
internal sealed class AuditWorld : IAsyncDisposable
{
    private readonly PostgresFixture postgres = new();
    private readonly string folder = Directory.CreateTempSubdirectory("aios-audit").FullName;

    public AuditKey Key { get; private set; } = AuditKey.Make();

    public PostgresStore Store { get; private set; } = null!;

    public EventStreams Streams { get; private set; } = null!;

    public Auditor Auditor { get; private set; } = null!;

    public string ConnectionString => postgres.ConnectionString;

    public NpgsqlDataSource Source => postgres.DataSource;

    public string CheckpointsFile => Path.Combine(folder, "checkpoints.ndjson");

    public string Folder => folder;

    public static async Task<AuditWorld> MakeAsync()
    {
        var world = new AuditWorld();
        await world.postgres.InitializeAsync();
        world.Store = await PostgresStore.OpenAsync(world.ConnectionString, NullLogger.Instance, world.Key);
        world.Streams = new EventStreams(world.Source);
        world.Auditor = world.NewAuditor(world.Key, new CheckpointFile(world.CheckpointsFile));
        return world;
    }

    public Auditor NewAuditor(AuditKey key, params ICheckpointOutlet[] outlets) =>
        new(Source, key, outlets, new AuditorOptions(TimeSpan.FromHours(1)), TimeProvider.System, NullLogger.Instance);

    public async Task<long> CheckpointAsync()
    {
        var number = await Auditor.CheckpointAsync();
        await Auditor.DeliverAsync();
        return number;
    }

    /// <summary>Appends events to a run as its turn would.</summary>
    public async Task<AppendResult> AppendAsync(string run, long expected, params string[] bodies)
    {
        var at = new DateTimeOffset(2026, 11, 29, 12, 0, 0, TimeSpan.Zero).AddTicks(expected * 12_345_678);
        return await Store.AppendAsync(new RunAppend(new RunKey("default", run), expected, [.. bodies.Select((body, i) => new NewEvent(Guid.CreateVersion7(), "value-recorded", Encoding.UTF8.GetBytes(body), at.AddTicks(i)))],
            Row(run, at), null));
    }

    private static RunRow Row(string run, DateTimeOffset at) =>
        new(new RunKey("default", run), "w", null, RunStatus.Completed, "h", false, null, null, [], at, at, at);

    public async Task<(AuditReport Report, List<AuditFinding> Findings)> VerifyAsync(bool outside = true, params string[] pinned)
    {
        await using var connection = await Source.OpenConnectionAsync();
        return await VerifyAsync(connection, await LinesAsync(outside, pinned));
    }

    public Task<CheckpointLines> LinesAsync(bool outside = true, params string[] pinned) => CheckpointLines.ReadAsync(outside ? [CheckpointsFile] : [], pinned);

    public static async Task<(AuditReport Report, List<AuditFinding> Findings)> VerifyAsync(DbConnection connection, CheckpointLines lines)
    {
        var findings = new List<AuditFinding>();
        return (await new AuditVerifier(connection, lines, findings.Add).VerifyAsync(), findings);
    }

    public async Task ExecuteAsync(string sql, params object[] values)
    {
        await using var connection = await Source.OpenConnectionAsync();
        await using var free = new NpgsqlCommand("set session_replication_role = replica", connection);
        await free.ExecuteNonQueryAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values) command.Parameters.AddWithValue(value);
        await command.ExecuteNonQueryAsync();
        await using var bind = new NpgsqlCommand("reset session_replication_role", connection);
        await bind.ExecuteNonQueryAsync();
    }

    /// <summary>
    /// All that a trail can hold: runs that were appended together and one by one, an append that lost, kernel events, a large body, a document,
    /// a purge, several blocks and checkpoints, and at the end what is not signed for yet.
    /// </summary>
    public async Task FillAsync(int runs)
    {
        var random = new Random(11);
        await AppendAsync("stale", 0, "{}");
        for (var round = 0; round < 4; round++)
        {
            var appends = new List<Task<AppendResult>>();
            for (var run = 0; run < runs; run++)
                appends.Add(AppendAsync($"r{run}", round * 3, RandomJson.Value(random, 2) is var any && any[0] == '{' ? any : $$"""{"n":{{run}},"any":{{any}}}""", $$"""{"step":{{round}}}""", $$"""{"run":"r{{run}}","amount":{{random.Next(1000)}}.50}"""));
            // One that lost, in whatever flush it falls.
            appends.Insert(runs / 2, AppendAsync("stale", 7, """{"lost":true}"""));
            (await Task.WhenAll(appends)).Count(result => result is AppendResult.Appended).Should().Be(runs);
            await Streams.AppendAsync("default", "kill/tool/t", round, [new KillSwitchThrown(KillTarget.Tool, "t", $"why {round}")], "user/ana");
            if (round == 1) await AppendAsync("large", 0, $$"""{"text":"{{new string('x', 10_000)}}"}""", "{}");
            if (round == 1) await AppendAsync("gone", 0, """{"secret":1}""", """{"secret":2}""");
            if (round == 2) (await Store.PurgeAsync([new RunKey("default", "gone")], "by a test", default)).Should().ContainSingle();
            using var document = new MemoryStream(Encoding.UTF8.GetBytes(round.ToString(CultureInfo.InvariantCulture)));
            await Store.Payloads.PutAsync("default", document, 1000, default);
            if (round < 3) await CheckpointAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Auditor.DisposeAsync();
        await Store.DisposeAsync();
        await postgres.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }
}
