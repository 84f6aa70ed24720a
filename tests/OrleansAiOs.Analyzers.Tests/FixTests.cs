namespace OrleansAiOs.Analyzers.Tests;

public sealed class FixTests
{
    [Theory]
    [InlineData("_ = DateTime.UtcNow;", "_ = Now.UtcDateTime;")]
    [InlineData("_ = DateTime.Today.Year;", "_ = Now.UtcDateTime.Date.Year;")]
    [InlineData("_ = DateTimeOffset.UtcNow.AddDays(1);", "_ = Now.AddDays(1);")]
    [InlineData("_ = Guid.NewGuid().ToString();", "_ = NewGuid().ToString();")]
    [InlineData("_ = new[] { 1 }.Select(_ => Guid.NewGuid());", "_ = new[] { 1 }.Select(_ => NewGuid());")]
    [InlineData("await Task.Delay(TimeSpan.FromDays(1), TimeProvider.System);", "await Task.Delay(TimeSpan.FromDays(1), Time);")]
    [InlineData("await Task.Delay(TimeSpan.FromDays(1));", "await Task.Delay(TimeSpan.FromDays(1), Time);")]
    [InlineData("await Task.Delay(100, Cancellation);", "await Task.Delay(TimeSpan.FromMilliseconds(100), Time, Cancellation);")]
    [InlineData("await Task.Delay(TimeSpan.FromDays(1));", "await Sleep(TimeSpan.FromDays(1));", "Use Sleep")]
    [InlineData("await Task.Delay(100, Cancellation);", "await Sleep(TimeSpan.FromMilliseconds(100), Cancellation);", "Use Sleep")]
    [InlineData("await Task.FromResult(1).WaitAsync(TimeSpan.FromDays(1), Cancellation);", "await Task.FromResult(1).WaitAsync(TimeSpan.FromDays(1), Time, Cancellation);")]
    [InlineData("using var source = new CancellationTokenSource(100);", "using var source = new CancellationTokenSource(TimeSpan.FromMilliseconds(100), Time);")]
    [InlineData("using PeriodicTimer timer = new(TimeSpan.FromDays(1));", "using PeriodicTimer timer = new(TimeSpan.FromDays(1), Time);")]
    [InlineData("await Sleep(TimeSpan.FromDays(1)).ConfigureAwait(false);", "await Sleep(TimeSpan.FromDays(1));")]
    [InlineData("_ = Random.Shared.Next(6) + 1;", "_ = Record(() => Random.Shared.Next(6)) + 1;")]
    [InlineData("var name = Environment.MachineName;", "var name = Record(() => Environment.MachineName);")]
    [InlineData("var x = Environment.GetEnvironmentVariable(\"X\")!.Length;", "var x = Record(() => Environment.GetEnvironmentVariable(\"X\"))!.Length;")]
    [InlineData("input += Task.FromResult(1).Result;", "input += await Task.FromResult(1);")]
    [InlineData("_ = Task.FromResult(\"x\").Result.Length;", "_ = (await Task.FromResult(\"x\")).Length;")]
    [InlineData("Task.CompletedTask.Wait();", "await Task.CompletedTask;")]
    [InlineData("_ = Task.FromResult(1).GetAwaiter().GetResult() + 1;", "_ = (await Task.FromResult(1)) + 1;")]
    [InlineData("Thread.Sleep(100);", "await Sleep(TimeSpan.FromMilliseconds(100));")]
    [InlineData("Thread.Sleep(TimeSpan.FromDays(1)); // a day", "await Sleep(TimeSpan.FromDays(1)); // a day")]
    public async Task A_fix_writes_the_cure(string bad, string good, string? title = null) =>
        (await Analysed.FixAsync(Analysed.Workflow(bad), title)).Should().Be(Analysed.Workflow(good));

    [Theory]
    [InlineData("_ = new Random();", "")]
    [InlineData("_ = Task.CompletedTask.Wait(100);", "")]
    [InlineData("Func<Guid> make = static () => Guid.NewGuid(); _ = make;", "")]
    [InlineData("", "private int Get(Task<int> task) => task.Result;")]
    [InlineData("", "private readonly Guid id = Guid.NewGuid();")]
    [InlineData("", "public Sample() => _ = Guid.NewGuid();")]
    public async Task Where_the_cure_would_not_compile_or_would_mean_another_thing_none_is_offered(string body, string member) =>
        (await Analysed.FixAsync(Analysed.Workflow(body, member))).Should().Be("no fix");
}
