using System.CommandLine;
using System.Globalization;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios quota: how much there may be of something at one time.</summary>
internal static class QuotaCommand
{
    private const string NoLimit = "none";

    private static readonly string[] Units = ["KB", "MB", "GB", "TB"];

    public static Command Create(ClientOptions client) => new Command("quota", "Limit how many calls are under way, how many runs are open, and how much is stored.")
        .With(List(client), Show(client), Set(client), Remove(client));

    private static Argument<string> Name() => new("QUOTA") { Description = "The quota's name." };

    private static Command List(ClientOptions client) => client.Query("list", "List the quotas, and how each stands.").Does(call => client.ShowAsync<PageDocument<QuotaDocument>>(call, ApiPaths.Quotas, page =>
    {
        if (page.Items is { Count: > 0 } quotas) Tell(call.Terminal, quotas);
        else call.Terminal.Note("no quotas");
    }));

    private static Command Show(ClientOptions client)
    {
        var name = Name();
        return client.Query("show", "One quota, and which hosts may have how many calls under way.", name).Does(call => client.ShowAsync<QuotaDocument>(call, ApiPaths.Quota(call.Get(name)), quota =>
        {
            Tell(call.Terminal, [quota]);
            if (quota.Calls is not { } calls) return;
            call.Terminal.Line($"On the host that was asked {Number(calls.UnderWay)} under way, and {Number(calls.Waiting)} waiting.");
            if (calls.Hosts.Count > 0) call.Terminal.Table(["host", "calls at most"], calls.Hosts.Select(host => (IEnumerable<Cell>)[host.Host, Number(host.Places)]));
        }));
    }

    private static void Tell(Terminal terminal, IEnumerable<QuotaDocument> quotas) => terminal.Table(["quota", "of", "what", "limit", "taken", "free"], quotas.SelectMany(Rows));

    private static IEnumerable<IEnumerable<Cell>> Rows(QuotaDocument quota)
    {
        var of = quota.Principal ?? "the tenant";
        if (quota.Calls is { } calls) yield return [quota.Id, of, "calls under way", Number(calls.Limit), Number(calls.Hosts.Sum(host => host.Places)), Free(calls.Free)];
        if (quota.Runs is { } runs) yield return [quota.Id, of, "open runs", Number(runs.Limit), Number(runs.Open), Free(runs.Free)];
        if (quota.Bytes is { } bytes) yield return [quota.Id, of, "bytes stored", Number(bytes.Limit), Number(bytes.Used), Free(bytes.Free)];
    }

    private static Command Set(ClientOptions client)
    {
        var name = Name();
        var calls = new Option<string?>("--calls") { Description = $"At most so many calls under way at once, on all hosts; '{NoLimit}' for no limit.", HelpName = "N" };
        var runs = new Option<string?>("--runs") { Description = $"At most so many open runs; '{NoLimit}' for no limit.", HelpName = "N" };
        var bytes = new Option<string?>("--bytes") { Description = $"At most so many bytes of events and documents stored, such as 500MB or 20GB; '{NoLimit}' for no limit.", HelpName = "N" };
        var principal = new Option<string?>("--principal") { Description = "Only what is done by or for this principal. Default: all of the tenant.", HelpName = "PRINCIPAL" };
        return client.Change("set", "Make a quota, or change one: what is not said stays as it is.", name, calls, runs, bytes, principal).Does(async call =>
        {
            var (callsMost, runsMost, bytesMost) = (Limit("--calls", call.Get(calls), int.MaxValue), Limit("--runs", call.Get(runs), int.MaxValue), Limit("--bytes", InBytes(call.Get(bytes)), long.MaxValue));
            using var api = client.Connect(call);
            var old = (await api.GetAsync<PageDocument<QuotaDocument>>(ApiPaths.Quotas, call.Cancellation)).Items.Find(quota => quota.Id == call.Get(name));
            var set = new { calls = callsMost.IsSaid ? callsMost.Most : old?.Calls?.Limit, runs = runsMost.IsSaid ? runsMost.Most : old?.Runs?.Limit, principal = call.Get(principal) ?? old?.Principal, bytes = bytesMost.IsSaid ? bytesMost.Most : old?.Bytes?.Limit };
            if (set is { calls: null, runs: null, bytes: null }) throw CliException.Usage($"Say how much there may be: --calls N, --runs N or --bytes N. To have no limit any more: aios quota remove {call.Get(name)}");
            var json = await api.CommandAsync(HttpMethod.Put, ApiPaths.Quota(call.Get(name)), set, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else call.Terminal.Note(api.Read<ChangedDocument>(json).Changed ? $"quota {call.Get(name)} holds from now on" : $"quota {call.Get(name)} stood so already");
            return ExitCode.Done;
        });
    }

    private static Command Remove(ClientOptions client)
    {
        var name = Name();
        return client.Change("remove", "Take a quota away: nothing is limited by it any more.", name).Does(call =>
            client.SendAsync(call, HttpMethod.Delete, ApiPaths.Quota(call.Get(name)), null, $"removed the quota {call.Get(name)}"));
    }

    private static (bool IsSaid, long? Most) Limit(string option, string? given, long most) => given switch
    {
        null => (false, null),
        NoLimit => (true, null),
        _ => long.TryParse(given, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit <= most ? (true, limit) : throw CliException.Usage($"{option}: '{given}' is no limit. Write digits, or '{NoLimit}'."),
    };

    // "20GB" as digits; what is none is left for whoever says so.
    private static string? InBytes(string? given)
    {
        var unit = Array.FindIndex(Units, unit => given?.EndsWith(unit, StringComparison.OrdinalIgnoreCase) is true);
        if (unit < 0 || !long.TryParse(given.AsSpan(0, given!.Length - 2), NumberStyles.None, CultureInfo.InvariantCulture, out var many)) return given;
        var bytes = many * Math.Pow(1000, unit + 1);
        return bytes < long.MaxValue ? ((long)bytes).ToString(CultureInfo.InvariantCulture) : given;
    }

    private static string Number(long number) => number.ToString("#,0", CultureInfo.InvariantCulture);

    private static Cell Free(long free) => free > 0 ? Number(free) : new Cell(Number(free), Human.StyleOf("failed"));
}

internal sealed record QuotaDocument(string Id, string? Principal = null, CallStandingDocument? Calls = null, RunsStandingDocument? Runs = null, BytesStandingDocument? Bytes = null);

internal sealed record CallStandingDocument(int Limit, int UnderWay, int Waiting, int Free, List<HostStandingDocument> Hosts);

internal sealed record HostStandingDocument(string Host, int Places);

internal sealed record RunsStandingDocument(int Limit, int Open, int Free);

internal sealed record BytesStandingDocument(long Limit, long Used, long Free, DateTimeOffset? MeasuredAt = null);
