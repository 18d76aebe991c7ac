using System.Globalization;
using System.Text;
using FastRelay.Smtp;

namespace FastRelay.Tests.Smtp.Paths;

public class IdnaTests
{
    [Theory]
    [InlineData("example.test", "example.test")]
    [InlineData("ExAmple.test", "ExAmple.test")]
    [InlineData("b\u00fccher.example", "xn--bcher-kva.example")]
    [InlineData("B\u00fccher.Example", "xn--bcher-kva.Example")]
    [InlineData("fa\u00df.de", "xn--fa-hia.de")]
    [InlineData("\u4f8b\u3048.\u30c6\u30b9\u30c8", "xn--r8jz45g.xn--zckzah")]
    [InlineData("\u043f\u0440\u0438\u043c\u0435\u0440.\u0438\u0441\u043f\u044b\u0442\u0430\u043d\u0438\u0435", "xn--e1afmkfd.xn--80akhbyknj4f")]
    [InlineData("\u03c0\u03b1\u03c1\u03ac\u03b4\u03b5\u03b9\u03b3\u03bc\u03b1.\u03b4\u03bf\u03ba\u03b9\u03bc\u03ae", "xn--hxajbheg2az3al.xn--jxalpdlp")]
    [InlineData("\u4ed6\u4eec\u4e3a\u4ec0\u4e48\u4e0d\u8bf4\u4e2d\u6587", "xn--ihqwcrb4cv8a8dqg056pqjye")]
    [InlineData("\u05d0\u05d1\u05d2.test", "xn--4dbcd.test")]
    [InlineData("3\u5e74b\u7d44\u91d1\u516b\u5148\u751f", "xn--3b-ww4c5e180e575a65lsy2b")]
    [InlineData("m\u00fcnchen-ost.\u00f6", "xn--mnchen-ost-9db.xn--nda")]
    public void A_U_label_becomes_its_A_label(string domain, string expected)
    {
        Span<byte> into = stackalloc byte[DomainName.LengthMax];
        Assert.True(Idna.TryToAscii(Encoding.UTF8.GetBytes(domain), into, out int written));
        Assert.Equal(expected, Encoding.ASCII.GetString(into[..written]));
    }

    [Theory]
    [InlineData("B\u00dcCHER.example")]            // upper case is no U-label
    [InlineData("bu\u0308cher.example")]           // not in NFC
    [InlineData("\u0308a.example")]                // begins with a mark
    [InlineData("\u2113ocal.example")]             // a letter-like symbol
    [InlineData("local\uff0eexample")]             // a full-width dot
    [InlineData("local\u3002example")]             // an ideographic stop
    [InlineData("\uff4cocal.example")]             // full-width letters
    [InlineData("a\u200db.example")]               // a joiner without its context
    [InlineData("l\u00b7l.example")]               // a middle dot
    [InlineData("a\u00adb.example")]               // a soft hyphen
    [InlineData("-\u00fc.example")]
    [InlineData("\u00fc-.example")]
    [InlineData("ab--\u00fc.example")]
    [InlineData("\u00fc_.example")]
    [InlineData("\u05d0a.example")]                // two directions in a label
    [InlineData("a\u05d0.example")]
    [InlineData("3\u05d0.example")]
    [InlineData("\u05d0.3com")]                    // a Bidi domain with a label that begins with a digit
    [InlineData("\ud83d\ude00.example")]           // no letter
    [InlineData("\u2260.example")]
    public void What_is_none_by_IDNA2008_is_refused(string domain) =>
        Assert.False(Idna.TryToAscii(Encoding.UTF8.GetBytes(domain), stackalloc byte[DomainName.LengthMax], out _));

    [Fact]
    public void A_label_that_grows_past_63_octets_is_refused_and_one_at_the_bound_is_not()
    {
        Span<byte> into = stackalloc byte[DomainName.LengthMax];
        string Label(int letters) => new string('a', letters) + "\u00fc";
        int longest = Enumerable.Range(1, 62).Last(n => Idna.TryToAscii(Encoding.UTF8.GetBytes(Label(n)), stackalloc byte[255], out _));
        Assert.True(Idna.TryToAscii(Encoding.UTF8.GetBytes(Label(longest)), into, out int written));
        Assert.InRange(written, 60, DomainName.LabelLengthMax);
        Assert.False(Idna.TryToAscii(Encoding.UTF8.GetBytes(Label(longest + 1)), into, out _));
    }

    [Fact]
    public void What_passes_is_what_the_platform_makes_of_it()
    {
        // This process has ICU or not; without it the check is of our own round trips only.
        var random = new Random(5891);
        int compared = 0;
        string[] letters = ["\u00fc", "\u00e9", "\u0436", "\u03b1", "\u4e2d", "\u6587", "\u3042", "a", "z", "7", "-", "\u00f8", "\ud800\udf00"];
        Span<byte> into = stackalloc byte[DomainName.LengthMax];
        for (int i = 0; i < 5000; i++)
        {
            string label = string.Concat(Enumerable.Range(0, 1 + random.Next(20)).Select(_ => letters[random.Next(letters.Length)]));
            if (!Idna.TryToAscii(Encoding.UTF8.GetBytes(label), into, out int written))
            {
                continue;
            }
            string ours = Encoding.ASCII.GetString(into[..written]);
            try
            {
                Assert.Equal(new IdnMapping { AllowUnassigned = true }.GetAscii(label), ours);
                compared++;
            }
            catch (ArgumentException)
            {
                // What the platform refuses says nothing of what we accept.
            }
        }
        Assert.True(compared > 500, $"{compared} labels compared");
    }
}
