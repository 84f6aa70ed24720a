using System.Reflection;
using System.Text;

namespace OrleansAiOs.Kernel.Governance.Policies;

/// <summary>
/// A policy that a pack ships, with its cases: NAME.cedar and NAME.cases.json, embedded in the pack. It is a text like any other, and in force
/// only once the tenant's owner has put and activated it (aios policy put NAME, aios policy activate NAME); until then the built-in base lets
/// deployed code do what it does. Activation runs its cases first.
/// </summary>
/// <param name="Name">The name to put it under.</param>
public sealed record ShippedPolicy(string Name, string Text, string Cases)
{
    public static ShippedPolicy In(Assembly pack, string name) => new(name, Read(pack, $"{name}.cedar"), Read(pack, $"{name}.cases.json"));

    private static string Read(Assembly pack, string name)
    {
        using var stream = pack.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"{pack.GetName().Name} has no embedded resource '{name}'. Give the file this LogicalName in the project.");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
