using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OrleansAiOs.Host.Cli;
using OrleansAiOs.Host.Serving;
using OrleansAiOs.Packs.InvoiceToPay;
using OrleansAiOs.Packs.InvoiceToPay.Documents;

namespace OrleansAiOs.Host.Demo;

/// <summary><c>aios demo</c>: the invoice pipeline over sample documents, against a ledger and a bank of its own, on a database of its own.</summary>
internal static class DemoCommand
{
    public static Command Create()
    {
        var yes = new Option<bool>("--yes") { Description = "Ask nothing: decide by rules, which are printed." };
        var invoices = new Option<string?>("--invoices") { Description = "A folder of UBL documents instead of the samples (with subfolders; a purchase-orders.json in it is used).", HelpName = "DIR" };
        var data = new Option<string?>("--data") { Description = "The demo's own data folder. Default: 'demo' in the data folder.", HelpName = "DIR" };
        var cluster = new Option<int?>("--cluster")
        {
            Description = $"On so many hosts of a cluster, {DemoCluster.Least} to {DemoCluster.Most}, each a process of its own; one of them is killed on the way.",
            HelpName = "HOSTS",
            CustomParser = result =>
            {
                if (int.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var hosts) && hosts is >= DemoCluster.Least and <= DemoCluster.Most) return hosts;
                result.AddError($"The demo's cluster has {DemoCluster.Least} to {DemoCluster.Most} hosts, not '{result.Tokens[0].Value}'.");
                return null;
            },
        };
        return new Command("demo", "Run the invoice pipeline over sample documents and show what happens.").With(yes, invoices, cluster, data, Refunds.RefundsDemoCommand.Create()).Does(async call =>
        {
            if (call.Get(cluster) is not null && ClusterSeat.Lacking is { } why) throw new CliException(ExitCode.Failed, why, "`aios demo` without --cluster shows the same on one host.");
            var folder = call.Get(data) ?? Path.Combine(HostFolder.DefaultPath, call.Get(cluster) is null ? "demo" : "demo-cluster");
            // Without somebody at the terminal there is nobody to ask.
            return await new Demonstration(call.Terminal, folder, call.Get(invoices), call.Get(cluster), decidesByRules: call.Get(yes) || Console.IsInputRedirected).RunAsync(call.Cancellation);
        });
    }
}

