using FastRelay.Config;

namespace FastRelay.Tests.Config;

public sealed class TenantReaderTests
{
    private static ConfigResult Read(string text) => ConfigReader.Read(text, "relay.toml", "/etc/fastrelay", "host.example", _ => null);

    [Fact]
    public void Tenants_and_who_they_are_read_and_written()
    {
        ConfigResult result = Read("""
            [[listen]]
            address = "127.0.0.1:2525"
            tenant = "door"
            tenant_header = true
            [[relay_for]]
            networks = ["127.0.0.1"]
            [[relay_for]]
            networks = ["10.0.0.0/8", "10.1.0.0/16"]
            tenant = "inside"
            [[relay_for]]
            networks = ["192.0.2.1"]
            rates = true
            tenant_header = true
            [[relay_for]]
            networks = ["192.0.2.2"]
            rates = true
            [queue]
            tenant_header_name = "X-Customer"
            [[tenant]]
            name = "inside"
            weight = 3
            sessions = 4
            [[tenant]]
            name = ""
            """);
        Assert.Empty(result.Errors);
        RelayConfig config = result.Config!;
        Assert.Equal(("door", true), (config.Listen[0].Tenant, config.Listen[0].TenantHeader));
        Assert.Equal("X-Customer", config.TenantHeader);
        Assert.Equal([new TenantConfig("inside", 3, 4), new TenantConfig("", 1, 0)], config.Tenants);
        // Rows that say nothing of tenants stand before the others: the first that a client belongs to counts.
        Assert.Equal([":1:False", "inside:2:False", ":1:True", ":1:False"], config.Injectors.Select(static row => $"{row.Tenant}:{row.Networks.Count}:{row.TenantHeader}"));
        Assert.Equal(5, config.RelayFor.Count);
        Assert.Equal(2, config.Rated.Count);
        string written = EffectiveConfig.Write(config);
        RelayConfig again = Read(written).Config!;
        Assert.Equal(written, EffectiveConfig.Write(again));
        Assert.Equal(config.RelayFor.Order(Comparer<System.Net.IPNetwork>.Create(static (a, b) => string.CompareOrdinal(a.ToString(), b.ToString()))), again.RelayFor.Order(Comparer<System.Net.IPNetwork>.Create(static (a, b) => string.CompareOrdinal(a.ToString(), b.ToString()))));
        Assert.Equal(config.Rated.Select(static n => n.ToString()).Order(), again.Rated.Select(static n => n.ToString()).Order());
        Assert.Equal(config.Injectors.Select(static row => row.Tenant), again.Injectors.Select(static row => row.Tenant));
    }

    [Fact]
    public void Users_and_certificates_may_be_a_tenant_too()
    {
        string fingerprint = new('a', 64);
        ConfigResult result = Read($"""
            [tls]
            certificate = "a"
            key = "b"
            [auth]
            users = "users"
            [[relay_for]]
            users = true
            tenant = "all"
            [[relay_for]]
            certificates = ["sha256:{fingerprint}"]
            tenant_header = true
            """);
        Assert.Empty(result.Errors);
        Assert.Equal([(true, "all", 0), (false, "", 1)], result.Config!.Injectors.Select(static row => (row.Users, row.Tenant, row.Certificates.Count)));
        string written = EffectiveConfig.Write(result.Config!);
        RelayConfig again = Read(written).Config!;
        Assert.Equal(written, EffectiveConfig.Write(again));
        Assert.True(again.RelayUsers);
        Assert.Equal([fingerprint], again.RelayCertificates);
    }

    [Theory]
    [InlineData("[[tenant]]\nweight = 2", "is missing")]
    [InlineData("[[tenant]]\nname = \"a b\"", "no tenant's name")]
    [InlineData("[[tenant]]\nname = \"a\"\n[[tenant]]\nname = \"a\"", "stands twice")]
    [InlineData("[[tenant]]\nname = \"a\"\nweight = 0", "must be 1 to 100")]
    [InlineData("[[tenant]]\nname = \"a\"\nweight = 101", "must be 1 to 100")]
    [InlineData("[[tenant]]\nname = \"a\"\nsessions = 0", "must be 1 to")]
    [InlineData("[[listen]]\naddress = \"127.0.0.1:25\"\ntenant = \"\"", "no tenant's name")]
    [InlineData("[[relay_for]]\ndomains = [\"a.test\"]\ntenant = \"a\"", "it needs networks, users or certificates")]
    [InlineData("[[relay_for]]\ndomains = [\"a.test\"]\ntenant_header = true", "it needs networks, users or certificates")]
    [InlineData("[queue]\ntenant_header_name = \"X Tenant\"", "no name of a header field")]
    [InlineData("[queue]\ntenant_header_name = \"X-Tenant:\"", "no name of a header field")]
    [InlineData("[queue]\ntenant_header_name = \"\"", "no name of a header field")]
    [InlineData("[queue]\ntenant_header_name = \".X\"", "no name of a header field")]
    public void What_is_wrong_is_said(string text, string error)
    {
        Assert.Contains(error, Assert.Single(Read(text).Errors).Message);
    }

    [Fact]
    public void Names_have_a_bound_and_an_alphabet()
    {
        Assert.True(TenantName.IsValid(new string('a', Limits.TenantBytes)));
        Assert.False(TenantName.IsValid(new string('a', Limits.TenantBytes + 1)));
        Assert.True(TenantName.IsValid("User.Name+x@example-1.test_2"));
        foreach (string wrong in new[] { "", "a b", "a/b", "a\"", "a=b", "ä", "a\n", "*" })
        {
            Assert.False(TenantName.IsValid(wrong), wrong);
        }
        string name = new('x', TenantReader.HeaderMax);
        Assert.Empty(Read($"[queue]\ntenant_header_name = \"{name}\"").Errors);
        Assert.Single(Read($"[queue]\ntenant_header_name = \"{name}x\"").Errors);
    }
}
