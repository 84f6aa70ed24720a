using YamlDotNet.RepresentationModel;

namespace OrleansAiOs.Host.Tests.Infra;

/// <summary>Files of infra/ as trees of dictionaries, lists and texts. A key that stands twice is an error.</summary>
internal static class Yaml
{
    public static string Folder([System.Runtime.CompilerServices.CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../../infra"));

    public static List<Dictionary<string, object>> Read(string file)
    {
        using var reader = new StreamReader(Path.Combine(Folder(), file));
        var stream = new YamlStream();
        stream.Load(reader);
        return [.. stream.Documents.Select(document => (Dictionary<string, object>)Plain(document.RootNode))];
    }

    /// <summary>All paths in a tree, keys joined by dots and lists by []; below what holds free names, a star.</summary>
    public static IEnumerable<string> Paths(object node, Func<string, bool> isFree, string at = "") => node switch
    {
        Dictionary<string, object> map when isFree(at) => map.Values.SelectMany(value => Paths(value, isFree, $"{at}.*")),
        Dictionary<string, object> map => map.SelectMany(entry => Paths(entry.Value, isFree, at.Length == 0 ? entry.Key : $"{at}.{entry.Key}")),
        List<object> list => list.SelectMany(item => Paths(item, isFree, $"{at}[]")),
        _ => [at],
    };

    /// <summary>Every value that stands under a key, however deep.</summary>
    public static IEnumerable<object> All(object node, string key) => node switch
    {
        Dictionary<string, object> map => map.Where(entry => entry.Key == key).Select(entry => entry.Value).Concat(map.Values.SelectMany(value => All(value, key))),
        List<object> list => list.SelectMany(item => All(item, key)),
        _ => [],
    };

    public static object At(this object node, string path)
    {
        foreach (var key in path.Split('.')) node = node is List<object> list ? list[int.Parse(key)] : ((Dictionary<string, object>)node)[key];
        return node;
    }

    private static object Plain(YamlNode node) => node switch
    {
        YamlMappingNode map => map.Children.ToDictionary(child => ((YamlScalarNode)child.Key).Value!, child => Plain(child.Value)),
        YamlSequenceNode list => list.Children.Select(Plain).ToList(),
        _ => ((YamlScalarNode)node).Value ?? "",
    };
}
