namespace OrleansAiOs.Analyzers.Tests;

/// <summary>One line a member: which rule it breaks when it stands in workflow code. The cures must not break any.</summary>
public sealed class RuleTests
{
    private const string Clock = "AIOS001", Identifier = "AIOS002", Chance = "AIOS003", Timer = "AIOS004", Scheduler = "AIOS005", Blocking = "AIOS006", Outside = "AIOS007", Machine = "AIOS008",
        StaticState = "AIOS009", Hash = "AIOS010";

    private static readonly (string Rule, string Body)[] Refused =
    [
        (Clock, "_ = DateTime.Now;"),
        (Clock, "_ = DateTime.UtcNow;"),
        (Clock, "_ = DateTime.Today;"),
        (Clock, "_ = DateTimeOffset.Now;"),
        (Clock, "_ = DateTimeOffset.UtcNow;"),
        (Clock, "_ = TimeProvider.System;"),
        (Clock, "await Task.Delay(TimeSpan.FromDays(1), TimeProvider.System);"),
        (Clock, "_ = new Stopwatch();"),
        (Clock, "_ = Stopwatch.StartNew();"),
        (Clock, "_ = Stopwatch.GetTimestamp();"),
        (Clock, "_ = Environment.TickCount64;"),
        (Identifier, "_ = Guid.NewGuid();"),
        (Identifier, "_ = Guid.CreateVersion7();"),
        (Identifier, "_ = Guid.CreateVersion7(Now);"),
        (Identifier, "Func<Guid> make = Guid.NewGuid; _ = make;"),
        (Chance, "_ = new Random();"),
        (Chance, "_ = Random.Shared.Next(6);"),
        (Chance, "_ = RandomNumberGenerator.GetInt32(6);"),
        (Chance, "_ = Path.GetRandomFileName();"),
        (Timer, "await Task.Delay(100);"),
        (Timer, "await Task.Delay(TimeSpan.FromDays(1));"),
        (Timer, "await Task.Delay(100, Cancellation);"),
        (Timer, "await Sleep(TimeSpan.FromDays(1)).WaitAsync(TimeSpan.FromDays(2));"),
        (Timer, "await Task.FromResult(1).WaitAsync(TimeSpan.FromDays(2), Cancellation);"),
        (Timer, "_ = new CancellationTokenSource(TimeSpan.FromDays(1));"),
        (Timer, "_ = new CancellationTokenSource(100);"),
        (Timer, "new CancellationTokenSource().CancelAfter(100);"),
        (Timer, "_ = new PeriodicTimer(TimeSpan.FromDays(1));"),
        (Timer, "_ = new Timer(_ => { });"),
        (Timer, "_ = new System.Timers.Timer();"),
        (Scheduler, "await Task.Run(() => 1);"),
        (Scheduler, "await Task.Factory.StartNew(() => 1);"),
        (Scheduler, "_ = new Thread(() => { });"),
        (Scheduler, "ThreadPool.QueueUserWorkItem(_ => { });"),
        (Scheduler, "Parallel.For(0, 9, _ => { });"),
        (Scheduler, "await Parallel.ForEachAsync(new[] { 1 }, (_, _) => ValueTask.CompletedTask);"),
        (Scheduler, "_ = new[] { 1 }.AsParallel();"),
        (Scheduler, "await foreach (var done in Task.WhenEach(Task.CompletedTask)) { }"),
        (Scheduler, "await new SemaphoreSlim(1).WaitAsync(100);"),
        (Scheduler, "await new SemaphoreSlim(1).WaitAsync(Cancellation);"),
        (Scheduler, "await foreach (var item in Channel.CreateUnbounded<int>().Reader.ReadAllAsync()) { }"),
        (Scheduler, "await Task.CompletedTask.ConfigureAwait(false);"),
        (Scheduler, "await Task.FromResult(1).ConfigureAwait(false);"),
        (Scheduler, "await ValueTask.CompletedTask.ConfigureAwait(false);"),
        (Scheduler, "await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);"),
        (Blocking, "_ = Task.FromResult(1).Result;"),
        (Blocking, "_ = new ValueTask<int>(1).Result;"),
        (Blocking, "Task.CompletedTask.Wait();"),
        (Blocking, "Task.WaitAll(Task.CompletedTask);"),
        (Blocking, "Task.CompletedTask.GetAwaiter().GetResult();"),
        (Blocking, "_ = Task.FromResult(1).GetAwaiter().GetResult();"),
        (Blocking, "Thread.Sleep(100);"),
        (Blocking, "new SemaphoreSlim(1).Wait();"),
        (Blocking, "Monitor.Enter(this);"),
        (Blocking, "lock (this) { }"),
        (Blocking, "new ManualResetEvent(true).WaitOne();"),
        (Blocking, "_ = new BlockingCollection<int>().Take();"),
        (Outside, "_ = File.ReadAllText(\"x\");"),
        (Outside, "await File.WriteAllTextAsync(\"x\", \"y\");"),
        (Outside, "Directory.CreateDirectory(\"x\");"),
        (Outside, "_ = new FileStream(\"x\", FileMode.Open);"),
        (Outside, "_ = new StreamReader(\"x\");"),
        (Outside, "_ = new HttpClient();"),
        (Outside, "_ = await ((HttpClient)null!).GetFromJsonAsync<int>(\"x\");"),
        (Outside, "_ = await System.Net.Dns.GetHostEntryAsync(\"x\");"),
        (Outside, "Process.Start(\"x\");"),
        (Outside, "Console.WriteLine();"),
        (Outside, "_ = Console.Out;"),
        (Outside, "((DbConnection)null!).Open();"),
        (Outside, "await ((DbDataSource)null!).OpenConnectionAsync();"),
        (Machine, "_ = Environment.GetEnvironmentVariable(\"x\");"),
        (Machine, "_ = Environment.MachineName;"),
        (Machine, "_ = Environment.ProcessorCount;"),
        (Machine, "Environment.Exit(1);"),
        (Machine, "_ = OperatingSystem.IsWindows();"),
        (Machine, "_ = TimeZoneInfo.Local;"),
        (Machine, "_ = Now.ToLocalTime();"),
        (Machine, "_ = Thread.CurrentThread;"),
        (Hash, "_ = RunId.GetHashCode();"),
        (Hash, "_ = HashCode.Combine(1, 2);"),
        (Hash, "_ = new object().GetHashCode();"),
        (Hash, "foreach (var (name, _) in new ConcurrentDictionary<string, int>()) await Sleep(TimeSpan.FromDays(1));"),
        (Hash, "foreach (var name in ImmutableHashSet<string>.Empty) await Sleep(TimeSpan.FromDays(1));"),
        (Hash, "var all = new List<Task>(); foreach (var (_, days) in ImmutableDictionary<string, int>.Empty) all.Add(Sleep(TimeSpan.FromDays(days))); await Task.WhenAll(all);"),
        (Hash, "await Task.WhenAll(ImmutableDictionary<string, int>.Empty.Select(pair => Sleep(TimeSpan.FromDays(pair.Value))));"),
        (Hash, "await Task.WhenAll(new ConcurrentDictionary<string, int>().Values.Where(days => days > 1).Select(days => Sleep(TimeSpan.FromDays(days))).ToList());"),
        (Hash, "foreach (var (_, days) in ImmutableDictionary<(int, string), int>.Empty) await Sleep(TimeSpan.FromDays(days));"),
        (Machine, "_ = GC.GetTotalMemory(false);"),
    ];

