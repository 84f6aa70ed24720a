using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Tests.Shared;

public abstract class AppendConformance : RunStoreConformance
{
    [Fact]
    public async Task Events_come_back_as_they_were_written()
    {
        var written = Enumerable.Range(0, 12).Select(i => Event($$"""{"n":{{i}},"d":1.00,"s":"x"}""", i % 2 == 0 ? "timer-fired" : "step-completed", Moment.AddMicroseconds(i))).ToList();
        (await Store.AppendAsync(new RunAppend(Run(), 0, written.GetRange(0, 5), null, null))).Should().Be(AppendResult.Appended);
        (await Store.AppendAsync(new RunAppend(Run(), 5, written.GetRange(5, 7), null, null))).Should().Be(AppendResult.Appended);

        var read = await History(Run());
        read.Select(e => e.Version).Should().Equal(Enumerable.Range(1, 12).Select(v => (long)v));
        read.Select(e => (e.Id, e.Type, e.At)).Should().Equal(written.Select(e => (e.Id, e.Type, e.At)));
        read.Zip(written).Should().OnlyContain(pair => SameJson(pair.First.Body, pair.Second.Body));
        (await History(Run(), 11)).Select(e => e.Version).Should().Equal(11, 12);
        (await History(Run(), 13)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_number_keeps_its_digits_and_zeros()
    {
        await Store.AppendAsync(new RunAppend(Run(), 0, [Event("""{"a":1.50,"b":12345678901234567890.123456789,"c":0.00}""")], null, null));
        System.Text.Encoding.UTF8.GetString((await History(Run()))[0].Body).Replace(" ", "").Should().Be("""{"a":1.50,"b":12345678901234567890.123456789,"c":0.00}""");
    }

    [Fact]
    public async Task What_was_never_written_is_empty()
    {
        (await History(Run("nobody"))).Should().BeEmpty();
        (await Store.FindAsync(Run("nobody"), default)).Should().BeNull();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(99)]
    public async Task An_append_at_another_version_conflicts_and_leaves_nothing(long expected)
    {
        await Append(Run(), 0, 2, Row(Run()), new WakeUpChange(Moment));
        (await Append(Run(), expected, 1, Row(Run(), RunStatus.Failed), new WakeUpChange(null))).Should().Be(AppendResult.Conflict);
        (await History(Run())).Should().HaveCount(2);
        (await Store.FindAsync(Run(), default))!.Status.Should().Be(RunStatus.Running);
        (await Store.WakeUpsAsync(Moment.AddSeconds(1), 1_000_000, default)).Should().Contain(new WakeUp(Run(), Moment));
    }

    [Fact]
    public async Task A_run_that_does_not_exist_cannot_be_continued()
    {
        (await Append(Run(), 1)).Should().Be(AppendResult.Conflict);
        (await History(Run())).Should().BeEmpty();
    }

    [Fact]
    public async Task Losers_among_many_concurrent_appends_do_not_touch_their_neighbours()
    {
        const int runs = 150;
        await Task.WhenAll(Enumerable.Range(0, runs).Select(i => Append(Run($"r{i}"), 0, 2)));
        // Every third run is appended to at a stale version, every fourth twice at the same.
        var appends = Enumerable.Range(0, runs).SelectMany(i => i % 3 == 0 ? [(i, 1L)] : i % 4 == 0 ? new[] { (i, 2L), (i, 2L) } : [(i, 2L)]).ToList();
        var results = await Task.WhenAll(appends.Select(a => Append(Run($"r{a.Item1}"), a.Item2)));

        foreach (var ofRun in appends.Zip(results).GroupBy(pair => pair.First.Item1))
            ofRun.Count(pair => pair.Second is AppendResult.Appended).Should().Be(ofRun.Key % 3 == 0 ? 0 : 1, $"run {ofRun.Key} has one winner unless it was stale");
        results.Should().NotContain(AppendResult.Unknown);
        for (var i = 0; i < runs; i++)
            (await History(Run($"r{i}"))).Select(e => e.Version).Should().Equal(i % 3 == 0 ? [1, 2] : [1, 2, 3]);
    }

    [Theory]
    [InlineData(8 * 1024 - 100)]
    [InlineData(8 * 1024 + 1)]
    [InlineData(1_500_000)]
    public async Task A_body_of_any_size_comes_back_between_its_neighbours(int size)
    {
        var large = $$"""{"result":"{{new string('ä', size / 2)}}"}""";
        await Store.AppendAsync(new RunAppend(Run(), 0, [Event("""{"n":1}"""), Event(large), Event("""{"n":3}""")], null, null));
        var read = await History(Run());
        read.Should().HaveCount(3);
        SameJson(read[1].Body, System.Text.Encoding.UTF8.GetBytes(large)).Should().BeTrue();
        SameJson(read[2].Body, """{"n":3}"""u8.ToArray()).Should().BeTrue();
    }

    [Theory]
    [InlineData("Grüße aus Köln")]
    [InlineData("請求書 №7 🧾 𝒳")]
    [InlineData("\u202Efdp.exe \u200B\uFEFF")]
    [InlineData("'; drop table aios.runs; --")]
    [InlineData("\\u0041 \\\" \t\r\n \u001b[31m")]
    public async Task Any_text_comes_back_in_bodies_rows_and_ids(string text)
    {
        var run = Run("Straße-請求-" + string.Concat(text.Where(char.IsLetterOrDigit)));
        var body = System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, string> { ["text"] = text, [text] = "name" });
        var row = Row(run, businessKey: text, attributes: new() { [text] = text }, waits: [new RunWait("approval", text, 1, Why: text)]);
        await Store.AppendAsync(new RunAppend(run, 0, [new NewEvent(Guid.NewGuid(), "signal-received", body, Moment)], row, null));
        SameJson((await History(run)).Single().Body, body).Should().BeTrue();
        var found = (await Store.FindAsync(run, default))!;
        found.Run.Should().Be(run);
        found.BusinessKey.Should().Be(text);
        found.Attributes.Should().Equal(new Dictionary<string, string> { [text] = text });
        found.Waits.Single().Name.Should().Be(text);
    }

    [Fact]
    public async Task An_append_without_events_changes_row_and_wake_up_only()
    {
        await Append(Run(), 0, 2, Row(Run()));
        (await Append(Run(), 2, 0, Row(Run(), RunStatus.Parked), new WakeUpChange(Moment))).Should().Be(AppendResult.Appended);
        (await History(Run())).Should().HaveCount(2);
        (await Store.FindAsync(Run(), default))!.Status.Should().Be(RunStatus.Parked);
        (await Store.WakeUpsAsync(Moment.AddSeconds(1), 1_000_000, default)).Should().Contain(new WakeUp(Run(), Moment));
        (await Append(Run(), 2)).Should().Be(AppendResult.Appended, "the version has not moved");
        (await Append(Run(), 2, 0, Row(Run(), RunStatus.Failed))).Should().Be(AppendResult.Conflict);
        (await Store.FindAsync(Run(), default))!.Status.Should().Be(RunStatus.Parked);
    }

    [Fact]
    public async Task A_row_comes_back_whole_and_is_replaced_whole()
    {
        var wait = new RunWait("approval", "Pay 100", 3, Moment, "controller", ["paula", "tom"], "d1935", JsonText.Parse("""{"amount":1.50}"""), "why", Moment);
        var row = new RunRow(Run(), "invoice-to-pay", "v7", RunStatus.Running, "host-1", true, "INV-1", new Dictionary<string, string> { ["supplier"] = "ACME" }, [wait], Moment, Moment.AddSeconds(1), null);
        await Append(Run(), 0, 1, row);
        var found = (await Store.FindAsync(Run(), default))!;
        (found with { Waits = [], Attributes = null }).Should().Be(row with { Waits = [], Attributes = null });
        found.Attributes.Should().Equal(row.Attributes);
        found.AwaitsApproval.Should().BeTrue();
        var back = found.Waits.Single();
        (back with { NotBy = null, Subject = null }).Should().Be(wait with { NotBy = null, Subject = null });
        back.NotBy.Should().Equal("paula", "tom");
        back.Subject.ToString()!.Replace(" ", "").Should().Be("""{"amount":1.50}""");

        await Append(Run(), 1, 1, row with { Status = RunStatus.Completed, Host = "host-2", Busy = false, Attributes = null, Waits = [], UpdatedAt = Moment.AddSeconds(2), ClosedAt = Moment.AddSeconds(2) });
        found = (await Store.FindAsync(Run(), default))!;
        (found.Status, found.Host, found.Busy, found.AwaitsApproval, found.ClosedAt).Should().Be((RunStatus.Completed, "host-2", false, false, Moment.AddSeconds(2)));
        (found.Attributes?.Count ?? 0).Should().Be(0);
        found.Waits.Should().BeEmpty();
    }

    [Fact]
    public async Task Tenants_with_the_same_run_id_never_meet()
    {
        var other = Run("r", Tenant + "x");
        await Append(Run(), 0, 2, Row(Run(), businessKey: "mine"), new WakeUpChange(Moment));
        (await Append(other, 0, 1, Row(other, businessKey: "theirs"))).Should().Be(AppendResult.Appended);
        (await History(Run())).Should().HaveCount(2);
        (await History(other)).Should().HaveCount(1);
        (await Store.FindAsync(other, default))!.BusinessKey.Should().Be("theirs");
        (await Append(other, 2)).Should().Be(AppendResult.Conflict);
        (await Append(other, 1, 1, null, new WakeUpChange(null))).Should().Be(AppendResult.Appended);
        (await Store.WakeUpsAsync(Moment.AddSeconds(1), 1_000_000, default)).Should().Contain(new WakeUp(Run(), Moment), "another tenant's run of this id has let go of its own");
        (await Store.ListAsync(new RunQuery(Tenant), default)).Select(row => row.BusinessKey).Should().Equal("mine");
    }
}
