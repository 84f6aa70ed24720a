using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using OrleansAiOs.Workflows.Hosting;

namespace OrleansAiOs.Host.Tests.Infra;

/// <summary>Panels, alert rules and autoscaling speak of metrics that exist, and the table of docs/operating.md of all of them.</summary>
public sealed partial class ObservabilityTests
{
    private static readonly Dictionary<string, Instrument> Emitted = Instruments();

    private static Dictionary<string, Instrument> Instruments()
    {
        var found = new Dictionary<string, Instrument>();
        using var listener = new MeterListener { InstrumentPublished = (instrument, _) => { if (instrument.Meter.Name == Telemetry.Name) lock (found) found[instrument.Name] = instrument; } };
        RuntimeHelpers.RunClassConstructor(typeof(Telemetry).TypeHandle);
        listener.Start();
        return found;
    }

    // As the collector's Prometheus exporter calls them (OpenTelemetry, "Prometheus and OpenMetrics compatibility").
    private static HashSet<string> Served() => [.. Emitted.Values.SelectMany(instrument =>
    {
        var name = instrument.Name.Replace('.', '_') + (instrument.Unit == "s" ? "_seconds" : "");
        return instrument.GetType().GetGenericTypeDefinition() == typeof(Counter<>) ? [$"{name}_total"]
            : instrument.GetType().GetGenericTypeDefinition() == typeof(Histogram<>) ? [$"{name}_bucket", $"{name}_count", $"{name}_sum"]
            : new[] { name };
    })];

    private static IEnumerable<string> Expressions()
    {
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Yaml.Folder(), "observability/dashboards"), "*.json"))
            foreach (var target in JsonDocument.Parse(File.ReadAllText(file)).RootElement.GetProperty("panels").EnumerateArray().SelectMany(panel => panel.GetProperty("targets").EnumerateArray()))
                yield return target.GetProperty("expr").GetString()!;
        foreach (var expression in Yaml.All(Yaml.Read("observability/alerts.yaml")[0], "expr")) yield return (string)expression;
    }

    private static HashSet<string> Tags() => [.. Table().SelectMany(row => Tag().Matches(row.Tags).Select(match => match.Value.Replace('.', '_')))];

    private static List<(string Metric, string Tags)> Table() => [.. File.ReadLines(Path.Combine(Yaml.Folder(), "../docs/operating.md")).Select(line => Row().Match(line)).Where(match => match.Success)
        .Select(match => (match.Groups["metric"].Value, match.Groups["tags"].Value))];

    [Fact]
    public void Every_panel_and_every_alert_is_over_metrics_and_labels_that_are_emitted()
    {
        var (served, tags) = (Served(), Tags());
        served.Should().HaveCountGreaterThan(10);
        var expressions = Expressions().ToList();
        expressions.Should().HaveCountGreaterThan(12);
        foreach (var expression in expressions)
        {
            var named = Name().Matches(expression).Select(match => match.Value).ToList();
            named.Should().NotBeEmpty();
            named.Where(name => !served.Contains(name) && !tags.Contains(name)).Should().BeEmpty(expression);
            named.Should().Contain(name => served.Contains(name), expression);
        }
    }

    [Fact]
    public void The_autoscaler_looks_at_a_metric_that_is_emitted() =>
        Yaml.Read("kubernetes/aios.yaml").Where(document => (string)document["kind"] == "HorizontalPodAutoscaler").SelectMany(scaler => Yaml.All(scaler, "metric")).Select(metric => (string)metric.At("name"))
            .Should().NotBeEmpty().And.OnlyContain(name => Served().Contains(name));

    [Fact]
    public void The_table_of_metrics_for_operators_is_complete() => Table().Select(row => row.Metric).Should().BeEquivalentTo(Emitted.Keys);

    [Fact]
    public void Every_alert_says_what_it_means_and_what_to_do()
    {
        var rules = ((List<object>)Yaml.Read("observability/alerts.yaml")[0].At("groups.0.rules")).Cast<Dictionary<string, object>>().ToList();
        rules.Should().OnlyContain(rule => ((string)rule.At("annotations.summary")).Length > 20 && ((string)rule.At("annotations.action")).Length > 20 && new[] { "page", "ticket" }.Contains((string)rule.At("labels.severity")));
        rules.Select(rule => rule["alert"]).Should().OnlyHaveUniqueItems();
    }

    [GeneratedRegex("aios_[a-z_]+", RegexOptions.NonBacktracking)]
    private static partial Regex Name();

    [GeneratedRegex("aios\\.[a-z.]+", RegexOptions.NonBacktracking)]
    private static partial Regex Tag();

    [GeneratedRegex(@"^\| `(?<metric>aios\.[a-z.]+)` \| [a-z]+ \|(?<tags>.*)\|$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Row();
}
