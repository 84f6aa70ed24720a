using System.CommandLine;
using System.Globalization;
using System.Text;
using OrleansAiOs.Kernel.Governance.Policies;

namespace OrleansAiOs.Host.Cli;

/// <summary>Policies in files, read and tried without a host: aios policy check, aios policy test.</summary>
internal static class PolicyFiles
{
    private const string TextEnding = ".cedar";
    private const string CasesEnding = ".cases.json";
    private const long BytesMax = 1_048_576;

    public static Command Check()
    {
        var files = new Argument<string[]>("FILE") { Description = "The texts.", Arity = ArgumentArity.OneOrMore };
        return new Command("check", "Read policies, and say what is wrong with them. Exit code 1 if anything is.").With(files).Does(call =>
        {
            var wrong = 0;
            foreach (var file in call.Get(files))
            {
                if (TryParse(call, file) is { } text) call.Terminal.Line($"{file}: {text.Ids.Count} policies: {string.Join(", ", text.Ids)}");
                else wrong++;
            }
            return Task.FromResult(wrong == 0 ? ExitCode.Done : ExitCode.Failed);
        });
    }

    public static Command Test()
    {
        var path = new Argument<string>("PATH") { Description = $"A text with its cases beside it (NAME{TextEnding}, NAME{CasesEnding}), or a folder of them. Cases in a folder that bear no text's name are tried on all its texts together." };
        var coverage = new Option<bool>("--coverage") { Description = "Show what no case has shown: of each policy that it matches and that it does not, of each condition that it is true and false." };
        var least = new Option<int?>("--require-coverage") { Description = "Fail if less than this is shown, in percent.", HelpName = "PERCENT" };
        least.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() is < 0 or > 100) result.AddError("--require-coverage is a number from 0 to 100.");
        });
        return new Command("test", "Try policies on their cases. Exit code 1 if one does not hold, or a text cannot be read.").With(path, coverage, least).Does(call =>
            Task.FromResult(Test(call, call.Get(path), call.Get(coverage), call.Get(least))));
    }

    private static int Test(Invocation call, string path, bool showCoverage, int? least)
    {
        var isFolder = Directory.Exists(path);
        var files = isFolder ? Directory.GetFiles(path, $"*{TextEnding}").Order(StringComparer.Ordinal).ToList() : [path];
        if (files.Count == 0) throw CliException.Usage($"There is no *{TextEnding} in '{path}'.");
        var texts = files.Select(file => (Name: NameOf(file), File: file, Text: TryParse(call, file))).ToList();
        if (texts.Any(text => text.Text is null)) return ExitCode.Failed;
        var all = texts.Select(text => (text.Name, text.Text!)).ToList();

        var trials = texts.Where(text => File.Exists(CasesBeside(text.File))).Select(text => (File: CasesBeside(text.File), On: (IReadOnlyList<(string, PolicyText)>)[(text.Name, text.Text!)])).ToList();
        if (isFolder)
            trials.AddRange(Directory.GetFiles(path, $"*{CasesEnding}").Where(file => texts.All(text => CasesBeside(text.File) != file)).Order(StringComparer.Ordinal).Select(file => (file, (IReadOnlyList<(string, PolicyText)>)all)));
        if (trials.Count == 0) throw CliException.Usage($"There are no cases: write them in {(isFolder ? Path.Combine(path, $"NAME{CasesEnding}") : CasesBeside(path))}.");

        var seen = new PolicyCoverage();
        var (held, failed) = (0, 0);
        foreach (var (file, on) in trials)
        {
            foreach (var result in ReadCases(file).Run(on, seen))
            {
                if (result.Holds) held++;
                else
                {
                    failed++;
                    call.Terminal.Line($"{file}: [{result.Case}] {result.Difference}");
                }
            }
        }
        // A text without any case was not watched.
        var untried = all.Where(text => seen.Told.All(policy => !policy.Policy.StartsWith($"{text.Name}/", StringComparison.Ordinal))).Select(text => text.Name).ToList();
        if (showCoverage) Show(call, seen);
        call.Terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{held + failed} cases, {failed} failed; coverage {seen.Percent} %{(untried.Count == 0 ? "" : $"; no case tries {string.Join(", ", untried)}")}"));
        if (failed > 0) return ExitCode.Failed;
        if (least is { } percent && (seen.Percent < percent || untried.Count > 0 && percent > 0))
        {
            call.Terminal.Problem($"{percent} % have to be shown{(untried.Count == 0 ? "" : ", and of every text something")}.", showCoverage ? null : "--coverage shows what is missing.");
            return ExitCode.Failed;
        }
        return ExitCode.Done;
    }

    private static void Show(Invocation call, PolicyCoverage coverage) => call.Terminal.Table(["policy", "line", "condition", "matched or true", "unmatched or false", "missing"], coverage.Told.SelectMany(policy =>
        policy.Conditions.Select(condition => (IEnumerable<Cell>)["", $"{condition.Line}", Human.Cut(condition.Text.ReplaceLineEndings(" ")), $"{condition.True}", $"{condition.False}", Missing(condition.True > 0 ? null : "true", condition.False > 0 ? null : "false")])
            .Prepend([policy.Policy, "", "", $"{policy.Matched}", policy.AlwaysMatches ? "-" : $"{policy.Unmatched}", Missing(policy.Matched > 0 ? null : "matched", policy.Unmatched > 0 || policy.AlwaysMatches ? null : "unmatched")])));

    private static string Missing(params string?[] what) => string.Join(", ", what.OfType<string>());

    private static PolicyText? TryParse(Invocation call, string file)
    {
        try
        {
            return PolicyText.Parse(Read(file));
        }
        catch (PolicySyntaxException e)
        {
            foreach (var error in e.Errors) call.Terminal.Line($"{file}:{error.Line}:{error.Column}: found {error.Found}, expected {error.Expected}. {error.Cure}");
            return null;
        }
    }

    private static PolicyCases ReadCases(string file)
    {
        try
        {
            return PolicyCases.Parse(Read(file));
        }
        catch (PolicyCasesException e)
        {
            throw new CliException(ExitCode.Failed, $"{file}: {e.Message}");
        }
    }

    public static string CasesBeside(string file) => Path.Combine(Path.GetDirectoryName(file) ?? "", NameOf(file) + CasesEnding);

    private static string NameOf(string file) => Path.GetFileName(file) is var name && name.EndsWith(TextEnding, StringComparison.Ordinal) ? name[..^TextEnding.Length] : name;

    /// <summary>A file as strict UTF-8.</summary>
    public static string Read(string file)
    {
        try
        {
            if (new FileInfo(file).Length > BytesMax) throw CliException.Usage($"'{file}' has more than {BytesMax:N0} bytes.");
            return new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(File.ReadAllBytes(file)).TrimStart('\uFEFF');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw CliException.Usage($"The file '{file}' cannot be read: {e.Message}");
        }
    }
}
