using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using OrleansAiOs.Testing;
using OrleansAiOs.Workflows.Export;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Payloads;

namespace OrleansAiOs.Workflows.Tests.Export;

/// <summary>The file itself: what stands in it, what is left out on request, and that nothing else is taken for one.</summary>
public sealed class ExportFileTests
{
    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private static readonly RunKey Run = new("default", "r-1");

    private static List<StoredEvent> History(string input = """{"iban":"DE89","lines":[{"iban":"FR14","amount":1.50}],"ok":true,"none":null}""") =>
    [
        Event(1, new RunStarted("w", JsonText.Parse(input), "host-1", "v1", "INV-1")),
        Event(2, new StepScheduled(1, "a.b", Effect.Keyed, JsonText.Parse("""{"iban":"DE89","n":7}"""))),
        Event(3, new StepCompleted(1, 1, JsonText.Parse("""{"iban":{"no":12,"check":true}}"""))),
        Event(4, new RunCompleted(JsonText.Parse("1.50"))),
    ];

    private static StoredEvent Event(long version, WorkflowEvent e)
    {
        var (name, body) = EventNames.Write(e);
        return new StoredEvent(version, new Guid((int)version, 1, 7, 8, 9, 10, 11, 12, 13, 14, 15), name, body, At);
    }

    private static async Task<string> Write(ExportOptions? options = null, IPayloadStore? payloads = null, params (RunKey Run, List<StoredEvent> History)[] runs)
    {
        using var file = new MemoryStream();
        using var writer = new HistoryWriter(file, options ?? new ExportOptions { ExportedAt = At }, payloads);
        foreach (var (run, history) in runs.DefaultIfEmpty((Run, History()))) await writer.WriteAsync(run, history);
        await writer.FinishAsync();
        return Encoding.UTF8.GetString(file.ToArray());
    }

    private static async Task<List<ExportedRun>> Read(string file)
    {
        var runs = new List<ExportedRun>();
        await foreach (var lines in new HistoryReader(new MemoryStream(Encoding.UTF8.GetBytes(file))).ReadAsync()) runs.Add(lines.Parse());
        return runs;
    }

    [Fact]
    public async Task A_file_says_what_it_is_line_by_line_and_is_read_back_the_same()
    {
        var file = await Write(runs: [(Run, History()), (new RunKey("default", "r-2"), History("2"))]);
        var lines = file.TrimEnd('\n').Split('\n');
        lines[0].Should().StartWith("""{"line":"file","format":"aios-histories","version":1,"engine":""");
        lines[1].Should().Be("""{"line":"run","tenant":"default","run":"r-1","workflow":"w","codeVersion":"v1","events":4}""");
        lines[5].Should().Be("""{"line":"event","version":4,"id":"00000004-0001-0007-0809-0a0b0c0d0e0f","type":"run-completed","at":"2026-01-02T03:04:05+00:00","body":{"result":1.50}}""");
        var before = Encoding.UTF8.GetBytes(string.Concat(lines.SkipLast(1).Select(line => line + "\n")));
        lines[^1].Should().Be($$"""{"line":"end","runs":2,"events":8,"payloads":0,"lines":11,"sha256":"{{Convert.ToHexStringLower(SHA256.HashData(before))}}"}""");
        var read = await Read(file);
        read.Select(run => run.Run.Id).Should().Equal("r-1", "r-2");
        read[0].History.Should().BeEquivalentTo(History(), options => options.WithStrictOrdering());
    }

