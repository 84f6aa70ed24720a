using System.CommandLine;
using System.Data;
using System.Security.Cryptography;
using Npgsql;
using OrleansAiOs.Host.Serving;
using OrleansAiOs.Kernel.Audit;
using OrleansAiOs.Postgres.Embedded;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios audit: the trail, and how to hold what is stored against it. verify and verify-bundle need no host and trust none.</summary>
internal static class AuditCommand
{
    private const string Status = "/api/v1/audit/status";
    private const string Checkpoints = "/api/v1/audit/checkpoints";
    private const int ShownMax = 100;

    public static Command Create(ClientOptions client) =>
        new Command("audit", "The audit trail: how it stands, and whether what is stored is what was appended.").With(Stands(client), Sign(client), Verify(), Bundle(client), VerifyBundle());

    private static Command Stands(ClientOptions client) => client.Query("status", "How the trail stands: what is signed, and where the checkpoints have gone.").Does(call => client.ShowAsync<AuditStatusDocument>(call, Status, status =>
    {
        call.Terminal.Line($"{status.Events} events in {status.Blocks} blocks; {status.Pending} batches wait");
        call.Terminal.Line(status.Checkpoint == 0 ? "nothing is signed yet" : $"checkpoint {status.Checkpoint} of {Human.Time(status.SignedAt)}, root {status.Root}");
        call.Terminal.Line($"key {status.PublicKey}");
        foreach (var outlet in status.Outlets) call.Terminal.Line($"{outlet.Name}: up to checkpoint {outlet.Number}{(outlet.Error is null ? "" : $"; {outlet.Error}")}");
        if (status.Stopped is not null) call.Terminal.Problem("Nothing is signed at present.", status.Stopped);
    }));

    private static Command Sign(ClientOptions client)
    {
        var accept = new Option<string?>("--accept-restore") { Description = "The database is behind the checkpoints outside because it was put back on purpose; say why. It is kept and signed.", HelpName = "WHY" };
        return client.Change("checkpoint", "Sign now for all that was appended before, instead of within a minute.", accept).Does(async call =>
        {
            using var api = client.Connect(call);
            var json = await api.CommandAsync(HttpMethod.Post, Checkpoints, new { acceptRestore = call.Get(accept) }, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else call.Terminal.Line($"checkpoint {api.Read<CheckpointDocument>(json).Number}");
            return ExitCode.Done;
        });
    }

    private static Command Bundle(ClientOptions client)
    {
        var output = new Option<string>("--output", "-o") { Description = "The file to write.", HelpName = "FILE", Required = true };
        var run = ClientOptions.Run();
        return client.Query("bundle", "Write the evidence of one run: its events, and the way from each to a signed checkpoint.", run, output).Does(async call =>
        {
            using var api = client.Connect(call);
            var (file, beside) = (call.Get(output)!, $"{call.Get(output)}.unfinished");
            // Beside and renamed: what breaks off leaves no file that looks like one.
            await using (var to = File.Create(beside)) await api.DownloadAsync($"/api/v1/audit/runs/{ApiPaths.Segment("run id", call.Get(run))}/evidence", to, call.Cancellation);
            File.Move(beside, file, overwrite: true);
            call.Terminal.Note($"the evidence of {call.Get(run)} is in {file}");
            return ExitCode.Done;
        });
    }

    private static Option<string[]> Lines() => new("--checkpoints") { Description = "A file of checkpoints that was kept outside the database; may be repeated.", HelpName = "FILE" };

    private static Option<string[]> PublicKeys() => new("--public-key") { Description = "The public key of a host (as `aios audit status` shows it, or a PEM file); may be repeated. Without it, the keys that the checkpoints name are taken.", HelpName = "KEY" };

    private static Command Verify()
    {
        var data = new Option<string?>("--data") { Description = "The host's data folder; its private database is read, also while a host runs.", HelpName = "DIR" };
        var connection = new Option<string?>("--connection") { Description = "An external database instead. Default: $AIOS_CONNECTION.", HelpName = "STRING" };
        var (lines, keys) = (Lines(), PublicKeys());
        return new Command("verify", "Hold every event, stream, document and purge against the trail, and the trail against the checkpoints outside.").With(data, connection, lines, keys).Does(async call =>
        {
            var folder = new HostFolder(HostAddress.FolderPath(call.Get(data)));
            var given = GivenConnection.Read(call.Get(connection));
            string[] files = call.Get(lines) is { Length: > 0 } named ? named : File.Exists(folder.Checkpoints) ? [folder.Checkpoints] : [];
            if (files.Length == 0) call.Terminal.Note("No checkpoints from outside (--checkpoints): that the whole trail was written anew, or its end cut off, cannot be told.");
            var outside = await CheckpointLines.ReadAsync(files, [.. (call.Get(keys) ?? []).Select(ReadKey)], call.Cancellation);
            var found = 0L;
            if (given is not null) found = await VerifyAsync(call, given, outside);
            else
                await EmbeddedPostgres.UseAsync(new EmbeddedPostgresOptions { DataFolder = folder.Postgres, Progress = call.Terminal.Note }, async private_ => found = await VerifyAsync(call, private_, outside), call.Cancellation);
            return found == 0 ? ExitCode.Done : ExitCode.Failed;
        });
    }

    private static async Task<long> VerifyAsync(Invocation call, string connectionString, CheckpointLines outside)
    {
        await using var source = NpgsqlDataSource.Create(connectionString);
        await using var connection = await source.OpenConnectionAsync(call.Cancellation);
        // One snapshot, also while a host appends; and nothing can be changed by it.
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, call.Cancellation);
        await using (var readOnly = new NpgsqlCommand("set transaction read only", connection)) await readOnly.ExecuteNonQueryAsync(call.Cancellation);
        var shown = 0L;
        var report = await new AuditVerifier(connection, outside, finding =>
        {
            if (++shown <= ShownMax) call.Terminal.Line(finding.ToString());
        }).VerifyAsync(call.Cancellation);
        if (shown > ShownMax) call.Terminal.Line($"… and {shown - ShownMax} more");
        foreach (var restore in report.Restores) call.Terminal.Line(restore);
        foreach (var key in report.Keys) call.Terminal.Line($"signed by {key}");
        call.Terminal.Line($"{report.Events} events in {report.Blocks} blocks, {report.Checkpoints} checkpoints outside{(report.Signed is null ? "" : $", the last of {Human.Time(report.Signed)}")}; "
            + $"{report.Young} events are younger than the last block, {report.Before} older than the trail, {report.Purged} were purged");
        call.Terminal.Line(report.Findings == 0 ? "all is as it was appended" : $"{report.Findings} findings");
        return report.Findings;
    }

