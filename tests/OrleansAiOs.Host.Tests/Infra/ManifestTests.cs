using OrleansAiOs.Host.Cli;

namespace OrleansAiOs.Host.Tests.Infra;

/// <summary>The manifests hold together, name no field that Kubernetes does not know there, and start the program as it can be started.</summary>
public sealed class ManifestTests
{
    // What the manifests may say, kind by kind; Kubernetes drops what it does not know, and with it what was meant.
    private static readonly Dictionary<string, string[]> Known = new()
    {
        ["Service"] = ["spec.selector.*", "spec.clusterIP", "spec.publishNotReadyAddresses", "spec.ports[].name", "spec.ports[].port", "spec.ports[].targetPort"],
        ["PodDisruptionBudget"] = ["spec.maxUnavailable", "spec.selector.matchLabels.*"],
        ["HorizontalPodAutoscaler"] =
        [
            "spec.scaleTargetRef.apiVersion", "spec.scaleTargetRef.kind", "spec.scaleTargetRef.name", "spec.minReplicas", "spec.maxReplicas", "spec.metrics[].type", "spec.metrics[].pods.metric.name",
            "spec.metrics[].pods.target.type", "spec.metrics[].pods.target.averageValue", "spec.metrics[].resource.name", "spec.metrics[].resource.target.type",
            "spec.metrics[].resource.target.averageUtilization", "spec.behavior.scaleDown.stabilizationWindowSeconds",
        ],
        ["StatefulSet"] =
        [
            "spec.replicas", "spec.serviceName", "spec.podManagementPolicy", "spec.selector.matchLabels.*", "spec.template.metadata.labels.*", "spec.template.spec.terminationGracePeriodSeconds",
            "spec.template.spec.securityContext.runAsNonRoot", "spec.template.spec.securityContext.runAsUser", "spec.template.spec.securityContext.fsGroup",
            "spec.template.spec.securityContext.fsGroupChangePolicy",
            "spec.template.spec.topologySpreadConstraints[].maxSkew", "spec.template.spec.topologySpreadConstraints[].topologyKey", "spec.template.spec.topologySpreadConstraints[].whenUnsatisfiable",
            "spec.template.spec.topologySpreadConstraints[].labelSelector.matchLabels.*", .. Container("initContainers"), .. Container("containers"),
            "spec.template.spec.volumes[].name", "spec.template.spec.volumes[].secret.secretName", "spec.template.spec.volumes[].secret.defaultMode",
            "spec.volumeClaimTemplates[].metadata.name", "spec.volumeClaimTemplates[].spec.accessModes[]", "spec.volumeClaimTemplates[].spec.resources.requests.storage",
        ],
    };

    private static readonly Dictionary<string, string> Versions = new() { ["Service"] = "v1", ["StatefulSet"] = "apps/v1", ["PodDisruptionBudget"] = "policy/v1", ["HorizontalPodAutoscaler"] = "autoscaling/v2" };

    private static readonly List<Dictionary<string, object>> Documents = Yaml.Read("kubernetes/aios.yaml");

    private static Dictionary<string, object> Set => Documents.Single(document => (string)document["kind"] == "StatefulSet");

    private static IEnumerable<Dictionary<string, object>> Containers => ((List<object>)Set.At("spec.template.spec.initContainers")).Concat((List<object>)Set.At("spec.template.spec.containers")).Cast<Dictionary<string, object>>();

