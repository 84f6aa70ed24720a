using System.Globalization;
using Npgsql;
using OrleansAiOs.Kernel.Audit;
using OrleansAiOs.Workflows.Audit;

namespace OrleansAiOs.Kernel.Tests.Audit;

/// <summary>What somebody with every right on the database may do to it. Each is one transaction that the test rolls back.</summary>
internal sealed class Tampering(NpgsqlConnection connection, Random random)
{
    private sealed record Row(long Seq, string Stream, long Version);

    private List<Row> rows = [];
    private long blocks;
    private readonly AuditKey foreignKey = AuditKey.Make();

    public static readonly string[] Kinds =
    [
        "edit the body", "edit one digit", "edit the type", "edit the time", "edit the id", "move to another stream", "exchange two bodies", "exchange two versions", "exchange two places",
        "delete", "delete and close the gap", "truncate", "delete a stream", "delete a stream and every trace of it in tables", "insert at the end", "insert a stream", "insert into a gap",
        "insert below the first number", "insert at the last number", "insert without a stream", "insert what has no form", "edit the time to none", "edit the body to no payload",
        "edit a payload", "cut a payload", "delete a payload", "edit a block", "edit the head of a block", "delete a block", "delete the last blocks", "delete a checkpoint", "edit a checkpoint",
        "delete what is young", "edit a young batch", "forge a purge", "forge a purge without a hash", "forge a purge without a key", "forge a checkpoint without a key", "forge a checkpoint without a hash", "forge a batch of nothing", "forge a batch of another kind",
        "forge a block far away", "edit a tombstone", "delete a tombstone", "edit the leaves of a tombstone", "edit and rewrite the whole trail", "delete and rewrite the whole trail", "lower a head", "delete the trail",
    ];

    public async Task LoadAsync()
    {
        rows = await ListAsync("select seq_id, stream_id, version from aios.mt_events order by seq_id", r => new Row(r.GetInt64(0), r.GetString(1), r.GetInt64(2)));
        blocks = (await ListAsync("select count(*) from aios.audit_blocks", r => r.GetInt64(0)))[0];
    }

