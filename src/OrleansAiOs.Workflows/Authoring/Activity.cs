using System.Data.Common;
using Microsoft.Extensions.DependencyInjection;
using OrleansAiOs.Workflows.Dispatch;
using OrleansAiOs.Workflows.History;

namespace OrleansAiOs.Workflows;

/// <summary>
/// A tool activity: a named piece of code that calls outside, with a declared effect class. Declared once as a static field and
/// called by that field, so a call is typed and has no strings. The service it works with comes from dependency injection.
/// </summary>
/// <example><code>
/// public static readonly Activity&lt;Invoice, Posting&gt; Post = Activity.Keyed("ledger.post",
///     (LedgerClient ledger, Invoice invoice, IdempotencyKey key, ActivityContext call) => ledger.PostAsync(invoice, key, call.Cancellation));
/// </code></example>
public abstract class Activity
{
    /// <summary>Names of the engine's own activities begin so.</summary>
    public const string EnginesOwn = "aios.";

    private protected Activity(string name, Effect effect, ActivityOptions? options)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        (Name, Effect, Options) = (name, effect, options ?? new ActivityOptions());
        if (Options.Concurrency is < 1 or > 10_000)
            throw new ArgumentOutOfRangeException(nameof(options), Options.Concurrency, $"Activity '{name}': Concurrency must be 1 to 10,000.");
        if (Options.Burst is < 1 or > 10_000) throw new ArgumentOutOfRangeException(nameof(options), Options.Burst, $"Activity '{name}': Burst must be 1 to 10,000.");
        if (Options.ConcurrencyPerTenant is < 1)
            throw new ArgumentOutOfRangeException(nameof(options), Options.ConcurrencyPerTenant, $"Activity '{name}': ConcurrencyPerTenant must be at least 1.");
        if (Options.PerSecond is not (null or >= 0.001 and <= 1_000_000))
            throw new ArgumentOutOfRangeException(nameof(options), Options.PerSecond, $"Activity '{name}': PerSecond must be 0.001 to 1,000,000.");
    }

    /// <summary>The name in histories. It is for ever: rename the field, not this.</summary>
    public string Name { get; }

    /// <summary>The effect class.</summary>
    public Effect Effect { get; }

    /// <summary>What holds for every call.</summary>
    public ActivityOptions Options { get; }

    /// <summary>Only its name stands in the code; what it does is declared elsewhere (<see cref="IActivityDirectory"/>).</summary>
    internal virtual bool IsNamed => false;

    /// <summary>Calls of one gate share the limits of <see cref="Options"/>.</summary>
    internal virtual string Gate => Name;

    /// <summary>One that is known by name, as it is declared at a moment, with the effect class that is recorded.</summary>
    internal virtual Activity As(Effect effect, string tenant, ActivityDeclaration? declared) => this;

    internal virtual bool CanReconcile => false;

    /// <summary>It looks at something before a call leaves.</summary>
    internal virtual bool Prepares => false;

    /// <summary>What a call costs and moves, by its arguments; null if nobody has said.</summary>
    internal virtual Gating.Charge? ChargeOf(JsonText input) => null;

    /// <summary>What a call does, in words made from its arguments; null if nobody has said.</summary>
    internal virtual string? TitleOf(JsonText input) => null;

    /// <summary>The type of the service it works with; null if it works with none.</summary>
    internal abstract Type? Service { get; }

    internal abstract Task<JsonText> RunAsync(IServiceProvider services, JsonText input, ActivityContext context, DbTransaction? transaction);

    /// <summary>What it finds before a call leaves; null if there is nothing to find. Whatever it throws, nothing has left.</summary>
    internal virtual Task<JsonText?> PrepareAsync(IServiceProvider services, JsonText input, ActivityContext context) => Task.FromResult<JsonText?>(null);

    internal virtual Task<Reconciled<JsonText>> ReconcileAsync(IServiceProvider services, JsonText input, ActivityContext context) =>
        throw new InvalidOperationException($"Activity '{Name}' has no reconcile hook.");

    // The engine's own are looked at by nobody's policies: a tool that took such a name would not be either.
    private static string Free(string name) => name is null || !name.StartsWith(EnginesOwn, StringComparison.Ordinal) ? name!
        : throw new ArgumentException($"'{name}': names that begin with '{EnginesOwn}' are the engine's own. Choose another.", nameof(name));

    /// <summary>An activity that changes nothing outside.</summary>
    public static Activity<TIn, TOut> Pure<TIn, TOut>(string name, Func<TIn, ActivityContext, Task<TOut>> run, ActivityOptions? options = null) =>
        new(Free(name), Effect.Pure, (_, input, context, _) => run(input, context), options);

    /// <summary>An activity that changes nothing outside, with a service from dependency injection.</summary>
    public static Activity<TIn, TOut> Pure<TService, TIn, TOut>(string name, Func<TService, TIn, ActivityContext, Task<TOut>> run, ActivityOptions? options = null)
        where TService : notnull =>
        new(Free(name), Effect.Pure, (services, input, context, _) => run(services.GetRequiredService<TService>(), input, context), options, service: typeof(TService));

    /// <summary>
    /// An activity of which the code knows the name alone: its effect class and its limits are those that the host's <see cref="IActivityDirectory"/>
    /// gives when it is called. Its receiver is handed the key, whatever the class.
    /// </summary>
    public static Activity<TIn, TOut> Named<TService, TIn, TOut>(string name, Func<TService, TIn, ActivityContext, Task<TOut>> run, ActivityOptions? options = null)
        where TService : notnull =>
        new(Free(name), Effect.AtMostOnce, (services, input, context, _) => run(services.GetRequiredService<TService>(), input, context), options, service: typeof(TService), isNamed: true);

    /// <summary>An activity of which two runs are the same as one.</summary>
    public static Activity<TIn, TOut> Idempotent<TService, TIn, TOut>(string name, Func<TService, TIn, ActivityContext, Task<TOut>> run, ActivityOptions? options = null)
        where TService : notnull =>
        new(Free(name), Effect.Idempotent, (services, input, context, _) => run(services.GetRequiredService<TService>(), input, context), options, service: typeof(TService));

    /// <summary>An activity whose receiver deduplicates by the key it is handed.</summary>
    public static Activity<TIn, TOut> Keyed<TService, TIn, TOut>(string name, Func<TService, TIn, IdempotencyKey, ActivityContext, Task<TOut>> run,
        ActivityOptions? options = null) where TService : notnull =>
        new(Free(name), Effect.Keyed, (services, input, context, _) => run(services.GetRequiredService<TService>(), input, context.Key, context), options, service: typeof(TService));

    /// <summary>An activity that writes to the engine's database in the transaction that also records its outcome.</summary>
    public static Activity<TIn, TOut> Transactional<TService, TIn, TOut>(string name, Func<TService, TIn, DbTransaction, ActivityContext, Task<TOut>> run,
        ActivityOptions? options = null) where TService : notnull =>
        new(Free(name), Effect.Transactional, (services, input, context, transaction) => run(services.GetRequiredService<TService>(), input, transaction!, context), options, service: typeof(TService));

    /// <summary>An activity that writes to the engine's database, without a service.</summary>
    public static Activity<TIn, TOut> Transactional<TIn, TOut>(string name, Func<TIn, DbTransaction, ActivityContext, Task<TOut>> run, ActivityOptions? options = null) =>
        new(Free(name), Effect.Transactional, (_, input, context, transaction) => run(input, transaction!, context), options);

    /// <summary>
    /// An activity whose receiver does not recognise repeats. <paramref name="reconcile"/> is asked after an attempt whose outcome
    /// is unknown; without it a person has to say.
    /// </summary>
    public static Activity<TIn, TOut> AtMostOnce<TService, TIn, TOut>(string name, Func<TService, TIn, IdempotencyKey, ActivityContext, Task<TOut>> run,
        Func<TService, TIn, IdempotencyKey, ActivityContext, Task<Reconciled<TOut>>>? reconcile = null, ActivityOptions? options = null)
        where TService : notnull =>
        new(Free(name), Effect.AtMostOnce, (services, input, context, _) => run(services.GetRequiredService<TService>(), input, context.Key, context), options,
            reconcile is null ? null : (services, input, context) => reconcile(services.GetRequiredService<TService>(), input, context.Key, context), typeof(TService));
}