    [Fact]
    public async Task Documents_are_found_wherever_they_are_referred_to_and_go_along_when_asked_for()
    {
        var documents = new InMemoryPayloads();
        var bytes = RandomNumberGenerator.GetBytes(2_500_000);
        var stored = documents.Put("default", bytes);
        var history = History($$$"""{"deep":[{"document":{"sha256":"{{{stored.Sha256}}}","size":{{{stored.Size}}}}}]}""");
        (await Read(await Write(payloads: documents, runs: (Run, history))))[0].Payloads.Should().Equal(new ExportedPayload(stored.Sha256, stored.Size, null));
        var whole = await Write(new ExportOptions { ExportedAt = At, IncludePayloads = true }, documents, (Run, history), (new RunKey("default", "r-2"), history));
        var read = await Read(whole);
        read[0].Payloads.Single().Content.Should().Equal(bytes);
        read[1].Payloads.Should().BeEmpty("the same document stands in a file once");

        var target = new InMemoryPayloads();
        (await HistoryImport.ImportAsync(new InMemoryStore(TimeProvider.System), target, new MemoryStream(Encoding.UTF8.GetBytes(whole)), "paula", TimeProvider.System)).Payloads.Should().Be(1);
        await using var there = await target.OpenAsync("default", stored.Sha256, default);
        there!.Length.Should().Be(bytes.Length);
        var i = whole.IndexOf("\"content\":\"", StringComparison.Ordinal) + 20;
        var forged = Resealed(whole[..i] + (whole[i] == 'A' ? 'B' : 'A') + whole[(i + 1)..]);
        (await FluentActions.Awaiting(() => Read(forged)).Should().ThrowAsync<MalformedExportException>()).WithMessage("*hash of its bytes*");
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(3)]
    [InlineData(9_000_000_000_000_000_000)]
    public async Task What_only_looks_like_a_reference_to_a_document_spoils_no_file(long size)
    {
        var documents = new InMemoryPayloads();
        var stored = documents.Put("default", RandomNumberGenerator.GetBytes(1_500_000));
        var history = History($$$"""{"nobodys":{"sha256":"{{{new string('a', 64)}}}","size":{{{size}}}},"another":{"sha256":"{{{stored.Sha256}}}","size":{{{size}}}}}""");
        foreach (var include in new[] { false, true })
        {
            var file = await Write(new ExportOptions { ExportedAt = At, IncludePayloads = include }, documents, (Run, history));
            (await Read(file))[0].Payloads.Where(payload => payload.Content is not null).Should().HaveCount(include && size > 0 ? 1 : 0);
            (await HistoryImport.ImportAsync(new InMemoryStore(TimeProvider.System), new InMemoryPayloads(), new MemoryStream(Encoding.UTF8.GetBytes(file)), "paula", TimeProvider.System))
                .Should().Match<ImportReport>(report => report.Runs == 1 && report.Payloads == (include && size > 0 ? 1 : 0));
        }
    }

    [Fact]
    public async Task A_document_that_only_a_blanked_member_refers_to_stays_in_the_house()
    {
        var documents = new InMemoryPayloads();
        var (passport, invoice) = (documents.Put("default", [1, 2, 3]), documents.Put("default", [4, 5]));
        var history = History($$$"""{"passport":{"sha256":"{{{passport.Sha256}}}","size":3},"invoice":{"sha256":"{{{invoice.Sha256}}}","size":2}}""");
        foreach (var include in new[] { false, true })
        {
            var file = await Write(new ExportOptions { ExportedAt = At, IncludePayloads = include, Redact = ["passport"] }, documents, (Run, history));
            file.Should().NotContain(passport.Sha256);
            (await Read(file))[0].Payloads.Select(payload => payload.Sha256).Should().Equal(invoice.Sha256);
        }
    }

    [Fact]
    public async Task Named_members_are_blanked_by_type_and_said_to_be()
    {
        var file = await Write(new ExportOptions { ExportedAt = At, Redact = ["iban", "businessKey", "host"] });
        file.Should().NotContain("DE89").And.NotContain("FR14").And.NotContain("INV-1").And.NotContain(":12,");
        var lines = file.Split('\n');
        using var started = JsonDocument.Parse(lines[2]);
        started.RootElement.GetProperty("redacted").EnumerateArray().Select(p => p.GetString()).Should().BeEquivalentTo("/input/iban", "/input/lines/0/iban", "/businessKey");
        using var completed = JsonDocument.Parse(lines[4]);
        completed.RootElement.GetProperty("body").GetProperty("result").GetRawText().Should().Be("""{"iban":{"no":0,"check":false}}""", "a value keeps its type");
        lines[2].Should().Contain("\"host\":\"host-1\"", "what the engine itself needs stays");
        (await Read(file))[0].Redacted.Should().Be(6);
    }

