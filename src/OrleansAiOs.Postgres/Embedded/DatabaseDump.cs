using System.Security.Cryptography;
using Npgsql;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Postgres.Embedded;

/// <summary>Backups in PostgreSQL's custom format: whole files only, and a restore that takes effect in one transaction or not at all.</summary>
internal sealed class DatabaseDump(PostgresBinaries binaries)
{
    private const string RestoringPrefix = "aios_restoring_";
    private const string ReplacedPrefix = "aios_replaced_";

    // Whatever holds history; any row in one of these is somebody's work.
    private static readonly string[] TablesOfWork = ["runs", "mt_streams", "mt_events"];

    public async Task WriteAsync(string connectionString, string file, CancellationToken cancellation)
    {
        var target = Path.GetFullPath(file);
        var unfinished = $"{target}.unfinished-{RandomNumberGenerator.GetHexString(6, lowercase: true)}";
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            // Made by us first, so that a backup is never readable to others; pg_dump overwrites it.
            await new FileStream(unfinished, options).DisposeAsync();
            await RunAsync("pg_dump", connectionString, ["--format=custom", "--file", unfinished], cancellation);
            using (var written = File.OpenHandle(unfinished, access: FileAccess.ReadWrite))
            {
                RandomAccess.FlushToDisk(written);
            }

            File.Move(unfinished, target, overwrite: true);
            PrivateFile.FlushFolder(Path.GetDirectoryName(target)!);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EmbeddedPostgresException($"The backup could not be written to {target}: {e.Message}", e);
        }
        finally
        {
            File.Delete(unfinished);
        }
    }

    // 1. read the backup into a database of its own; 2. exchange the names in one transaction; 3. drop the old one.
    // A crash before 2 leaves the old database in its place, after it the new one; leftovers are dropped by the next restore.
    public async Task RestoreAsync(string connectionString, string file, bool force, CancellationToken cancellation)
    {
        if (!force && await TableWithWorkAsync(connectionString, cancellation) is { } table)
        {
            throw new EmbeddedPostgresException($"The database already holds work (table {table} is not empty). Restore into a fresh data folder, or force it.");
        }

        NpgsqlPools.Clear(connectionString);
        await using var maintenance = new NpgsqlConnection(
            new NpgsqlConnectionStringBuilder(connectionString) { Database = "postgres", Pooling = false }.ConnectionString);
        await maintenance.OpenAsync(cancellation);
        await DropLeftoversAsync(maintenance, cancellation);

        var mark = RandomNumberGenerator.GetHexString(8, lowercase: true);
        var restoring = RestoringPrefix + mark;
        await ExecuteAsync(maintenance, $"create database {restoring}", cancellation);
        try
        {
            var target = new NpgsqlConnectionStringBuilder(connectionString) { Database = restoring }.ConnectionString;
            // Whom the rows of one tenant are shown to is a role of the server, which another has not: the next start grants it anew (TenantRole.cs).
            await RunAsync("pg_restore", target, ["--exit-on-error", "--no-owner", "--no-privileges", "--dbname", restoring, Path.GetFullPath(file)], cancellation);
            await using var exchange = await maintenance.BeginTransactionAsync(cancellation);
            await ExecuteAsync(maintenance, $"alter database {EmbeddedPostgres.DatabaseName} rename to {ReplacedPrefix}{mark}", cancellation);
            await ExecuteAsync(maintenance, $"alter database {restoring} rename to {EmbeddedPostgres.DatabaseName}", cancellation);
            await exchange.CommitAsync(cancellation);
        }
        finally
        {
            await DropLeftoversAsync(maintenance, CancellationToken.None);
        }
    }

    private static async Task<string?> TableWithWorkAsync(string connectionString, CancellationToken cancellation)
    {
        await using var source = NpgsqlDataSource.Create(connectionString);
        var tables = new List<string>();
        await using (var find = source.CreateCommand(
            "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            + "where c.relkind in ('r', 'p') and c.relname = any($1)"))
        {
            find.Parameters.Add(new NpgsqlParameter { Value = TablesOfWork });
            await using var rows = await find.ExecuteReaderAsync(cancellation);
            while (await rows.ReadAsync(cancellation))
            {
                tables.Add(rows.GetString(0));
            }
        }

        foreach (var table in tables)
        {
            await using var any = source.CreateCommand($"select exists (select from {table})");
            if ((bool)(await any.ExecuteScalarAsync(cancellation))!)
            {
                return table;
            }
        }

        return null;
    }

    private static async Task DropLeftoversAsync(NpgsqlConnection maintenance, CancellationToken cancellation)
    {
        var names = new List<string>();
        await using (var find = new NpgsqlCommand("select datname from pg_database where datname ~ $1", maintenance))
        {
            find.Parameters.Add(new NpgsqlParameter { Value = $"^({RestoringPrefix}|{ReplacedPrefix})[0-9a-f]+$" });
            await using var rows = await find.ExecuteReaderAsync(cancellation);
            while (await rows.ReadAsync(cancellation))
            {
                names.Add(rows.GetString(0));
            }
        }

        foreach (var name in names)
        {
            await ExecuteAsync(maintenance, $"drop database if exists {name} with (force)", cancellation);
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    // As ourselves, not as the server's account: the file is ours, and the password opens the database.
    private async Task RunAsync(string program, string connectionString, string[] arguments, CancellationToken cancellation)
    {
        var target = new NpgsqlConnectionStringBuilder(connectionString);
        var environment = new Dictionary<string, string>
        {
            ["PGHOST"] = target.Host!,
            ["PGPORT"] = $"{target.Port}",
            ["PGUSER"] = target.Username!,
            ["PGPASSWORD"] = target.Password!,
            ["PGDATABASE"] = target.Database!,
        };
        var result = await OsCommand.RunAsync(
            binaries.Program(program), arguments, Environment.CurrentDirectory, asServerAccount: false, environment, cancellation);
        if (!result.Succeeded)
        {
            throw new EmbeddedPostgresException($"{program} failed:\n{result.Said}");
        }
    }
}
