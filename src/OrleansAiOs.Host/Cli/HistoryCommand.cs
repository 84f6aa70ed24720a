using System.CommandLine;
using System.Globalization;
using System.Text.Json;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios history: a run's events as they are stored.</summary>
internal static class HistoryCommand
{
    public static Command Create(ClientOptions client)
    {
        var id = ClientOptions.Run();
        var from = new Option<long?>("--from") { Description = "From this version on.", HelpName = "VERSION" };
        return client.Query("history", "Print a run's events; with --json one a line.", id, from).Does(async call =>
        {
            using var api = client.Connect(call);
            var path = ApiPaths.Query($"{ApiPaths.Run(call.Get(id))}/history", ("from", call.Get(from)?.ToString(CultureInfo.InvariantCulture)));
            var json = await api.GetAsync(path, call.Cancellation);
            if (call.Get(client.Json))
                foreach (var e in api.Read<PageDocument<JsonElement>>(json).Items) call.Terminal.Json(e.GetRawText());
            else
                call.Terminal.Table(["version", "at", "event", "data"], api.Read<PageDocument<EventDocument>>(json).Items.Select(e => (IEnumerable<Cell>)
                [
                    e.Version.ToString(CultureInfo.InvariantCulture), Human.Time(e.At), e.Type, call.Terminal.IsScreen ? Human.Brief(e.Data) : e.Data.GetRawText(),
                ]));
            return ExitCode.Done;
        });
    }
}