    private static readonly Lazy<Task<ILookup<string, Microsoft.CodeAnalysis.Diagnostic>>> Found = new(() => Analysed.FindAsync([.. Refused.Select(row => Analysed.Workflow(row.Body))]));

    public static TheoryData<string, string> RefusedRows()
    {
        var rows = new TheoryData<string, string>();
        foreach (var (rule, body) in Refused) rows.Add(rule, body);
        return rows;
    }

    [Theory]
    [MemberData(nameof(RefusedRows))]
    public async Task What_replay_cannot_repeat_is_an_error(string rule, string body)
    {
        var found = (await Found.Value)[Analysed.Workflow(body)];
        found.Select(d => (d.Id, d.Severity)).Distinct().Should().Equal((rule, Microsoft.CodeAnalysis.DiagnosticSeverity.Error));
    }

    [Theory]
    [InlineData("private static int count;", "_ = count;")]
    [InlineData("private static int count;", "count++;")]
    [InlineData("private static int count;", "Interlocked.Increment(ref count);")]
    [InlineData("private static int Count { get; set; }", "Count = 1;")]
    [InlineData("private static event Action? Done;", "Done += () => { };")]
    [InlineData("private static readonly List<int> All = [];", "All.Add(1);")]
    [InlineData("private static readonly ConcurrentDictionary<string, int> All = new();", "All.AddOrUpdate(RunId, 1, (_, n) => n + 1);")]
    [InlineData("private static readonly Dictionary<string, int> All = [];", "All[RunId] = 1;")]
    [InlineData("private static IDictionary<string, int> All { get; } = new Dictionary<string, int>();", "All[RunId] = 1;")]
    [InlineData("private static readonly int[] All = new int[9];", "All[1]++;")]
    [InlineData("private static readonly int[] All = new int[9];", "All[1] = 2;")]
    [InlineData("private static readonly Random Dice = new(7);", "_ = Dice.Next();")]
    [InlineData("private static readonly Dictionary<string, int> All = [];", "All[RunId]++;")]
    [InlineData("private static readonly SemaphoreSlim Gate = new(1);", "Gate.WaitAsync();")]
    [InlineData("private static readonly System.Text.StringBuilder Told = new();", "Told.Append(RunId);")]
    [InlineData("public sealed class Box { public int Count; public int Size { get; set; } } private static readonly Box All = new();", "All.Count++;")]
    [InlineData("public sealed class Box { public int Count; public int Size { get; set; } } private static readonly Box All = new();", "All.Size = 2;")]
    public async Task Static_state_is_an_error(string member, string body)
    {
        var found = await Analysed.FindAsync(Analysed.Workflow(body, member));
        found.Select(d => d.Id).Distinct().Should().Equal(StaticState);
        (await Analysed.FindAsync(Analysed.Workflow("Shared.Touch(RunId);", types: $$"""public static class Shared { {{member}} public static void Touch(string RunId) { {{body}} } }""")))
            .Select(d => d.Id).Distinct().Should().Equal(StaticState);
    }

