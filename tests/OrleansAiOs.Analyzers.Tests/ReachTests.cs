namespace OrleansAiOs.Analyzers.Tests;

/// <summary>Which code is workflow code, and which is not.</summary>
public sealed class ReachTests
{
    private const string Helper = """
        public static class Helper
        {
            public static DateTime Stamp() => Clock.Read();
            public static DateTime Moment => Clock.Read();
            public static readonly DateTime Began = DateTime.UtcNow;
            public static readonly Func<DateTime> Later = () => DateTime.UtcNow;
            public static DateTime Generic<T>(T _) => DateTime.UtcNow;
            public static DateTime Extended(this string _) => DateTime.UtcNow;
            public static IEnumerable<DateTime> Lazily() { yield return DateTime.UtcNow; }
            public static int Even(int n) => n == 0 ? 0 : Odd(n - 1);
            public static int Odd(int n) => n == 0 ? Clock.Read().Day : Even(n - 1);
            public static int Unused() => Clock.Read().Day;
        }
        public static class Clock
        {
            public static DateTime Read() => DateTime.UtcNow;
        }
        public sealed class Made { private readonly Guid id = Guid.NewGuid(); public Guid Id => id; }
        public sealed class Constructed { public Constructed() => Id = Guid.NewGuid(); public Guid Id { get; } }
        public sealed class Primary(string name) { public string Name { get; } = name + Guid.NewGuid(); }
        public sealed class Money { public static Money operator +(Money a, Money b) { Console.WriteLine(); return a; } }
        public interface IClock { DateTime Read(); }
        public sealed class RealClock : IClock { public DateTime Read() => DateTime.UtcNow; }
        public sealed class StillClock : IClock { public DateTime Read() => DateTime.UnixEpoch; }
        public abstract class Wall { public abstract string Colour { get; } public virtual string Age() => "old"; }
        public class Painted : Wall { public override string Colour => "red"; public override string Age() => $"{base.Age()} paint"; }
        public sealed class Drifting : Painted { public override string Age() => $"{DateTime.UtcNow}"; }
        public sealed class Unmade : Wall { public override string Colour => $"{DateTime.UtcNow}"; }
        public sealed class ByDay : IComparer<int> { public int Compare(int a, int b) => DateTime.UtcNow.Day * (a - b); }
        public interface IStep<T> { T Do(T value); }
        public sealed class Stamping : IStep<string> { string IStep<string>.Do(string value) => value + DateTime.UtcNow; }
        public static class Steps { public static readonly IStep<string> First = new Stamping(); public static string Run(IStep<string> step) => step.Do("x"); }
        public interface IGreets { string Greet() => $"{DateTime.UtcNow}"; }
        public sealed class Polite : IGreets { }
        public abstract class Fact { public Guid Id { get; } = Guid.NewGuid(); }
        public sealed class PaidFact : Fact;
        public abstract class Signed { protected Signed(int n = 1) => Console.WriteLine(n); }
        public sealed class Agreed : Signed { public Agreed(string name) { } }
        public abstract class Named(Guid id) { public Guid Id => id; }
        public sealed class Given() : Named(Guid.NewGuid());
        public sealed class TempFile : IDisposable, IAsyncDisposable { public void Dispose() => File.Delete("x"); ValueTask IAsyncDisposable.DisposeAsync() { Console.WriteLine(); return default; } }
        public sealed class Clocks { public Ticking GetEnumerator() => new(); }
        public sealed class Ticking { public DateTime Current => DateTime.UtcNow; public bool MoveNext() => false; }
        public sealed class Soon { public Waiter GetAwaiter() => new(); }
        public sealed class Waiter : System.Runtime.CompilerServices.INotifyCompletion { public bool IsCompleted => true; public void OnCompleted(Action then) { } public int GetResult() => DateTime.UtcNow.Day; }
        public partial class Parted { public static partial DateTime Read(); }
        public partial class Parted { public static partial DateTime Read() => DateTime.UtcNow; }
        """;

