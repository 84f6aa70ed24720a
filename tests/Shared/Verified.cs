using System.Runtime.CompilerServices;

namespace OrleansAiOs.Tests.Shared;

/// <summary>Compares a text with the reviewed file NAME.verified.txt beside the test. After a wanted change, the received one takes its place.</summary>
internal static class Verified
{
    public static void Text(string name, string actual, string hint = "", [CallerFilePath] string test = "")
    {
        var file = Path.Combine(Path.GetDirectoryName(test)!, name);
        var received = file.Replace(".verified.", ".received.");
        actual = actual.ReplaceLineEndings("\n").TrimEnd() + "\n";
        var expected = File.Exists(file) ? File.ReadAllText(file).ReplaceLineEndings("\n") : "";
        if (expected == actual)
        {
            File.Delete(received);
            return;
        }
        File.WriteAllText(received, actual);
        var (was, now) = (expected.Split('\n'), actual.Split('\n'));
        var differences = was.Except(now).Select(line => $"- {line}").Concat(now.Except(was).Select(line => $"+ {line}")).Take(40);
        Assert.Fail($"{name} is not what was reviewed. If the change is wanted: mv {received} {file}{(hint == "" ? "" : $"\n{hint}")}\n{string.Join('\n', differences)}");
    }
}
