using System.CommandLine;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios export: runs' histories as a file that is readable without us (docs/history-format.md).</summary>
internal static class ExportCommand
{
    private const int RunsMax = 1000;

    public static Command Create(ClientOptions client)
    {
        var runs = new Argument<string[]>("RUN") { Description = "The runs' ids.", Arity = ArgumentArity.ZeroOrMore };
        var query = new Option<string[]>("--query") { Description = "Every run that a list so narrowed holds: status=, workflow=, businessKey=, attribute=NAME:VALUE, startedFrom=, startedBefore=.", HelpName = "NAME=VALUE", AllowMultipleArgumentsPerToken = true };
        var output = new Option<string?>("--output", "-o") { Description = "The file to write. Default: standard output.", HelpName = "FILE" };
        var payloads = new Option<string>("--payloads") { Description = "Documents that histories refer to: include their bytes, or their hash only.", DefaultValueFactory = _ => "hash" }.AcceptOnlyFromAmong("include", "hash");
        var redact = new Option<string?>("--redact") { Description = "Members to blank wherever they occur in what the code was given or gave: name,name. Code that reads one may replay otherwise.", HelpName = "NAMES" };
        return client.Query("export", "Write runs' histories to a file that can be replayed, imported elsewhere, and read without aios.", runs, query, output, payloads, redact).Does(async call =>
        {
            using var api = client.Connect(call);
            var ids = (call.Parsed.GetValue(runs) ?? []).ToList();
            if (ids.Count == 0 == (call.Get(query) ?? []).Length is 0) throw CliException.Usage("Name runs, or say which with --query; one of the two.");
            if (ids.Count == 0) ids = await ListAsync(api, call.Get(query)!, call.Cancellation);
            if (ids.Count == 0) throw new CliException(ExitCode.NotFound, "No run matches.");
            if (ids.Count > RunsMax) throw CliException.Usage($"One file holds at most {RunsMax} runs over the API, and {ids.Count} match. Narrow the query.");
            var fields = (call.Get(redact) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            var what = new { runs = ids, payloads = call.Get(payloads), redact = fields };
            if (call.Get(output) is { } file)
            {
                // Beside and renamed: what breaks off leaves no file that looks like one.
                var beside = $"{file}.unfinished";
                await using (var to = File.Create(beside)) await api.DownloadAsync("/api/v1/export", to, call.Cancellation, what);
                File.Move(beside, file, overwrite: true);
                call.Terminal.Note($"{ids.Count} run{(ids.Count == 1 ? "" : "s")} in {file}");
            }
            else
            {
                using var whole = new MemoryStream();
                await api.DownloadAsync("/api/v1/export", whole, call.Cancellation, what);
                whole.Position = 0;
                using var lines = new StreamReader(whole);
                while (await lines.ReadLineAsync(call.Cancellation) is { } line) call.Terminal.Json(line);
            }
            return ExitCode.Done;
        });
    }

    internal static async Task<List<string>> ListAsync(ApiClient api, string[] query, CancellationToken cancellation)
    {
        var filters = query.Select(part => part.Split('=', 2) is [{ Length: > 0 } name, var value] ? (name, (string?)value) : throw CliException.Usage($"--query is NAME=VALUE, not '{part}'.")).ToList();
        var ids = new List<string>();
        for (string? cursor = null; ;)
        {
            var page = await api.GetAsync<PageDocument<RunDocument>>(ApiPaths.Query(ApiPaths.Runs, [.. filters, ("limit", "500"), ("cursor", cursor)]), cancellation);
            ids.AddRange(page.Items.Select(run => run.Id));
            if ((cursor = page.Next) is null) return ids;
        }
    }
}
