using System.Net;
using System.Text;
using static OrleansAiOs.Sandbox.Tests.SandboxClient;

namespace OrleansAiOs.Sandbox.Tests;

public sealed class JournalTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("sandbox-").FullName;

    private string File => Path.Combine(folder, "sandbox.ndjson");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Books_are_the_same_after_a_restart()
    {
        SandboxBooks before;
        using (var sandbox = Open())
        {
            await Fill(Of(sandbox));
            before = sandbox.Books();
        }

        using var reopened = Open();
        reopened.Books().Should().BeEquivalentTo(before, options => options.WithStrictOrdering());
        before.Ledger.Unreadable.Should().Be(1);
    }

    [Fact]
    public async Task Keys_and_voids_hold_after_a_restart_and_numbers_go_on()
    {
        Answer first;
        using (var sandbox = Open())
        {
            first = (await Fill(Of(sandbox)))[0];
        }

        using var reopened = Open();
        var caller = Of(reopened);
        var replay = await caller.Post("post", Posting());
        replay.Replayed.Should().BeTrue();
        replay.Body.Should().Equal(first.Body);
        (await caller.Reverse("other", first.Text("id"))).Status.Should().Be(HttpStatusCode.Conflict);
        (await caller.Notify("notify")).Replayed.Should().BeTrue();
        (await caller.Pay(Payment("INV-2"))).Status.Should().Be(HttpStatusCode.Conflict);
        (await caller.Void("INV-1")).Status.Should().Be(HttpStatusCode.Conflict);
        (await caller.Pay(Payment("INV-3"))).Text("id").Should().Be("B-000002");
        (await caller.Post("post-2", Posting("INV-3"))).Text("id").Should().Be("P-000003");
    }

    [Fact]
    public async Task A_kill_at_any_byte_leaves_books_that_open_and_go_on()
    {
        using (var sandbox = Open())
        {
            await Fill(Of(sandbox));
        }

        var whole = await System.IO.File.ReadAllBytesAsync(File);
        for (var length = 0; length <= whole.Length; length += 7)
        {
            await System.IO.File.WriteAllBytesAsync(File, whole[..length]);
            var wholeLines = whole[..length].Count(b => b == '\n');
            using (var torn = Open())
            {
                (await Of(torn).Pay(Payment("INV-9"))).Status.Should().Be(HttpStatusCode.Created);
            }

            var lines = await System.IO.File.ReadAllLinesAsync(File);
            lines.Should().HaveCount(wholeLines + 2, "the torn line is gone; a request and its payment came after it");
            using var reopened = Open();
            reopened.Books().Bank.References.Single(r => r.Reference == "INV-9").Payments.Should().Be(1);
        }
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("null")]
    [InlineData("""{"entry":"unheard-of"}""")]
    [InlineData("""{"entry":"paid"}""")]
    [InlineData("")]
    public async Task Damage_before_the_last_line_is_refused_and_nothing_is_touched(string line)
    {
        var good = """{"entry":"reached","operation":"bank.pay","key":"INV-1"}""";
        await System.IO.File.WriteAllTextAsync(File, $"{good}\n{line}\n{good}\n");
        var before = await System.IO.File.ReadAllBytesAsync(File);

        FluentActions.Invoking(Open).Should().Throw<InvalidDataException>().WithMessage("*line 2*");
        (await System.IO.File.ReadAllBytesAsync(File)).Should().Equal(before);
    }

    [Fact]
    public void Two_sandboxes_cannot_write_the_same_books()
    {
        using var first = Open();

        FluentActions.Invoking(Open).Should().Throw<IOException>();
    }

    [Fact]
    public void A_handler_lets_go_of_the_books_it_opened()
    {
        using (new SandboxHttpHandler(new SandboxOptions { DataFolder = folder }))
        {
            FluentActions.Invoking(Open).Should().Throw<IOException>();
        }

        Open().Dispose();
    }

    [Fact]
    public async Task An_entry_is_in_the_file_before_its_reply()
    {
        using var sandbox = Open();
        await Of(sandbox).Pay(Payment("INV-1"));

        using var reader = new StreamReader(new FileStream(File, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        var lines = (await reader.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines.Should().HaveCount(2);
        lines[0].Should().Be("""{"entry":"reached","operation":"bank.pay","key":"INV-1"}""");
        lines[1].Should().StartWith("""{"entry":"paid","payment":{"id":"B-000001","reference":"INV-1",""");
    }

    [Theory]
    [InlineData(1_000)]
    [InlineData(1_020)]
    [InlineData(1_090)]
    [InlineData(1_160)]
    public async Task What_a_full_disk_cannot_take_is_not_booked_and_leaves_no_half_line(int bytesMax)
    {
        using var disk = new SmallDisk(bytesMax);
        using var sandbox = new Sandbox(new SandboxOptions(), _ => new Journal(disk));
        var caller = Of(sandbox);
        Answer answer;
        do
        {
            answer = await caller.Pay(Payment());
        }
        while (answer.Status == HttpStatusCode.Created);

        answer.Status.Should().Be(HttpStatusCode.ServiceUnavailable);
        var books = sandbox.Books().Bank.References.Single();
        books.Reached.Should().Be(disk.Lines().Count(line => line.StartsWith("""{"entry":"reached",""", StringComparison.Ordinal)));
        books.Payments.Should().Be(disk.Lines().Count(line => line.StartsWith("""{"entry":"paid",""", StringComparison.Ordinal)));
        disk.Lines().Should().OnlyContain(line => line.EndsWith('}'));

        disk.BytesMax = 10_000;
        (await caller.Pay(Payment())).Text("id").Should().Be($"B-{books.Payments + 1:D6}");
    }

    [Fact]
    public async Task A_reference_cannot_forge_a_line()
    {
        using (var sandbox = Open())
        {
            await Of(sandbox).Void("x\"}\n{\"entry\":\"reached\",\"operation\":\"bank.pay\",\"key\":\"forged");
        }

        using var reopened = Open();
        reopened.Books().Bank.References.Should().ContainSingle().Which.Reached.Should().Be(0);
    }

    /// <summary>Writes what fits and then fails, as a full disk does.</summary>
    private sealed class SmallDisk(int bytesMax) : MemoryStream
    {
        public int BytesMax { get; set; } = bytesMax;

        public string[] Lines() => Encoding.UTF8.GetString(ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries);

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            var fits = Math.Min(buffer.Length, BytesMax - (int)Length);
            base.Write(buffer[..fits].ToArray(), 0, fits);
            if (fits < buffer.Length)
            {
                throw new IOException("No space left on device.");
            }
        }
    }

    private Sandbox Open() => new(new SandboxOptions { DataFolder = folder });

    private static async Task<List<Answer>> Fill(SandboxClient caller) =>
    [
        await caller.Post("post", Posting()),
        await caller.Reverse("reverse", "P-000001"),
        await caller.Post("bad", "{"),
        await caller.Pay(Payment("INV-1")),
        await caller.Void("INV-2"),
        await caller.Inquire("INV-2"),
        await caller.Notify("notify"),
    ];
}
