using OrleansAiOs.Kernel.Governance.KillSwitches;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Branching;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Kernel.Tests.Governance;

/// <summary>
/// R102: what a policy forbids without an exception is done for nobody. Tried with the real gate: whoever asks, along whatever chain, under
/// whatever else is permitted, signed, overdrawn, undone or let go again; and through the engine, with every command there is.
/// </summary>
public sealed class ForbiddenTests
{
    private const string Never = "forbid (principal, action == Action::\"call\", resource == Tool::\"test.pay\"); forbid (principal, action == Action::\"call\", resource == Tool::\"test.return\");";

    private static readonly string[] Others =
    [
        "permit (principal, action, resource);", "@autonomy(\"auto\") permit (principal, action, resource);", "@autonomy(\"approve\") @approval(\"director\") permit (principal, action, resource);", "@autonomy(\"suggest\") permit (principal, action, resource);",
        "@approval(\"controller\") permit (principal, action, resource);", "@approval(\"operator|director, quorum=2, within=PT24H, escalate=director, delegate=yes\") permit (principal, action, resource);",
        "permit (principal == Principal::\"user/olga\", action, resource == Tool::\"test.pay\");", "permit (principal in Role::\"owner\", action == Action::\"call\", resource == Tool::\"test.pay\");",
        "permit (principal, action, resource) when { context.undo };", "permit (principal, action, resource) when { context.attempt > 1 };", "permit (principal, action, resource) unless { context.hops > 1 };",
    ];

    private static readonly string[] People = ["user/ana", "user/ben", "user/carl", "user/dora", "user/erik", "user/olga", "agent/refunds"];

    [Fact]
    public async Task No_request_gets_past_a_forbid_at_the_gate()
    {
        var (asked, wait, signed) = (0, 0, 0);
        for (var seed = 0; seed < 150; seed++)
        {
            var random = new Random(seed);
            // A spent budget is overdrawn by whoever asks: nothing here may hold it up but the forbid.
            await using var world = new GateWorld(Others[4], covers: (_, _, _) => null) { Overdrafts = [new HoldDemand(["controller", "operator"])] };
            var held = Held(world, random);
            world.Activate(Text(random));
            Disturb(world, random);
            for (var i = 0; i < 40; i++)
            {
                var intent = Request(world, random, held);
                if (intent.Signatures.Count > 0) signed++;
                foreach (var answer in new[] { Ask(() => world.Gate.Judge(intent)), await AskAsync(async () => await world.Gate.RecheckAsync(intent, new GateRecord(GateAnswer.Allow, intent.Chain, Charge: intent.Charge), default)) })
                {
                    asked++;
                    if (answer is GateAnswer.Wait) wait++;
                    answer.Should().BeOneOf([GateAnswer.Deny, GateAnswer.Wait], $"seed {seed}: {intent}");
                }
            }
        }
        asked.Should().Be(12_000);
        wait.Should().BeLessThan(asked / 2, "most are denied for good, and do not only wait for a switch");
        signed.Should().BeGreaterThan(1_000);

        static GateAnswer? Ask(Func<GateRecord?> gate) => gate()?.Answer;

        static async Task<GateAnswer?> AskAsync(Func<Task<GateRecord?>> gate) => (await gate())?.Answer;
    }

    [Fact]
    public async Task No_command_gets_a_run_past_a_forbid()
    {
        var (done, forbidden) = (0, 0);
        for (var seed = 0; seed < 40; seed++)
        {
            await using var world = new GateWorld(Never, new WorkflowRegistry().Add<Persists>());
            var (commands, runs) = await WalkAsync(world, seed, never: true, after: i => (world.Books.Paid.Count, world.Books.Returned.Count).Should().Be((0, 0), $"seed {seed}, command {i}"));
            done += commands;
            foreach (var run in runs)
                forbidden += (await world.EventsAsync<StepScheduled>(run)).Select(asked => asked.Gate).Concat((await world.EventsAsync<AttemptStarted>(run)).Select(again => again.Gate)).Count(gate => gate is { Answer: GateAnswer.Deny, Rules.Count: > 0 });
        }
        done.Should().BeGreaterThan(300);
        forbidden.Should().BeGreaterThan(100, "else nothing was tried");
    }

