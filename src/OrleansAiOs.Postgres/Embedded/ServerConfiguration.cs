using System.Globalization;

namespace OrleansAiOs.Postgres.Embedded;

/// <summary>The settings we give the private server. A person's own belong behind the include line or in ALTER SYSTEM, which both win.</summary>
internal static class ServerConfiguration
{
    private const string FileName = "aios.conf";

    public const string Include = $"\ninclude_if_exists = '{FileName}'\n# Settings of your own go below this line.\n";

    public static void Write(DataFolder folder, int port, string walCompression)
    {
        var file = Path.Combine(folder.Cluster, FileName);
        var unfinished = file + ".new";
        File.WriteAllText(unfinished, Text(folder, port, walCompression));
        if (!OperatingSystem.IsWindows())
        {
            // Written by root, read by the server; pg/ around it is closed to everybody else.
            File.SetUnixFileMode(unfinished, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        }

        File.Move(unfinished, file, overwrite: true);
    }

    private static string Text(DataFolder folder, int port, string walCompression)
    {
        var longestSocket = Path.Combine(folder.Run, ".s.PGSQL.65535.lock");
        var sockets = !OperatingSystem.IsWindows() && DataFolder.FitsSocket(longestSocket) && !folder.Run.Contains(',') ? folder.Run : "";
        return string.Create(CultureInfo.InvariantCulture, $"""
            # Written by aios at every start of the server: changes here are lost. Your own go to the end of postgresql.conf.
            listen_addresses = '127.0.0.1'
            port = {port}
            unix_socket_directories = {Quote(sockets)}
            max_connections = 200
            password_encryption = 'scram-sha-256'

            # What a commit means.
            fsync = on
            full_page_writes = on
            synchronous_commit = on

            # An append holds stream locks; a host that hangs inside one must not hold them for ever.
            idle_in_transaction_session_timeout = '30s'

            shared_buffers = '256MB'
            max_wal_size = '2GB'
            min_wal_size = '256MB'
            checkpoint_timeout = '15min'
            wal_compression = {walCompression}
            jit = off

            # One file per day of the week, overwritten a week later.
            logging_collector = on
            log_directory = {Quote(folder.Log)}
            log_filename = 'postgresql-%a.log'
            log_rotation_age = '1d'
            log_rotation_size = 0
            log_truncate_on_rotation = on
            log_line_prefix = '%m [%p] '

            """);
    }

    private static string Quote(string text) => $"'{text.Replace('\\', '/').Replace("'", "''", StringComparison.Ordinal)}'";
}