    [Theory]
    [InlineData("_ = Helper.Stamp();", "AIOS001", "Helper.Stamp → Clock.Read uses DateTime.UtcNow, which is another time")]
    [InlineData("_ = Helper.Moment;", "AIOS001", "Helper.Moment → Clock.Read uses DateTime.UtcNow")]
    [InlineData("_ = Helper.Began;", "AIOS001", "Helper.Began uses DateTime.UtcNow")]
    [InlineData("_ = Helper.Generic(1);", "AIOS001", "Helper.Generic uses")]
    [InlineData("_ = RunId.Extended();", "AIOS001", "Helper.Extended uses")]
    [InlineData("foreach (var t in Helper.Lazily()) { }", "AIOS001", "Helper.Lazily uses")]
    [InlineData("_ = Helper.Even(2);", "AIOS001", "Helper.Even → Helper.Odd → Clock.Read uses")]
    [InlineData("_ = new[] { 2 }.Select(Helper.Odd);", "AIOS001", "Helper.Odd → Clock.Read uses")]
    [InlineData("_ = new Made();", "AIOS002", "new Made uses Guid.NewGuid()")]
    [InlineData("Made made = new(); _ = made;", "AIOS002", "new Made uses Guid.NewGuid()")]
    [InlineData("_ = new Constructed();", "AIOS002", "new Constructed uses Guid.NewGuid()")]
    [InlineData("_ = new PaidFact();", "AIOS002", "new PaidFact → new Fact uses Guid.NewGuid()")]
    [InlineData("_ = new Agreed(RunId);", "AIOS007", "new Agreed → new Signed uses Console.WriteLine()")]
    [InlineData("_ = new Given();", "AIOS002", "new Given uses Guid.NewGuid()")]
    [InlineData("using var file = new TempFile();", "AIOS007", "TempFile.Dispose uses File.Delete()")]
    [InlineData("using (new TempFile()) { }", "AIOS007", "TempFile.Dispose uses File.Delete()")]
    [InlineData("await using var file = new TempFile();", "AIOS007", "TempFile.DisposeAsync uses Console.WriteLine()")]
    [InlineData("foreach (var time in new Clocks()) { }", "AIOS001", "Ticking.Current uses DateTime.UtcNow")]
    [InlineData("_ = await new Soon();", "AIOS001", "Waiter.GetResult uses DateTime.UtcNow")]
    [InlineData("_ = new Primary(RunId);", "AIOS002", "new Primary uses Guid.NewGuid()")]
    [InlineData("var money = new Money(); money += money;", "AIOS007", "op_Addition uses Console.WriteLine()")]
    [InlineData("_ = new RealClock().Read();", "AIOS001", "RealClock.Read uses")]
    [InlineData("_ = Parted.Read();", "AIOS001", "Parted.Read uses")]
    [InlineData("IClock clock = new RealClock(); _ = clock.Read();", "AIOS001", "IClock.Read → RealClock.Read uses")]
    [InlineData("Wall wall = new Drifting(); _ = wall.Age();", "AIOS001", "Wall.Age → Drifting.Age uses")]
    [InlineData("Painted wall = new Drifting(); _ = wall.Age();", "AIOS001", "Painted.Age → Drifting.Age uses")]
    [InlineData("Wall wall = new Unmade(); _ = wall.Colour;", "AIOS001", "Wall.Colour → Unmade.Colour uses")]
    [InlineData("IComparer<int> order = new ByDay(); _ = order.Compare(1, 2);", "AIOS001", "IComparer.Compare → ByDay.Compare uses")]
    [InlineData("_ = Steps.Run(Steps.First);", "AIOS001", "Steps.Run → IStep.Do → Stamping.Do uses")]
    [InlineData("IGreets host = new Polite(); _ = host.Greet();", "AIOS001", "IGreets.Greet uses")]
    [InlineData("_ = Helper.Later();", "AIOS001", "Helper.Later uses")]
    [InlineData("_ = Helper.Later?.Invoke();", "AIOS001", "Helper.Later uses")]
    [InlineData("Func<IClock> make = () => new RealClock(); _ = Ask(make); static DateTime Ask(Func<IClock> make) => make().Read();", "AIOS001", "IClock.Read → RealClock.Read uses")]
    public async Task A_call_is_followed_and_its_way_is_named(string body, string rule, string message)
    {
        var found = (await Analysed.FindAsync(Analysed.Workflow(body, types: Helper))).Should().ContainSingle().Subject;
        found.Id.Should().Be(rule);
        found.GetMessage().Should().Contain(message).And.MatchRegex(@"\[Sample\.cs\(\d+\)\]$");
        found.Location.SourceTree!.FilePath.Should().Be("Sample.cs");
        found.Location.GetLineSpan().StartLinePosition.Line.Should().BeLessThan(found.AdditionalLocations.Single().GetLineSpan().StartLinePosition.Line);
    }

