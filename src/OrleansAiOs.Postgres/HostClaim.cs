using Npgsql;

namespace OrleansAiOs.Postgres;

/// <summary>
/// The database knows who serves it: an advisory lock, held alone or, with --share, together with others. It is a courtesy that stops
/// mistakes at the start; correctness is the fence of each append. If the connection breaks, the claim is taken again, from its own other end
/// too, should the server not have noticed (a network that forgets idle connections); should somebody else have it by then, this host stops.
/// </summary>
public sealed class HostClaim : IAsyncDisposable
{
    private const long Lock = 0x41_49_4F_53_0002;

    private readonly string connectionString;
    private readonly bool shared;
    private readonly CancellationTokenSource ending = new();
    private Task holding = Task.CompletedTask;
    private (int Process, DateTime StartedAt)? end; // of the connection, at the server

    private HostClaim(string connectionString, bool shared) => (this.connectionString, this.shared) = (connectionString, shared);

    /// <summary>Another host serves this database now.</summary>
    public event Action? Lost;

    /// <exception cref="StartRefusedException">Another host serves the database, and one of the two does not share.</exception>
    public static async Task<HostClaim> TakeAsync(string connectionString, bool shared, CancellationToken cancellation)
    {
        // No pool: the lock must end with the connection, and the connection with the process.
        var claim = new HostClaim(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, TcpKeepAlive = true, ApplicationName = "aios-claim" }.ConnectionString, shared);
        var connection = await claim.TryTakeAsync(cancellation) ?? throw new StartRefusedException(shared
            ? "A host that does not share serves this database. Stop it, or start it with --share too."
            : "Another host serves this database. Stop it, or start both with --share.");
        claim.holding = claim.HoldAsync(connection);
        return claim;
    }

    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync();
        await holding;
        ending.Dispose();
    }

    private async Task<NpgsqlConnection?> TryTakeAsync(CancellationToken cancellation)
    {
        var connection = new NpgsqlConnection(connectionString);
        try
        {
            await connection.OpenAsync(cancellation);
            await using var command = new NpgsqlCommand($"select pg_try_advisory_lock{(shared ? "_shared" : "")}({Lock}), pid, backend_start from pg_stat_activity where pid = pg_backend_pid()", connection);
            await using (var reader = await command.ExecuteReaderAsync(cancellation))
            {
                await reader.ReadAsync(cancellation);
                if (reader.GetBoolean(0))
                {
                    end = (reader.GetInt32(1), reader.GetDateTime(2));
                    return connection;
                }
            }
            if (end is { } own && await EndsAsync(connection, own, cancellation)) throw new IOException("The server had not noticed yet that the connection before has gone.");
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
        await connection.DisposeAsync();
        return null;
    }

    private static async Task<bool> EndsAsync(NpgsqlConnection connection, (int Process, DateTime StartedAt) end, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("""
            select pg_terminate_backend(a.pid) from pg_stat_activity a join pg_locks l on l.pid = a.pid and l.locktype = 'advisory' and l.granted and l.objsubid = 1 and (l.classid::bigint << 32) + l.objid::bigint = $3
            where a.pid = $1 and a.backend_start = $2
            """, connection);
        command.Parameters.AddWithValue(end.Process);
        command.Parameters.AddWithValue(end.StartedAt);
        command.Parameters.AddWithValue(Lock);
        return await command.ExecuteScalarAsync(cancellation) is not null;
    }

    private async Task HoldAsync(NpgsqlConnection? connection)
    {
        while (!ending.IsCancellationRequested)
        {
            try
            {
                if (connection is null)
                {
                    connection = await TryTakeAsync(ending.Token);
                    if (connection is null)
                    {
                        Lost?.Invoke();
                        return;
                    }
                }
                await connection.WaitAsync(ending.Token); // returns when the server says something, throws when it is gone
            }
            catch (Exception) when (!ending.IsCancellationRequested)
            {
                if (connection is not null) await connection.DisposeAsync();
                connection = null;
                await Task.Delay(TimeSpan.FromMilliseconds(500), CancellationToken.None);
            }
            catch (Exception)
            {
                break;
            }
        }
        if (connection is not null) await connection.DisposeAsync();
    }
}

/// <summary>The host cannot start as things stand; the message says why and what to do.</summary>
public sealed class StartRefusedException(string message) : Exception(message);
