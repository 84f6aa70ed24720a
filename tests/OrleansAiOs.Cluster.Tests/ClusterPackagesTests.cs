using System.Reflection;

namespace OrleansAiOs.Cluster.Tests;

public sealed class ClusterPackagesTests
{
    [Fact]
    public void Where_the_packages_are_not_to_be_had_the_warning_names_as_many_tests_as_are_left_out()
    {
        var here = GetType().Assembly;
        var counted = int.Parse(here.GetCustomAttributes<AssemblyMetadataAttribute>().Single(data => data.Key == "ClusterTests").Value!, null);
        here.GetTypes().Where(type => type is { IsPublic: true, IsAbstract: false })
            .SelectMany(type => type.GetMethods()).Where(method => method.GetCustomAttribute<FactAttribute>() is not null)
            .DistinctBy(method => (method.DeclaringType, method.MetadataToken)).Should().HaveCount(counted, "it counts the suites of the engine: each of them has a class here");
    }
}