    [Fact]
    public async Task The_same_commands_get_a_run_through_where_nothing_forbids_it()
    {
        var paid = 0;
        for (var seed = 0; seed < 10; seed++)
        {
            await using var world = new GateWorld(Others[0], new WorkflowRegistry().Add<Persists>());
            await WalkAsync(world, seed, never: false, after: _ => { });
            paid += world.Books.Paid.Count;
        }
        paid.Should().BeGreaterThan(10, "else it is not the forbid that stops them");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_forbidden_is_not_undone_by_it_either_whoever_is_gone_and_whoever_signs(bool gone)
    {
        await using var world = new GateWorld("permit (principal, action, resource);");
        var run = await world.StartAsync(10, workflow: "pay-and-undo");
        await world.Host.AdvanceAsync(TimeSpan.FromMinutes(10));
        world.Books.Paid.Should().ContainSingle();
        world.Activate("permit (principal, action, resource); forbid (principal, action == Action::\"call\", resource == Tool::\"test.return\");");
        if (gone) world.Show("principal/user/ana", new PrincipalDisabled("left"));
        await world.Host.AdvanceAsync(TimeSpan.FromHours(2));
        (await world.EventsAsync<StepScheduled>(run)).Should().ContainSingle(asked => asked.Activity == "test.return").Which.Gate.Should().Match<GateRecord>(gate => gate.Answer == GateAnswer.Deny && gate.Hold == null && gate.Rules!.Contains("main/p2"));
        world.Books.Returned.Should().BeEmpty();
    }

    // What was held and signed by everybody while it could be.
    private static (HoldTerms Hold, IReadOnlyList<EffectSigned> Signatures) Held(GateWorld world, Random random)
    {
        var hold = world.Gate.Judge(Intent(world, ["user/ana"])).Hold!;
        return (hold, [.. People.Where(_ => random.Next(4) > 0).Select(who => new EffectSigned(1, true, new Decider(who, world.Identity.Find(GateWorld.Tenant, who)!.Roles, "key"), world.Sign(who, hold.Digest)))]);
    }

    private static EffectIntent Intent(GateWorld world, IReadOnlyList<string> chain) => new(new RunKey(GateWorld.Tenant, "r"), "w", 1, 0, 1, "test.pay", Effect.Keyed, JsonText.From(new Payment("ACME", 10)), Charge.Amount("EUR", 10, "ACME"), null, chain, world.Now,
        false, false, null, [], RunSpending.None);

    private static EffectIntent Request(GateWorld world, Random random, (HoldTerms Hold, IReadOnlyList<EffectSigned> Signatures) held)
    {
        var isHeld = random.Next(2) == 0;
        var intent = Intent(world, isHeld && random.Next(2) == 0 ? ["user/ana"] : Chain(random));
        if (isHeld) intent = intent with { Hold = held.Hold, Signatures = held.Signatures };
        return random.Next(3) == 0 ? intent : intent with
        {
            Activity = random.Next(3) == 0 ? "test.return" : "test.pay", Effect = (Effect)random.Next(Enum.GetValues<Effect>().Length), IsUndo = random.Next(2) == 0, IsReading = random.Next(6) == 0, Attempt = random.Next(1, 9),
            Epoch = random.Next(3) << 16, Step = random.Next(-3, 9), Charge = random.Next(2) == 0 ? null : Charge.Amount("EUR", random.Next(1000)), Input = JsonText.Parse(random.Next(3) == 0 ? "null" : "{\"payee\":\"ACME\",\"amount\":10}"),
            At = world.Now + TimeSpan.FromHours(random.Next(-48, 48)),
        };
    }

    private static string[] Chain(Random random)
    {
        string[] all = [.. People, "user/nobody", "user/late"];
        return random.Next(4) switch { 0 => ["user/ana", "agent/refunds"], 1 => ["user/ana"], _ =>  [.. Enumerable.Range(0, random.Next(1, 4)).Select(i => (i > 0 && random.Next(4) == 0 ? "+" : "") + all[random.Next(all.Length)])] };
    }

    private static string Text(Random random, bool never = true)
    {
        List<string> texts = [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => Others[random.Next(Others.Length)])];
        if (never) texts.Insert(random.Next(texts.Count + 1), Never);
        return string.Join('\n', texts);
    }

