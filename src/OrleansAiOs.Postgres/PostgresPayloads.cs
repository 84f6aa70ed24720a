using System.Buffers;
using System.Security.Cryptography;
using Npgsql;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Postgres;

/// <summary>
/// Documents in parts of 256 KiB. What comes is first spooled to a file that vanishes with its handle, since its name, the hash, is
/// known only at the end; then all parts and the line that names them commit together. The same document again is found, not stored.
/// </summary>
internal sealed class PostgresPayloads(NpgsqlDataSource source, TenantStatements tenants, Action<string, long> stored) : IPayloadStore
{
    private const int PartBytes = 256 * 1024;

    public async Task<PayloadRef> PutAsync(string tenant, Stream content, long bytesMax, CancellationToken cancellation)
    {
        await using var spool = Spool();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = ArrayPool<byte>.Shared.Rent(PartBytes);
        try
        {
            long size = 0;
            for (int read; (read = await content.ReadAsync(buffer.AsMemory(0, PartBytes), cancellation)) > 0;)
            {
                if ((size += read) > bytesMax) throw new PayloadTooLargeException(bytesMax);
                hash.AppendData(buffer, 0, read);
                await spool.WriteAsync(buffer.AsMemory(0, read), cancellation);
            }
            var payload = new PayloadRef(Convert.ToHexStringLower(hash.GetHashAndReset()), size);
            spool.Position = 0;
            await StoreAsync(tenant, payload, spool, cancellation);
            return payload;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // Nobody else's to read, and without a name where files can lose it: a killed host leaves none behind.
    private static FileStream Spool()
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = PartBytes, Options = FileOptions.DeleteOnClose | FileOptions.Asynchronous };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        var spool = new FileStream(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()), options);
        if (!OperatingSystem.IsWindows()) File.Delete(spool.Name);
        return spool;
    }

    public async Task<PayloadRef> PutAsync(string tenant, byte[] content, CancellationToken cancellation, Func<string, Task>? before = null)
    {
        var payload = new PayloadRef(Convert.ToHexStringLower(SHA256.HashData(content)), content.Length);
        if (before is not null) await before(payload.Sha256);
        using var stream = new MemoryStream(content, writable: false);
        await StoreAsync(tenant, payload, stream, cancellation);
        return payload;
    }

    public async Task<Stream?> OpenAsync(string tenant, string sha256, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("select size from aios.payloads where tenant_id = $1 and sha256 = $2");
        command.Parameters.AddWithValue(tenant);
        command.Parameters.AddWithValue(sha256);
        return await tenants.ScalarAsync(tenant, command, cancellation) is long size ? new PartStream(tenants, tenant, sha256, size) : null;
    }

    public async Task<byte[]> GetAsync(string tenant, string sha256, CancellationToken cancellation)
    {
        await using var stream = await OpenAsync(tenant, sha256, cancellation)
            ?? throw new InvalidDataException($"Payload {sha256} of tenant {tenant} is missing from the database.");
        var content = new byte[stream.Length];
        await stream.ReadExactlyAsync(content, cancellation);
        return content;
    }

    private async Task StoreAsync(string tenant, PayloadRef payload, Stream content, CancellationToken cancellation)
    {
        await using var connection = await source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await tenants.EnterAsync(transaction, tenant, cancellation);
        await using (var claim = new NpgsqlCommand("insert into aios.payloads (tenant_id, sha256, size) values ($1, $2, $3) on conflict (tenant_id, sha256) do update set at = now() returning xmax = 0", connection))
        {
            claim.Parameters.AddWithValue(tenant);
            claim.Parameters.AddWithValue(payload.Sha256);
            claim.Parameters.AddWithValue(payload.Size);
            // Touched, not passed over: a purge that has it in hand is waited for (RunPurge.cs).
            if (await claim.ExecuteScalarAsync(cancellation) is false)
            {
                await transaction.CommitAsync(cancellation);
                return;
            }
        }
        var part = new byte[Math.Min(PartBytes, Math.Max(1, content.Length))];
        for (var number = 0; ; number++)
        {
            var read = await content.ReadAtLeastAsync(part, part.Length, throwOnEndOfStream: false, cancellation);
            if (read == 0) break;
            await using var insert = new NpgsqlCommand("insert into aios.payload_parts (tenant_id, sha256, part, bytes) values ($1, $2, $3, $4)", connection);
            insert.Parameters.AddWithValue(tenant);
            insert.Parameters.AddWithValue(payload.Sha256);
            insert.Parameters.AddWithValue(number);
            insert.Parameters.Add(new NpgsqlParameter { Value = new ReadOnlyMemory<byte>(part, 0, read), NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Bytea });
            await insert.ExecuteNonQueryAsync(cancellation);
        }
        await transaction.CommitAsync(cancellation);
        stored(tenant, payload.Size);
    }

    /// <summary>Reads a payload part by part.</summary>
    private sealed class PartStream(TenantStatements tenants, string tenant, string sha256, long size) : Stream
    {
        private byte[] part = [];
        private int loaded = -1;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => size;

        public override long Position { get; set; }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation = default)
        {
            if (Position >= size) return 0;
            var (wanted, offset) = ((int)(Position / PartBytes), (int)(Position % PartBytes));
            if (loaded != wanted)
            {
                await using var command = new NpgsqlCommand("select bytes from aios.payload_parts where tenant_id = $1 and sha256 = $2 and part = $3");
                command.Parameters.AddWithValue(tenant);
                command.Parameters.AddWithValue(sha256);
                command.Parameters.AddWithValue(wanted);
                part = await tenants.ScalarAsync(tenant, command, cancellation) as byte[] ?? throw new InvalidDataException($"Part {wanted} of payload {sha256} is missing from the database.");
                loaded = wanted;
            }
            var read = Math.Min(buffer.Length, part.Length - offset);
            part.AsMemory(offset, read).CopyTo(buffer);
            Position += read;
            return read;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