/// <summary>An activity from <typeparamref name="TIn"/> to <typeparamref name="TOut"/>.</summary>
public sealed class Activity<TIn, TOut> : Activity
{
    private readonly Func<IServiceProvider, TIn, ActivityContext, DbTransaction?, Task<TOut>> run;
    private readonly Func<IServiceProvider, TIn, ActivityContext, Task<Reconciled<TOut>>>? reconcile;
    private readonly string? gate;

    internal Activity(string name, Effect effect, Func<IServiceProvider, TIn, ActivityContext, DbTransaction?, Task<TOut>> run, ActivityOptions? options,
        Func<IServiceProvider, TIn, ActivityContext, Task<Reconciled<TOut>>>? reconcile = null, Type? service = null, bool isNamed = false, string? gate = null)
        : base(name, effect, options)
    {
        (IsNamed, this.gate) = (isNamed, gate);
        this.run = run;
        this.reconcile = reconcile;
        Service = service;
    }

    private Func<TIn, Gating.Charge>? charges;
    private Func<TIn, string>? describes;

    /// <summary>
    /// Says what a call costs and moves, by its arguments: what budgets and limits count, and what policies see. Calls are counted anyway.
    /// </summary>
    /// <param name="of">Must be quick, and may only look at the arguments.</param>
    public Activity<TIn, TOut> Charging(Func<TIn, Gating.Charge> of)
    {
        charges = of;
        return this;
    }

