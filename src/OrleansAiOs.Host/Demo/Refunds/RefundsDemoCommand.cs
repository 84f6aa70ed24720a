using System.CommandLine;
using System.Text.Json;
using OrleansAiOs.Host.Cli;
using OrleansAiOs.Host.Serving;
using OrleansAiOs.Kernel.Governance.Approvals;
using OrleansAiOs.Kernel.Governance.Policies;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Packs.Refunds;
using OrleansAiOs.Packs.Refunds.Payments;
using OrleansAiOs.Packs.Refunds.Policy;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Host.Demo.Refunds;

/// <summary><c>aios demo refunds</c>: requests for refunds through rules, policy and signatures, against a payment provider of its own, on a database of its own.</summary>
internal static class RefundsDemoCommand
{
    public static Command Create()
    {
        var yes = new Option<bool>("--yes") { Description = "Ask nothing: sign by rules, which are printed." };
        var data = new Option<string?>("--data") { Description = "The demo's own data folder. Default: 'demo-refunds' in the data folder.", HelpName = "DIR" };
        return new Command("refunds", "Run requests for refunds through rules, policy and signed approvals, and show what happens.").With(yes, data).Does(async call =>
        {
            var folder = call.Get(data) ?? Path.Combine(HostFolder.DefaultPath, "demo-refunds");
            return await new RefundsDemonstration(call.Terminal, folder, decidesByRules: call.Get(yes) || Console.IsInputRedirected).RunAsync(call.Cancellation);
        });
    }
}

