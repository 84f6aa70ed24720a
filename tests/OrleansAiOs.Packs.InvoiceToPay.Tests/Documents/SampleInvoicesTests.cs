namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

public sealed class SampleInvoicesTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("aios-samples-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Every_sample_has_the_outcome_it_announces()
    {
        var samples = SampleInvoices.Write(folder, SampleDoc.Today);
        using var json = File.OpenRead(Path.Combine(folder, SampleInvoices.PurchaseOrdersFile));
        var orders = PurchaseOrders.Read(json);

        var outcomes = samples.Select(sample =>
        {
            using var stream = File.OpenRead(Path.Combine(folder, sample.File));
            var invoice = UblReader.Read(stream);
            var broken = string.Join("", En16931.Check(invoice));
            return $"{sample.File[..2]} {(broken == "" ? $"{orders.Match(invoice).Status} {invoice.Route} {BrokenRule.Figure(invoice.AmountOwed)} due {invoice.DueDate:yyyy-MM-dd}" : broken)}";
        });

        outcomes.Should().Equal(
            "01 Matched Transfer 295.44 due 2026-03-15",
            "02 Matched Transfer 3,177.30 due 2026-03-15",
            "03 None Transfer 1,121.92 due 2026-03-15",
            "04 Unknown Transfer 531.93 due 2026-03-15",
            "05 Matched Transfer 27,251.00 due 2026-03-15",
            "06 Matched Transfer 1,523.20 due 2026-04-15",
            "07 Matched Transfer 247.40 due 2026-03-15",
            "08 BR-CO-10: sum of line net amounts is 1,299.00 but LineExtensionAmount says 1,300.00",
            "09 None FromSupplier -58.91 due ",
            "10 None FromSupplier -380.80 due 2026-03-15",
            "11 Matched Transfer 1,059.10 due 2026-03-15",
            "12 Matched Transfer 90.44 due 2026-03-15",
            "13 Exceeded Transfer 847.88 due 2026-03-15");
    }

    [Fact]
    public void Only_the_large_purchase_is_above_the_threshold() =>
        SampleDocuments.All(SampleDoc.Today).Where(entry => SampleDoc.Parse(entry.Document.ToUbl()).AmountOwed > SampleInvoices.ApprovalThreshold)
            .Should().ContainSingle().Which.Sample.File.Should().Be("05-large-purchase.xml");

    [Fact]
    public void The_twin_has_the_number_of_the_first_and_other_bytes()
    {
        var (first, twin) = (SampleDoc.Bytes("01"), SampleDoc.Bytes("07"));

        DocumentFingerprint.DuplicateKey(SampleDoc.Parse(twin)).Should().Be(DocumentFingerprint.DuplicateKey(SampleDoc.Parse(first)));
        DocumentFingerprint.OfBytes(twin).Should().NotBe(DocumentFingerprint.OfBytes(first));
    }

    [Fact]
    public void No_other_samples_are_twins() =>
        SampleDocuments.All(SampleDoc.Today).Select(entry => DocumentFingerprint.DuplicateKey(SampleDoc.Parse(entry.Document.ToUbl()))).Distinct()
            .Should().HaveCount(SampleDocuments.All(SampleDoc.Today).Count - 1);

    [Fact]
    public void Only_one_sample_goes_to_the_refused_account_and_all_accounts_are_valid()
    {
        var accounts = SampleDocuments.All(SampleDoc.Today).Select(entry => SampleDoc.Parse(entry.Document.ToUbl()).CreditTransfer!).ToList();

        accounts.Should().OnlyContain(account => account.HasValidIban);
        accounts.Count(account => account.Account == SampleInvoices.RefusedAccount).Should().Be(1);
    }

    [Fact]
    public void The_same_day_writes_the_same_bytes()
    {
        SampleInvoices.Write(folder, SampleDoc.Today);
        var first = Hashes();
        SampleInvoices.Write(folder, SampleDoc.Today);

        Hashes().Should().Equal(first);
        SampleInvoices.Write(folder, SampleDoc.Today.AddDays(1));
        Hashes().Should().NotEqual(first);
    }

    private List<string> Hashes() => [.. Directory.GetFiles(folder).Order(StringComparer.Ordinal).Select(file => DocumentFingerprint.OfBytes(File.ReadAllBytes(file)))];
}
