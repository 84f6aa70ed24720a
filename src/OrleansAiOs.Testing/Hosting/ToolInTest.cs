using System.Data.Common;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Testing.Hosting;

/// <summary>Stands in the place of every activity a test host calls: knows that it is under way, and can have it fail at a crash point.</summary>
internal sealed class ToolInTest(Activity tool, bool isReplaced, WorkflowTestHost.Incarnation host) : Activity(tool.Name, tool.Effect, tool.Options)
{
    internal override bool CanReconcile => tool.CanReconcile;

    internal override Task<JsonText> RunAsync(IServiceProvider services, JsonText input, ActivityContext context, DbTransaction? transaction) =>
        host.CallAsync(Name, context, () => tool.RunAsync(new Services(services, this), input, context, transaction));

    internal override Task<Reconciled<JsonText>> ReconcileAsync(IServiceProvider services, JsonText input, ActivityContext context) =>
        host.CallAsync($"inquiry of {Name}", context, () => tool.ReconcileAsync(new Services(services, this), input, context));

    /// <summary>Says what to do when a test forgot to bring a service.</summary>
    private sealed class Services(IServiceProvider inner, ToolInTest asking) : IServiceProvider
    {
        public object? GetService(Type serviceType) => inner.GetService(serviceType) ?? (asking is { } tool ? tool.Missing(serviceType) : null);
    }

    private object? Missing(Type service)
    {
        if (isReplaced) return null;
        var what = $"The code called '{Name}', which needs a {service.Name}, and this test brings none. Replace the tool (host.Replace(…, (input, context) => …)), or add the service where the host is made.";
        host.Report(what);
        // Final, or the engine would go on trying.
        throw new RefusedException(what);
    }
}
