using System.Text;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Smtp.Mime;

/// <summary>What the conversion to 7 bits does to a message, and what it leaves alone.</summary>
public sealed class SevenBitConverterTests
{
    private const string Text = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\nSubject: x\r\n\r\n";

    private static string Convert(string content) => Encoding.Latin1.GetString(SevenBitRig.Convert(SevenBitRig.Octets(content)));

    private static SevenBitVerdict Verdict(string content) => SevenBitRig.Survey(new SevenBitConverter(), SevenBitRig.Stored(SevenBitRig.Octets(content)));

    [Fact]
    public void A_text_becomes_quoted_printable_and_the_header_says_so()
    {
        string header = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nSubject: x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
        Assert.Equal(header + "gr=FC=DFe, 1+1=3D2\r\n.dot =\r\n".Replace(" =\r\n", "=20\r\n", StringComparison.Ordinal), Convert(Text + "gr\xFC\u00DFe, 1+1=2\r\n.dot \r\n"));
    }

    [Fact]
    public void Lines_of_quoted_printable_have_at_most_76_octets_and_none_ends_in_white_space_or_begins_like_a_boundary()
    {
        foreach (int length in Enumerable.Range(60, 100))
        {
            string line = new string('a', length) + " \t\xE9--" + new string('-', length) + "\t \r\n-- \r\n";
            string converted = Convert(Text + line);
            string[] lines = converted[(converted.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..].Split("\r\n");
            Assert.All(lines, l => Assert.True(l.Length <= 76 && !l.EndsWith(' ') && !l.EndsWith('\t') && !l.StartsWith('-'), l));
            SevenBitRig.AssertSameParts(SevenBitRig.Octets(Text + line), SevenBitRig.Octets(converted));
        }
    }

    [Fact]
    public void What_is_no_text_becomes_base64_without_the_line_end_that_is_the_boundarys()
    {
        string converted = Convert("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\n\xFF\x00\r\n\xFE\r\n--b--\r\n");
        Assert.Equal("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 7bit\r\n\r\n--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\n/wANCv4=\r\n--b--\r\n", converted);
    }

    [Fact]
    public void Parts_that_need_nothing_keep_every_octet()
    {
        const string quiet = "--b\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain\r\n\r\n=FC \t\r\n--b\r\nCONTENT-transfer-ENCODING:  base64 (x)\r\nX: y\r\n\r\n/w==\r\n";
        string converted = Convert("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + quiet + "--b\r\n\r\n\xFC\r\n--b--\r\n");
        Assert.Contains(quiet, converted, StringComparison.Ordinal);
        Assert.EndsWith("--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=FC\r\n--b--\r\n", converted, StringComparison.Ordinal);
    }

    [Fact]
    public void A_message_that_says_nothing_of_MIME_gets_what_MIME_needs_and_a_charset_that_claims_nothing()
    {
        Assert.Equal("Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=FC\r\n", Convert("Subject: x\r\n\r\n\xFC\r\n"));
    }

    [Fact]
    public void A_message_within_a_message_is_converted_inside_and_labelled_7bit_outside()
    {
        string converted = Convert("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + Text + "\xFC\r\n");
        Assert.StartsWith("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nMIME-Version: 1.0\r\n", converted);
        Assert.EndsWith("Content-Transfer-Encoding: quoted-printable\r\n\r\n=FC\r\n", converted);
    }

    [Fact]
    public void In_a_digest_parts_are_messages_unless_they_say_otherwise()
    {
        string converted = Convert("MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=\"b\"\r\n\r\n--b\r\n\r\nSubject: inner\r\n\r\n\xFC\r\n--b--\r\n");
        Assert.Contains("--b\r\n\r\nSubject: inner\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=FC\r\n--b--", converted, StringComparison.Ordinal);
    }

    [Fact]
    public void What_readers_do_not_look_at_loses_its_8th_bit()
    {
        string converted = Convert("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nvorw\xE4rts\r\n--b\r\n\r\nx\r\n--b--\r\nr\xFC" + "ckw\xE4rts\r\n");
        Assert.Contains("vorw?rts\r\n--b\r\n\r\nx\r\n--b--\r\nr?ckw?rts\r\n", converted, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Subject: x\r\n\r\nplain\r\n")]
    [InlineData("MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain\r\n")]
    [InlineData("\r\nbody\r\n")]
    [InlineData("")]
    public void What_has_no_octet_of_8_bits_needs_nothing(string content) => Assert.Equal(SevenBitVerdict.Unneeded, Verdict(content));

    [Theory]
    [InlineData("DKIM-Signature: v=1\r\nSubject: x\r\n\r\n\xFC\r\n")]
    [InlineData("Subject: x\r\narc-message-signature : i=1\r\n\r\n\xFC\r\n")]
    [InlineData("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xFC\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n")]
    [InlineData("Content-Type: message/rfc822\r\n\r\nDKIM-Signature: v=1\r\n\r\n\xFC\r\n")]
    public void What_is_signed_is_not_converted(string content) => Assert.Equal(SevenBitVerdict.Signed, Verdict(content));

    [Fact]
    public void Beside_a_signed_part_others_are_converted_and_the_signed_one_stays_as_it_is()
    {
        const string signed = "--b\r\nContent-Type: multipart/signed; boundary=s\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--s\r\nContent-Transfer-Encoding: 8bit\r\nX: y\r\n\r\nplain \r\n--s\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\nAA==\r\n--s--\r\n";
        Assert.Contains(signed, Convert("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + signed + "--b\r\n\r\n\xFC\r\n--b--\r\n"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Subject: \xFC\r\n\r\nx\r\n")]
    [InlineData("Subject: x\r\n\r\n\xFC", "no header \xFC\r\n")]
    [InlineData("Content-Transfer-Encoding: base64\r\n\r\n\xFC\r\n")]
    [InlineData("Content-Transfer-Encoding: quoted-printable\r\n\r\n\xFC\r\n")]
    [InlineData("Content-Transfer-Encoding: x-uuencode\r\n\r\n\xFC\r\n")]
    [InlineData("Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: base64\r\n\r\n\xFC\r\n")]
    [InlineData("Content-Type: text/plain\r\nContent-Type: image/x\r\n\r\n\xFC\r\n")]
    [InlineData("Content-Type: message/partial; id=x; number=1\r\n\r\n\xFC\r\n")]
    [InlineData("Content-Type: message/delivery-status\r\n\r\n\xFC\r\n")]
    [InlineData("Content-Type: multipart/mixed\r\n\r\n\xFC\r\n")]
    [InlineData("Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\r\n\r\n--ab\r\n\r\n\xFC\r\n")]
    [InlineData("Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n--a\r\n\r\n\xFC\r\n")]
    [InlineData("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xFC\r\n--bc\r\n--b--\r\n")]
    public void What_cannot_be_encoded_or_is_read_in_different_ways_is_not_converted(string content, string? instead = null) =>
        Assert.Equal(SevenBitVerdict.Impossible, Verdict(instead ?? content));

    [Fact]
    public void Bounds_end_in_a_refusal_and_not_in_memory()
    {
        var deep = new StringBuilder();
        for (int i = 0; i < 40; i++)
        {
            deep.Append("Content-Type: multipart/mixed; boundary=\"q").Append(i + 100).Append("\"\r\n\r\n--q").Append(i + 100).Append("\r\n");
        }
        Assert.Equal(SevenBitVerdict.Impossible, Verdict(deep + "\r\n\xFC\r\n"));
        Assert.Equal(SevenBitVerdict.Impossible, Verdict("Content-Type: multipart/mixed; boundary=" + new string('b', 71) + "\r\n\r\n\xFC\r\n"));
        Assert.Equal(SevenBitVerdict.Impossible, Verdict("Content-Type: text/plain;" + string.Concat(Enumerable.Repeat("\r\n x=yyyyyyyyyyyyyyyyyyyy;", 200)) + "\r\n\r\n\xFC\r\n"));
        var many = new StringBuilder("Content-Type: multipart/mixed; boundary=b\r\n\r\n");
        for (int i = 0; i < SevenBitConverter.PartsMax; i++)
        {
            many.Append("--b\r\n\r\n");
        }
        Assert.Equal(SevenBitVerdict.Convertible, Verdict(many.ToString()[..^7] + "\r\n\xFC\r\n"));
        Assert.Equal(SevenBitVerdict.Impossible, Verdict(many + "\xFC\r\n"));
    }

    [Fact]
    public void A_conversion_allocates_nothing()
    {
        byte[] stored = SevenBitRig.Stored(SevenBitRig.Octets(Text + string.Concat(Enumerable.Repeat("gr\xFC\xDF" + new string('x', 2000) + "\r\n", 50))));
        var converter = new SevenBitConverter();
        byte[] output = new byte[64 * 1024];
        void Once()
        {
            SevenBitRig.Survey(converter, stored);
            converter.Start();
            for (int at = 0; at < stored.Length;)
            {
                converter.Convert(stored.AsSpan(at), output, out int consumed, out _);
                at += consumed;
            }
            converter.Finish(output, out _);
        }
        Once();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++)
        {
            Once();
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
