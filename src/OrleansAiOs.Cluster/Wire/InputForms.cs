using System.Reflection;
using System.Runtime.InteropServices;
using OrleansAiOs.Workflows;
using OrleansAiOs.Workflows.Explaining;
using OrleansAiOs.Workflows.Gating;
using OrleansAiOs.Workflows.History;
using OrleansAiOs.Workflows.Hosting;
using OrleansAiOs.Workflows.Turns;

namespace OrleansAiOs.Cluster.Wire;

/// <summary>
/// Inputs and answers as Orleans carries them. The engine's types know nothing of Orleans; each kind of argument has a form here, with a
/// native serializer. Which inputs there are, the engine says: one whose arguments have no form cannot be sent, and a test sends every one.
/// </summary>
internal static class InputForms
{
    private static readonly Dictionary<string, ConstructorInfo> Kinds = typeof(Input).Assembly.GetTypes()
        .Where(type => !type.IsAbstract && type.IsSubclassOf(typeof(Input)))
        .ToDictionary(KindOf, type => type.GetConstructors(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).Single(), StringComparer.Ordinal);

    public static IEnumerable<Type> Inputs => Kinds.Values.Select(make => make.DeclaringType!);

    public static RunMessage Write(Input input) => new(KindOf(input.GetType()), [.. input.Parts!.Select(Form)]);

    /// <exception cref="CommandRefusedException">It is of another build, or speaks of code that this host does not hold.</exception>
    public static Input Read(RunMessage message, WorkflowHost engine)
    {
        // What stands last and is not said is as it was before anybody could say it.
        var parameters = Kinds.GetValueOrDefault(message.Kind)?.GetParameters();
        if (parameters is null || parameters.Length < message.Parts.Length || parameters[message.Parts.Length..].Any(unsaid => !unsaid.HasDefaultValue))
            throw new CommandRefusedException(Refusal.Busy, $"Host {engine.Options.HostId} does not know '{message.Kind}' with {message.Parts.Length} parts: it runs another build. Send it again when all hosts run one.", TimeSpan.FromSeconds(5));
        return (Input)Kinds[message.Kind].Invoke([.. message.Parts.Select(form => Part(form, engine)), .. parameters[message.Parts.Length..].Select(unsaid => unsaid.DefaultValue)]);
    }

    public static object? Form(object? part) => part switch
    {
        null or string or int or long or bool => part,
        JsonText json => new JsonForm(Bytes(json)),
        StartRun start => new StartForm(start.Workflow, Bytes(start.Input), start.Id, start.BusinessKey, start.Attributes is null ? null : new(start.Attributes), start.Tenant, start.Priority, start.Version, start.Chain is null ? null : [.. start.Chain], start.IfAbsent),
        WorkflowType type => new TypeForm(type.Name, type.Version),
        ParentRun parent => new ParentForm(parent.Run, parent.Step),
        Decider decider => new DeciderForm(decider.Id, [.. decider.Roles], decider.Verified),
        DecisionSignature signature => new SignatureForm(signature.Digest, signature.Key, signature.Value, signature.At, signature.For),
        WorkflowEvent e => Form(e, default),
        List<(WorkflowEvent Event, DateTimeOffset At)> history => new HistoryForm([.. history.Select(e => Form(e.Event, e.At))]),
        Started started => new StartedForm(started.Run.Tenant, started.Run.Id, started.IsNew),
        UpdateOutcome outcome => new UpdateForm(outcome.Version, outcome.IsOver, outcome.Answer is { } answer ? Bytes(answer) : null, outcome.Failure?.Type, outcome.Failure?.Message, (int)(outcome.Failure?.Kind ?? default)),
        IReadOnlyList<Keyholder> holders => new KeyholdersForm([.. holders.Select(holder => new KeyholderForm(holder.Name, [.. holder.Roles]))]),
        Explanation said => new ExplanationForm(said.Run, said.Workflow, (int?)said.Status, said.AsOf, [.. said.Causes.Select(cause =>
            new CauseForm(cause.Code, cause.Says, (int)cause.Urgency, cause.Since, cause.Step, cause.Detail, [.. cause.Unblockers], [.. cause.Repairs.Select(repair => new RepairForm(repair.Does, repair.Command))]))]),
        _ => throw new NotSupportedException($"A {part.GetType().Name} has no form for the way to another host."),
    };