    /// <summary>Says what a call does, in words made from its arguments: what a person reads who is to sign it.</summary>
    /// <param name="in">Must be quick, and may only look at the arguments.</param>
    public Activity<TIn, TOut> Describing(Func<TIn, string> @in)
    {
        describes = @in;
        return this;
    }

    private Func<IServiceProvider, TIn, ActivityContext, Task<JsonText?>>? prepares;

    /// <summary>
    /// Says what is to be looked at before a call leaves. What it finds is recorded (attempt-prepared), and the call leaves only behind that;
    /// an attempt behind one that may have had its effect is handed what that one found.
    /// </summary>
    internal Activity<TIn, TOut> Preparing(Func<IServiceProvider, TIn, ActivityContext, Task<JsonText?>> by)
    {
        prepares = by;
        return this;
    }

    internal override bool Prepares => prepares is not null;

    internal override Task<JsonText?> PrepareAsync(IServiceProvider services, JsonText input, ActivityContext context) => prepares!(services, input.To<TIn>()!, context);

    internal override Gating.Charge? ChargeOf(JsonText input) => charges?.Invoke(input.To<TIn>()!);

    internal override string? TitleOf(JsonText input) => describes?.Invoke(input.To<TIn>()!);

    internal override Type? Service { get; }

    internal override bool IsNamed { get; }

    internal override string Gate => gate ?? Name;

    internal override Activity<TIn, TOut> As(Effect effect, string tenant, ActivityDeclaration? declared) =>
        !IsNamed ? this : new Activity<TIn, TOut>(Name, effect, run, declared?.Options ?? Options, reconcile, Service, isNamed: true, $"{Name} {tenant} {declared?.Version}") { charges = charges, describes = describes, prepares = prepares };

    internal override bool CanReconcile => reconcile is not null;

    internal override async Task<JsonText> RunAsync(IServiceProvider services, JsonText input, ActivityContext context, DbTransaction? transaction) =>
        Stored(await run(services, input.To<TIn>()!, context, transaction));

    internal override async Task<Reconciled<JsonText>> ReconcileAsync(IServiceProvider services, JsonText input, ActivityContext context)
    {
        var verdict = await reconcile!(services, input.To<TIn>()!, context);
        return verdict.Select(Stored);
    }

    private JsonText Stored(TOut answer)
    {
        try
        {
            return JsonText.From(answer);
        }
        catch (Exception e)
        {
            throw new UnstorableException($"What {Name} answered cannot be stored: {e.Message}", e);
        }
    }
}