    [Theory]
    [InlineData("_ = Now; _ = Now.UtcDateTime; _ = Now.Date; _ = new DateTime(2026, 1, 1); _ = DateTime.Parse(\"2026-01-01\"); _ = DateTime.MinValue;")]
    [InlineData("_ = NewGuid(); _ = Guid.Empty; _ = Guid.Parse(RunId);")]
    [InlineData("_ = new Random(7).Next();")]
    [InlineData("_ = Record(() => Random.Shared.Next()); _ = Record(() => DateTime.UtcNow); _ = Record(() => Environment.MachineName); _ = Record(Guid.NewGuid);")]
    [InlineData("_ = Record(() => { return Inner(); Guid Inner() => Guid.NewGuid(); });")]
    [InlineData("_ = Record(Inner); Guid Inner() => Guid.NewGuid();")]
    [InlineData("await Sleep(TimeSpan.FromDays(1)); await Until(Now.AddDays(1)); await Task.Delay(TimeSpan.FromDays(1), Time); await Task.Delay(TimeSpan.FromDays(1), Time, Cancellation);")]
    [InlineData("await Task.FromResult(1).WaitAsync(TimeSpan.FromDays(1), Time); await Task.CompletedTask.WaitAsync(Cancellation);")]
    [InlineData("using var source = new CancellationTokenSource(TimeSpan.FromDays(1), Time); using var other = CancellationTokenSource.CreateLinkedTokenSource(Cancellation); other.Cancel();")]
    [InlineData("using var timer = new PeriodicTimer(TimeSpan.FromDays(1), Time); await timer.WaitForNextTickAsync();")]
    [InlineData("await Task.WhenAll(Task.CompletedTask); await Task.WhenAny(Task.CompletedTask); await Task.CompletedTask.ConfigureAwait(true);")]
    [InlineData("await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);")]
    [InlineData("await new SemaphoreSlim(1).WaitAsync(); await Channel.CreateUnbounded<int>().Reader.ReadAsync();")]
    [InlineData("_ = new StreamReader(new MemoryStream()); _ = new StringReader(\"x\"); _ = Path.Combine(\"a\", \"b\"); _ = Path.GetFileName(\"a\");")]
    [InlineData("_ = Environment.NewLine; _ = TimeZoneInfo.Utc; _ = Stopwatch.Frequency;")]
    [InlineData("_ = nameof(DateTime.UtcNow); _ = nameof(File.ReadAllText); _ = typeof(HttpClient);")]
    [InlineData("foreach (var (name, _) in new Dictionary<string, int>()) await Sleep(TimeSpan.FromDays(1)); foreach (var name in new HashSet<string>()) await Sleep(TimeSpan.FromDays(1));")]
    [InlineData("var n = 0; foreach (var (_, m) in new ConcurrentDictionary<string, int>()) n += m; foreach (var (m, _) in new ConcurrentDictionary<int, int>()) await Sleep(TimeSpan.FromDays(m));")]
    [InlineData("foreach (var (_, days) in ImmutableDictionary<string, int>.Empty.OrderBy(pair => pair.Key, StringComparer.Ordinal)) await Sleep(TimeSpan.FromDays(days)); _ = ImmutableDictionary<string, int>.Empty.Sum(pair => pair.Value);")]
    [InlineData("var box = new System.Text.StringBuilder(); box.Append(1); GC.SuppressFinalize(box); GC.KeepAlive(box);")]
    [InlineData("var seen = new List<int>(); seen.Add(1); var counts = new int[3]; counts[0]++; _ = new Dictionary<string, int> { [RunId] = 1 };")]
    [InlineData("_ = 7.GetHashCode(); _ = RunId.Equals(\"x\"); _ = SHA256.HashData(new byte[1]);")]
    public async Task What_replay_can_repeat_is_none(string body) => (await Analysed.FindAsync(Analysed.Workflow(body))).Should().BeEmpty();

