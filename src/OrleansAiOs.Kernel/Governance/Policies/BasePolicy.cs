using System.Text;

namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>The policies of a tenant that has none of its own, base.cedar: deployed code may do what it does, tools from outside only what changes nothing.</summary>
public static class BasePolicy
{
    public const string Name = "base";

    public static PolicyText Text { get; } = PolicyText.Parse(Read());

    private static string Read()
    {
        using var stream = typeof(BasePolicy).Assembly.GetManifestResourceStream("base.cedar")!;
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
