using System.Data.Common;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Testing.Hosting;

/// <summary>Stands in the place of every activity a test host calls: knows that it is under way, can have it fail at a crash point, and says what to do when a test forgot to bring its service.</summary>
internal sealed class ToolInTest(Activity tool, WorkflowTestHost.Incarnation host) : Activity(tool.Name, tool.Effect, tool.Options)
{
    internal override Type? Service => tool.Service;

    internal override bool CanReconcile => tool.CanReconcile;

    internal override Task<JsonText> RunAsync(IServiceProvider services, JsonText input, ActivityContext context, DbTransaction? transaction)
    {
        if (Service is { } service && services.GetService(service) is null)
        {
            var what = $"The code called '{Name}', which needs a {service.Name}, and this test brings none. Replace the tool (host.Replace(…, (input, context) => …)), or add the service where the host is made.";
            host.Report(what);
            throw new RefusedException(what); // final, or the engine would go on trying
        }
        return host.CallAsync(Name, context, () => tool.RunAsync(services, input, context, transaction));
    }

    // Without its service the call itself says what is missing.
    internal override Task<JsonText?> PrepareAsync(IServiceProvider services, JsonText input, ActivityContext context) =>
        Service is { } service && services.GetService(service) is null ? Task.FromResult<JsonText?>(null)
        : host.CallAsync($"preparing {Name}", context, () => tool.PrepareAsync(services, input, context));

    internal override Task<Reconciled<JsonText>> ReconcileAsync(IServiceProvider services, JsonText input, ActivityContext context) =>
        host.CallAsync($"inquiry of {Name}", context, () => tool.ReconcileAsync(services, input, context));
}