/// <summary>One demonstration, from the first request to the books.</summary>
internal sealed class RefundsDemonstration(Terminal terminal, string folder, bool decidesByRules)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(200);

    private readonly DemoClock clock = new();
    private readonly HashSet<(string Run, string Signer)> asked = [];
    private readonly Dictionary<string, string> said = new(StringComparer.Ordinal);
    private RefundsPeople people = null!;
    private IReadOnlyList<SampleRefund> samples = [];

    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        var orders = SampleRefunds.WriteOrders(folder, DateOnly.FromDateTime(clock.GetUtcNow().UtcDateTime));
        await using var sandbox = await SandboxProcess.StartAsync(Path.Combine(folder, "sandbox"), cancellation);
        terminal.Note($"the payment provider listens on {sandbox.Address} (a process of its own)");
        await using var server = await AiosServer.StartAsync(new ServeOptions
        {
            DataFolder = folder,
            Urls = "http://127.0.0.1:0",
            Packs = ServeCommand.BuiltIn,
            Setting = name => name switch
            {
                "REFUND_PAYMENTS" => sandbox.Address,
                "REFUND_ORDERS" => orders,
                _ => null,
            },
            Time = clock,
            Quiet = true,
            Progress = terminal.Note,
        }, cancellation);
        terminal.Note($"the host serves on {server.Address} with its database in {folder}");
        await PutPolicyInForceAsync(server.Services, cancellation);

        using (people = await RefundsPeople.HireAsync(HostAddress.Find(server.Address.AbsoluteUri, new HostFolder(folder).OwnerKey, folder), cancellation))
        {
            if (decidesByRules) foreach (var rule in RefundsPeople.Rules) terminal.Note($"rule: {rule}");
            await BringInAsync(cancellation);
            var runs = await SettleAsync(cancellation);
            Report(runs);
            await ReportBooksAsync(sandbox, cancellation);
            await DemoEnd.SayAsync(terminal, server.Address, folder, samples[0].Id, decidesByRules, cancellation);
        }
        return ExitCode.Done;
    }

    private async Task PutPolicyInForceAsync(IServiceProvider services, CancellationToken cancellation)
    {
        var policies = ActivatorUtilities.CreateInstance<PolicyVersions>(services);
        var number = await policies.PutAsync(RunKey.DefaultTenant, RefundsPolicy.Shipped.Name, RefundsPolicy.Shipped.Text, RefundsPolicy.Shipped.Cases, "shipped with the pack", "user/owner", cancellation);
        var isNew = await policies.ActivateAsync(RunKey.DefaultTenant, RefundsPolicy.Shipped.Name, number, null, "user/owner", cancellation);
        await services.GetRequiredService<Catalogue>().FreshAsync(cancellation);
        terminal.Note($"policy '{RefundsPolicy.Shipped.Name}' {(isNew ? "is in force: its cases hold" : "was in force")}; {services.GetRequiredService<PolicyView>().ActiveFor(RunKey.DefaultTenant).Version}");
    }

    private async Task BringInAsync(CancellationToken cancellation)
    {
        using var clerk = new ApiClient(people.Clerk("ana"));
        var photo = await clerk.UploadAsync(new MemoryStream("a photo of something broken"u8.ToArray()), isXml: false, cancellation);
        samples = SampleRefunds.All(photo.Sha256);
        foreach (var sample in samples)
        {
            using var api = new ApiClient(people.Clerk(sample.By));
            var started = api.Read<StartedDocument>(await api.CommandAsync(HttpMethod.Post, ApiPaths.Runs, new { workflow = "refund", id = sample.Id, input = sample.Body }, cancellation));
            Say(sample.Id, started.IsNew ? $"brought in by {(sample.By == "bot" ? "refund-bot for ana" : sample.By)}: {sample.What}" : $"known: its run began {Human.Time(started.Run.StartedAt)}, nothing is done again");
            // One after the other: the second request of an order finds the first one's share taken.
            await UntilDecidedAsync(api, sample.Id, cancellation);
        }
    }

    private static async Task UntilDecidedAsync(ApiClient api, string run, CancellationToken cancellation)
    {
        while (await api.GetAsync<RunDocument>(ApiPaths.Run(run), cancellation) is { ClosedAt: null } open && (open.Busy || !open.OpenWaits.Any(wait => wait.Kind is "signature" or "signal" or "timer"))) await Task.Delay(LookEvery, cancellation);
    }

    private async Task<List<RunDocument>> SettleAsync(CancellationToken cancellation)
    {
        using var clerk = new ApiClient(people.Clerk("ana"));
        while (true)
        {
            var runs = new List<RunDocument>();
            foreach (var sample in samples) runs.Add(await clerk.GetAsync<RunDocument>(ApiPaths.Run(sample.Id), cancellation));
            foreach (var run in runs) Say(run.Id, State(run));
            if (await ChargeBackAsync(runs, cancellation) || await SignAsync(clerk, cancellation)) continue;
            if (runs.All(run => run.ClosedAt is not null || !run.Busy && run.OpenWaits.Any(wait => wait.Kind is "signature" or "signal" or "timer" or "unpark")))
            {
                if (await MoveClockAsync(clerk, runs, cancellation)) continue;
                return runs;
            }
            await Task.Delay(LookEvery, cancellation);
        }
    }

    private async Task<bool> ChargeBackAsync(List<RunDocument> runs, CancellationToken cancellation)
    {
        foreach (var sample in samples.Where(sample => sample.IsChargedBack))
        {
            if (runs.Find(run => run.Id == sample.Id) is not { ClosedAt: null } run || run.Attributes?.GetValueOrDefault("state") != "paid" || !asked.Add((sample.Id, "charge-back"))) continue;
            using var api = new ApiClient(people.Clerk(sample.By));
            await api.CommandAsync(HttpMethod.Post, $"{ApiPaths.Run(sample.Id)}/signals/{Refund.ChargedBack.Name}", new ChargeBack("CB-4711"), cancellation);
            Say(sample.Id, "the customer's bank charges it back (CB-4711)");
            return true;
        }
        return false;
    }

    private async Task<bool> SignAsync(ApiClient clerk, CancellationToken cancellation)
    {
        var open = (await clerk.GetAsync<PageDocument<ApprovalDocument>>(ApiPaths.Approvals, cancellation)).Items.Where(held => samples.Any(sample => sample.Id == held.Run));
        foreach (var held in open)
            foreach (var signer in people.Signers.Where(signer => held.Role.Split(' ').Contains(signer.Role)))
            {
                if (!asked.Add((held.Run, signer.Name))) continue;
                await SignAsync(held, signer, cancellation);
                return true;
            }
        return false;
    }

    // As `aios approve` does it: the digest is made here, of what is shown here.
    private async Task SignAsync(ApprovalDocument held, Signer signer, CancellationToken cancellation)
    {
        using var api = new ApiClient(signer.Host);
        var path = $"{ApiPaths.Run(held.Run)}/holds/{held.Step}";
        var hold = await api.GetAsync<HoldDocument>(path, cancellation);
        var digest = ApprovalStatement.Digest(new JsonText(JsonSerializer.SerializeToUtf8Bytes(hold.Statement)));
        if (digest != hold.Digest) throw new CliException(ExitCode.Conflict, $"The host says that {hold.Digest} is to be signed; what it shows has the digest {digest}.");
        terminal.Line("");
        terminal.Line($"{signer.Name} ({signer.Role}) reads:");
        foreach (var line in Signing.Shown(hold, digest)) terminal.Line($"  {line}");
        var payment = hold.Statement.GetProperty("arguments").Deserialize<RefundPayment>(WorkflowJson.Stored)!;
        var granted = decidesByRules ? RefundsPeople.SignsYes(signer.Role, payment) : AskYes($"Does {signer.Name} sign?");
        var bare = new DecisionSignature(digest, signer.Key.Id, "", DateTimeOffset.UtcNow);
        var signature = signer.Key.Sign(ApprovalStatement.SignedBytes(granted, signer.Principal, bare, null));
        try
        {
            await api.CommandAsync(HttpMethod.Post, path, new { granted, digest, key = signer.Key.Id, signature, at = bare.At }, cancellation);
            Say(held.Run, $"{signer.Name} {(granted ? "signed" : "refused")}");
        }
        catch (CliException refused) when (refused.Code is ExitCode.Refused)
        {
            Say(held.Run, $"{signer.Name}'s signature was not taken: {refused.Detail}");
        }
    }

    // What nobody may sign waits for its deadline; what was paid is watched for longer than a demo lasts.
    private async Task<bool> MoveClockAsync(ApiClient clerk, List<RunDocument> runs, CancellationToken cancellation)
    {
        var held = (await clerk.GetAsync<PageDocument<ApprovalDocument>>(ApiPaths.Approvals, cancellation)).Items.Where(approval => runs.Exists(run => run.Id == approval.Run && run.ClosedAt is null) && approval.Deadline is not null).ToList();
        if (held.Count == 0) return false;
        var last = held.Max(approval => approval.Deadline!.Value);
        if (!decidesByRules && !AskYes($"Nobody is left to sign {held.Count} request(s). Move the demo's clock (only its own) to their deadline, {Human.Time(last)}?")) return false;
        terminal.Note($"nobody is left to sign {held.Count} request(s): the demo's clock, and nothing else's, now says {Human.Time(last)}");
        clock.MoveTo(last.AddSeconds(1));
        await Task.Delay(LookEvery, cancellation);
        return true;
    }

    private static bool AskYes(string question)
    {
        while (true)
        {
            Console.Error.Write($"{question} [y/n] ");
            switch (Console.ReadLine()?.Trim().ToLowerInvariant())
            {
                case "y" or "yes": return true;
                case "n" or "no" or null: return false;
            }
        }
    }

    private static string Outcome(RunDocument run) => run.Result is { } result ? result.GetProperty("outcome").GetString()! : run.ClosedAt is null ? run.Attributes?.GetValueOrDefault("state") ?? run.Status : run.Status;

    private static string Why(RunDocument run) => run switch
    {
        { Result: { } result } => result.GetProperty("why").GetString()!,
        { ClosedAt: not null } => run.Failure?.Message ?? run.Reason ?? run.Status,
        _ => run.OpenWaits.FirstOrDefault() switch
        {
            { Kind: "signature" } wait => $"waits for {wait.Role}",
            { Kind: "unpark" } wait => wait.Why ?? "",
            _ => "watched for a charge-back",
        },
    };

    private static string State(RunDocument run) => run.Busy ? "" : $"{Outcome(run)}: {Why(run)}";

    private void Say(string run, string what)
    {
        if (what == "" || said.GetValueOrDefault(run) == what) return;
        said[run] = what;
        terminal.Note($"  {run}: {Human.Cut(what)}");
    }

    private void Report(List<RunDocument> runs)
    {
        terminal.Line("");
        terminal.Table(["request", "what", "amount", "risk", "outcome", "why"], samples.Zip(runs).Select(pair => (IEnumerable<Cell>)
            [pair.First.Id, pair.First.What, pair.Second.Attributes?.GetValueOrDefault("amount"), pair.Second.Attributes?.GetValueOrDefault("risk"), Outcome(pair.Second), Human.Cut(Why(pair.Second))]));
    }

    private async Task ReportBooksAsync(SandboxProcess sandbox, CancellationToken cancellation)
    {
        using var http = new HttpClient();
        using var books = JsonDocument.Parse(await http.GetStringAsync($"{sandbox.Address}books", cancellation));
        var refunds = books.RootElement.GetProperty("refunds");
        terminal.Line("");
        terminal.Line("The provider's own books:");
        terminal.Table(["order", "refunds", "refunded", "reversals", "reversed"], refunds.GetProperty("orders").EnumerateArray().Select(row => (IEnumerable<Cell>)
            [row.GetProperty("order").GetString(), row.GetProperty("refunds").GetRawText(), $"{row.GetProperty("refunded").GetString()} {row.GetProperty("currency").GetString()}", row.GetProperty("reversals").GetRawText(), row.GetProperty("reversed").GetString()]));
        var keys = refunds.GetProperty("keys").EnumerateArray().ToList();
        terminal.Line($"Under one key never more than {(keys.Count == 0 ? 0 : keys.Max(key => key.GetProperty("refunds").GetInt32()))} refund and {(keys.Count == 0 ? 0 : keys.Max(key => key.GetProperty("reversals").GetInt32()))} reversal.");
    }
}
