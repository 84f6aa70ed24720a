using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansAiOs.Packs.Refunds.Requests;

namespace OrleansAiOs.Packs.Refunds.Tests.Cases;

/// <summary>A story with expected outcomes: orders, what is asked for one after the other, and what the provider's books say in the end.</summary>
/// <param name="Kind">What it is an example of.</param>
/// <param name="Faults">What befalls the first payments on their way.</param>
internal sealed record RefundCase(string Name, string Kind, IReadOnlyList<ShopOrder> Orders, IReadOnlyList<Request> Requests, IReadOnlyList<string>? Faults = null)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // a body has written out already what misleads the eye
        Converters = { new JsonStringEnumConverter() },
    };

    public string ToLine() => JsonSerializer.Serialize(this, Json);

    public static RefundCase FromLine(string line) => JsonSerializer.Deserialize<RefundCase>(line, Json)!;
}

/// <param name="By">Who asks, on whose behalf: first the one it is done for.</param>
/// <param name="Body">The request as it arrives, to the byte: it may be no JSON of ours at all.</param>
/// <param name="Acts">What is done then: "sign user/lea", "wait 25", "charge-back" …; <see cref="CaseRun"/> knows them.</param>
/// <param name="Paid">What the provider pays for it; null for nothing.</param>
/// <param name="Signers">Whose signatures the record of the payment names.</param>
/// <param name="Why">What the result's reason holds.</param>
internal sealed record Request(IReadOnlyList<string> By, string Body, IReadOnlyList<string> Acts, RefundOutcome Outcome, decimal? Paid = null, IReadOnlyList<string>? Signers = null, string? Why = null);
