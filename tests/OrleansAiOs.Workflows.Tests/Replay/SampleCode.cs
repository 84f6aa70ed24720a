using System.Runtime.Loader;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Emit;
using Microsoft.CodeAnalysis.Text;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Testing.Simulation;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Workflows.Tests.Replay;

/// <summary>Workflows whose source is at hand as text, so that a test can edit it, build it in memory and replay old histories with it.</summary>
internal static class SampleCode
{
    /// <summary>Each run goes through every statement of its workflow, so an edit of any of them is an edit of what the run did.</summary>
    public const string Source = """
        using System;
        using System.Collections.Generic;
        using System.Linq;
        using System.Threading.Tasks;
        using OrleansAiOs.Workflows;

        namespace Samples;

        public static class Shop
        {
            public static readonly Activity<int, int> Reserve = Activity.Pure<int, int>("shop.reserve", (x, _) => Task.FromResult(x + 1));
            public static readonly Activity<int, int> Charge = Activity.Pure<int, int>("shop.charge", (x, _) => Task.FromResult(x * 10));
            public static readonly Activity<int, string> Ship = Activity.Pure<int, string>("shop.ship", (x, _) => Task.FromResult($"parcel-{x}"));
            public static readonly Activity<string, bool> Notify = Activity.Pure<string, bool>("shop.notify", (_, _) => Task.FromResult(true));
            public static readonly Activity<int, int> Audit = Activity.Pure<int, int>("shop.audit", (x, _) => Task.FromResult(x));
            public static readonly Activity<int, int> Release = Activity.Pure<int, int>("shop.release", (x, _) => Task.FromResult(x));
            public static readonly Signal<int> Count = new("count");
            public static readonly Signal<string> Word = new("word");
        }

        [Workflow("order", Version = "1")]
        public sealed class Order : Workflow<int, string>
        {
            protected override async Task<string> RunAsync(int id)
            {
                var reserved = await Call(Shop.Reserve, id);
                var charged = await Call(Shop.Charge, reserved);
                SetAttributes(("charged", $"{charged}"));
                var parcel = await Call(Shop.Ship, id);
                await Call(Shop.Notify, parcel);
                return parcel;
            }
        }

        [Workflow("batch")]
        public sealed class Batch : Workflow<int, int>
        {
            protected override async Task<int> RunAsync(int size)
            {
                var sum = 0;
                for (var i = 0; i < size; i++)
                {
                    sum += await Call(Shop.Reserve, i);
                    await Call(Shop.Audit, i);
                }
                for (var k = 0; k < 2; k++)
                {
                    await Call(Shop.Notify, $"round {k}");
                }
                await Call(Shop.Charge, sum);
                return sum;
            }
        }

        [Workflow("purchase")]
        public sealed class Purchase : Workflow<int, string>
        {
            protected override async Task<string> RunAsync(int quantity)
            {
                var price = await Call(Shop.Charge, quantity);
                if (price > 500)
                {
                    var decision = await Approval($"Buy for {price}", price, by: "manager", within: TimeSpan.FromHours(1));
                    if (!decision.Granted) return "refused";
                }
                await Sleep(TimeSpan.FromMinutes(5));
                var parcel = await Call(Shop.Ship, price);
                if (price > 100000) await Call(Shop.Audit, price);
                return parcel;
            }
        }

        [Workflow("trip")]
        public sealed class Trip : Workflow<int, int>
        {
            protected override async Task<int> RunAsync(int id)
            {
                await using var saga = Saga();
                var room = await saga.Call(Shop.Reserve, id, undo: Shop.Release);
                var seat = await saga.Call(Shop.Charge, id, undo: Shop.Release);
                var drawn = Record(() => 7);
                await Call(Shop.Notify, "booked");
                return saga.Complete(room + seat + drawn);
            }
        }

        [Workflow("listen")]
        public sealed class Listen : Workflow<int, string>
        {
            protected override async Task<string> RunAsync(int id)
            {
                var first = await Receive(Shop.Count);
                await Call(Shop.Reserve, first);
                var word = await Receive(Shop.Word);
                await Call(Shop.Notify, word);
                var more = new List<int>();
                while (more.Sum() < 10)
                {
                    more.Add(await Receive(Shop.Count));
                    await Call(Shop.Audit, more.Count);
                }
                return word;
            }
        }

        [Workflow("fan")]
        public sealed class Fan : Workflow<int, int>
        {
            protected override async Task<int> RunAsync(int width)
            {
                var one = Call(Shop.Reserve, 1);
                var two = Call(Shop.Charge, 2);
                var both = await Task.WhenAll(one, two);
                var all = await Task.WhenAll(Enumerable.Range(0, width).Select(i => Call(Shop.Audit, i)));
                using var limit = new System.Threading.CancellationTokenSource(TimeSpan.FromHours(1), Time);
                var last = await Call(Shop.Release, both.Sum(), cancellation: limit.Token);
                return all.Sum() + last;
            }
        }
        """;

