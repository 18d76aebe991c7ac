using FastRelay.Config;

namespace FastRelay.Tests.Config;

/// <summary>What the configuration says of TLS towards others: certificates of ours by route, and policies by site.</summary>
public sealed class DeliverTlsTests
{
    private const string Host = "[[route]]\ndomain = \"*\"\nto = \"smtp:a.test\"\n";
    private const string Pair = "client_certificate = \"our.crt\"\nclient_key = \"/keys/our.key\"\n";

    private static ConfigResult Read(string text) => ConfigReader.Read(text, "relay.toml", "/etc/fastrelay", "host.example", _ => null);

    private static RelayConfig Good(string text)
    {
        ConfigResult result = Read(text);
        Assert.Empty(result.Errors);
        string written = EffectiveConfig.Write(result.Config!);
        Assert.Equal(written, EffectiveConfig.Write(Read(written).Config!));
        return result.Config!;
    }

    [Fact]
    public void A_certificate_is_two_files_and_its_host_has_to_prove_who_it_is()
    {
        RouteConfig route = Good(Host + Pair).Routes[0];
        Assert.Equal(new KeyPairConfig("/etc/fastrelay/our.crt", "/keys/our.key"), route.Certificate);
        Assert.Equal((DeliverTls.Verified, true), (route.Tls, route.OwnTls));
        Assert.Equal(DeliverTls.Required, Good(Host + Pair + "tls = \"required\"\n").Routes[0].Tls);
        Assert.Equal(DeliverTls.Implicit, Good(Host + Pair + "tls = \"implicit\"\n").Routes[0].Tls);
        Assert.NotNull(Good("[[route]]\ndomain = \"a.test\"\nto = \"mx:\"\n" + Pair).Routes[0].Certificate);
    }

    [Fact]
    public void Rows_may_name_the_same_certificate_which_is_read_once()
    {
        RelayConfig config = Good("[[route]]\ndomain = \"b.test\"\nto = \"smtp:b.test\"\n" + Pair + Host + Pair);
        Assert.Equal(new KeyPairConfig("/etc/fastrelay/our.crt", "/keys/our.key"), Assert.Single(config.ClientPairs));
    }

    [Fact]
    public void Rows_with_other_certificates_share_no_connections_and_may_differ()
    {
        RelayConfig config = Good("[[route]]\ndomain = \"b.test\"\nto = \"smtp:a.test\"\nin_flight = 8\ntls = \"verified\"\n" + Host + Pair);
        Assert.Equal((8, 0), (config.Routes[0].InFlight, config.Routes[1].InFlight));
    }

    [Theory]
    [InlineData(Host, false, DeliverTls.Required)]
    [InlineData(Host + "tls = \"required\"\n", true, DeliverTls.Required)]
    [InlineData(Host + "tls = \"none\"\n", true, DeliverTls.None)]
    [InlineData(Host + "user = \"u\"\npassword_file = \"p\"\n", true, DeliverTls.Verified)]
    public void A_row_says_what_it_asks_or_leaves_it_to_deliver(string row, bool own, DeliverTls tls)
    {
        RelayConfig config = Good("[deliver]\ntls = \"required\"\n" + row);
        Assert.Equal((own, tls), (config.Routes[0].OwnTls, config.Routes[0].Tls));
        Assert.Equal(own, Good(EffectiveConfig.Write(config)).Routes[0].OwnTls);
    }

    [Theory]
    [InlineData("none", DeliverTls.None)]
    [InlineData("opportunistic", DeliverTls.Opportunistic)]
    [InlineData("required", DeliverTls.Required)]
    [InlineData("verified", DeliverTls.Verified)]
    public void A_site_may_say_nothing_but_what_it_asks(string word, DeliverTls tls)
    {
        RelayConfig config = Good($"[[site]]\nmatch = \"google.com\"\ntls = \"{word}\"\n");
        Assert.Equal(tls, Assert.Single(config.Sites).Tls);
        Assert.Contains($"match = \"google.com\"\ntls = \"{word}\"\n", EffectiveConfig.Write(config), StringComparison.Ordinal);
        Assert.Null(Assert.Single(Good("[[site]]\nmatch = \"google.com\"\nsessions = 3\n").Sites).Tls);
    }

    [Theory]
    [InlineData(Host + "client_certificate = \"c\"", 4, "route.client_certificate", "needs client_key")]
    [InlineData(Host + "client_key = \"k\"", 4, "route.client_key", "needs client_certificate")]
    [InlineData(Host + "client_certificate = 1\nclient_key = \"k\"", 4, "route.client_certificate", "must be a text")]
    [InlineData(Host + Pair + "tls = \"opportunistic\"", 6, "route.tls", "it is shown only inside TLS")]
    [InlineData(Host + Pair + "tls = \"none\"", 6, "route.tls", "where there is a client_certificate")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"discard:\"\n" + Pair, 4, "route.client_certificate", "is for hosts, \"smtp:host\" or \"mx:\"")]
    [InlineData("[[route]]\ndomain = \"b.test\"\nto = \"smtp:b.test\"\nclient_certificate = \"our.crt\"\nclient_key = \"other\"\n" + Host + Pair, 10, "route.client_key", "which has the same certificate")]
    [InlineData("[[site]]\nmatch = \"a.test\"\ntls = \"implicit\"", 3, "site.tls", "is for a [[route]] to \"smtp:host:465\"")]
    [InlineData("[[site]]\nmatch = \"a.test\"\ntls = \"strict\"", 3, "site.tls", "must be one of \"none\", \"opportunistic\", \"required\", \"verified\"")]
    [InlineData("[[site]]\nmatch = \"a.test\"\ntls = true", 3, "site.tls", "must be one of")]
    [InlineData("[[site]]\nmatch = \"a.test\"", 1, "site.rate", "or tls")]
    [InlineData("[deliver]\nclient_certificate = \"c\"", 2, "deliver.client_certificate", "unknown key")]
    public void An_error_names_its_line_its_key_and_what_would_be_right(string text, int line, string key, string message)
    {
        ConfigResult result = Read(text);
        Assert.Null(result.Config);
        ConfigError error = Assert.Single(result.Errors);
        Assert.Equal((line, key), (error.Line, error.Key));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }
}