    private static string[] Container(string kind) => [.. new[]
    {
        "name", "image", "args[]", "env[].name", "env[].value", "env[].valueFrom.fieldRef.fieldPath", "ports[].name", "ports[].containerPort", "startupProbe.httpGet.path", "startupProbe.httpGet.port",
        "startupProbe.periodSeconds", "startupProbe.failureThreshold", "livenessProbe.httpGet.path", "livenessProbe.httpGet.port", "livenessProbe.periodSeconds", "livenessProbe.failureThreshold",
        "readinessProbe.httpGet.path", "readinessProbe.httpGet.port", "readinessProbe.periodSeconds", "readinessProbe.failureThreshold", "lifecycle.preStop.exec.command[]",
        "resources.requests.cpu", "resources.requests.memory", "resources.limits.memory", "volumeMounts[].name", "volumeMounts[].mountPath", "volumeMounts[].readOnly",
    }.Select(field => $"spec.template.spec.{kind}[].{field}")];

    [Fact]
    public void No_manifest_names_a_field_that_is_not_known_there()
    {
        Documents.Should().HaveCount(5);
        foreach (var document in Documents)
        {
            var kind = (string)document["kind"];
            ((string)document["apiVersion"]).Should().Be(Versions[kind]);
            Yaml.Paths(document, at => at.EndsWith("abels", StringComparison.Ordinal) || at == "spec.selector" && kind == "Service")
                .Except(["apiVersion", "kind", "metadata.name", "metadata.labels.*", .. Known[kind]]).Should().BeEmpty(kind);
        }
    }

    [Fact]
    public void What_refers_to_something_refers_to_what_is_there()
    {
        var labels = (Dictionary<string, object>)Set.At("spec.template.metadata.labels");
        foreach (var selected in Documents.SelectMany(document => Yaml.All(document, "matchLabels")).Concat(Documents.Where(document => (string)document["kind"] == "Service").Select(service => service.At("spec.selector"))))
            ((Dictionary<string, object>)selected).Should().BeSubsetOf(labels);
        var volumes = Yaml.All(Set, "volumes").Cast<List<object>>().Single().Select(volume => volume.At("name")).Append(Set.At("spec.volumeClaimTemplates.0.metadata.name")).ToList();
        Containers.SelectMany(container => (List<object>)container["volumeMounts"]).Select(mount => mount.At("name")).Should().BeSubsetOf(volumes);
        var ports = Containers.Where(container => container.ContainsKey("ports")).SelectMany(container => (List<object>)container["ports"]).Select(port => port.At("name")).ToList();
        Yaml.All(Set, "httpGet").Select(get => get.At("port")).Concat(Documents.SelectMany(document => Yaml.All(document, "targetPort"))).Should().BeSubsetOf(ports);
        Documents.Where(document => (string)document["kind"] == "Service").Select(service => service.At("metadata.name")).Should().Contain(Set.At("spec.serviceName"));
    }

    [Fact]
    public void Secrets_are_files_of_secrets_and_nothing_of_them_stands_here()
    {
        foreach (var file in new[] { "kubernetes/aios.yaml", "compose/compose.yaml" })
            File.ReadAllText(Path.Combine(Yaml.Folder(), file)).Should().NotMatchRegex("(?i)password=[^;\\s]").And.NotContain("BEGIN ");
        Containers.SelectMany(container => (List<object>)container["env"]).Where(variable => ((string)variable.At("name")).StartsWith("AIOS_KERNEL", StringComparison.Ordinal) || ((string)variable.At("name")).StartsWith("AIOS_CLUSTER_", StringComparison.Ordinal))
            .Should().OnlyContain(variable => ((string)variable.At("value")).StartsWith("/secrets/", StringComparison.Ordinal));
    }

    [Fact]
    public void The_keys_in_a_claim_stay_the_users_own_and_a_volume_is_the_users()
    {
        Set.At("spec.template.spec.securityContext.fsGroupChangePolicy").Should().Be("OnRootMismatch", "else the kubelet opens every file to the group at each mount");
        var lines = File.ReadAllLines(Path.Combine(Yaml.Folder(), "compose/Containerfile")).ToList();
        var user = lines.IndexOf("USER 10001");
        lines.FindIndex(line => line.StartsWith("RUN", StringComparison.Ordinal) && line.Contains("--uid 10001", StringComparison.Ordinal) && line.Contains("chown aios:aios /home/aios/data", StringComparison.Ordinal)).Should().BeInRange(0, user)
            .And.BeLessThan(lines.IndexOf("VOLUME /home/aios/data"));
    }

