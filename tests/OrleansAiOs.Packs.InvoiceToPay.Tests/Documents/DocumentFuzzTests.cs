using System.Text;

namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

public sealed class DocumentFuzzTests
{
    private const int Rounds = 4_000;
    private static readonly string[] Spice = ["<", ">", "&", "\"", "]]>", "<!--", "<![CDATA[", "<?x", "\0", "\uFFFF", "&#0;", "&#x110000;", "-", "9999999999999999", "1e9", "NaN", "<!DOCTYPE a>", "xmlns:cbc=\"\"", "encoding=\"utf-7\"", "encoding=\"ibm037\"", "encoding=\"utf-32\""];

    /// <summary>Whatever the bytes: an invoice with a verdict, or a refusal. Anything else thrown fails the test with its seed.</summary>
    [Theory]
    [InlineData("01", 20260316)]
    [InlineData("09", 42)]
    [InlineData("10", 7)]
    public void No_bytes_get_more_than_a_verdict_or_a_refusal(string file, int seed)
    {
        var random = new Random(seed);
        var good = SampleDoc.Bytes(file);
        int read = 0, refused = 0, posted = 0;
        for (var round = 0; round < Rounds; round++)
        {
            var bytes = Mutate(good, random);
            try
            {
                var invoice = SampleDoc.Parse(bytes);
                read++;
                if (En16931.Check(invoice).Count > 0) continue;
                Booking.Post(invoice).IsBalanced.Should().BeTrue();
                posted++;
            }
            catch (UnreadableDocumentException refusal)
            {
                refusal.Message.Should().NotBeNullOrWhiteSpace().And.NotMatchRegex("[\\x00-\\x08\\x0E-\\x1F]");
                refused++;
            }
            catch (Exception unexpected) when (unexpected is not Xunit.Sdk.XunitException)
            {
                throw new InvalidOperationException($"seed {seed}, round {round}: {Encoding.UTF8.GetString(bytes)}", unexpected);
            }
        }

        new[] { read, refused, posted }.Should().OnlyContain(count => count > Rounds / 20, "each of the three endings must be exercised");
    }

    private static byte[] Mutate(byte[] good, Random random)
    {
        var bytes = good.ToList();
        for (var changes = random.Next(1, 4); changes > 0; changes--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(7))
            {
                case 0: bytes[at] = (byte)random.Next(256); break;
                case 1: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 2: bytes.RemoveRange(at, Math.Min(random.Next(1, 80), bytes.Count - at)); break;
                case 3: bytes.InsertRange(at, Encoding.UTF8.GetBytes(Spice[random.Next(Spice.Length)])); break;
                case 4: bytes.InsertRange(at, bytes.GetRange(random.Next(bytes.Count / 2), random.Next(1, bytes.Count / 2))); break;
                case 5: ChangeDigit(bytes, at, random); break;
                case 6: RemoveElement(bytes, at); break;
            }
            if (bytes.Count == 0) return [];
        }
        return [.. bytes];
    }

    private static void ChangeDigit(List<byte> bytes, int at, Random random)
    {
        var digit = bytes.FindIndex(at, value => value is >= (byte)'0' and <= (byte)'9');
        if (digit >= 0) bytes[digit] = (byte)('0' + random.Next(10));
    }

    /// <summary>Keeps the document well-formed, which chance seldom does.</summary>
    private static void RemoveElement(List<byte> bytes, int at)
    {
        var text = Encoding.Latin1.GetString([.. bytes]);
        var start = text.IndexOf("<c", at, StringComparison.Ordinal);
        if (start < 0) return;
        var name = text[(start + 1)..text.IndexOfAny([' ', '>', '/'], start)];
        var end = text.IndexOf($"</{name}>", start, StringComparison.Ordinal);
        if (end > 0) bytes.RemoveRange(start, end + name.Length + 3 - start);
    }
}