    /// <summary>Does it.</summary>
    /// <returns>What has to be named by at least one finding; null where only the trail itself can be named.</returns>
    public async Task<string?> DoAsync(string kind)
    {
        var one = rows[random.Next(rows.Count)];
        var other = rows[random.Next(rows.Count)];
        while (other.Seq == one.Seq) other = rows[random.Next(rows.Count)];
        var end = rows.Where(row => row.Stream == one.Stream).MaxBy(row => row.Version)!;
        switch (kind)
        {
            case "edit the body":
                await RunAsync("update aios.mt_events set data = data || jsonb_build_object('x', $2) where seq_id = $1", one.Seq, random.Next());
                return one.Stream;
            case "edit one digit":
                await RunAsync("update aios.mt_events set data = jsonb_build_object('amount', $2::numeric) where seq_id = $1", one.Seq, random.Next(100_000, 200_000) / 100m);
                return one.Stream;
            case "edit the type":
                await RunAsync("update aios.mt_events set type = type || 'x' where seq_id = $1", one.Seq);
                return one.Stream;
            case "edit the time":
                await RunAsync("update aios.mt_events set timestamp = timestamp + $2 * interval '1 microsecond' where seq_id = $1", one.Seq, random.Next(1, 1_000_000));
                return one.Stream;
            case "edit the id":
                await RunAsync("update aios.mt_events set id = $2 where seq_id = $1", one.Seq, Guid.NewGuid());
                return one.Stream;
            case "move to another stream":
                await RunAsync("update aios.mt_events set stream_id = 'run/elsewhere' where seq_id = $1", one.Seq);
                return one.Stream;
            case "exchange two bodies":
                await RunAsync("update aios.mt_events a set data = b.data, id = b.id from aios.mt_events b where (a.seq_id, b.seq_id) in (($1, $2), ($2, $1))", one.Seq, other.Seq);
                return one.Stream;
            case "exchange two versions":
                if (end.Version == 1) goto case "delete";
                await RunAsync("update aios.mt_events set version = -1 where seq_id = $1", one.Seq);
                await RunAsync("update aios.mt_events set version = $3 where stream_id = $1 and version = $2", one.Stream, one.Version % end.Version + 1, one.Version);
                await RunAsync("update aios.mt_events set version = $2 where seq_id = $1", one.Seq, one.Version % end.Version + 1);
                return one.Stream;
            case "exchange two places":
                await RunAsync("update aios.mt_events set seq_id = -1 where seq_id = $1", one.Seq);
                await RunAsync("update aios.mt_events set seq_id = $1 where seq_id = $2", one.Seq, other.Seq);
                await RunAsync("update aios.mt_events set seq_id = $1 where seq_id = -1", other.Seq);
                return one.Stream;
            case "delete":
                await RunAsync("delete from aios.mt_events where seq_id = $1", one.Seq);
                return one.Stream;
            case "delete and close the gap":
                await RunAsync("delete from aios.mt_events where seq_id = $1", one.Seq);
                for (var version = one.Version + 1; version <= end.Version; version++)
                    await RunAsync("update aios.mt_events set version = version - 1 where stream_id = $1 and version = $2", one.Stream, version);
                await RunAsync("update aios.mt_streams set version = version - 1 where id = $1", one.Stream);
                return one.Stream;
            case "truncate":
                var left = random.Next((int)end.Version);
                await RunAsync("delete from aios.mt_events where stream_id = $1 and version > $2", one.Stream, (long)left);
                await RunAsync("update aios.mt_streams set version = $2 where id = $1 and $2 > 0", one.Stream, (long)left);
                if (left == 0) await RunAsync("delete from aios.mt_streams where id = $1", one.Stream);
                return one.Stream;
            case "delete a stream":
                await RunAsync("delete from aios.mt_events where stream_id = $1", one.Stream);
                return one.Stream;
            case "delete a stream and every trace of it in tables":
                await RunAsync("delete from aios.mt_events where stream_id = $1", one.Stream);
                await RunAsync("delete from aios.mt_streams where id = $1", one.Stream);
                await RunAsync("delete from aios.runs where 'run/' || id = $1", one.Stream);
                return one.Stream;
            case "insert at the end":
                await InsertAsync(one.Stream, end.Version + 1, "nextval('aios.mt_events_sequence')");
                await RunAsync("update aios.mt_streams set version = version + 1 where id = $1", one.Stream);
                return one.Stream;
            case "insert a stream":
                await InsertAsync("run/new", 1, "nextval('aios.mt_events_sequence')");
                await RunAsync("insert into aios.mt_streams (tenant_id, id, version) values ('default', 'run/new', 1)");
                return "run/new";
            case "insert into a gap":
                // Where the purged run was.
                await InsertAsync("run/gone", 1, "(select first_seq from aios.audit_tombstones limit 1)");
                await RunAsync("insert into aios.mt_streams (tenant_id, id, version) values ('default', 'run/gone', 1)");
                return "run/gone";
            case "insert below the first number":
                await InsertAsync(one.Stream, end.Version + 1, new[] { "0", "-7", "-9223372036854775808" }[random.Next(3)]);
                await RunAsync("update aios.mt_streams set version = version + 1 where id = $1", one.Stream);
                return one.Stream;
            case "insert at the last number":
                await InsertAsync(one.Stream, end.Version + 1, "9223372036854775807");
                await RunAsync("update aios.mt_streams set version = version + 1 where id = $1", one.Stream);
                return one.Stream;
            case "insert without a stream":
                await RunAsync("insert into aios.mt_events (seq_id, id, version, data, type, timestamp, tenant_id) values (nextval('aios.mt_events_sequence'), gen_random_uuid(), 1, '{}', 'x', now(), 'default')");
                return "inserted";
            case "insert what has no form":
                await InsertAsync(one.Stream, end.Version + 1, "nextval('aios.mt_events_sequence')");
                await RunAsync("update aios.mt_streams set version = version + 1 where id = $1", one.Stream);
                await RunAsync("update aios.mt_events set data = (repeat('[', 1500) || repeat(']', 1500))::jsonb where stream_id = $1 and version = $2", one.Stream, end.Version + 1);
                return one.Stream;
            case "edit the time to none":
                await RunAsync("update aios.mt_events set timestamp = '20000-01-01' where seq_id = $1", one.Seq);
                return one.Stream;
            case "edit the body to no payload":
                var zeros = new string('0', 60);
                await RunAsync("update aios.mt_events set data = $2::jsonb where seq_id = $1", one.Seq, random.Next(2) == 0 ? $"{{\"$payload\": [\"{zeros}\"]}}" : $"[\"$payload\", {{\"a\": \"{zeros}\"}}]");
                return one.Stream;
            case "edit a payload":
                await RunAsync("update aios.payload_parts set bytes = set_byte(bytes, $1 % octet_length(bytes), (get_byte(bytes, $1 % octet_length(bytes)) + 1) % 256) where ctid = (select ctid from aios.payload_parts order by random() limit 1)", random.Next(10_000));
                return "payload";
            case "cut a payload":
                await RunAsync("update aios.payload_parts set bytes = substring(bytes for octet_length(bytes) - 1) where ctid = (select ctid from aios.payload_parts order by random() limit 1)");
                return "payload";
            case "delete a payload":
                await RunAsync("delete from aios.payload_parts where sha256 in (select sha256 from aios.payload_uses)");
                await RunAsync("delete from aios.payloads where sha256 in (select sha256 from aios.payload_uses)");
                return "payload";
            case "edit a block":
                await FlipAsync("body", random.NextInt64(blocks));
                return null;
            case "edit the head of a block":
                await FlipAsync("head", random.NextInt64(blocks));
                return null;
            case "delete a block":
                await RunAsync("delete from aios.audit_blocks where number = $1", random.NextInt64(blocks));
                return null;
            case "delete the last blocks":
                await RollBackAsync(random.NextInt64(blocks));
                return null;
            case "delete a checkpoint":
                await RunAsync("delete from aios.audit_checkpoints where number = (select max(number) from aios.audit_checkpoints)");
                return null;
            case "edit a checkpoint":
                await RunAsync("update aios.audit_checkpoints set line = replace(line, '\"blocks\":', '\"blocks\":1') where number = (select number from aios.audit_checkpoints order by random() limit 1)");
                return null;
            case "delete what is young":
                // Only the batch: an event that nobody vouches for.
                await RunAsync("delete from aios.audit_batches where id = (select id from aios.audit_batches where kind = 0 order by random() limit 1)");
                return null;
            case "edit a young batch":
                await RunAsync("update aios.audit_batches set root = set_byte(root, $1, (get_byte(root, $1) + 1) % 256) where id = (select id from aios.audit_batches where kind = 0 order by random() limit 1)", random.Next(32));
                return null;
            case "forge a purge":
                await ForgeAsync(one.Stream);
                return one.Stream;
            case "forge a purge without a hash":
                await ForgeAsync(one.Stream, hashed: false);
                return one.Stream;
            case "forge a purge without a key":
                await RunAsync("update aios.audit_tombstones set line = regexp_replace(line, '\"key\":\"[^\"]*\"', '\"key\":null')");
                return "run/gone";
            case "forge a checkpoint without a key":
                await NextCheckpointAsync("\"key\":\"[^\"]*\"", "\"key\":null");
                return null;
            case "forge a checkpoint without a hash":
                await NextCheckpointAsync("\"added\":\\[[^]]*\\]", "\"added\":[null]");
                return null;
            case "forge a batch of nothing":
                await RunAsync("insert into aios.audit_batches (kind, root, detail, first, events) values (0, sha256(''), '', 1, 0)");
                return null;
            case "forge a batch of another kind":
                await RunAsync("insert into aios.audit_batches (kind, root, detail, first, events) select $1, root, detail, first, events from aios.audit_batches where kind = 0 limit 1", (short)new[] { 2, 3, 7, 256 }[random.Next(4)]);
                return null;
            case "forge a block far away":
                await RunAsync("insert into aios.audit_blocks (number, head, body, first_seq, last_seq) select $1, head, body, first_seq, last_seq from aios.audit_blocks limit 1", random.Next(2) == 0 ? long.MaxValue : random.NextInt64(1_000_000_000, long.MaxValue));
                return null;
            case "edit a tombstone":
                await RunAsync("update aios.audit_tombstones set line = replace(line, 'by a test', 'by the law')");
                return "run/gone";
            case "delete a tombstone":
                await RunAsync("delete from aios.audit_tombstones");
                return null;
            case "edit the leaves of a tombstone":
                await RunAsync("update aios.audit_tombstones set places = set_byte(places, $1 % octet_length(places), (get_byte(places, $1 % octet_length(places)) + 1) % 256)", random.Next(1000));
                return "run/gone";
            case "edit and rewrite the whole trail":
                await RunAsync("update aios.mt_events set data = data || '{\"x\":1}' where seq_id = $1", one.Seq);
                await RewriteAsync();
                return null;
            case "delete and rewrite the whole trail":
                await RunAsync("delete from aios.mt_events where stream_id = $1", one.Stream);
                await RunAsync("delete from aios.mt_streams where id = $1", one.Stream);
                await RewriteAsync();
                return null;
            case "lower a head":
                await RunAsync("update aios.mt_streams set version = version - 1 where id = $1", one.Stream);
                return one.Stream;
            case "delete the trail":
                foreach (var table in new[] { "audit_blocks", "audit_checkpoints", "audit_tombstones", "audit_batches" }) await RunAsync($"delete from aios.{table}");
                return null;
            default:
                throw new ArgumentOutOfRangeException(nameof(kind), kind, "This is no way to tamper.");
        }
    }

