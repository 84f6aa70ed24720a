using System.Text;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>Documents for tests: samples as text, to be altered, and read.</summary>
internal static class SampleDoc
{
    public static readonly DateOnly Today = new(2026, 3, 16);

    public static string Xml(string file) => Encoding.UTF8.GetString(Bytes(file));

    public static byte[] Bytes(string file) => SampleDocuments.All(Today).Single(entry => entry.Sample.File.StartsWith(file, StringComparison.Ordinal)).Document.ToUbl();

    public static Invoice Read(string file) => Parse(Bytes(file));

    public static Invoice Parse(string xml, UblLimits? limits = null) => Parse(Encoding.UTF8.GetBytes(xml), limits);

    public static Invoice Parse(byte[] bytes, UblLimits? limits = null)
    {
        using var stream = new MemoryStream(bytes);
        return UblReader.Read(stream, limits);
    }

    /// <summary>A test that alters nothing would prove nothing.</summary>
    public static string With(this string xml, string old, string @new) =>
        xml.Contains(old, StringComparison.Ordinal) ? xml.Replace(old, @new, StringComparison.Ordinal) : throw new ArgumentException($"'{old}' is not in the document");
}
