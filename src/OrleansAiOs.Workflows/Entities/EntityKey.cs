using System.Reflection;

namespace OrleansAiOs.Workflows;

/// <summary>What an entity is called by.</summary>
/// <param name="Workflow">The name of its class in histories.</param>
/// <param name="Id">Its own name: the id of its run, at most 200 bytes. Of one tenant, it is the only run of this id, of whatever workflow.</param>
public sealed record EntityKey(string Workflow, string Id)
{
    /// <summary>The entity of a class that is called so.</summary>
    public static EntityKey Of<TEntity>(string id) where TEntity : Workflow => new(
        typeof(TEntity).GetCustomAttribute<WorkflowAttribute>()?.Name ?? throw new InvalidOperationException($"{typeof(TEntity).Name} has no [Workflow(\"name\")]: give it the name its histories will carry."), id);

    /// <inheritdoc/>
    public override string ToString() => $"{Workflow} '{Id}'";
}