    private Task InsertAsync(string stream, long version, string seq) => RunAsync($$"""
        insert into aios.mt_events (seq_id, id, stream_id, version, data, type, timestamp, tenant_id) values ({{seq}}, gen_random_uuid(), $1, $2, '{"granted":true}', 'approval-decided', now(), 'default')
        """, stream, version);

    private async Task FlipAsync(string column, long block)
    {
        var bytes = (await ListAsync($"select {column} from aios.audit_blocks where number = {block.ToString(CultureInfo.InvariantCulture)}", r => r.GetFieldValue<byte[]>(0)))[0];
        bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
        await RunAsync($"update aios.audit_blocks set {column} = $2 where number = $1", block, bytes);
    }

    // As a restored backup would look: everything since a block is gone, events and all.
    private async Task RollBackAsync(long left)
    {
        await RunAsync("delete from aios.mt_events e using aios.audit_blocks b where b.number >= $1 and e.seq_id between b.first_seq and b.last_seq", left);
        await RunAsync("delete from aios.audit_blocks where number >= $1", left);
        await RunAsync("delete from aios.audit_batches");
        await RunAsync("delete from aios.mt_streams");
        await RunAsync("insert into aios.mt_streams (tenant_id, id, version) select tenant_id, stream_id, max(version) from aios.mt_events group by 1, 2");
        await RunAsync("delete from aios.audit_checkpoints where (line::jsonb ->> 'blocks')::bigint > $1", left);
    }