    [Theory]
    [InlineData("_ = Helper.Later;")] // kept, not called: whoever calls it is the one
    [InlineData("_ = nameof(Helper.Stamp);")]
    [InlineData("_ = Record(Helper.Stamp); _ = Record(() => new Made().Id);")]
    [InlineData("_ = ((IClock)null!).Read();")] // no workflow makes a RealClock: whichever it is, it is not that one
    [InlineData("_ = Pick(null!); static DateTime Pick(IClock clock) => clock.Read();")]
    [InlineData("IClock clock = new StillClock(); _ = clock.Read();")]
    [InlineData("Wall wall = new Painted(); _ = wall.Colour; _ = new Drifting();")] // overridden by what is made here
    public async Task What_is_not_run_is_not_followed(string body) => (await Analysed.FindAsync(Analysed.Workflow(body, types: Helper))).Should().BeEmpty();

    [Theory]
    [InlineData("Func<Guid> f = () => Guid.NewGuid(); _ = f();")]
    [InlineData("_ = Inner(); Guid Inner() => Guid.NewGuid();")]
    [InlineData("_ = Outer(); Guid Outer() { return Inner(); Guid Inner() => Guid.NewGuid(); }")]
    [InlineData("Guid Inner() => Guid.NewGuid(); _ = new[] { 1 }.Select(_ => Inner());")]
    [InlineData("if (input > 7) try { } finally { _ = $\"{Guid.NewGuid()}\"; }")]
    [InlineData("var q = from n in new[] { 1 } select Guid.NewGuid();")]
    [InlineData("_ = input switch { 1 => Guid.NewGuid(), _ => default };")]
    [InlineData("_ = await Record(async () => 1); _ = Record(() => 1) + Guid.NewGuid().GetHashCode();")]
    public async Task Lambdas_and_local_functions_are_workflow_code(string body) =>
        (await Analysed.FindAsync(Analysed.Workflow(body))).Select(d => d.Id).Should().Equal("AIOS002");

    [Theory]
    [InlineData("private readonly Guid id = Guid.NewGuid();")]
    [InlineData("private Guid Id { get; } = Guid.NewGuid();")]
    [InlineData("private Guid Id => Guid.NewGuid();")]
    [InlineData("public Sample() => _ = Guid.NewGuid();")]
    [InlineData("private Guid Make() => Guid.NewGuid();")]
    [InlineData("private async Task<Guid> MakeAsync() { await Task.Yield(); return Guid.NewGuid(); }")]
    public async Task Every_instance_member_is_workflow_code(string member) =>
        (await Analysed.FindAsync(Analysed.Workflow("", member))).Select(d => d.Id).Should().Equal("AIOS002");

