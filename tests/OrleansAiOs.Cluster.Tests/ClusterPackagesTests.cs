using System.Reflection;
using System.Runtime.CompilerServices;
using System.Xml.Linq;

namespace OrleansAiOs.Cluster.Tests;

public sealed class ClusterPackagesTests
{
    [Fact]
    public void Where_the_packages_are_not_to_be_had_the_warning_names_as_many_tests_as_there_are_here()
    {
        var there = GetType().Assembly.GetTypes().Where(type => type is { IsPublic: true, IsAbstract: false })
            .Sum(type => type.GetMethods().Count(method => method.GetCustomAttribute<FactAttribute>() is not null));
        Named().Should().Be(there, "ClusterTests in src/OrleansAiOs.Cluster/ClusterPackages.targets says it");
    }

    private static int Named([CallerFilePath] string here = "")
    {
        var targets = Path.Combine(Path.GetDirectoryName(here)!, "../../src/OrleansAiOs.Cluster/ClusterPackages.targets");
        return (int)XDocument.Load(targets).Descendants("ClusterTests").Single();
    }
}