    public static TheoryData<string, string, string> Broken => new()
    {
        { "not JSON", "5|{\"line\":\"event\",", "*Line 5*" },
        { "no object", "5|[1]", "*Line 5*first member*" },
        { "a kind nobody knows", "5|{\"line\":\"gossip\"}", "*Line 5*gossip*newer*" },
        { "another format", "1|{\"line\":\"file\",\"format\":\"zip\"}", "*Line 1*zip*" },
        { "a newer version", "1|{\"line\":\"file\",\"format\":\"aios-histories\",\"version\":2}", "*Line 1*version*2*later*" },
        { "no header", "1|{\"line\":\"run\"}", "*Line 1*begins*" },
        { "a header in the middle", "3|{\"line\":\"file\"}", "*Line 3*second file*" },
        { "an event without a run", "2|{\"line\":\"event\"}", "*Line 2*in front of*" },
        { "a run id with a slash", "2|{\"line\":\"run\",\"tenant\":\"default\",\"run\":\"a/b\",\"workflow\":\"w\",\"events\":4}", "*Line 2*run:*letters*" },
        { "too many events announced", "2|{\"line\":\"run\",\"tenant\":\"default\",\"run\":\"r\",\"workflow\":\"w\",\"events\":5}", "*Line 2*events: 5*" },
        { "no events announced", "2|{\"line\":\"run\",\"tenant\":\"default\",\"run\":\"r\",\"workflow\":\"w\",\"events\":0}", "*Line 2*events*" },
        { "a negative count", "2|{\"line\":\"run\",\"tenant\":\"default\",\"run\":\"r\",\"workflow\":\"w\",\"events\":-1}", "*Line 2*events*" },
        { "a doubled member", "4|{\"line\":\"event\",\"version\":2,\"version\":2}", "*Line 4*" },
        { "a version out of order", "4|{\"line\":\"event\",\"version\":3,\"id\":\"00000004-0001-0007-0809-0a0b0c0d0e0f\",\"type\":\"x\",\"at\":\"2026-01-02T03:04:05Z\",\"body\":{}}", "*Line 4*version: 2 is expected*" },
        { "an id that is none", "4|{\"line\":\"event\",\"version\":2,\"id\":\"4\",\"type\":\"x\",\"at\":\"2026-01-02T03:04:05Z\",\"body\":{}}", "*Line 4*id*" },
        { "a time that is none", "4|{\"line\":\"event\",\"version\":2,\"id\":\"00000004-0001-0007-0809-0a0b0c0d0e0f\",\"type\":\"x\",\"at\":\"noon\",\"body\":{}}", "*Line 4*at:*" },
        { "time going back", "4|{\"line\":\"event\",\"version\":2,\"id\":\"00000004-0001-0007-0809-0a0b0c0d0e0f\",\"type\":\"x\",\"at\":\"2025-01-02T03:04:05Z\",\"body\":{}}", "*Line 4*go back*" },
        { "a body that is no object", "4|{\"line\":\"event\",\"version\":2,\"id\":\"00000004-0001-0007-0809-0a0b0c0d0e0f\",\"type\":\"x\",\"at\":\"2026-01-02T03:04:05Z\",\"body\":1}", "*Line 4*body*" },
        { "a second start", "4|{\"line\":\"event\",\"version\":2,\"id\":\"00000004-0001-0007-0809-0a0b0c0d0e0f\",\"type\":\"run-started\",\"at\":\"2026-01-02T03:04:05Z\",\"body\":{}}", "*Line 4*one run-started*" },
        { "a payload among events", "4|{\"line\":\"payload\",\"sha256\":\"0123456789012345678901234567890123456789012345678901234567890123\",\"size\":1}", "*Line 4*an event is expected*" },
        { "too deep", "4|{\"line\":\"event\",\"version\":2,\"id\":\"00000004-0001-0007-0809-0a0b0c0d0e0f\",\"type\":\"x\",\"at\":\"2026-01-02T03:04:05Z\",\"body\":{\"a\":" + new string('[', 100) + new string(']', 100) + "}}", "*Line 4*" },
    };