    private static void Disturb(GateWorld world, Random random)
    {
        for (var i = 0; i < random.Next(5); i++)
        {
            var who = People[random.Next(People.Length)];
            switch (random.Next(7))
            {
                case 0: world.Show($"principal/{who}", new PrincipalDisabled("left")); break;
                case 1: world.Show($"principal/{who}", new PrincipalRolesChanged(["owner", "controller", "director", "operator"])); break;
                case 2: world.Show($"principal/{who}", new PrincipalRolesChanged([])); break;
                case 3: world.Show($"principal/{who}", new GrantGiven($"g{i}", who, ["tool.call", "run.*"], "*")); break;
                case 4: world.Show($"principal/{who}", new GrantGiven($"g{i}", who, ["act-for"], People[random.Next(People.Length)])); break;
                case 5: world.Show("kill/tool/test.pay", new KillSwitchThrown(KillTarget.Tool, "test.pay", "stop")); break;
                default: world.Show("kill/tool/test.pay", new KillSwitchReleased(KillTarget.Tool, "test.pay", "go")); break;
            }
        }
    }

    private static async Task<(int Done, IReadOnlyList<RunKey> Runs)> WalkAsync(GateWorld world, int seed, bool never, Action<int> after)
    {
        var (random, done) = (new Random(seed), 0);
        world.Activate(Text(random, never));
        List<RunKey> runs = [await world.StartAsync(10, "persists")];
        for (var i = 0; i < 25; i++)
        {
            try
            {
                await ActAsync(world, runs, random, never);
                done++;
            }
            catch (CommandRefusedException)
            {
                // This run takes no such command now; another will.
            }
            await world.Host.AdvanceAsync(TimeSpan.FromMinutes(2));
            after(i);
        }
        return (done, runs);
    }

    private static async Task ActAsync(GateWorld world, List<RunKey> runs, Random random, bool never)
    {
        var (run, host) = (runs[random.Next(runs.Count)], world.Host.Host);
        var history = await world.Host.HistoryOf(run);
        var step = history.OfType<StepScheduled>().Select(asked => asked.Step).DefaultIfEmpty(1).ElementAt(random.Next(Math.Max(1, history.OfType<StepScheduled>().Count())));
        switch (random.Next(15))
        {
            case 0: runs.Add(await world.StartAsync(random.Next(1, 500), "persists", chain: Chain(random))); break;
            case 1: case 2: await host.SignalAsync(run, "again", JsonText.From(1), "user/olga"); break;
            case 3: await host.RetryNowAsync(run, step, "user/olga"); break;
            case 4: await host.SkipAsync(run, step, JsonText.From("paid"), "a person says so", "user/olga"); break;
            case 5: await host.ResolveAsync(run, step, false, default, "a person says so", "user/olga"); break;
            case 6: case 7: await host.ResetAsync(new ResetRun(run, random.Next(history.Count), "again", Effects(history, random)), "user/olga"); break;
            case 8: runs.Add((await host.ForkAsync(new ForkRun(run, random.Next(1, history.Count + 1), Effects: Effects(history, random)), "user/olga")).Run); break;
            case 9: await host.CancelAsync(run, "stop", "user/olga"); break;
            case 10: await host.PauseAsync(run, "stop", "user/olga"); break;
            case 11: await host.ResumeAsync(run, "user/olga"); break;
            case 12: await world.Host.KillAndRestartAsync(); break;
            case 13: Disturb(world, random); break;
            default: world.Activate(Text(random, never)); break;
        }
        // Whatever may be signed is signed by everybody who can.
        foreach (var wait in (await world.Host.Store.FindAsync(run, default))?.Waits.Where(wait => wait.Kind == "signature") ?? [])
            foreach (var who in People) await world.SendAsync(run, wait.Step!.Value, who, world.Sign(who, wait.Digest!));
    }

    private static Dictionary<int, EffectAction> Effects(IEnumerable<WorkflowEvent> history, Random random) =>
        history.OfType<StepScheduled>().Select(asked => asked.Step).Where(step => step > 0).Distinct().Where(_ => random.Next(2) == 0).ToDictionary(step => step, _ => (EffectAction)random.Next(Enum.GetValues<EffectAction>().Length));

    /// <summary>Asks for what is forbidden again and again, in a saga, and whenever it is told to.</summary>
    [Workflow("persists")]
    private sealed class Persists : Workflow<Payment, string>
    {
        private static readonly Signal<int> Again = new("again");

        protected override async Task<string> RunAsync(Payment payment)
        {
            await using var saga = Saga();
            for (var i = 0; i < 20; i++)
            {
                try
                {
                    await saga.Call(Pays.Pay, payment, undo: Pays.Return);
                }
                catch (ActivityFailedException)
                {
                    // Denied: it is asked for again.
                }
                await Receive(Again);
            }
            return "tried";
        }
    }
}
