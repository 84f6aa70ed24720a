using System.CommandLine;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios result: how a run ended.</summary>
internal static class ResultCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        var wait = RunOutcome.Wait();
        return client.Query("result", "Print a run's result; the exit code says how it ended.", id, wait).Does(async call =>
        {
            using var api = client.Connect(call);
            var (json, result) = await RunOutcome.AwaitAsync(api, call.Terminal, call.Get(id), RunOutcome.Limit(call, wait), call.Cancellation);
            if (!call.Get(client.Json)) return RunOutcome.Tell(call.Terminal, call.Get(id), result);
            call.Terminal.Json(json);
            return result.Code;
        });
    }
}
