using OrleansAiOs.Packs.Refunds.Tests.Cases;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Packs.Refunds.Tests;

/// <summary>
/// The data set, refund-cases.verified.jsonl: every case through the real engine, the real gate and the shipped policy, in virtual time. Nothing is
/// paid that should not be, nothing twice, and every case ends as it says.
/// </summary>
public sealed class RefundCasesTests
{
    private const string File = "refund-cases.verified.jsonl";

    private static string[] Lines => System.IO.File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, File));

    public static TheoryData<string> Kinds => [.. RefundCases.All().Select(refund => refund.Kind).Distinct()];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Every_case_ends_as_it_says_and_nothing_is_paid_without_leave_or_twice(string kind)
    {
        List<string> wrong = [];
        foreach (var refund in Lines.Select(RefundCase.FromLine).Where(refund => refund.Kind == kind)) wrong.AddRange(await CaseRun.PlayAsync(refund));
        wrong.Should().BeEmpty();
    }

    [Fact]
    public void The_file_is_what_its_generator_makes_and_holds_at_least_three_hundred_cases()
    {
        Verified.Text(File, string.Join('\n', RefundCases.All().Select(refund => refund.ToLine())), "then run the tests again");
        var cases = Lines.Select(RefundCase.FromLine).ToList();
        cases.Should().HaveCountGreaterThanOrEqualTo(300);
        cases.Select(refund => refund.Name).Should().OnlyHaveUniqueItems();
        cases.SelectMany(refund => refund.Requests).Select(request => request.Outcome).Distinct().Should().HaveCount(Enum.GetValues<RefundOutcome>().Length);
    }
}
