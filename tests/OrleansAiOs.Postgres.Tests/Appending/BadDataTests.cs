using System.Text;
using Npgsql;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Postgres.Tests.Appending;

/// <summary>A value the database refuses fails its own append, and none that shares its flush.</summary>
public sealed class BadDataTests(PostgresStoreFixture fixture) : IClassFixture<PostgresStoreFixture>
{
    private static readonly DateTimeOffset At = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static TheoryData<string> Bodies => new()
    {
        "{\"a\":\"\\ud800\"}", "{\"a\":\"\\udc00x\"}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\0\"}", "{\"a\":", "not json", "", "{\"a\":1e999999999}", new string('[', 6000),
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task Only_the_append_with_the_bad_value_fails(string body)
    {
        var tenant = $"t-{Guid.NewGuid():N}";
        var neighbours = Enumerable.Range(0, 40).Select(i => Append($"n{i}", "{\"n\":1}")).ToList();
        var bad = Append("bad", body);
        neighbours.AddRange(Enumerable.Range(40, 40).Select(i => Append($"n{i}", "{\"n\":1}")));

        // By the database, or before it by the audit trail, which has to know what the database would make of it.
        (await bad.Invoking(b => b).Should().ThrowAsync<Exception>()).Which.Should().Match(e => e is PostgresException || e is FormatException);
        (await Task.WhenAll(neighbours)).Should().AllBeEquivalentTo(AppendResult.Appended);
        (await fixture.Store.ReadAsync(new RunKey(tenant, "bad"), 1, default)).Should().BeEmpty();
        (await Append("bad", "{}")).Should().Be(AppendResult.Appended, "nothing of it was left behind");

        Task<AppendResult> Append(string id, string json) =>
            fixture.Store.AppendAsync(new RunAppend(new RunKey(tenant, id), 0, [new NewEvent(Guid.NewGuid(), "signal-received", Encoding.UTF8.GetBytes(json), At)], null, null)).AsTask();
    }

    [Theory]
    [InlineData('\0')]
    [InlineData('\ud800')] // half a character: it cannot even be put on the wire
    public async Task A_row_the_database_refuses_fails_only_its_own_append(char refused)
    {
        var bad = $"bad {refused}";
        var tenant = $"t-{Guid.NewGuid():N}";
        var appends = Enumerable.Range(0, 30).Select(i => Append($"r{i}", i == 15 ? bad : "fine")).ToList();
        await appends[15].Invoking(b => b).Should().ThrowAsync<Exception>();
        for (var i = 0; i < appends.Count; i++)
        {
            if (i == 15) continue;
            // A neighbour may have to be sent again, as after any flush that ended in the dark; then nothing stands in its way.
            if (await appends[i] is AppendResult.Unknown) appends[i] = Append($"r{i}", "fine");
            (await appends[i]).Should().Be(AppendResult.Appended);
        }

        Task<AppendResult> Append(string id, string key)
        {
            var run = new RunKey(tenant, id);
            return fixture.Store.AppendAsync(new RunAppend(run, 0, [new NewEvent(Guid.NewGuid(), "timer-fired", "{}"u8.ToArray(), At)],
                new RunRow(run, "w", null, RunStatus.Running, "h", false, key, null, [], At, At, null), new WakeUpChange(At))).AsTask();
        }
    }
}
