using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Tests.Shared;

public abstract class ListConformance : RunStoreConformance
{
    private async Task Add(string id, Func<RunRow, RunRow>? change = null)
    {
        var row = Row(Run(id));
        (await Append(Run(id), 0, 1, change?.Invoke(row) ?? row)).Should().Be(AppendResult.Appended);
    }

    private async Task<IEnumerable<string>> Ids(Func<RunQuery, RunQuery>? narrow = null)
    {
        var query = new RunQuery(Tenant, Sort: RunSort.OldestFirst);
        return (await Store.ListAsync(narrow?.Invoke(query) ?? query, default)).Select(row => row.Run.Id);
    }

    [Fact]
    public async Task Each_filter_narrows_and_they_narrow_together()
    {
        await Add("a", r => r with { Workflow = "pay", Status = RunStatus.Completed, BusinessKey = "INV-1", StartedAt = Moment });
        await Add("b", r => r with { Workflow = "pay", BusinessKey = "INV-2", StartedAt = Moment.AddSeconds(1), Waits = [new RunWait("approval", "Pay?", 1)] });
        await Add("c", r => r with { Workflow = "collect", Status = RunStatus.Parked, BusinessKey = "INV-1", StartedAt = Moment.AddSeconds(2), Waits = [new RunWait("timer", null, 1)] });

        (await Ids()).Should().Equal("a", "b", "c");
        (await Ids(q => q with { Status = RunStatus.Parked })).Should().Equal("c");
        (await Ids(q => q with { Workflow = "pay" })).Should().Equal("a", "b");
        (await Ids(q => q with { BusinessKey = "INV-1" })).Should().Equal("a", "c");
        (await Ids(q => q with { AwaitsApproval = true })).Should().Equal("b");
        (await Ids(q => q with { AwaitsApproval = false })).Should().Equal("a", "c");
        (await Ids(q => q with { StartedFrom = Moment.AddSeconds(1) })).Should().Equal("b", "c");
        (await Ids(q => q with { StartedBefore = Moment.AddSeconds(1) })).Should().Equal("a");
        (await Ids(q => q with { StartedFrom = Moment.AddMicroseconds(1), StartedBefore = Moment.AddSeconds(2) })).Should().Equal("b");
        (await Ids(q => q with { Workflow = "pay", BusinessKey = "INV-1" })).Should().Equal("a");
        (await Ids(q => q with { Workflow = "collect", AwaitsApproval = true })).Should().BeEmpty();
        (await Ids(q => q with { Workflow = "PAY" })).Should().BeEmpty("names are exact");
        (await Ids(q => q with { BusinessKey = "INV-%" })).Should().BeEmpty("a value is no pattern");
    }

    [Fact]
    public async Task Attributes_narrow_by_all_of_name_and_value()
    {
        await Add("a", r => r with { Attributes = new Dictionary<string, string> { ["supplier"] = "ACME", ["land"] = "DE" } });
        await Add("b", r => r with { Attributes = new Dictionary<string, string> { ["supplier"] = "ACME", ["land"] = "FR" } });
        await Add("c");
        (await Ids(q => q with { Attributes = new Dictionary<string, string> { ["supplier"] = "ACME" } })).Should().Equal("a", "b");
        (await Ids(q => q with { Attributes = new Dictionary<string, string> { ["supplier"] = "ACME", ["land"] = "FR" } })).Should().Equal("b");
        (await Ids(q => q with { Attributes = new Dictionary<string, string> { ["land"] = "ACME" } })).Should().BeEmpty();
        (await Ids(q => q with { Attributes = new Dictionary<string, string> { ["supplier"] = "acme" } })).Should().BeEmpty();
    }

    [Fact]
    public async Task Newest_first_is_the_other_way_round()
    {
        foreach (var i in new[] { 2, 0, 1 }) await Add($"r{i}", r => r with { StartedAt = Moment.AddMicroseconds(i) });
        (await Ids(q => q with { Sort = RunSort.NewestFirst })).Should().Equal("r2", "r1", "r0");
        (await Ids()).Should().Equal("r0", "r1", "r2");
    }

    [Theory]
    [InlineData(RunSort.NewestFirst)]
    [InlineData(RunSort.OldestFirst)]
    public async Task Pages_neither_skip_nor_repeat_runs_that_started_at_the_same_moment(RunSort sort)
    {
        var ids = Enumerable.Range(0, 23).Select(i => $"run-{(char)('a' + i)}-{(char)('Z' - i)}").Append("Umlaut-Ä").ToList();
        foreach (var (id, i) in ids.Select((id, i) => (id, i))) await Add(id, r => r with { StartedAt = Moment.AddMicroseconds(i / 8) });

        var seen = new List<string>();
        RunCursor? after = null;
        while (await Store.ListAsync(new RunQuery(Tenant, Sort: sort, After: after, Limit: 5), default) is { Count: > 0 } page)
        {
            page.Count.Should().BeLessThanOrEqualTo(5);
            seen.AddRange(page.Select(row => row.Run.Id));
            after = new RunCursor(page[^1].StartedAt, page[^1].Run.Id);
        }
        seen.Should().OnlyHaveUniqueItems().And.BeEquivalentTo(ids);
        var whole = (await Store.ListAsync(new RunQuery(Tenant, Sort: sort, Limit: 100), default)).Select(row => row.Run.Id);
        seen.Should().Equal(whole);
    }

    [Fact]
    public async Task A_list_sees_an_append_as_soon_as_it_is_answered()
    {
        for (var i = 0; i < 20; i++)
        {
            await Add($"r{i}");
            (await Ids()).Should().HaveCount(i + 1);
        }
    }

    [Fact]
    public async Task Another_tenant_is_not_listed_whatever_is_asked()
    {
        await Add("a", r => r with { BusinessKey = "k", Attributes = new Dictionary<string, string> { ["x"] = "y" } });
        foreach (var query in new[] { new RunQuery(Tenant + "'or'1'='1"), new RunQuery("%"), new RunQuery(Tenant[..^1]), new RunQuery(Tenant.ToUpperInvariant()) })
            (await Store.ListAsync(query with { BusinessKey = "k" }, default)).Should().BeEmpty();
    }
}