    [Fact]
    public async Task A_base_class_of_workflows_is_workflow_code_and_its_offence_is_reported_once()
    {
        var found = await Analysed.FindAsync("""
            public abstract class Dated<T> : Workflow<T, int> { protected DateTime Today() => DateTime.Today; }
            [Workflow("a")] public sealed class A : Dated<int> { protected override Task<int> RunAsync(int input) => Task.FromResult(Today().Day); }
            [Workflow("b")] public sealed class B : Dated<int> { protected override Task<int> RunAsync(int input) => Task.FromResult(Today().Day); }
            """);
        found.Should().ContainSingle().Which.GetMessage().Should().StartWith("DateTime.Today is");
    }

    [Fact]
    public async Task An_activitys_code_is_not_workflow_code_wherever_it_stands()
    {
        (await Analysed.FindAsync("""
            public sealed class Client { public Task<int> SendAsync(int n) { Console.WriteLine(); return Task.FromResult(n); } }
            public static class Tools
            {
                public static readonly Activity<int, int> Far = Activity.Keyed("far", (Client c, int n, IdempotencyKey key, ActivityContext call) => c.SendAsync(n + DateTime.UtcNow.Day));
                public static Activity<int, int> Made { get; } = Make("made", (n, call) => { Console.WriteLine(); return Task.FromResult(n); });
                public static Activity<int, int> Make(string name, Func<int, ActivityContext, Task<int>> run) => Activity.Pure(name, run);
            }
            [Workflow("sample")]
            public sealed class Sample : Workflow<int, int>
            {
                private static readonly HttpClient Http = new();
                private static int calls;
                private static readonly Activity<int, int> Near = Activity.Pure<int, int>("near", async (n, call) => { await Task.Delay(1); calls++; return (await Http.GetStringAsync("x")).Length + Only(n); });
                private static readonly Activity<int, int> Group = Activity.Pure<int, int>("group", RunGroup);
                private static int Only(int n) => n + Environment.ProcessId;
                private static Task<int> RunGroup(int n, ActivityContext call) => Task.Run(() => n);
                protected override async Task<int> RunAsync(int input) =>
                    await Call(Far(), input) + await Call(Near, input) + await Call(Group, input) + await Call(Tools.Made, input)
                    + await Call(Activity.Pure<int, int>("inline", (n, call) => Task.Run(() => n)), input)
                    + await Call(Tools.Make("made here", (n, call) => Task.Run(() => n)), input);
                private static Activity<int, int> Far() => Tools.Far;
            }
            """)).Should().BeEmpty();
    }

    [Fact]
    public async Task Code_that_no_workflow_calls_is_free()
    {
        (await Analysed.FindAsync(Analysed.Workflow("", """
            public static Guid Outside() => Guid.NewGuid();
            private static int count;
            static Sample() => count = Environment.ProcessId;
            """, Helper + "public sealed class Other : IDisposable { private static int n; public void Dispose() { n++; lock (this) Thread.Sleep(n); } }"))).Should().BeEmpty();
    }

    [Fact]
    public async Task What_answers_queries_and_updates_and_the_body_of_a_loop_is_workflow_code()
    {
        (await Analysed.FindAsync(Analysed.Workflow("""
            Answers(Asked, () => Guid.NewGuid());
            Handles(Told, async n => { await Task.Delay(n); return n; });
            await Loop(0, n => { Console.WriteLine(n); return Task.FromResult(Iteration.Done(n)); });
            """, """
            private static readonly Query<Guid> Asked = new("asked");
            private static readonly Update<int, int> Told = new("told");
            """))).Select(d => d.Id).Order().Should().Equal("AIOS002", "AIOS004", "AIOS007");
    }

    [Fact]
    public async Task A_pragma_at_the_place_silences_it()
    {
        var found = await Analysed.FindAsync(Analysed.Workflow("""

            #pragma warning disable AIOS001 // on purpose
            _ = DateTime.UtcNow;
            #pragma warning restore AIOS001
            """));
        found.Where(d => !d.IsSuppressed).Should().BeEmpty();
    }
}