    // A purge that nobody ordered, as well made as it can be without the host's key.
    private async Task ForgeAsync(string stream, bool hashed = true)
    {
        var events = (await ListAsync($"select seq_id from aios.mt_events where stream_id = '{stream}' order by version", r => (r.GetInt64(0), new byte[32]))).ToList();
        var (line, places) = Tombstone.Write("default", stream, events, "retention *=90d", DateTimeOffset.UtcNow, foreignKey);
        var hash = hashed ? Convert.FromHexString(Checkpoint.HashOf(line)) : [];
        await RunAsync("insert into aios.audit_tombstones (hash, tenant_id, stream_id, first_seq, last_seq, line, places) values ($1, 'default', $2, $3, $4, $5, $6)", hash, stream, events[0].Item1, events[^1].Item1, line, places);
        if (hashed) await RunAsync("insert into aios.audit_batches (kind, root, detail) values (1, $1, '')", hash);
        await RunAsync("delete from aios.mt_events where stream_id = $1", stream);
        await RunAsync("delete from aios.mt_streams where id = $1", stream);
    }

    // One more, with something of it exchanged.
    private Task NextCheckpointAsync(string pattern, string by) => RunAsync(
        "insert into aios.audit_checkpoints (number, line) select number + 1, regexp_replace(replace(line, format('\"number\":%s,', number), format('\"number\":%s,', number + 1)), $1, $2) from aios.audit_checkpoints order by number desc limit 1", pattern, by);

    // Every hash made anew over what stands there now, and signed: with another key, since the host's is not in the database.
    private async Task RewriteAsync()
    {
        foreach (var table in new[] { "audit_blocks", "audit_checkpoints", "audit_tombstones", "audit_batches" }) await RunAsync($"delete from aios.{table}");
        var events = new List<AuditedEvent>();
        await foreach (var e in AuditedEvents.WithinAsync(connection, [(1, long.MaxValue)], long.MaxValue, default)) events.Add(e);
        var batch = AuditBatch.Of(events.ConvertAll(e => new AuditedAppend(e.Tenant, e.Stream, e.Version == 1, 1)), [.. events.SelectMany(e => e.Leaf())]);
        var block = new AuditBlock(0, events.Count, 0, [new BlockBatch(AuditKind.Appended, batch.Root.ToArray(), BatchContent.Write([.. events.Select(e => e.Seq)], [], null, batch.Detail.Span))]);
        var log = new MerkleLog();
        log.Add(AuditBlock.HashOf(block.Head()));
        await RunAsync("insert into aios.audit_blocks (number, head, body, first_seq, last_seq) values (0, $1, $2, $3, $4)", block.Head(), block.Body(), events[0].Seq, events[^1].Seq);
        await RunAsync("update aios.audit_log set blocks = 1, events = $1, peaks = $2", (long)events.Count, log.Peaks);
        var (id, began) = (await ListAsync("select id, began from aios.audit_log", r => (r.GetGuid(0), r.GetInt64(1))))[0];
        var root = Convert.ToHexStringLower(log.Root());
        var checkpoint = new Checkpoint(1, id, DateTimeOffset.UtcNow, 1, events.Count, began, [root], root, "", null, foreignKey.Public, []);
        await RunAsync("insert into aios.audit_checkpoints (number, line) values (1, $1)", checkpoint.Sign(foreignKey));
    }

    private async Task RunAsync(string sql, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values) command.Parameters.AddWithValue(value);
        await command.ExecuteNonQueryAsync();
    }

    private async Task<List<T>> ListAsync<T>(string sql, Func<NpgsqlDataReader, T> read)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync();
        var list = new List<T>();
        while (await reader.ReadAsync()) list.Add(read(reader));
        return list;
    }
}
