using System.Text;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Smtp.Paths;

public class DomainNameTests
{
    [Theory]
    [InlineData("example.org", true)]
    [InlineData("x", true)]
    [InlineData("a-b.c--d.e", true)]
    [InlineData("_spf.example", true)]
    [InlineData("127.0.0.1", true)]
    [InlineData("", false)]
    [InlineData(".", false)]
    [InlineData(".a", false)]
    [InlineData("a.", false)]
    [InlineData("a..b", false)]
    [InlineData("-a", false)]
    [InlineData("a-", false)]
    [InlineData("a b", false)]
    [InlineData("a\nb", false)]
    [InlineData("a\0", false)]
    [InlineData("a/b", false)]
    [InlineData("b\u00FCcher", false)]
    public void Names_are_letters_digits_hyphens_and_underscores(string name, bool expected)
        => Assert.Equal(expected, DomainName.IsValid(Encoding.UTF8.GetBytes(name)));

    [Fact]
    public void Labels_end_at_63_octets_and_names_at_255()
    {
        var label = new string('a', 63);
        Assert.True(DomainName.IsValid(Encoding.ASCII.GetBytes($"{label}.{label}.{label}.{label}")));
        Assert.False(DomainName.IsValid(Encoding.ASCII.GetBytes($"{label}.{label}.{label}.{label}.b")));
        Assert.False(DomainName.IsValid(Encoding.ASCII.GetBytes(label + "a")));
    }

    [Fact]
    public void Lower_case_touches_only_ASCII_letters()
    {
        Span<byte> lower = stackalloc byte[32];
        var name = Encoding.UTF8.GetBytes("AbZ[@`{B\u00DCcher");
        var length = DomainName.ToLowerAscii(name, lower);
        Assert.Equal("abz[@`{b\u00DCcher", Encoding.UTF8.GetString(lower[..length]));
        Assert.Equal(3, DomainName.ToLowerAscii("ORG"u8, lower));
        Assert.True(lower[..3].SequenceEqual("org"u8));
        Assert.Throws<ArgumentException>(() => DomainName.ToLowerAscii("abc"u8, new byte[2]));
    }

    [Theory]
    [InlineData("client.example", true)]
    [InlineData("[192.0.2.1]", true)]
    [InlineData("[192.000.002.001]", true)]
    [InlineData("[IPv6:::1]", true)]
    [InlineData("[ipv6:2001:DB8::]", true)]
    [InlineData("", false)]
    [InlineData("[", false)]
    [InlineData("[]", false)]
    [InlineData("[192.0.2.1", false)]
    [InlineData("[192.0.2.1]x", false)]
    [InlineData("two words", false)]
    [InlineData("<script>", false)]
    public void EHLO_names_a_domain_or_a_literal(string argument, bool expected)
        => Assert.Equal(expected, DomainName.IsEhloArgument(Encoding.ASCII.GetBytes(argument)));

    [Theory]
    [InlineData("[010.0.0.1]", "10.0.0.1")]
    [InlineData("[IPv6:::ffff:192.0.2.1]", "::ffff:192.0.2.1")]
    [InlineData("[IPv6:1:2:3:4:5:6:7:8]", "1:2:3:4:5:6:7:8")]
    [InlineData("[IPv6:1::]", "1::")]
    [InlineData("[IPv6:::]", "::")]
    [InlineData("[IPv6:1::8]", "1::8")]
    [InlineData("[1.2.3.4.5]", null)]
    [InlineData("[0x7f.0.0.1]", null)]
    [InlineData("[IPv6:1:2:3:4:5:6:7:8:9]", null)]
    [InlineData("[IPv6:1:2:3:4::5:6:7:8]", null)]
    [InlineData("[IPv6:1::2::3]", null)]
    [InlineData("[IPv6:1:]", null)]
    [InlineData("[IPv6::1]", null)]
    [InlineData("[IPv6:1:2:3:4:5:6:7:1.2.3.4]", null)]
    [InlineData("[IPv6:]", null)]
    public void Literals_are_decimal_IPv4_or_tagged_IPv6(string literal, string? expected)
    {
        Assert.Equal(expected is not null, DomainName.TryParseAddressLiteral(Encoding.ASCII.GetBytes(literal), out var address));
        if (expected is not null)
        {
            Assert.Equal(expected, address.ToString());
        }
    }
}
