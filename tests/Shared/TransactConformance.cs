using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Tests.Shared;

public abstract class TransactConformance : RunStoreConformance
{
    private int done;

    private async Task<string> Transact(string key = "k", string id = "r", Func<Task<JsonText>>? work = null) =>
        (await Store.TransactAsync(Run(id), key, async _ =>
        {
            Interlocked.Increment(ref done);
            return work is null ? JsonText.From(done) : await work();
        }, default)).ToString();

    [Fact]
    public async Task The_second_call_finds_the_first_ones_outcome()
    {
        (await Transact()).Should().Be("1");
        (await Transact()).Should().Be("1");
        done.Should().Be(1);
    }

    [Fact]
    public async Task Another_key_run_or_tenant_is_other_work()
    {
        await Transact("k1");
        await Transact("k2");
        await Transact("k1", "other");
        (await Store.TransactAsync(Run("r", Tenant + "x"), "k1", _ => Task.FromResult(JsonText.From("theirs")), default)).ToString().Should().Be("\"theirs\"");
        done.Should().Be(3);
    }

    [Fact]
    public async Task Concurrent_calls_do_the_work_once_and_all_get_its_outcome()
    {
        var begun = new TaskCompletionSource();
        var go = new TaskCompletionSource();
        var first = Transact(work: async () =>
        {
            begun.SetResult();
            await go.Task;
            return JsonText.From("first");
        });
        await begun.Task;
        var others = Enumerable.Range(0, 8).Select(_ => Transact(work: () => Task.FromResult(JsonText.From("again")))).ToList();
        go.SetResult();
        (await Task.WhenAll(others.Append(first))).Should().AllBe("\"first\"");
        done.Should().Be(1);
    }

    [Fact]
    public async Task Work_that_throws_leaves_nothing_and_may_be_done_again()
    {
        var failing = () => Transact(work: () => throw new InvalidOperationException("no"));
        await failing.Should().ThrowAsync<InvalidOperationException>().WithMessage("no");
        (await Transact(work: () => Task.FromResult(JsonText.From("yes")))).Should().Be("\"yes\"");
        done.Should().Be(2);
    }

    [Fact]
    public async Task Those_who_wait_for_work_that_throws_do_it_themselves()
    {
        var begun = new TaskCompletionSource();
        var go = new TaskCompletionSource();
        var first = Transact(work: async () =>
        {
            begun.SetResult();
            await go.Task;
            throw new InvalidOperationException("no");
        });
        await begun.Task;
        var others = Enumerable.Range(0, 4).Select(_ => Transact(work: () => Task.FromResult(JsonText.From("yes")))).ToList();
        go.SetResult();
        await first.Invoking(f => f).Should().ThrowAsync<InvalidOperationException>();
        (await Task.WhenAll(others)).Should().AllBe("\"yes\"");
        done.Should().Be(2);
    }
}
