using System.Net;
using System.Text;
using FastRelay.Routing;
using Xunit;

namespace FastRelay.Tests.Routing;

public class DomainNamesTests
{
    [Theory]
    [InlineData("user@Example.COM", "example.com")]
    [InlineData("user@example.com.", "example.com")]
    [InlineData("\"a@b\"@example.com", "example.com")]
    [InlineData("user@[IPv6:::1]", "[ipv6:::1]")]
    [InlineData("postmaster", "")]
    public void The_domain_of_a_mailbox_is_lower_case(string mailbox, string domain)
    {
        char[] into = new char[DomainNames.MaxLength];
        int length = DomainNames.DomainOf(Encoding.UTF8.GetBytes(mailbox), into);
        Assert.Equal(domain, new string(into, 0, length));
    }

    [Fact]
    public void A_domain_that_is_not_ascii_or_too_long_has_no_key()
    {
        char[] into = new char[DomainNames.MaxLength];
        Assert.Equal(-1, DomainNames.DomainOf(Encoding.UTF8.GetBytes("u@dömain.test"), into));
        Assert.Equal(-1, DomainNames.DomainOf(Encoding.UTF8.GetBytes("u@" + new string('a', 256)), into));
        Assert.Equal(255, DomainNames.DomainOf(Encoding.UTF8.GetBytes("u@" + new string('a', 255)), into));
    }

    [Theory]
    [InlineData("1.2.3.4", true)]
    [InlineData("255.255.255.255", true)]
    [InlineData("::1", true)]
    [InlineData("2001:db8::1", true)]
    [InlineData("::ffff:1.2.3.4", true)]
    [InlineData("127.1", false)]
    [InlineData("0x7f.0.0.1", false)]
    [InlineData("010.0.0.1", false)]
    [InlineData("256.1.1.1", false)]
    [InlineData("1.2.3", false)]
    [InlineData("1.2.3.4.5", false)]
    [InlineData("2130706433", false)]
    [InlineData("fe80::1%eth0", false)]
    [InlineData("", false)]
    public void Only_plain_addresses_are_addresses(string text, bool good) =>
        Assert.Equal(good, DomainNames.TryParseAddress(text, out IPAddress? _));

    [Theory]
    [InlineData("[192.0.2.1]", "192.0.2.1")]
    [InlineData("[ipv6:2001:db8::1]", "2001:db8::1")]
    [InlineData("[2001:db8::1]", null)]
    [InlineData("[ipv6:192.0.2.1]", null)]
    [InlineData("192.0.2.1", null)]
    [InlineData("[]", null)]
    public void A_domain_literal_is_an_address(string domain, string? address)
    {
        Assert.Equal(address is not null, DomainNames.TryParseLiteral(domain, out IPAddress? parsed));
        Assert.Equal(address, parsed?.ToString());
    }

    [Theory]
    [InlineData("example.com", true)]
    [InlineData("_dmarc.example-1.com", true)]
    [InlineData("a..b", false)]
    [InlineData(".a", false)]
    [InlineData("a.", false)]
    [InlineData("a b", false)]
    [InlineData("a\0b", false)]
    [InlineData("", false)]
    public void Host_names_are_checked_before_they_are_asked_for(string name, bool good) =>
        Assert.Equal(good, DomainNames.IsHostName(name));

    [Theory]
    [InlineData("0.0.0.0", true)]
    [InlineData("10.1.2.3", true)]
    [InlineData("100.64.0.1", true)]
    [InlineData("100.128.0.1", false)]
    [InlineData("127.0.0.53", true)]
    [InlineData("169.254.1.1", true)]
    [InlineData("172.15.0.1", false)]
    [InlineData("172.16.0.1", true)]
    [InlineData("172.31.255.255", true)]
    [InlineData("172.32.0.1", false)]
    [InlineData("192.168.0.1", true)]
    [InlineData("192.169.0.1", false)]
    [InlineData("224.0.0.1", true)]
    [InlineData("255.255.255.255", true)]
    [InlineData("8.8.8.8", false)]
    [InlineData("::", true)]
    [InlineData("::1", true)]
    [InlineData("fe80::1", true)]
    [InlineData("fec0::1", true)]
    [InlineData("fc00::1", true)]
    [InlineData("fdff::1", true)]
    [InlineData("ff02::1", true)]
    [InlineData("::ffff:10.0.0.1", true)]
    [InlineData("::ffff:8.8.8.8", false)]
    [InlineData("64:ff9b::7f00:1", true)]
    [InlineData("64:ff9b::808:808", false)]
    [InlineData("2002:7f00:1::1", true)]
    [InlineData("2a00:1450:4001::1b", false)]
    public void Addresses_off_the_public_internet_are_known(string address, bool isPrivate) =>
        Assert.Equal(isPrivate, AddressRules.IsPrivate(IPAddress.Parse(address)));

    [Theory]
    [InlineData("a.test", "a.test", true)]
    [InlineData("mx.a.test", "a.test", true)]
    [InlineData("nota.test", "a.test", false)]
    [InlineData("a.test", "mx.a.test", false)]
    [InlineData("test", "a.test", false)]
    public void A_name_is_within_a_domain_by_whole_labels(string name, string domain, bool within) =>
        Assert.Equal(within, DomainNames.IsWithin(name, domain));
}
