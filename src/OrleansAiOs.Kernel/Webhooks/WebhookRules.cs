using System.Text.RegularExpressions;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Tools.Egress;
using OrleansAiOs.Kernel.Tools.Secrets;
using OrleansAiOs.Kernel.Webhooks.Outbound;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Webhooks;

/// <summary>What a webhook and a source have to be like.</summary>
internal static partial class WebhookRules
{
    public const int AttemptsDefault = 10;

    private const int AttemptsMax = 20;
    private const int UrlCharsMax = 2000;
    private const int SecretsMax = 3;
    private const int KindsMax = 20;
    private const int NamedCharsMax = 200;

    /// <exception cref="CommandRefusedException">It is not like that.</exception>
    public static void Check(Webhook hook)
    {
        CheckName(hook.Name);
        if (hook.Url is not { Length: <= UrlCharsMax } || !Uri.TryCreate(hook.Url, UriKind.Absolute, out var url) || url.Scheme is not ("https" or "http") || url.UserInfo.Length > 0 || url.Fragment.Length > 0 || SecretHandle.IsIn(hook.Url))
            throw Invalid($"url: an address by https of at most {UrlCharsMax:N0} characters, without user, password, fragment or secret.");
        CheckSecrets(hook.Secrets);
        if (hook.Kinds.Count is 0 or > KindsMax) throw Invalid($"kinds: 1 to {KindsMax} of them, such as run.completed, approval.* or *.");
        foreach (var kind in hook.Kinds)
            if (!RunEventKinds.Exists(kind)) throw Invalid($"kinds: '{kind}' is none. There are: *, {string.Join(", ", RunEventKinds.All)}; run.* for all that begin so.");
        if (hook.Workflow is { } workflow) CheckNamed("workflow", workflow);
        if (hook.Attempts is < 1 or > AttemptsMax) throw Invalid($"attempts: 1 to {AttemptsMax}, not {hook.Attempts}.");
        try
        {
            _ = Reach.Of(hook.Reach);
        }
        catch (FormatException e)
        {
            throw Invalid($"reach: {e.Message}");
        }
    }

    /// <exception cref="CommandRefusedException">It is not like that.</exception>
    public static void Check(HookSource source)
    {
        CheckName(source.Name);
        CheckSecrets(source.Secrets);
        if (!PrincipalId.TryParse(source.As, out var kind) || kind is not PrincipalKind.Service) throw Invalid($"as: a service, as service/crm; '{source.As}' is none. A source acts with that one's rights.");
        foreach (var (name, pointer) in new[] { ("businessKey", source.BusinessKey), ("value", source.Value) })
            if (pointer is not null && !Pointer().IsMatch(pointer)) throw Invalid($"{name}: a JSON pointer into the body of at most 300 characters, as /data/order; '{pointer}' is none.");
        if (source.Workflow is { } workflow) CheckNamed("workflow", workflow);
        if (source.Signal is { } signal) CheckNamed("signal", signal);
        var isComplete = source.Does switch
        {
            HookEffect.Start => source is { Workflow: not null, Signal: null },
            HookEffect.Signal => source is { Workflow: not null, Signal: not null, BusinessKey: not null },
            _ => source is { Workflow: null, Signal: null, BusinessKey: null },
        };
        if (!isComplete) throw Invalid("does: 'start' names a workflow; 'signal' a workflow, a signal, and where the business key stands; 'sign' none of these.");
    }

    public static CommandRefusedException Invalid(string message) => new(Refusal.Invalid, message);

    private static void CheckName(string name)
    {
        if (!SecretHandle.IsName(name)) throw Invalid($"name: 1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit at both ends; '{name}' is not.");
    }

    private static void CheckSecrets(IReadOnlyList<string> secrets)
    {
        if (secrets.Count is 0 or > SecretsMax || secrets.Distinct(StringComparer.Ordinal).Count() != secrets.Count || !secrets.All(SecretHandle.IsName))
            throw Invalid($"secrets: the names of 1 to {SecretsMax} secrets, each once. `aios secrets set NAME` makes one.");
    }

    private static void CheckNamed(string what, string name)
    {
        if (name.Length is 0 or > NamedCharsMax || name.Any(char.IsControl)) throw Invalid($"{what}: 1 to {NamedCharsMax} characters.");
    }

    [GeneratedRegex(@"^(/([^~/\p{C}]|~[01]){0,100}){1,10}$", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 100)]
    private static partial Regex Pointer();
}
