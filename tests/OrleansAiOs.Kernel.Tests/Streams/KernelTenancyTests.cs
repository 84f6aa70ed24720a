using System.Reflection;
using System.Text.Json;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;

namespace OrleansAiOs.Kernel.Tests.Streams;

/// <summary>
/// What the kernel keeps of a tenant, in its streams and in memory, is nobody else's. Events and views are enumerated from the code: a
/// view's new question is asked here as it comes, and one that does not say for which tenant fails.
/// </summary>
public sealed class KernelTenancyTests(KernelDatabase database) : IClassFixture<KernelDatabase>
{
    /// <summary>Questions that are not about one tenant.</summary>
    private static readonly string[] OfAll = ["IdentityView.FindTenant", "IdentityView.get_AllTenants"];

    private static string StreamOf(KernelEvent e) => e switch
    {
        TenantAdded or TenantDisabled or TenantEnabled => "tenant/a",
        PrincipalAdded or PrincipalRolesChanged or PrincipalDisabled or PrincipalEnabled or KeyIssued or KeyRevoked => "principal/user/ana",
        GrantGiven { To: var to } => to.StartsWith("role/", StringComparison.Ordinal) ? to : "principal/user/ana",
        GrantTaken => "principal/user/nobody",
        _ => EventTable.Of(e).Split('-')[0] switch
        {
            "policy" => "policy/p",
            "secret" => "secret/s",
            "tool" => EventTable.Of(e).StartsWith("tool-server", StringComparison.Ordinal) ? "tool-server/files" : "tool/crm/update",
            "run" => "limit/t",
            var kind => $"{kind}/x",
        },
    };

    public static TheoryData<string> Events() => [.. EventTable.Names];

    [Theory]
    [MemberData(nameof(Events))]
    public async Task An_event_of_one_tenant_is_in_no_stream_of_another(string name)
    {
        var streams = new EventStreams(database.Source);
        var (e, stream) = (EventFormTests.Examples.First(e => EventTable.Of(e) == name), $"{StreamOf(EventFormTests.Examples.First(e => EventTable.Of(e) == name))}-{name}");
        await streams.AppendAsync("tenant-a", stream, 0, [e], null);
        (await streams.ReadAsync("tenant-b", stream)).Should().BeEmpty();
        (await streams.AnyAsync("tenant-b", stream, name)).Should().BeFalse();
        (await streams.AnyAsync("tenant-a", stream, name)).Should().BeTrue();
        var continued = () => streams.AppendAsync("tenant-b", stream, 1, [e], null);
        await continued.Should().ThrowAsync<StreamConflictException>();
        await streams.AppendAsync("tenant-b", stream, 0, [e], null);
        (await streams.ReadAsync("tenant-a", stream)).Should().ContainSingle().Which.Tenant.Should().Be("tenant-a");
        (await streams.ReadAllAsync(0)).Where(read => read.Stream == stream).Select(read => read.Tenant).Should().BeEquivalentTo(stream.StartsWith(EventStreams.Ledger, StringComparison.Ordinal) ? [] : ["tenant-a", "tenant-b"], "ledgers are read one by one");
    }

    public static TheoryData<Type> Views() => [.. typeof(IKernelView).Assembly.GetTypes().Where(type => typeof(IKernelView).IsAssignableFrom(type) && type is { IsInterface: false, IsAbstract: false })];

    [Theory]
    [MemberData(nameof(Views))]
    public void A_view_answers_about_a_neighbour_as_if_there_were_nobody_else(Type type)
    {
        var (view, empty) = ((IKernelView)Activator.CreateInstance(type)!, (IKernelView)Activator.CreateInstance(type)!);
        var seq = 0L;
        foreach (var e in EventFormTests.Examples.OrderBy(e => e is PrincipalRolesChanged or KeyRevoked or TenantDisabled))
        {
            view.Apply(new RecordedEvent(++seq, "a", StreamOf(e), seq, DateTimeOffset.UnixEpoch, "user/ana", e));
            Ask(view, "b").Should().Equal(Ask(empty, "b"), $"{EventTable.Of(e)} is another tenant's");
            if (!Ask(view, "a").SequenceEqual(Ask(empty, "a"))) seq = Math.Max(seq, 1_000_000);
        }
        seq.Should().BeGreaterThan(1_000_000, $"{type.Name} must have kept something of tenant a, or this proves nothing");
    }

    private static List<string> Ask(IKernelView view, string tenant)
    {
        var answers = new List<string>();
        foreach (var question in view.GetType().GetMethods(BindingFlags.Public | BindingFlags.Instance).Where(m => m.DeclaringType != typeof(object) && m.Name != nameof(IKernelView.Apply)))
        {
            var parameters = question.GetParameters();
            if (OfAll.Contains($"{view.GetType().Name}.{question.Name}")) continue;
            parameters.Should().Contain(p => p.Name == "tenant", $"{view.GetType().Name}.{question.Name} must say for which tenant");
            foreach (var text in new[] { "user/ana", "agent/x", "crm/update", "files", "p", "default", "g-1", "g-2" })
                foreach (var number in new[] { 0, 1, 2 })
                    answers.Add(Form(question.Invoke(view, [.. parameters.Select(p => p.Name == "tenant" ? tenant : Value(p.ParameterType, text, number))])));
        }
        return answers;
    }

    private static object? Value(Type type, string text, int number) => type == typeof(string) ? text
        : type.IsEnum ? Enum.GetValues(type).GetValue(number % Enum.GetValues(type).Length)
        : typeof(IEnumerable<string>).IsAssignableFrom(type) ? new[] { text }
        : type == typeof(DateTimeOffset) ? DateTimeOffset.UnixEpoch
        : type == typeof(CancellationToken) ? CancellationToken.None
        : type.IsValueType ? Activator.CreateInstance(type) : null;

    private static string Form(object? answer)
    {
        try
        {
            return answer is null ? "null" : JsonSerializer.Serialize(answer, answer.GetType());
        }
        catch (Exception e)
        {
            // A property that makes words of an example's stand-ins: something is there all the same.
            return $"{answer!.GetType()} {e.GetType()}";
        }
    }
}
