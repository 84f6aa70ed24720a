namespace OrleansAiOs.Host.Tests.Cli;

/// <summary>Answers in the form of the API.</summary>
internal static class Documents
{
    public static string Run(string id = "inv-1", string status = "running", string waits = "[]", string more = "") => $$"""
        {"id":"{{id}}","workflow":"purchase","codeVersion":null,"status":"{{status}}","businessKey":"A-7","attributes":null,"waits":{{waits}},"busy":false,"host":"h-1",
        "startedAt":"2026-01-02T03:04:05Z","updatedAt":"2026-01-02T03:04:06Z","closedAt":{{(status is "running" or "parked" ? "null" : "\"2026-01-02T03:04:09Z\"")}}{{more}}}
        """;

    public static string Approval(int step, string title = "Buy 2 x laptop", string digest = "d1gest") => $$"""
        {"kind":"approval","name":"{{title}}","step":{{step}},"until":"2026-01-05T03:04:05Z","role":"manager","notBy":["otto"],"digest":"{{digest}}","subject":{"item":"laptop"},"since":"2026-01-02T03:04:06Z"}
        """;

    public static string Started(string id = "inv-1", bool isNew = true) => $$"""{"id":"{{id}}","isNew":{{(isNew ? "true" : "false")}},"run":{{Run(id)}}}""";

    public static string Page(params string[] items) => $$"""{"items":[{{string.Join(',', items)}}],"next":null}""";

    public static string Event(int version, string type, string data, string at = "2026-01-02T03:04:05Z") => $$"""{"version":{{version}},"type":"{{type}}","at":"{{at}}","data":{{data}}}""";
}
