using OrleansAiOs.LoadTests;

// usage: OrleansAiOs.LoadTests [--http [--hosts N]] w1 w2 w3 w4 w5 idle refunds budget   (shared/peers/README.md says what each measures; load-tests/README.md what we found)
// reads PGHOST PGPORT PGUSER REP RESULTS, and PG_POSTMASTER_PID for the server's share of the CPU time
var overHttp = args.Contains("--http");
int? clustered = Array.IndexOf(args, "--hosts") is >= 0 and var at ? int.Parse(args[at + 1], null) : null;
if (clustered is not null && !overHttp) throw new ArgumentException("Hosts of a cluster are processes: --hosts N goes with --http.");
if (args is ["worker", var mode]) return await Recovery.WorkAsync(mode);
foreach (var name in args.Where((arg, i) => arg is not ("--http" or "--hosts") && (i == 0 || args[i - 1] != "--hosts")).DefaultIfEmpty("w1"))
{
    await Bench.CreateDatabaseAsync();
    await using IEngine engine = name is "w4" or "chaos" or "recovery" or "gate" or "debug" or "refunds" or "budget" ? new NoEngine() : overHttp ? await HttpEngine.StartAsync(clustered) : await InProcessEngine.StartAsync();
    switch (name)
    {
        case "w1": await Cases.ThroughputAsync(engine); break;
        case "w2": await Cases.LatencyAsync(engine); break;
        case "w3": await Cases.FanOutAsync(engine); break;
        case "w4": await (clustered is { } hosts ? Recovery.MeasureAsync(hosts) : Recovery.MeasureAsync()); break;
        case "w5": await Cases.WaitingAsync(engine); break;
        case "idle": await Cases.IdleAsync(engine as HttpEngine ?? throw new ArgumentException("Hosts that idle are processes: idle goes with --http.")); break;
        case "gate": await GateCase.MeasureAsync(); break;
        case "audit": await AuditCase.MeasureAsync(engine); break;
        case "budget": await BudgetCase.MeasureAsync(); break;
        case "refunds": await RefundsCase.MeasureAsync(); break;
        case "debug": await DebugCase.MeasureAsync(); break;
        case "chaos": await Chaos.RunAsync(); break;
        case "recovery": await MemberRecovery.MeasureAsync(); break;
        default:
            Console.Error.WriteLine($"There is no case '{name}'. Known: w1 w2 w3 w4 w5 idle chaos recovery gate debug audit refunds budget.");
            return 2;
    }
}
return Environment.ExitCode;