    [Fact]
    public void No_secret_comes_into_the_build_of_the_image()
    {
        var context = Path.GetFullPath(Path.Combine(Yaml.Folder(), "compose", (string)Yaml.Read("compose/compose.yaml")[0].At("x-host.build.context")));
        var left = File.ReadAllLines(Path.Combine(context, ".dockerignore"));
        var secrets = ((Dictionary<string, object>)Yaml.Read("compose/compose.yaml")[0]["secrets"]).Values.Select(secret => Path.GetRelativePath(context, Path.GetFullPath(Path.Combine(Yaml.Folder(), "compose", (string)secret.At("file"))))).ToList();
        secrets.Should().NotBeEmpty().And.OnlyContain(file => left.Any(line => file.StartsWith(line + "/", StringComparison.Ordinal)));
        left.Should().Contain([".git", "**/bin", "**/obj", "artifacts"]);
    }

    [Fact]
    public async Task The_probes_ask_what_a_host_answers()
    {
        var source = await File.ReadAllTextAsync(Path.Combine(Yaml.Folder(), "../src/OrleansAiOs.Host/Serving/AiosServer.cs"));
        Yaml.All(Set, "httpGet").Select(get => (string)get.At("path")).Distinct().Should().BeEquivalentTo("/live", "/ready").And.OnlyContain(path => source.Contains($"MapGet(\"{path}\""));
    }

    [Fact]
    public void Every_command_line_is_one_that_the_program_understands_and_every_setting_one_that_it_reads()
    {
        var compose = ((Dictionary<string, object>)Yaml.Read("compose/compose.yaml")[0]["services"]).Where(service => service.Key.StartsWith("aios", StringComparison.Ordinal) || service.Key == "migrate").Select(service => (Dictionary<string, object>)service.Value);
        var lines = Containers.Select(container => (List<object>)container["args"]).Concat(compose.Select(service => (List<object>)service["command"])).Select(line => line.Cast<string>().ToArray()).ToList();
        lines.Should().HaveCount(6);
        foreach (var line in lines) AiosCommand.Build().Parse(line).Errors.Should().BeEmpty(string.Join(' ', line));

        var settings = Containers.SelectMany(container => (List<object>)container["env"]).Select(variable => (string)variable.At("name"))
            .Concat(((Dictionary<string, object>)Yaml.Read("compose/compose.yaml")[0].At("x-host.environment")).Keys).Where(name => name.StartsWith("AIOS_", StringComparison.Ordinal)).Distinct();
        var code = string.Concat(Directory.EnumerateFiles(Path.Combine(Yaml.Folder(), "../src"), "*.cs", SearchOption.AllDirectories).Select(File.ReadAllText));
        settings.Should().HaveCountGreaterThan(3).And.OnlyContain(name => code.Contains($"\"{name}\"") || code.Contains($"(\"{name.Substring("AIOS_".Length)}\")"));
    }

    [Fact]
    public void Everything_that_compose_mounts_or_builds_from_is_there()
    {
        var folder = Path.Combine(Yaml.Folder(), "compose");
        var mounts = Yaml.All(Yaml.Read("compose/compose.yaml")[0], "volumes").OfType<List<object>>().SelectMany(list => list).Cast<string>().Where(mount => mount.StartsWith('.')).Select(mount => mount[..mount.IndexOf(':')]).ToList();
        mounts.Should().HaveCountGreaterThan(4).And.OnlyContain(path => Path.Exists(Path.Combine(folder, path)));
        File.Exists(Path.Combine(folder, "../..", (string)Yaml.Read("compose/compose.yaml")[0].At("x-host.build.dockerfile"))).Should().BeTrue();
    }
}
