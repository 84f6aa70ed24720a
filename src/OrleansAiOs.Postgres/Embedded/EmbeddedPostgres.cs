using Npgsql;

namespace OrleansAiOs.Postgres.Embedded;

/// <summary>A private PostgreSQL for one host, for whoever gives no connection string. DataFolder.cs and EmbeddedSupervisor.cs tell how it stays whole.</summary>
public static class EmbeddedPostgres
{
    internal const string UserName = "aios";
    internal const string DatabaseName = "aios";

    /// <summary>Starts the server of the folder, or adopts the one that still runs; makes the folder when it is missing or empty.</summary>
    public static async Task<EmbeddedServer> StartAsync(EmbeddedPostgresOptions options, CancellationToken cancellation = default)
    {
        var folder = DataFolder.At(options.DataFolder);
        folder.RefuseForeign();
        var binaries = BinariesFor(folder, options);
        folder.Create();
        folder = DataFolder.At(options.DataFolder);
        var hostLock = await HostLock.TakeAsync(folder, cancellation);
        SupervisorLink? link = null;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(options.StartTimeout);
        try
        {
            folder.RemoveUnfinished_NeedsLock();
            await folder.RequireServerAccountAsync(binaries, patience.Token);
            if (!folder.HasServer)
            {
                options.Progress?.Invoke($"making a new database in {folder.Path}");
                await folder.InitialiseAsync_NeedsLock(binaries, patience.Token);
            }

            var command = options.SupervisorCommand ?? SupervisorCommand.OfThisProgram();
            var arguments = new SupervisorArguments(folder.Path, binaries.Folder, options.Grace, options.DeleteWhenStopped);
            Task<SupervisorLink> OpenLink(CancellationToken token) => SupervisorLink.OpenAsync(folder, command, arguments, token);

            link = await OpenLink(patience.Token);
            var connectionString = ConnectionString(folder, link.Port);
            await EnsureDatabaseAsync(connectionString, patience.Token);
            await RequireSoundSettingsAsync(folder, connectionString, patience.Token);
            return new EmbeddedServer(
                folder, hostLock, link, connectionString, binaries.Version, OpenLink, options.Progress ?? (_ => { }));
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            Release();
            throw new EmbeddedPostgresException(
                $"The database in {folder.Path} was not ready after {options.StartTimeout.TotalSeconds:0} s. See {folder.Log} and {folder.SupervisorLogFile}.", e);
        }
        catch
        {
            Release();
            throw;
        }

        void Release()
        {
            link?.Dispose();
            hostLock.Dispose();
        }
    }

    /// <summary>Stops the server of the folder, if one runs. Refused while a host uses it, unless forced.</summary>
    /// <returns>Whether one ran.</returns>
    public static async Task<bool> StopAsync(EmbeddedPostgresOptions options, bool force = false, CancellationToken cancellation = default)
    {
        var folder = DataFolder.At(options.DataFolder);
        folder.RefuseForeign();
        if (!folder.HasServer)
        {
            return false;
        }

        if (!force && HostLock.IsTaken(folder))
        {
            throw new EmbeddedPostgresException($"The database in {folder.Path} is in use by {HostLock.Holder(folder)}. Stop that first, or force it.");
        }

        var ran = Postmaster.Running(folder.Cluster) is not null;
        if (await SupervisorLink.TryReachAsync(folder, cancellation) is { } socket)
        {
            using (socket)
            {
                await socket.SendAsync("stop\n"u8.ToArray(), cancellation);
            }

            await WaitUntilStoppedAsync(folder, cancellation);
        }
        else
        {
            await new PrivateServer(folder, BinariesFor(folder, options)).StopAsync(immediately: false, cancellation);
        }

        return ran;
    }

    /// <summary>Writes the whole database to a file, also while a host uses it. The file appears complete or not at all.</summary>
    public static Task BackupAsync(EmbeddedPostgresOptions options, string file, CancellationToken cancellation = default) =>
        UseAsync(options, connection => new DatabaseDump(BinariesFor(DataFolder.At(options.DataFolder), options)).WriteAsync(connection, file, cancellation), cancellation);

    /// <summary>Does something with the database, also while a host runs; starts the server for it if none does.</summary>
    public static async Task UseAsync(EmbeddedPostgresOptions options, Func<string, Task> work, CancellationToken cancellation = default)
    {
        var folder = DataFolder.At(options.DataFolder);
        folder.RefuseForeign();
        if (!folder.HasServer)
        {
            throw new EmbeddedPostgresException($"There is no database in {folder.Path}.");
        }

        if (HostLock.IsTaken(folder) && Postmaster.Running(folder.Cluster) is { } postmaster)
        {
            await work(ConnectionString(folder, postmaster.Port));
            return;
        }

        await using var server = await StartAsync(options, cancellation);
        await work(server.ConnectionString);
    }

