using System.Data;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;

namespace OrleansAiOs.Kernel.Tests.Governance.Budgets;

/// <summary>What befalls at a point.</summary>
internal enum Fate
{
    /// <summary>The process dies: nothing of it reaches the database from there on.</summary>
    Dies,

    /// <summary>This one answer is lost, or this one question never arrives.</summary>
    LosesAnswer,
}

/// <summary>A database that fails at one point of a program's way: a connection, before a commit, or behind it.</summary>
internal sealed class FaultySource(DbDataSource inner, int at, Fate fate) : DbDataSource
{
    private int points;
    private bool dead;

    /// <summary>Points the program has come to.</summary>
    public int Points => points;

    public bool IsDead => dead;

    public override string ConnectionString => inner.ConnectionString;

    protected override DbConnection CreateDbConnection() => new Connection(this, inner.CreateConnection());

    private void Point()
    {
        if (dead) throw new FaultException();
        if (++points != at) return;
        dead = fate is Fate.Dies;
        throw new FaultException();
    }

    private sealed class FaultException() : DbException("the connection is gone");

    private sealed class Connection(FaultySource source, DbConnection inner) : DbConnection
    {
        [AllowNull]
        public override string ConnectionString { get => inner.ConnectionString; set => inner.ConnectionString = value; }

        public override string Database => inner.Database;

        public override string DataSource => inner.DataSource;

        public override string ServerVersion => inner.ServerVersion;

        public override ConnectionState State => inner.State;

        public override bool CanCreateBatch => true;

        public override void ChangeDatabase(string databaseName) => inner.ChangeDatabase(databaseName);

        public override void Close() => inner.Close();

        public override void Open() => throw new NotSupportedException();

        public override Task OpenAsync(CancellationToken cancellationToken)
        {
            source.Point();
            return inner.OpenAsync(cancellationToken);
        }

        protected override DbTransaction BeginDbTransaction(IsolationLevel isolationLevel) => throw new NotSupportedException();

        protected override async ValueTask<DbTransaction> BeginDbTransactionAsync(IsolationLevel isolationLevel, CancellationToken cancellationToken) =>
            new Transaction(source, this, await inner.BeginTransactionAsync(cancellationToken));

        protected override DbCommand CreateDbCommand() => inner.CreateCommand();

        protected override DbBatch CreateDbBatch() => new Batch(inner.CreateBatch());

        // The finalizer must not touch it: the inner one may serve somebody else by then.
        protected override void Dispose(bool disposing)
        {
            if (disposing) inner.Dispose();
        }

        public override ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    private sealed class Transaction(FaultySource source, Connection connection, DbTransaction inner) : DbTransaction
    {
        public DbTransaction Inner => inner;

        public override IsolationLevel IsolationLevel => inner.IsolationLevel;

        protected override DbConnection DbConnection => connection;

        public override void Commit() => throw new NotSupportedException();

        public override async Task CommitAsync(CancellationToken cancellationToken = default)
        {
            source.Point();
            await inner.CommitAsync(cancellationToken);
            source.Point();
        }

        public override void Rollback() => inner.Rollback();

        protected override void Dispose(bool disposing) => inner.Dispose();

        public override ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    private sealed class Batch(DbBatch inner) : DbBatch
    {
        public override int Timeout { get => inner.Timeout; set => inner.Timeout = value; }

        protected override DbBatchCommandCollection DbBatchCommands => inner.BatchCommands;

        protected override DbConnection? DbConnection { get => inner.Connection; set => throw new NotSupportedException(); }

        protected override DbTransaction? DbTransaction { get => inner.Transaction; set => inner.Transaction = ((Transaction?)value)?.Inner; }

        public override void Cancel() => inner.Cancel();

        public override int ExecuteNonQuery() => throw new NotSupportedException();

        public override Task<int> ExecuteNonQueryAsync(CancellationToken cancellationToken = default) => inner.ExecuteNonQueryAsync(cancellationToken);

        public override object? ExecuteScalar() => throw new NotSupportedException();

        public override Task<object?> ExecuteScalarAsync(CancellationToken cancellationToken = default) => inner.ExecuteScalarAsync(cancellationToken);

        public override void Prepare() => throw new NotSupportedException();

        public override Task PrepareAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();

        protected override DbBatchCommand CreateDbBatchCommand() => inner.CreateBatchCommand();

        protected override DbDataReader ExecuteDbDataReader(CommandBehavior behavior) => throw new NotSupportedException();

        protected override Task<DbDataReader> ExecuteDbDataReaderAsync(CommandBehavior behavior, CancellationToken cancellationToken) => inner.ExecuteReaderAsync(behavior, cancellationToken);

        public override void Dispose() => inner.Dispose();

        public override ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
