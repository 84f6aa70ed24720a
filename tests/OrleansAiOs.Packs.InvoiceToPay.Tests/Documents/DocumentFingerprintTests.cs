namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

public sealed class DocumentFingerprintTests
{
    private static readonly Invoice Invoice = new() { Kind = InvoiceKind.Invoice, Number = "2018 / 210 a", Seller = new Party { Name = "Seller", VatId = "NL8200.98.395.B.01", LegalId = "1" } };

    [Fact]
    public void A_key_is_supplier_kind_and_number() =>
        DocumentFingerprint.DuplicateKey(Invoice).Should().Be("vat:NL820098395B01/Invoice/2018 / 210 A");

    [Theory]
    [InlineData("2018 / 210 A")]
    [InlineData("  2018  /\u00A0210\ta ")]
    public void Case_and_blanks_do_not_make_another_number(string number) =>
        DocumentFingerprint.DuplicateKey(Invoice with { Number = number }).Should().Be(DocumentFingerprint.DuplicateKey(Invoice));

    [Fact]
    public void Punctuation_does_not_make_another_supplier() =>
        DocumentFingerprint.DuplicateKey(Invoice with { Seller = new Party { Name = "Other", VatId = "nl 820098395b01" } }).Should().Be(DocumentFingerprint.DuplicateKey(Invoice));

    [Fact]
    public void Another_supplier_kind_or_number_makes_another_key()
    {
        Invoice[] others =
        [
            Invoice,
            Invoice with { Number = "2018/210a" },
            Invoice with { Kind = InvoiceKind.CreditNote },
            Invoice with { Seller = new Party { LegalId = "NL820098395B01" } },
            Invoice with { Seller = new Party { TaxId = "NL820098395B01" } },
            Invoice with { Seller = new Party { Ids = ["NL820098395B01"] } },
            Invoice with { Seller = new Party { TradingName = "nl820098395b01" } },
            Invoice with { Seller = null },
        ];

        others.Select(DocumentFingerprint.DuplicateKey).Should().OnlyHaveUniqueItems();
    }

    [Theory]
    [InlineData("DE811907980", null, null, "DE", "RE-1")]
    [InlineData("811 907 980", null, null, "DE", "RE-1")]
    [InlineData(null, "HRB 4711", null, "DE", "RE 1")]
    [InlineData(null, null, "DE811907980", null, "re / 1")]
    [InlineData(null, "DE 811 907 980", "27/123/00000", null, "RE1.")]
    public void A_copy_that_states_other_identifiers_is_found_by_any_of_them(string? vatId, string? legalId, string? taxId, string? country, string number)
    {
        var first = DocumentFingerprint.DuplicateKeys(Invoice with { Number = number is "RE1." ? "RE1" : "RE-1", Seller = new Party { VatId = "DE811907980", LegalId = "HRB4711", Country = "DE" } });
        var copy = DocumentFingerprint.DuplicateKeys(Invoice with { Number = number, Seller = new Party { VatId = vatId, LegalId = legalId, TaxId = taxId, Country = country } });

        copy.Should().OnlyHaveUniqueItems();
        copy.Intersect(first).Should().NotBeEmpty();
    }

    [Fact]
    public void Other_numbers_kinds_and_suppliers_have_no_key_in_common()
    {
        Invoice[] others =
        [
            Invoice with { Number = "1-11" }, Invoice with { Number = "11-1" }, Invoice with { Number = "111" }, Invoice with { Number = "111", Kind = InvoiceKind.CreditNote },
            Invoice with { Number = "111", Seller = new Party { Name = "Seller", VatId = "NL1", LegalId = "2" } }, Invoice with { Number = "111", Seller = null },
        ];
        others.SelectMany(DocumentFingerprint.DuplicateKeys).Should().OnlyHaveUniqueItems();
    }

    [Fact]
    public void The_first_key_is_the_one_that_documents_were_claimed_under_before_and_none_is_longer_than_an_index_takes()
    {
        DocumentFingerprint.DuplicateKeys(Invoice)[0].Should().Be(DocumentFingerprint.DuplicateKey(Invoice));
        DocumentFingerprint.DuplicateKeys(Invoice with { Number = new string('é', 1000) }).Should().OnlyContain(key => key.Length <= 500).And.OnlyHaveUniqueItems();
    }

    [Fact]
    public void Bytes_and_stream_have_the_SHA_256_that_everyone_knows()
    {
        const string ofAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

        DocumentFingerprint.OfBytes("abc"u8).Should().Be(ofAbc);
        DocumentFingerprint.OfBytes(new MemoryStream([.. "abc"u8])).Should().Be(ofAbc);
    }
}
