using System.Globalization;
using System.Text.Json;
using OrleansAiOs.Sandbox;

namespace OrleansAiOs.EndToEnd;

/// <summary>Ledger, bank and desk in this process, outliving every host; what they booked is read from their journal.</summary>
internal sealed class Receivers : IAsyncDisposable
{
    private readonly SandboxServer server;
    private readonly string folder;

    private Receivers(SandboxServer server, string folder) => (this.server, this.folder) = (server, folder);

    /// <summary>Everything that the network and a bad day can do to a request.</summary>
    /// <param name="seed">Which request meets which fault.</param>
    /// <param name="hangs">Whether the bank also leaves callers waiting until their time is up.</param>
    public static Hostility Hostile(long seed, bool hangs = true) => new()
    {
        Seed = seed,
        RetryAfter = TimeSpan.FromSeconds(1),
        Hold = new Hold { For = TimeSpan.FromSeconds(2), Caller = HeldCaller.Abort },
        Odds = new Dictionary<SandboxOperation, IReadOnlyDictionary<Fault, double>>
        {
            [SandboxOperation.LedgerPost] = Odds((Fault.LoseRequest, .03), (Fault.LoseReply, .08), (Fault.Hold, .05), (Fault.TooManyRequests, .03), (Fault.FailBefore, .03),
                (Fault.FailAfter, .05), (Fault.GarbageBefore, .02), (Fault.GarbageAfter, .03)),
            [SandboxOperation.LedgerReverse] = Odds((Fault.LoseReply, .15), (Fault.Hold, .05), (Fault.FailAfter, .1)),
            [SandboxOperation.BankPay] = Odds((Fault.LoseRequest, .03), (Fault.LoseReply, .08), (Fault.Hold, .07), (Fault.TooManyRequests, .03), (Fault.FailBefore, .03),
                (Fault.FailAfter, .05), (Fault.HangBefore, hangs ? .02 : 0), (Fault.HangAfter, hangs ? .03 : 0), (Fault.GarbageBefore, .02), (Fault.GarbageAfter, .03)),
            [SandboxOperation.BankInquire] = Odds((Fault.LoseReply, .05), (Fault.FailBefore, .05), (Fault.GarbageAfter, .03)),
            [SandboxOperation.BankVoid] = Odds((Fault.LoseReply, .08), (Fault.Hold, .04), (Fault.FailAfter, .05)),
            [SandboxOperation.Notify] = Odds((Fault.LoseReply, .08), (Fault.TooManyRequests, .04), (Fault.FailAfter, .05)),
        },
    };

    public Uri Address => server.BaseAddress;

    /// <summary>Settings with which a host calls these receivers.</summary>
    public IReadOnlyDictionary<string, string> Environment => At(Address);

    /// <summary>The same, where they are reached at another address.</summary>
    public static IReadOnlyDictionary<string, string> At(Uri address) => new Dictionary<string, string>
    {
        ["AIOS_INVOICE_LEDGER"] = address.ToString(),
        ["AIOS_INVOICE_BANK"] = address.ToString(),
        ["AIOS_INVOICE_DESK"] = address.ToString(),
    };

    /// <summary>Requests that have reached any of them.</summary>
    public long Reached
    {
        get
        {
            var books = server.Sandbox.Books();
            return books.Ledger.Keys.Sum(key => key.Reached) + books.Bank.References.Sum(row => row.Reached + row.Inquiries + row.VoidRequests) + books.Notify.Keys.Sum(key => key.Reached);
        }
    }

    public SandboxBooks Books => server.Sandbox.Books();

    /// <summary>Faults dealt so far.</summary>
    public long FaultsDealt => server.Sandbox.HostilityNow().Dealt.Values.Sum(faults => faults.Values.Sum());

    public static async Task<Receivers> StartAsync(string folder, Hostility hostility) =>
        new(await SandboxServer.StartAsync(new SandboxOptions { DataFolder = folder, Hostility = hostility }), folder);

    public int ReleaseHeld() => server.Sandbox.ReleaseHeld();

    /// <summary>Every effect in the order it was booked.</summary>
    public IReadOnlyList<Effect> Effects()
    {
        var effects = new List<Effect>();
        using var journal = new StreamReader(new FileStream(Path.Combine(folder, "sandbox.ndjson"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        while (journal.ReadLine() is { } line)
        {
            var entry = JsonSerializer.Deserialize<JsonElement>(line);
            switch (entry.GetProperty("entry").GetString())
            {
                case "posted":
                    var posting = entry.GetProperty("posting");
                    effects.Add(posting.TryGetProperty("reverses", out _) ? new Reversed(Text(posting, "reference")) : new Posted(Text(posting, "reference"), Text(posting, "id")));
                    break;
                case "paid":
                    var payment = entry.GetProperty("payment");
                    effects.Add(new Paid(Text(payment, "id"), Text(payment, "reference"), Text(payment, "creditor"), Amount(payment.GetProperty("amount"))));
                    break;
                case "accepted":
                    effects.Add(new Told(Text(entry.GetProperty("message").GetProperty("order"), "subject")));
                    break;
            }
        }
        return effects;
    }

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private static Dictionary<Fault, double> Odds(params (Fault Fault, double Chance)[] odds) => odds.ToDictionary(entry => entry.Fault, entry => entry.Chance);

    private static string Text(JsonElement of, string name) => of.GetProperty(name).GetString()!;

    private static decimal Amount(JsonElement value) => value.ValueKind is JsonValueKind.String ? decimal.Parse(value.GetString()!, CultureInfo.InvariantCulture) : value.GetDecimal();
}

/// <summary>What a receiver did, once and for all.</summary>
internal abstract record Effect;

internal sealed record Posted(string Invoice, string Id) : Effect;

internal sealed record Reversed(string Invoice) : Effect;

internal sealed record Paid(string Id, string Reference, string Creditor, decimal Amount) : Effect;

internal sealed record Told(string Subject) : Effect;
