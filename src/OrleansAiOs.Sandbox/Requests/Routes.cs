namespace OrleansAiOs.Sandbox;

/// <summary>A request that has been read: what it asks, for whom it counts, and the booking still to be done.</summary>
/// <param name="Operation">Null for the sandbox's own desk (books, hostility), which is never hostile.</param>
internal sealed record Call(SandboxOperation? Operation, string Key, Func<SandboxReply> Book);

/// <summary>From a request to its call. Reads only; the books are touched when the call is booked.</summary>
internal sealed class Routes(Ledger ledger, Bank bank, Notifications notifications, Refunds refunds, Sandbox sandbox)
{
    public static Receiver? ReceiverOf(SandboxRequest request) => request.Target.Split('/', '?').ElementAtOrDefault(1) switch
    {
        "ledger" => Receiver.Ledger,
        "bank" => Receiver.Bank,
        "notify" => Receiver.Notifications,
        "refunds" => Receiver.Refunds,
        _ => null,
    };

    public Call Resolve(SandboxRequest request)
    {
        if (request.Body.Length > StrictJson.BodyBytesMax)
        {
            throw TooLarge();
        }

        var target = Target.Parse(request.Target);
        return target.Segments switch
        {
            ["ledger", "postings"] => On("POST", request, () => Post(request)),
            ["ledger", "postings", var id] => On("GET", request, () => ReadLedger(id, () => ledger.Find(id))),
            ["ledger", "postings", var id, "reversal"] => On("POST", request, () => Reverse(request, id)),
            ["ledger", "balances"] => On("GET", request, () => ReadLedger("balances", ledger.Balances)),
            ["bank", "payments"] when request.Method == "GET" => Inquire(target),
            ["bank", "payments"] => On("POST", request, () => Pay(request), others: "GET, "),
            ["bank", "references", var reference, "void"] => On("POST", request, () => Void(request, reference)),
            ["notify"] => On("POST", request, () => Notify(request)),
            ["refunds"] => On("POST", request, () => Refund(request)),
            ["refunds", var id, "reversal"] => On("POST", request, () => ReverseRefund(request, id)),
            ["books"] => On("GET", request, () => Desk(() => SandboxReply.Json(200, sandbox.Books()))),
            ["hostility"] when request.Method == "GET" => Desk(() => SandboxReply.Json(200, sandbox.HostilityNow())),
            ["hostility"] => On("PUT", request, () => BeHostile(request), others: "GET, "),
            ["hostility", "release"] => On("POST", request, () => Release(request)),
            _ => throw new Refusal(404, "no-such-path", "There is nothing under this path.")
            {
                Cure = "Try /ledger/postings, /ledger/balances, /bank/payments, /notify, /refunds, /books or /hostility.",
            },
        };
    }

    public static Refusal TooLarge() => new(413, "too-large", $"The body is longer than {StrictJson.BodyBytesMax} bytes.") { Field = "body" };

    private static Call On(string method, SandboxRequest request, Func<Call> read, string others = "") =>
        request.Method == method
            ? read()
            : throw new Refusal(405, "wrong-method", $"This path does not take {request.Method}.") { Allow = others + method };

    private Call Post(SandboxRequest request)
    {
        var key = Require.IdempotencyKey(request.IdempotencyKey);
        var order = StrictJson.Body<PostingOrder>(request);
        order.RequireReadable();
        return new Call(SandboxOperation.LedgerPost, key, () => ledger.Post(key, order));
    }

    private Call Reverse(SandboxRequest request, string id)
    {
        RequireNoBody(request);
        var key = Require.IdempotencyKey(request.IdempotencyKey);
        return new Call(SandboxOperation.LedgerReverse, key, () => ledger.Reverse(key, id));
    }

    private static Call ReadLedger(string key, Func<SandboxReply> read) => new(SandboxOperation.LedgerRead, key, read);

    private Call Pay(SandboxRequest request)
    {
        var order = StrictJson.Body<PaymentOrder>(request);
        order.RequireReadable();
        return new Call(SandboxOperation.BankPay, order.Reference!, () => bank.Pay(order));
    }

    private Call Inquire(Target target)
    {
        var reference = Require.Reference(target.Query.GetValueOrDefault("reference"));
        return new Call(SandboxOperation.BankInquire, reference, () => bank.Inquire(reference));
    }

    private Call Void(SandboxRequest request, string segment)
    {
        RequireNoBody(request);
        var reference = Require.Reference(segment);
        return new Call(SandboxOperation.BankVoid, reference, () => bank.Void(reference));
    }

    private Call Notify(SandboxRequest request)
    {
        var key = Require.IdempotencyKey(request.IdempotencyKey);
        var message = StrictJson.Body<MessageOrder>(request);
        message.RequireReadable();
        return new Call(SandboxOperation.Notify, key, () => notifications.Accept(key, message));
    }

    private Call Refund(SandboxRequest request)
    {
        var key = Require.IdempotencyKey(request.IdempotencyKey);
        var order = StrictJson.Body<RefundOrder>(request);
        order.RequireReadable();
        return new Call(SandboxOperation.RefundsPay, key, () => refunds.Pay(key, order));
    }

    private Call ReverseRefund(SandboxRequest request, string id)
    {
        RequireNoBody(request);
        var key = Require.IdempotencyKey(request.IdempotencyKey);
        return new Call(SandboxOperation.RefundsReverse, key, () => refunds.Reverse(key, id));
    }

    private Call BeHostile(SandboxRequest request)
    {
        var hostility = StrictJson.Body<Hostility>(request);
        return hostility.Flaw() is { } flaw
            ? throw Require.Invalid("hostility", flaw, "Send " + Example<Hostility>())
            : Desk(() =>
            {
                sandbox.BeHostile(hostility);
                return SandboxReply.Json(200, sandbox.HostilityNow());
            });
    }

    private Call Release(SandboxRequest request)
    {
        var key = request.Body.IsEmpty ? null : StrictJson.Body<ReleaseOrder>(request).Key;
        return Desk(() => SandboxReply.Json(200, new Dictionary<string, int> { ["delivered"] = sandbox.ReleaseHeld(key) }));
    }

    private static Call Desk(Func<SandboxReply> answer) => new(null, "", answer);

    private static void RequireNoBody(SandboxRequest request)
    {
        if (!request.Body.IsEmpty)
        {
            StrictJson.Body<EmptyBody>(request);
        }
    }

    private static string Example<T>()
        where T : IBody => T.Example;

    private sealed record EmptyBody : IBody
    {
        public static string Example => "{}";
    }

    private sealed record ReleaseOrder : IBody
    {
        public static string Example => """{"key":"INV-1"}""";

        public string? Key { get; init; }
    }
}