    /// <summary>
    /// Replaces the database by a backup, in a folder that no host uses. A database that holds runs is replaced only when forced.
    /// Until the backup is read completely the old database stays as it is.
    /// </summary>
    public static async Task RestoreAsync(EmbeddedPostgresOptions options, string file, bool force = false, CancellationToken cancellation = default)
    {
        if (!File.Exists(file))
        {
            throw new EmbeddedPostgresException($"There is no backup at {Path.GetFullPath(file)}.");
        }

        await using var server = await StartAsync(options, cancellation);
        var dump = new DatabaseDump(BinariesFor(DataFolder.At(options.DataFolder), options));
        await dump.RestoreAsync(server.ConnectionString, file, force, cancellation);
    }

    internal static async Task WaitUntilStoppedAsync(DataFolder folder, CancellationToken cancellation)
    {
        while (Directory.Exists(folder.Path) && (Postmaster.Running(folder.Cluster) is not null || IsSupervised(folder)))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), cancellation);
        }
    }

    private static bool IsSupervised(DataFolder folder)
    {
        try
        {
            if (File.Exists(folder.SupervisorLockFile))
            {
                ExclusiveFile.Open(folder.SupervisorLockFile).Dispose();
            }

            return false;
        }
        catch (IOException e)
        {
            return ExclusiveFile.IsHeld(e);
        }
    }

    private static PostgresBinaries BinariesFor(DataFolder folder, EmbeddedPostgresOptions options)
    {
        var major = folder.Major();
        var binaries = options.BinariesFolder is { } named ? PostgresBinaries.In(named) : null;
        if (major is null)
        {
            return binaries ?? PostgresBinaries.Find();
        }

        try
        {
            binaries ??= PostgresBinaries.Find(major);
        }
        catch (EmbeddedPostgresException) when (PostgresBinaries.Installed().FirstOrDefault() is { } other)
        {
            binaries = other;
        }

        return binaries.Version.Major == major ? binaries : throw OtherMajor(folder, major.Value, binaries);
    }

    private static EmbeddedPostgresException OtherMajor(DataFolder folder, int made, PostgresBinaries installed) => new(
        $"""
        The database in {folder.Path} was made by PostgreSQL {made}; installed here is PostgreSQL {installed.Version.Major} ({installed.Folder}), which cannot read it.
        Nothing was touched. Either
          install version {made} beside it:  {PostgresBinaries.InstallCommand(made)}
          or move to version {installed.Version.Major}: where version {made} runs, aios db backup FILE; move {folder.Path} away; here, aios db restore FILE
        """);

    private static string ConnectionString(DataFolder folder, int port) => new NpgsqlConnectionStringBuilder
    {
        Host = "127.0.0.1",
        Port = port,
        Username = UserName,
        Password = folder.ReadPassword(),
        Database = DatabaseName,
    }.ConnectionString;

    // The first connection after initdb makes the database; so does the first one after a crash in between.
    private static async Task EnsureDatabaseAsync(string connectionString, CancellationToken cancellation)
    {
        var unpooled = new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false };
        while (true)
        {
            try
            {
                await using var connection = new NpgsqlConnection(unpooled.ConnectionString);
                await connection.OpenAsync(cancellation);
                return;
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidCatalogName)
            {
                await CreateDatabaseAsync(unpooled, cancellation);
            }
            catch (NpgsqlException e) when (e.IsTransient)
            {
                // Just crashed and being restarted by its supervisor.
                await Task.Delay(TimeSpan.FromMilliseconds(50), cancellation);
            }
            catch (NpgsqlException e)
            {
                throw new EmbeddedPostgresException($"The database does not let us in: {e.Message}", e);
            }
        }
    }

    // Our own settings are sound; only ALTER SYSTEM can have overruled them, and the server that could take it back is the one we refuse.
    private static async Task RequireSoundSettingsAsync(DataFolder folder, string connectionString, CancellationToken cancellation)
    {
        await using var source = NpgsqlDataSource.Create(connectionString);
        try
        {
            await PostgresSettings.CheckAsync(source, cancellation);
        }
        catch (EmbeddedPostgresException e)
        {
            var overruled = Path.Combine(folder.Cluster, "postgresql.auto.conf");
            throw new EmbeddedPostgresException($"{e.Message} Or stop the server (aios db stop) and remove the line from {overruled}.", e);
        }
    }

    private static async Task CreateDatabaseAsync(NpgsqlConnectionStringBuilder target, CancellationToken cancellation)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(target.ConnectionString) { Database = "postgres" }.ConnectionString);
        await connection.OpenAsync(cancellation);
        await using var create = new NpgsqlCommand($"create database {DatabaseName}", connection);
        try
        {
            await create.ExecuteNonQueryAsync(cancellation);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.DuplicateDatabase or PostgresErrorCodes.UniqueViolation)
        {
            // Made in the meantime.
        }
    }
}
