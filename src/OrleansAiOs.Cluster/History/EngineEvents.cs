using JasperFx;
using JasperFx.Events;
using JasperFx.MultiTenancy;
using Marten;
using Npgsql;
using OrleansAiOs.Workflows.History;
using Weasel.Core;
using Weasel.Postgresql;
using Weasel.Postgresql.Functions;

namespace OrleansAiOs.Cluster.History;

/// <summary>Marten over the engine's streams.</summary>
public static class EngineEvents
{
    private const string Schema = "aios";

    /// <summary>
    /// For a Marten store of your own: its events are the engine's (the records of <see cref="WorkflowEvent"/>, by the names they have in histories; streams
    /// <c>run/…</c>, tenant by tenant), to be projected and subscribed to. The event tables are the engine's: Marten neither makes nor changes them; what
    /// else it needs, <see cref="MakeTablesAsync"/> makes. An event body over 8 KiB stands in the table as a reference to a payload, and is read as empty.
    /// </summary>
    /// <example><code>services.AddMarten(options => { options.Connection(…); options.ReadEngineEvents(); options.Projections.Add&lt;Spend&gt;(ProjectionLifecycle.Async); })</code></example>
    public static StoreOptions ReadEngineEvents(this StoreOptions options)
    {
        options.OverEngineEvents();
        foreach (var (name, type) in EventNames.Types) options.Events.MapEventType(type, name);
        return options;
    }

    /// <summary>Makes the tables of a store's documents, and Marten's functions beside the engine's tables; done twice, it does nothing.</summary>
    public static async Task MakeTablesAsync(this IDocumentStore store, NpgsqlDataSource database, CancellationToken cancellation = default)
    {
        await using var connection = await database.OpenConnectionAsync(cancellation);
        ISchemaObject[] missing = [.. store.Storage.AllObjects().Where(part => part is Function || part.Identifier.Schema != Schema || part.Identifier.Name.StartsWith("mt_doc_", StringComparison.Ordinal))];
        var migration = await SchemaMigration.DetermineAsync(connection, cancellation, missing);
        await new PostgresqlMigrator().ApplyAllAsync(connection, migration, AutoCreate.CreateOrUpdate, ct: cancellation);
    }

    internal static void OverEngineEvents(this StoreOptions options)
    {
        options.Events.DatabaseSchemaName = Schema;
        options.Events.StreamIdentity = StreamIdentity.AsString;
        options.Events.TenancyStyle = TenancyStyle.Conjoined;
        options.Events.UseExclusiveLockOnConcurrentAppends = true;
        options.AutoCreateSchemaObjects = AutoCreate.None;
        // Members that a later build adds are passed over, as the engine itself does.
        options.UseSystemTextJsonForSerialization(WorkflowJson.Stored, EnumStorage.AsString, Casing.CamelCase);
        options.DisableNpgsqlLogging = true;
        // What cannot be read or applied stops a projection; passed over, its sums would be wrong and nobody would know.
        options.Projections.Errors.SkipApplyErrors = options.Projections.Errors.SkipSerializationErrors = options.Projections.Errors.SkipUnknownEvents = false;
        options.Projections.RebuildErrors.SkipApplyErrors = options.Projections.RebuildErrors.SkipSerializationErrors = options.Projections.RebuildErrors.SkipUnknownEvents = false;
    }
}