    [Theory]
    [InlineData("private const int Count = 1;", "_ = Count;")]
    [InlineData("private static readonly int Count = 1;", "_ = Count;")]
    [InlineData("private static readonly List<int> All = [];", "_ = All.Count; _ = All.Contains(1); _ = string.Join(',', All);")]
    [InlineData("private static readonly ImmutableList<int> All = [];", "_ = All.Add(1);")]
    [InlineData("private static int Count => 1;", "_ = Count;")]
    [InlineData("private static readonly ConcurrentDictionary<string, int> Lengths = new();", "_ = Lengths.GetOrAdd(RunId, id => id.Length);")]
    [InlineData("private int count;", "count++;")]
    [InlineData("private enum Colour { Red }", "_ = Colour.Red;")]
    public async Task Constants_and_the_runs_own_state_are_none(string member, string body) => (await Analysed.FindAsync(Analysed.Workflow(body, member))).Should().BeEmpty();

    [Fact]
    public async Task A_message_names_the_cure()
    {
        var found = (await Analysed.FindAsync(Analysed.Workflow("_ = DateTime.UtcNow;"))).Single();
        found.GetMessage().Should().Be("DateTime.UtcNow is another time on every replay. Use Now, the time of the input the code reacts to.");
    }

    [Fact]
    public void The_table_for_people_has_every_rule()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "OrleansAiOs.sln"))) folder = Path.GetDirectoryName(folder)!;
        var rows = File.ReadLines(Path.Combine(folder, "docs", "analyzers.md")).Where(line => line.StartsWith("| AIOS", StringComparison.Ordinal)).Select(line => line[2..9]);
        rows.Should().Equal(new DeterminismAnalyzer().SupportedDiagnostics.Select(rule => rule.Id));
    }
}