    /// <param name="form">As it came.</param>
    /// <param name="engine">Who knows the code; null for an answer, which speaks of none.</param>
    public static object? Part(object? form, WorkflowHost? engine) => form switch
    {
        JsonForm json => new JsonText(json.Utf8),
        StartForm of => new StartRun(of.Workflow, new JsonText(of.Input), of.Run, of.BusinessKey, of.Attributes, of.Tenant, of.Priority, of.Version, of.Chain, of.IfAbsent),
        TypeForm of => engine!.Registry.Find(of.Name, of.Version) ?? throw new CommandRefusedException(Refusal.NotFound, $"Host {engine.Options.HostId} does not hold {(of.Version is null ? "a version without a name" : $"version '{of.Version}'")} of the workflow '{of.Name}'.", TimeSpan.FromSeconds(10)), // while hosts are replaced, the next one may
        ParentForm of => new ParentRun(of.Run, of.Step),
        DeciderForm of => new Decider(of.Decider, of.Roles, of.Verified),
        SignatureForm of => new DecisionSignature(of.Digest, of.Key, of.Value, of.At, of.For),
        EventForm of => EventNames.Read(0, of.Name, of.Body),
        HistoryForm of => of.Events.Select((e, i) => (EventNames.Read(i + 1, e.Name, e.Body), e.At)).ToList(),
        StartedForm of => new Started(new RunKey(of.Tenant, of.Run), of.IsNew),
        UpdateForm of => new UpdateOutcome(of.Version, of.IsOver, of.Answer is null ? null : new JsonText(of.Answer), of.FailureType is null ? null : new Failure(of.FailureType, of.FailureMessage!, (FailureKind)of.FailureKind)),
        KeyholdersForm of => of.Holders.Select(holder => new Keyholder(holder.Name, holder.Roles)).ToList(),
        ExplanationForm of => new Explanation(of.Run, of.Workflow, (RunStatus?)of.Status, of.AsOf, [.. of.Causes.Select(cause =>
            new Cause(cause.Code, cause.Says, (Urgency)cause.Urgency, cause.Since, cause.Step) { Detail = cause.Detail, Unblockers = cause.Unblockers, Repairs = [.. cause.Repairs.Select(repair => new Repair(repair.Does, repair.Command))] })]),
        _ => form,
    };

    private static string KindOf(Type input) => input.Name[..^"Input".Length];

    private static EventForm Form(WorkflowEvent e, DateTimeOffset at)
    {
        var (name, body) = EventNames.Write(e);
        return new EventForm(name, body, at);
    }

    // Nobody writes to it any more.
    private static byte[] Bytes(JsonText json) =>
        MemoryMarshal.TryGetArray(json.Utf8, out var segment) && segment.Offset == 0 && segment.Count == segment.Array!.Length ? segment.Array : json.Utf8.ToArray();
}

[GenerateSerializer, Immutable, Alias("aios.json")]
internal sealed record JsonForm([property: Id(0)] byte[] Utf8);

[GenerateSerializer, Immutable, Alias("aios.start")]
internal sealed record StartForm([property: Id(0)] string Workflow, [property: Id(1)] byte[] Input, [property: Id(2)] string? Run, [property: Id(3)] string? BusinessKey,
    [property: Id(4)] Dictionary<string, string>? Attributes, [property: Id(5)] string Tenant, [property: Id(6)] int Priority, [property: Id(7)] string? Version, [property: Id(8)] string[]? Chain,
    [property: Id(9)] bool IfAbsent);

[GenerateSerializer, Immutable, Alias("aios.type")]
internal sealed record TypeForm([property: Id(0)] string Name, [property: Id(1)] string? Version);

[GenerateSerializer, Immutable, Alias("aios.parent")]
internal sealed record ParentForm([property: Id(0)] string Run, [property: Id(1)] int Step);

[GenerateSerializer, Immutable, Alias("aios.decider")]
internal sealed record DeciderForm([property: Id(0)] string Decider, [property: Id(1)] string[] Roles, [property: Id(2)] string Verified);

[GenerateSerializer, Immutable, Alias("aios.signature")]
internal sealed record SignatureForm([property: Id(0)] string Digest, [property: Id(1)] string Key, [property: Id(2)] string Value, [property: Id(3)] DateTimeOffset At, [property: Id(4)] string? For);

[GenerateSerializer, Immutable, Alias("aios.event")]
internal sealed record EventForm([property: Id(0)] string Name, [property: Id(1)] byte[] Body, [property: Id(2)] DateTimeOffset At);

[GenerateSerializer, Immutable, Alias("aios.history")]
internal sealed record HistoryForm([property: Id(0)] EventForm[] Events);

[GenerateSerializer, Immutable, Alias("aios.started")]
internal sealed record StartedForm([property: Id(0)] string Tenant, [property: Id(1)] string Run, [property: Id(2)] bool IsNew);

[GenerateSerializer, Immutable, Alias("aios.update")]
internal sealed record UpdateForm([property: Id(0)] long Version, [property: Id(1)] bool IsOver, [property: Id(2)] byte[]? Answer, [property: Id(3)] string? FailureType,
    [property: Id(4)] string? FailureMessage, [property: Id(5)] int FailureKind);

[GenerateSerializer, Immutable, Alias("aios.keyholders")]
internal sealed record KeyholdersForm([property: Id(0)] KeyholderForm[] Holders);

[GenerateSerializer, Immutable, Alias("aios.keyholder")]
internal sealed record KeyholderForm([property: Id(0)] string Name, [property: Id(1)] string[] Roles);

[GenerateSerializer, Immutable, Alias("aios.explanation")]
internal sealed record ExplanationForm([property: Id(0)] string Run, [property: Id(1)] string? Workflow, [property: Id(2)] int? Status, [property: Id(3)] DateTimeOffset AsOf, [property: Id(4)] CauseForm[] Causes);

[GenerateSerializer, Immutable, Alias("aios.cause")]
internal sealed record CauseForm([property: Id(0)] string Code, [property: Id(1)] string Says, [property: Id(2)] int Urgency, [property: Id(3)] DateTimeOffset? Since, [property: Id(4)] int? Step,
    [property: Id(5)] string? Detail, [property: Id(6)] string[] Unblockers, [property: Id(7)] RepairForm[] Repairs);

[GenerateSerializer, Immutable, Alias("aios.repair")]
internal sealed record RepairForm([property: Id(0)] string Does, [property: Id(1)] string Command);
