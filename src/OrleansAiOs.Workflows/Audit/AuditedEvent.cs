using System.Data.Common;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Workflows.Audit;

/// <summary>An event as it stands in the table, with the leaf that follows from it.</summary>
/// <param name="At">Null where the database holds a time that no host writes: one behind the year 9999.</param>
internal sealed record AuditedEvent(long Seq, string Tenant, string Stream, long Version, Guid Id, string Type, DateTimeOffset? At, byte[] Body, byte[] Binary)
{
    public const string Columns = "e.seq_id, e.tenant_id, e.stream_id, e.version, e.id, e.type, e.timestamp, e.data::text, e.bdata";

    public static AuditedEvent Read(DbDataReader row) => new(row.GetInt64(0), row.GetString(1), row.IsDBNull(2) ? "" : row.GetString(2), row.GetInt64(3), row.GetGuid(4), row.GetString(5),
        TimeIn(row), row.GetFieldValue<byte[]>(7), row.IsDBNull(8) ? [] : row.GetFieldValue<byte[]>(8));

    /// <exception cref="FormatException">It has none: no host can have appended it.</exception>
    /// <exception cref="OverflowException">It has none, likewise.</exception>
    public byte[] Leaf()
    {
        var leaf = new byte[AuditLeaf.Bytes];
        AuditLeaf.Write(Tenant, Stream, Version, Id, Type, At ?? throw new FormatException("Its time cannot be read."), Body, Binary, leaf);
        return leaf;
    }

    /// <summary>Its leaf; zeros if it has none.</summary>
    public byte[] LeafOrZeros()
    {
        try
        {
            return Leaf();
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            return new byte[AuditLeaf.Bytes];
        }
    }

    /// <summary>The payload that holds its body, if the body is too large for the table.</summary>
    public string? PayloadOf() => LargeBody.Read(Body);

    private static DateTimeOffset? TimeIn(DbDataReader row)
    {
        try
        {
            return row.GetFieldValue<DateTimeOffset>(6);
        }
        catch (Exception e) when (e is InvalidCastException or ArgumentException or OverflowException)
        {
            return null;
        }
    }
}
