using System.Data.Common;

namespace OrleansAiOs.Kernel.Tests.Webhooks;

/// <summary>A database that counts what it is asked. From the n-th question on its asker is dead: none arrives any more.</summary>
internal sealed class DyingSource(DbDataSource inner, int at) : DbDataSource
{
    private int asked;

    public int Asked => Volatile.Read(ref asked);

    public bool IsDead => Asked >= at;

    public override string ConnectionString => inner.ConnectionString;

    protected override DbConnection CreateDbConnection() => inner.CreateConnection();

    protected override DbCommand CreateDbCommand(string? commandText = null) => Interlocked.Increment(ref asked) >= at ? throw new Gone() : inner.CreateCommand(commandText);

    private sealed class Gone() : DbException("the connection is gone");
}
