using System.Text;

namespace OrleansAiOs.Packs.Refunds.Policy;

/// <summary>
/// The policy the pack ships: who may refund how much alone, and who has to sign the rest. It is a text like any other, and in force only
/// once the tenant's owner has put and activated it (aios policy put refunds, aios policy activate refunds); until then the built-in base lets
/// deployed code do what it does. Activation runs its cases first.
/// </summary>
public static class RefundsPolicy
{
    /// <summary>The name to put it under.</summary>
    public const string Name = "refunds";

    /// <summary>refunds.cedar.</summary>
    public static string Text { get; } = Read("refunds.cedar");

    /// <summary>refunds.cases.json.</summary>
    public static string Cases { get; } = Read("refunds.cases.json");

    private static string Read(string name)
    {
        using var stream = typeof(RefundsPolicy).Assembly.GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