    [Theory]
    [MemberData(nameof(Broken))]
    public async Task A_line_that_is_wrong_is_named_with_its_cure_and_nothing_is_imported(string what, string edit, string message)
    {
        what.Should().NotBeEmpty();
        var lines = (await Write(runs: [(new RunKey("default", "r-0"), History()), (Run, History())])).Split('\n').ToList();
        // The broken line stands in the second run, or in the head: the first run is whole, and must not come in either.
        var (at, with) = (int.Parse(edit[..edit.IndexOf('|')], null), edit[(edit.IndexOf('|') + 1)..]);
        var offset = at > 2 ? 5 : 0;
        lines[at - 1 + offset] = with;
        var store = new InMemoryStore(TimeProvider.System);
        var import = () => HistoryImport.ImportAsync(store, null, new MemoryStream(Encoding.UTF8.GetBytes(Resealed(string.Join('\n', lines)))), "paula", TimeProvider.System);
        (await import.Should().ThrowAsync<MalformedExportException>()).WithMessage(message.Replace($"Line {at}*", $"Line {at + offset}*"));
        (await store.ListAsync(new RunQuery("default"), default)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_file_that_was_cut_or_changed_anywhere_is_refused()
    {
        var file = await Write();
        for (var length = 0; length < file.Length; length += 7) await Refused(file[..length], length == 0 ? "*empty*" : "*cut off*");
        await Refused(file.Replace("\"n\":7", "\"n\":8"), "*changed*");
        await Refused(file.Replace("\"runs\":1", "\"runs\":2"), "*runs*");
        await Refused(file + file, "*behind the end*");
        await Refused(System.Text.RegularExpressions.Regex.Replace(file, "\"sha256\":\"[0-9a-f]+\"", "\"sha256\":\"beef\""), "*sha256*64*");

        static async Task Refused(string file, string message) => (await FluentActions.Awaiting(() => Read(file)).Should().ThrowAsync<MalformedExportException>()).WithMessage(message);
    }

    [Fact]
    public async Task Bytes_that_fell_over_never_get_past_the_reader_nor_break_it()
    {
        var random = new Random(7);
        var file = Encoding.UTF8.GetBytes(await Write());
        for (var i = 0; i < 2000; i++)
        {
            var bytes = file.ToArray();
            for (var n = random.Next(1, 6); n > 0; n--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (bytes.AsSpan().SequenceEqual(file)) continue;
            var store = new InMemoryStore(TimeProvider.System);
            await FluentActions.Awaiting(() => HistoryImport.ImportAsync(store, null, new MemoryStream(bytes), "paula", TimeProvider.System)).Should().ThrowAsync<MalformedExportException>();
            (await store.FindAsync(Run, default)).Should().BeNull();
        }
    }

    [Fact]
    public async Task A_body_that_this_build_cannot_read_is_named_before_anything_is_imported()
    {
        var history = History();
        history[1] = history[1] with { Type = "from-the-future" };
        var store = new InMemoryStore(TimeProvider.System);
        var import = async () => await HistoryImport.ImportAsync(store, null, new MemoryStream(Encoding.UTF8.GetBytes(await Write(runs: [(new RunKey("default", "r-0"), History()), (Run, history)]))), "paula", TimeProvider.System);
        (await import.Should().ThrowAsync<CommandRefusedException>()).WithMessage("*r-1*event 2*from-the-future*newer build*");
        (await store.ListAsync(new RunQuery("default"), default)).Should().BeEmpty();
    }

    public static TheoryData<string, string> Unstorable => new()
    {
        { "\"DE\\u000089\"", "*r-1*event 2*U+0000*" },
        { "\"DE\\ud800\"", "*r-1*event 2*surrogate*" },
        { new string('7', 200_000), "*r-1*event 2*number*" },
        { "1e200000", "*r-1*event 2*number*" },
    };

    [Theory, MemberData(nameof(Unstorable))]
    public async Task A_body_that_no_database_takes_is_named_before_anything_is_imported(string value, string message)
    {
        var history = History();
        history[1] = history[1] with { Body = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(history[1].Body).Replace("\"DE89\"", value, StringComparison.Ordinal)) };
        var store = new InMemoryStore(TimeProvider.System);
        var import = async () => await HistoryImport.ImportAsync(store, null, new MemoryStream(Encoding.UTF8.GetBytes(await Write(runs: [(new RunKey("default", "r-0"), History()), (Run, history)]))), "paula", TimeProvider.System);
        (await import.Should().ThrowAsync<CommandRefusedException>()).WithMessage(message);
        (await store.ListAsync(new RunQuery("default"), default)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_number_that_a_database_has_written_out_comes_in()
    {
        var history = History();
        history[0] = history[0] with { Body = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(history[0].Body).Replace("1.50", new string('7', 1500), StringComparison.Ordinal)) };
        var file = await Write(runs: (Run, history));
        (await HistoryImport.ImportAsync(new InMemoryStore(TimeProvider.System), null, new MemoryStream(Encoding.UTF8.GetBytes(file)), "paula", TimeProvider.System)).Runs.Should().Be(1);
    }

    /// <summary>With an end line that fits what stands in front of it: it is the line itself that must be found out.</summary>
    private static string Resealed(string file)
    {
        var lines = file.TrimEnd('\n').Split('\n');
        var before = string.Concat(lines.SkipLast(1).Select(line => line + "\n"));
        int Count(string kind) => lines.Count(line => line.StartsWith($"{{\"line\":\"{kind}\"", StringComparison.Ordinal));
        var payloads = lines.Where(line => line.StartsWith("{\"line\":\"payload\"", StringComparison.Ordinal)).Select(line => line[..92]).Distinct().Count();
        return $$"""{{before}}{"line":"end","runs":{{Count("run")}},"events":{{Count("event")}},"payloads":{{payloads}},"lines":{{lines.Length - 1}},"sha256":"{{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(before)))}}"}""" + "\n";
    }
}