/// <summary>One demonstration, from the first document to the table.</summary>
internal sealed class Demonstration(Terminal terminal, string folder, string? invoices, int? cluster, bool decidesByRules)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(200);

    private readonly List<(string File, string Run)> documents = [];
    private readonly Dictionary<string, string> said = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<string>> wasOn = new(StringComparer.Ordinal);
    private bool mayLoseOne = cluster is not null;
    private IDemoHosts hosts = null!;
    private DemoPeople people = null!;

    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        var (files, orders) = Documents();
        await using var sandbox = await SandboxProcess.StartAsync(Path.Combine(folder, "sandbox"), cancellation);
        terminal.Note($"ledger and bank listen on {sandbox.Address} (a process of their own)");
        var settings = new Dictionary<string, string> { ["INVOICE_APPROVAL_ABOVE"] = SampleInvoices.ApprovalThreshold.ToString(CultureInfo.InvariantCulture) };
        foreach (var receiver in new[] { "INVOICE_LEDGER", "INVOICE_BANK", "INVOICE_DESK" }) settings.Add(receiver, sandbox.Address);
        if (orders is not null) settings.Add("INVOICE_ORDERS", Path.GetFullPath(orders));
        await using (hosts = cluster is { } count ? await DemoCluster.StartAsync(count, folder, settings, terminal.Note, cancellation) : await DemoHost.StartAsync(folder, settings, terminal.Note, cancellation))
        {
            people = await DemoPeople.HireAsync(hosts.Next, cancellation);
            if (decidesByRules) foreach (var rule in DemoPeople.Rules) terminal.Note($"rule: {rule}");
            foreach (var file in files) await BringInAsync(file, cancellation);
            var runs = await SettleAsync(cancellation);
            Report(runs);
            terminal.Line("");
            await ReportBooksAsync(sandbox, cancellation);
            await DemoEnd.SayAsync(terminal, hosts.Next().Url, folder, documents[0].Run, decidesByRules, cancellation);
        }
        return ExitCode.Done;
    }

    private (IReadOnlyList<string> Files, string? Orders) Documents()
    {
        var from = invoices;
        if (from is null)
        {
            // Written once: the same documents again must find their first runs.
            from = Path.Combine(folder, "samples");
            if (!Directory.Exists(from) || !Directory.EnumerateFiles(from, "*.xml").Any()) SampleInvoices.Write(from, DateOnly.FromDateTime(DateTime.UtcNow));
        }
        else if (!Directory.Exists(from)) throw CliException.Usage($"There is no folder '{from}'.");
        var files = Directory.EnumerateFiles(from, "*.xml", SearchOption.AllDirectories).Order(StringComparer.Ordinal).ToList();
        if (files.Count == 0) throw CliException.Usage($"'{from}' holds no .xml document.");
        var orders = Path.Combine(from, SampleInvoices.PurchaseOrdersFile);
        return (files, File.Exists(orders) ? orders : null);
    }

    private async Task BringInAsync(string file, CancellationToken cancellation)
    {
        await using var content = File.OpenRead(file);
        using var clerk = people.As(DemoPeople.Clerk); // one host a document: the run is active where it is asked for
        var payload = await clerk.UploadAsync(content, isXml: true, cancellation);
        var started = clerk.Read<StartedDocument>(await clerk.CommandAsync(HttpMethod.Post, ApiPaths.Runs, new { workflow = "invoice-to-pay", id = payload.Sha256, input = payload }, cancellation));
        var name = Path.GetFileName(file);
        if (documents.Any(document => document.Run == started.Id)) terminal.Note($"  {name}: the same bytes as {documents.First(d => d.Run == started.Id).File}");
        else documents.Add((name, started.Id));
        Say(started.Id, started.IsNew ? "brought in by anna" : $"known: its run began {Human.Time(started.Run.StartedAt)}, nothing is done again", started.Run.Host);
    }

    private async Task<List<RunDocument>> SettleAsync(CancellationToken cancellation)
    {
        while (true)
        {
            var runs = new List<RunDocument>();
            foreach (var (_, run) in documents) runs.Add(await people.LookAsync<RunDocument>(ApiPaths.Run(run), cancellation));
            foreach (var run in runs)
            {
                Follow(run);
                Say(run.Id, State(run), run.Host);
            }
            if (mayLoseOne && runs.Exists(run => run.Busy))
            {
                await Task.Delay(LookEvery, cancellation);
                continue;
            }
            if (mayLoseOne) await LoseOneAsync(runs, cancellation);
            if (await DecideAsync(cancellation)) continue;
            // What only time or a person outside this demo can move is not waited for. A minute is: a twin asks again and again what became of the first.
            var soon = (hosts.Clock ?? TimeProvider.System).GetUtcNow() + TimeSpan.FromMinutes(1);
            if (runs.All(run => run.ClosedAt is not null || run is { Busy: false } && run.OpenWaits.Any(wait => wait.Kind is "unpark" or "outcome-unknown" || wait.Kind is "timer" && !(wait.Until < soon))))
            {
                if (await MoveClockAsync(runs, cancellation)) continue;
                return runs;
            }
            await Task.Delay(LookEvery, cancellation);
        }
    }

    /// <summary>Once all that can go on without a person has: the host on which most of the rest wait dies, and the decisions come to the others.</summary>
    private async Task LoseOneAsync(List<RunDocument> runs, CancellationToken cancellation)
    {
        mayLoseOne = false;
        var waiting = runs.Where(run => run.ClosedAt is null && run.OpenWaits.Any(wait => wait.Kind is "approval")).ToList();
        if (((DemoCluster)hosts).Busiest(waiting.Select(run => run.Host)) is not { } host)
        {
            terminal.Note($"nothing waits for a decision, so no host is killed; remove {folder} to see it from its beginning");
            return;
        }
        var its = waiting.Count(run => host.Is(run.Host));
        if (!decidesByRules && !await AskYesAsync($"{its} run(s) wait for a decision on {host.Name}. Kill it (kill -9, process {host.ProcessId})?", cancellation)) return;
        await host.KillAsync();
        terminal.Note($"{host.Name} is killed (kill -9); {its} run(s) waited there for a decision. Their decisions are sent to the others");
    }

    private void Follow(RunDocument run)
    {
        if (hosts.NameOf(run.Host) is not { Length: > 0 } name) return;
        if (!wasOn.TryGetValue(run.Id, out var names)) wasOn.Add(run.Id, names = []);
        if (names.LastOrDefault() == name) return;
        if (names.Count > 0) terminal.Note($"  {FileOf(run.Id)} goes on on {name}; it was on {names[^1]}");
        names.Add(name);
    }

    private string FileOf(string run) => documents.Find(document => document.Run == run).File;

    private async Task<bool> DecideAsync(CancellationToken cancellation)
    {
        var ours = documents.Select(document => document.Run).ToHashSet(StringComparer.Ordinal);
        var open = (await people.LookAsync<PageDocument<ApprovalDocument>>(ApiPaths.Approvals, cancellation)).Items.Where(a => ours.Contains(a.Run) && DemoPeople.Holder(a.Role) is not null).ToList();
        foreach (var approval in open)
        {
            var subject = approval.Subject!.Value.Deserialize<ForApproval>(Workflows.History.WorkflowJson.Stored)!;
            var name = DemoPeople.Holder(approval.Role)!;
            var granted = decidesByRules ? DemoPeople.DecidesYes(approval.Role, subject) : await AskAsync(approval, subject, name, cancellation);
            await people.SendAsync(name, $"{ApiPaths.Run(approval.Run)}/approvals/{approval.Step}",
                new { granted, comment = decidesByRules ? "by the demo's rules" : null, digest = approval.Digest }, cancellation);
            Say(approval.Run, $"{name} ({approval.Role}) {(granted ? "approved" : "refused")}: {approval.Title}");
        }
        return open.Count > 0;
    }

    private async Task<bool> AskAsync(ApprovalDocument approval, ForApproval subject, string name, CancellationToken cancellation)
    {
        terminal.Line("");
        terminal.Line($"{approval.Title}");
        terminal.Line($"  {subject.Amount:N2} {subject.Currency} to {subject.Payee ?? subject.Supplier}, {subject.Account ?? "(no account)"}, due {subject.DueOn:yyyy-MM-dd}; order: {subject.Order}");
        foreach (var posting in subject.Postings) terminal.Line($"  {posting.Account} {posting.Name}: debit {posting.Debit:N2}, credit {posting.Credit:N2}");
        return await AskYesAsync($"Does {name} ({approval.Role}) approve?", cancellation);
    }

    private async Task<bool> MoveClockAsync(List<RunDocument> runs, CancellationToken cancellation)
    {
        var waiting = runs.Where(run => run.ClosedAt is null).SelectMany(run => run.OpenWaits).Where(wait => wait is { Kind: "timer", Until: not null }).Select(wait => wait.Until!.Value).ToList();
        if (waiting.Count == 0) return false;
        var last = waiting.Max();
        if (hosts.Clock is not { } clock)
        {
            terminal.Note($"{waiting.Count} payment(s) wait for their due date, until {last:yyyy-MM-dd}: these hosts go by the system's clock, which is left alone");
            return false;
        }
        if (!decidesByRules && !await AskYesAsync($"{waiting.Count} payment(s) wait for their due date. Move the demo's clock (only its own) to {last:yyyy-MM-dd}?", cancellation)) return false;
        terminal.Note($"the demo's clock, and nothing else's, now says {last:yyyy-MM-dd}");
        clock.MoveTo(last.AddSeconds(1));
        await Task.Delay(LookEvery, cancellation);
        return true;
    }

    private static async Task<bool> AskYesAsync(string question, CancellationToken cancellation)
    {
        while (true)
        {
            Console.Error.Write($"{question} [y/n] ");
            // Beside, so that Ctrl-C is heard while the terminal is read.
            switch ((await Task.Run(Console.ReadLine, CancellationToken.None).WaitAsync(cancellation))?.Trim().ToLowerInvariant())
            {
                case "y" or "yes": return true;
                case "n" or "no" or null: return false;
            }
        }
    }

    private static string State(RunDocument run) => run switch
    {
        { Result: { } result } => $"{result.GetProperty("outcome").GetString()}: {result.GetProperty("why").GetString()}",
        { ClosedAt: not null } => run.Failure?.Message ?? run.Reason ?? run.Status,
        { Busy: false } when run.OpenWaits.FirstOrDefault() is { Kind: "unpark" or "outcome-unknown" } wait => $"{wait.Kind}: {wait.Name} {wait.Why}",
        _ => run.Attributes?.GetValueOrDefault("state") ?? "",
    };

    private void Say(string run, string what, string? incarnation = null)
    {
        if (what == "" || said.GetValueOrDefault(run) == what) return;
        said[run] = what;
        terminal.Note($"  {FileOf(run)}{(incarnation is not null && hosts.NameOf(incarnation) is { Length: > 0 } name ? $", {name}" : "")}: {Human.Cut(what)}");
    }

    private void Report(List<RunDocument> runs)
    {
        terminal.Line("");
        if (terminal.Width < TableWidth)
        {
            foreach (var (document, run) in documents.Zip(runs))
            {
                terminal.Line($"{document.File}: {Outcome(run)}", Human.StyleOf(run.ClosedAt is null ? "running" : "completed"));
                terminal.Line($"    {Value(run, "supplier")}, {Value(run, "number")}, {run.Attributes?.GetValueOrDefault("amount")}{Mention(", posted ", Value(run, "postingId"))}{Mention(", paid ", Value(run, "paymentId"))}");
                terminal.Line($"    {Why(run)}");
            }
            return;
        }
        string[] where = cluster is null ? [] : ["on"];
        terminal.Table(["document", .. where, "number", "supplier", "amount", "outcome", "posted", "paid", "why"], documents.Zip(runs).Select(pair => (IEnumerable<Cell>)
        [
            pair.First.File, .. where.Select(_ => (Cell)string.Join(", then ", wasOn[pair.First.Run])), Value(pair.Second, "number"), Value(pair.Second, "supplier"), pair.Second.Attributes?.GetValueOrDefault("amount"), Outcome(pair.Second),
            Value(pair.Second, "postingId"), Value(pair.Second, "paymentId"), Human.Cut(Why(pair.Second)),
        ]));
    }

    private const int TableWidth = 160;

    private static string Outcome(RunDocument run) => Value(run, "outcome") is { Length: > 0 } outcome ? outcome : run.ClosedAt is null ? run.Attributes?.GetValueOrDefault("state") ?? run.Status : run.Status;

    private static string Why(RunDocument run) => Value(run, "why") is { Length: > 0 } why ? why : State(run);

    private static string Mention(string what, string value) => value == "" ? "" : what + value;

    private static string Value(RunDocument run, string member) =>
        run.Result is { } result && result.TryGetProperty(member, out var value) && value.ValueKind is JsonValueKind.String ? value.GetString()!
        : member is "number" or "supplier" ? run.Attributes?.GetValueOrDefault(member) ?? "" : "";

    private async Task ReportBooksAsync(SandboxProcess sandbox, CancellationToken cancellation)
    {
        using var http = new HttpClient();
        using var books = JsonDocument.Parse(await http.GetStringAsync($"{sandbox.Address}books", cancellation));
        var postings = books.RootElement.GetProperty("ledger").GetProperty("keys").EnumerateArray().ToList();
        var payments = books.RootElement.GetProperty("bank").GetProperty("references").EnumerateArray().ToList();
        terminal.Line($"The ledger's own books: {Sum(postings, "postings")} postings, {Sum(postings, "reversals")} reversals; under one key never more than {Max(postings, "postings")}.");
        terminal.Line($"The bank's own books: {Sum(payments, "reached")} orders reached it, {Sum(payments, "payments")} payments made; under one reference never more than {Max(payments, "payments")}.");

        static int Sum(List<JsonElement> rows, string member) => rows.Sum(row => row.GetProperty(member).GetInt32());
        static int Max(List<JsonElement> rows, string member) => rows.Count == 0 ? 0 : rows.Max(row => row.GetProperty(member).GetInt32());
    }
}
