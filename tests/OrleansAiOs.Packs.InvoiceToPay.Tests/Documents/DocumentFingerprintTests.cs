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

    [Fact]
    public void Bytes_and_stream_have_the_SHA_256_that_everyone_knows()
    {
        const string ofAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

        DocumentFingerprint.OfBytes("abc"u8).Should().Be(ofAbc);
        DocumentFingerprint.OfBytes(new MemoryStream([.. "abc"u8])).Should().Be(ofAbc);
    }
}