    private static readonly MetadataReference[] References =
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(System.IO.Path.PathSeparator)
            .Where(path => System.IO.Path.GetFileName(path) is "System.Runtime.dll" or "System.Private.CoreLib.dll" or "System.Collections.dll" or "System.Linq.dll" or "System.Text.Json.dll"
                or "System.Threading.dll" or "System.Net.Http.dll" or "System.Net.Primitives.dll" or "System.Data.Common.dll" or "System.ComponentModel.dll" or "netstandard.dll"
                or "System.Private.Uri.dll" or "System.Memory.dll")
            .Select(path => MetadataReference.CreateFromFile(path)),
        MetadataReference.CreateFromFile(typeof(Workflow).Assembly.Location),
    ];

    /// <summary>Builds the source and loads it, with symbols.</summary>
    public static WorkflowRegistry Build(string source) => BuildAll([source])[0].Code ?? throw new InvalidOperationException($"The source does not compile: {BuildAll([source])[0].Objection}");

    /// <summary>Builds many sources at once, each in a namespace of its own; what does not compile is null, with the reason.</summary>
    public static IReadOnlyList<(WorkflowRegistry? Code, string? Objection)> BuildAll(IReadOnlyList<string> sources)
    {
        var trees = sources.Select((source, i) => CSharpSyntaxTree.ParseText(SourceText.From(source.Replace("namespace Samples;", $"namespace Samples{i};"), System.Text.Encoding.UTF8),
            new CSharpParseOptions(LanguageVersion.Latest), $"/samples/{i}/Shop.cs")).ToList();
        var compilation = CSharpCompilation.Create($"Samples-{Guid.NewGuid():N}", trees, References, new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, optimizationLevel: OptimizationLevel.Debug));
        var wrong = compilation.GetDiagnostics().Where(d => d.Severity == DiagnosticSeverity.Error).GroupBy(d => d.Location.SourceTree!).ToDictionary(group => group.Key, group => group.First().ToString());
        compilation = compilation.RemoveSyntaxTrees(wrong.Keys);
        using var code = new MemoryStream();
        using var symbols = new MemoryStream();
        var result = compilation.Emit(code, symbols, options: new EmitOptions(debugInformationFormat: DebugInformationFormat.PortablePdb));
        if (!result.Success) throw new InvalidOperationException(string.Join("; ", result.Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error).Take(3)));
        (code.Position, symbols.Position) = (0, 0);
        var assembly = new AssemblyLoadContext(null, isCollectible: true).LoadFromStream(code, symbols);
        var add = typeof(WorkflowRegistry).GetMethods().Single(method => method is { Name: "Add", IsGenericMethod: true });
        return [.. trees.Select((tree, i) =>
        {
            if (wrong.TryGetValue(tree, out var objection)) return (null, objection);
            var registry = new WorkflowRegistry();
            foreach (var type in assembly.GetTypes().Where(type => type.Namespace == $"Samples{i}" && type.IsSubclassOf(typeof(Workflow)))) add.MakeGenericMethod(type).Invoke(registry, null);
            return ((WorkflowRegistry?)registry, (string?)null);
        })];
    }

    /// <summary>Runs a workflow of the unedited source to its end, in virtual time, and answers its history.</summary>
    public static IReadOnlyList<StoredEvent> Run(WorkflowRegistry registry, string workflow)
    {
        var world = new VirtualHost(registry, () => new ServiceCollection().BuildServiceProvider());
        IReadOnlyList<StoredEvent> history = [];
        world.Run(async _ =>
        {
            var run = (await world.SendAsync(host => host.StartRunAsync(new StartRun(workflow, JsonText.From(workflow == "purchase" ? 100 : 3), workflow), "paula"))).Run;
            switch (workflow)
            {
                case "purchase":
                    var row = await world.UntilAsync(run, r => r.AwaitsApproval);
                    await world.SendAsync(host => host.DecideAsync(run, row.Waits.Single().Step!.Value, true, new Decider("mia", ["manager"], "key"), key: "d"));
                    break;
                case "listen":
                    foreach (var (name, value) in new (string, object)[] { ("count", 4), ("word", "hello"), ("count", 5), ("count", 6) })
                    {
                        await world.UntilAsync(run, r => r.Waits.Any(w => w.Kind == "signal" && w.Name == name) && !r.Busy);
                        await world.SendAsync(host => host.SignalAsync(run, name, JsonText.From(value), "mia"));
                    }
                    break;
            }
            await world.UntilAsync(run, r => r.ClosedAt is not null);
            history = await world.Store.ReadAsync(run, 1, default);
        }, within: TimeSpan.FromDays(30));
        return history;
    }
}