    private static Command VerifyBundle()
    {
        var file = new Argument<string>("FILE") { Description = "What `aios audit bundle` wrote." };
        var (lines, keys) = (Lines(), PublicKeys());
        return new Command("verify-bundle", "Check the evidence of a run. Needs neither database nor host.").With(file, lines, keys).Does(async call =>
        {
            string[] pinned = [.. (call.Get(keys) ?? []).Select(ReadKey)];
            var outside = call.Get(lines) is { Length: > 0 } named ? await CheckpointLines.ReadAsync(named, pinned, call.Cancellation) : null;
            var report = EvidenceReader.Check(call.Get(file), pinned, outside);
            foreach (var finding in report.Findings.Take(ShownMax)) call.Terminal.Line(finding);
            if (report.Findings.Count > ShownMax) call.Terminal.Line($"… and {report.Findings.Count - ShownMax} more");
            foreach (var key in report.Keys) call.Terminal.Line($"signed by {key}");
            // What is no bundle at all is of nobody.
            if (report.Stream.Length > 0) call.Terminal.Line($"{report.Stream} of tenant {report.Tenant}, {report.Events} events, checkpoint {report.Checkpoint} of {Human.Time(report.Signed)}: {(report.Findings.Count == 0 ? "it is what was appended" : $"{report.Findings.Count} findings")}");
            if (report.Before > 0) call.Terminal.Line($"{report.Before} of the events are older than the trail: what they were before it began, nobody vouches for");
            if (outside is null && report.Findings.Count == 0) call.Terminal.Note("Hold its checkpoint against the ones you kept (--checkpoints), or the key against the one you were told (--public-key): else only the bundle itself vouches for both.");
            return report.Findings.Count == 0 ? ExitCode.Done : ExitCode.Failed;
        });
    }

    private static string ReadKey(string given)
    {
        using var key = ECDsa.Create();
        try
        {
            if (File.Exists(given)) key.ImportFromPem(File.ReadAllText(given));
            else key.ImportSubjectPublicKeyInfo(Convert.FromBase64String(given), out _);
            return Convert.ToBase64String(key.ExportSubjectPublicKeyInfo());
        }
        catch (Exception e) when (e is FormatException or CryptographicException or ArgumentException or PlatformNotSupportedException)
        {
            throw CliException.Usage($"--public-key is a key as `aios audit status` shows it, or a PEM file; '{given}' is neither.");
        }
    }
}

internal sealed record AuditStatusDocument(long Blocks, long Events, long Pending, long Checkpoint, DateTimeOffset? SignedAt, string? Root, string PublicKey, string? Stopped, List<OutletDocument> Outlets);

internal sealed record OutletDocument(string Name, long Number, string? Error);

internal sealed record CheckpointDocument(long Number);
