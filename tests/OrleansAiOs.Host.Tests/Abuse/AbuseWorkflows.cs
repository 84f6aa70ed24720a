using System.Text.Json;
using OrleansAiOs.Kernel.Tools.Calling;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Host.Tests.Abuse;

public sealed record Order(string Name, decimal Amount);

[Workflow("abuse-echo")]
internal sealed class Echo : Workflow<JsonElement, JsonElement>
{
    protected override Task<JsonElement> RunAsync(JsonElement input) => Task.FromResult(input);
}

[Workflow("abuse-order")]
internal sealed class TakesOrder : Workflow<Order, string>
{
    protected override Task<string> RunAsync(Order order) => Task.FromResult(order.Name);
}

[Workflow("abuse-wait")]
internal sealed class Waits : Workflow<JsonElement, JsonElement>
{
    private static readonly Signal<JsonElement> Go = new("go");

    private static readonly Query<JsonElement> Held = new("held");
    private static readonly Query<int, int> Times = new("times");
    private static readonly Update<int, int> Double = new("double");
    private static readonly Update<int, int> Never = new("never");

    protected override async Task<JsonElement> RunAsync(JsonElement input)
    {
        Answers(Held, () => input);
        Answers(Times, n => 2 * n);
        Handles(Double, n => 2 * n, refuse: n => n < 0 ? "it must be positive" : null);
        Handles(Never, async n =>
        {
            await Sleep(TimeSpan.FromDays(1));
            return n;
        });
        return await Receive(Go);
    }
}

[Workflow("abuse-account")]
internal sealed class Account : Entity<Order>
{
    private static readonly Update<decimal, decimal> Deposit = new("deposit");

    protected override Order New() => new("nobody's", 0);

    protected override void Serve() => Handles(Deposit, amount => (State = State with { Amount = State.Amount + amount }).Amount);
}

[Workflow("abuse-approve")]
internal sealed class Approves : Workflow<string, bool>
{
    protected override async Task<bool> RunAsync(string title) =>
        (await Approval(title, new { title }, by: "controller", notBy: [StartedBy], within: TimeSpan.FromHours(1))).Granted;
}

[Workflow("abuse-throws")]
internal sealed class Throws : Workflow<string, string>
{
    protected override Task<string> RunAsync(string message) => throw new InvalidOperationException(message);
}

[Workflow("abuse-lost")]
internal sealed class LosesAnswers : Workflow<string, string>
{
    private static readonly Activity<string, string> Pay = Activity.AtMostOnce<TimeProvider, string, string>("abuse.pay",
        (_, message, _, _) => throw new IOException(message));

    protected override Task<string> RunAsync(string message) => Call(Pay, message);
}

[Workflow("abuse-posts")]
internal sealed class Posts : Workflow<string, string>
{
    private static readonly Signal<JsonElement> Go = new("go");

    private static readonly Activity<string, string> Post = Activity.Keyed<TimeProvider, string, string>("abuse.post", (_, message, _, _) => Task.FromResult(message));

    protected override async Task<string> RunAsync(string message)
    {
        await Call(Post, "order");
        await Receive(Go);
        return $"{message} done";
    }
}

[Workflow("abuse-parent")]
internal sealed class Parents : Workflow<string, string>
{
    private static readonly Child<string, string> Child = Child<string, string>.Of<Posts>();

    protected override Task<string> RunAsync(string message) => Call(Child, message);
}

[Workflow("abuse-versioned", Version = "1")]
internal sealed class VersionOne : Workflow<int, int>
{
    private static readonly Signal<int> Go = new("go");

    protected override async Task<int> RunAsync(int input) => await Receive(Go);
}

[Workflow("abuse-versioned", Version = "2")]
internal sealed class VersionTwo : Workflow<int, int>
{
    private static readonly Signal<int> Go = new("go");

    protected override async Task<int> RunAsync(int input) => 2 * await Receive(Go);
}

[Workflow("abuse-reads")]
internal sealed class ReadsDocument : Workflow<PayloadRef, string>
{
    private static readonly Activity<PayloadRef, string> Read = Activity.Pure<IPayloadStore, PayloadRef, string>("abuse.read", async (payloads, document, context) =>
    {
        await using var content = await payloads.OpenAsync(context.Tenant, document.Sha256, context.Cancellation);
        return content is null ? "none" : await new StreamReader(content).ReadToEndAsync(context.Cancellation);
    });

    protected override Task<string> RunAsync(PayloadRef document) => Call(Read, document);
}

internal sealed record ToolOrder(string Server, string Tool, JsonElement Input);

[Workflow("abuse-tool")]
internal sealed class CallsTool : Workflow<ToolOrder, ToolResult>
{
    protected override Task<ToolResult> RunAsync(ToolOrder order) => Call(Tool.Of(order.Server, order.Tool), order.Input, new CallOptions { Retry = new RetryPolicy { Attempts = 1 } });
}

[Workflow("abuse-spend")]
internal sealed class Spends : Workflow<decimal, string>
{
    public static readonly Activity<decimal, string> Spend = Activity.Pure<decimal, string>("abuse.spend", (_, _) => Task.FromResult("spent")).Charging(amount => Charge.Amount("EUR", amount, "ACME"));

    protected override Task<string> RunAsync(decimal amount) => Call(Spend, amount);
}

[Workflow("abuse-spend-limited")]
internal sealed class SpendsLimited : Workflow<decimal, string>
{
    private static readonly Activity<decimal, string> Spend = Activity.Pure<decimal, string>("abuse.spend/limited", (_, _) => Task.FromResult("spent")).Charging(amount => Charge.Amount("EUR", amount, "ACME"));

    protected override Task<string> RunAsync(decimal amount) => Call(Spend, amount);
}
