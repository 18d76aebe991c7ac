using System.Net;
using FastRelay.Config;
using FastRelay.Routing;

namespace FastRelay.Tests.Config;

public sealed class ConfigReaderTests
{
    private static ConfigResult Read(string text) =>
        ConfigReader.Read(text, "relay.toml", "/etc/fastrelay", "HOST.example", to => NextHop.TryParse(to, out _, out string error) ? null : error);

    private static RelayConfig Good(string text)
    {
        ConfigResult result = Read(text);
        Assert.Empty(result.Errors);
        return result.Config!;
    }

    [Fact]
    public void An_empty_file_serves_this_host_only()
    {
        RelayConfig config = Good("");
        Assert.Equal("host.example", config.HostName);
        Assert.Equal("/etc/fastrelay/spool", config.Spool);
        Assert.Equal(SyncKind.Group, config.Sync);
        Assert.Equal([new ListenConfig(new IPEndPoint(IPAddress.Loopback, 2525), ListenTls.None)], config.Listen);
        Assert.Contains(config.RelayFor, n => n.Contains(IPAddress.Loopback));
        Assert.Contains(config.RelayFor, n => n.Contains(IPAddress.IPv6Loopback));
        Assert.DoesNotContain(config.RelayFor, n => n.Contains(IPAddress.Parse("192.0.2.1")));
        Assert.Empty(config.DnsServers);
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 2580), config.AdminHttp);
        Assert.Equal(25, config.Deliver.Port);
        Assert.Equal(new Limits(), config.Limits);
    }

    [Fact]
    public void Every_key_of_a_full_file_is_taken()
    {
        RelayConfig config = Good(Full);
        Assert.Equal("relay.example.net", config.HostName);
        Assert.Equal("/var/lib/fastrelay", config.Spool);
        Assert.Equal(SyncKind.None, config.Sync);
        Assert.Equal(
            [
                new ListenConfig(IPEndPoint.Parse("0.0.0.0:25"), ListenTls.StartTls),
                new ListenConfig(IPEndPoint.Parse("[::1]:2525"), ListenTls.None),
            ],
            config.Listen);
        Assert.Equal([IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("::1/128"), IPNetwork.Parse("192.0.2.7/32")], config.RelayFor);
        Assert.Equal(["example.com", ".example.org"], config.RelayDomains);
        Assert.Equal("/etc/fastrelay/relay.crt", config.Tls.Certificate);
        Assert.Equal("/keys/relay.key", config.Tls.Key);
        Assert.Equal("/etc/fastrelay/ca.pem", config.Tls.Authorities);
        Assert.Equal(20L << 20, config.Limits.MessageBytes);
        Assert.Equal(90_000, config.Limits.IdleTimeoutMs);
        Assert.Equal(7, config.Limits.Recipients);
        Assert.Equal(65536, config.Limits.HeaderBytes);
        Assert.Equal(7_200, config.Limits.DnsTtlCapSeconds);
        Assert.Equal(3_000, config.Limits.DnsTimeoutMs);
        Assert.Equal(15_000, config.Limits.ConnectTimeoutMs);
        Assert.Equal([IPEndPoint.Parse("127.0.0.1:5353"), IPEndPoint.Parse("192.0.2.53:53"), IPEndPoint.Parse("[2001:db8::53]:53")], config.DnsServers);
        Assert.Equal([1_000, 5_400_000], config.RetryMs);
        Assert.Equal(4 * 86_400_000L, config.ExpireMs);
        Assert.Equal(2500, config.Deliver.Port);
        Assert.True(config.Deliver.AllowPrivate);
        Assert.Equal(DeliverFamilies.Ipv6First, config.Deliver.Families);
        Assert.Equal(DeliverTls.Required, config.Deliver.Tls);
        Assert.Equal(IPAddress.Parse("192.0.2.9"), config.Deliver.Source);
        Assert.Equal(
            [
                new RouteConfig("sink.test", "smtp:[127.0.0.1]:2600", DeliverTls.Verified) { OwnTls = true },
                new RouteConfig(".example.com", "discard:", DeliverTls.Required),
                new RouteConfig("*", "error:5.1.2 no", DeliverTls.None) { OwnTls = true },
            ],
            config.Routes);
        Assert.Null(config.AdminHttp);
        Assert.Equal(
            ["connect_timeout", "dns_timeout", "dns_ttl_cap", "header_bytes", "idle_timeout", "message_bytes", "recipients"],
            config.LimitsSet.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_effective_configuration_reads_back_as_itself()
    {
        foreach (string text in (string[])["", Full])
        {
            RelayConfig config = Good(text);
            string written = EffectiveConfig.Write(config);
            Assert.Equal(written, EffectiveConfig.Write(Good(written)));
            Assert.Contains($"hostname = \"{config.HostName}\"", written);
        }
    }

    [Fact]
    public void Odd_characters_of_a_path_survive_the_effective_configuration()
    {
        RelayConfig config = Good("spool = \"/tmp/a \\\"b\\\\c\\t\\u00e9\"");
        Assert.Equal("/tmp/a \"b\\c\t\u00e9", config.Spool);
        Assert.Equal(config.Spool, Good(EffectiveConfig.Write(config)).Spool);
    }

    [Fact]
    public void A_listener_offers_STARTTLS_by_itself_once_there_is_a_certificate()
    {
        const string tls = "[tls]\ncertificate = \"c\"\nkey = \"k\"\n";
        Assert.Equal(ListenTls.StartTls, Good(tls).Listen[0].Tls);
        Assert.Equal(ListenTls.StartTls, Good("[[listen]]\naddress = \"[::]:25\"\n" + tls).Listen[0].Tls);
        Assert.Equal(ListenTls.None, Good("[[listen]]\naddress = \"[::]:25\"\ntls = \"none\"\n" + tls).Listen[0].Tls);
    }

    [Fact]
    public void Every_example_in_the_documentation_is_right_and_warns_of_nothing()
    {
        string folder = Path.Combine(LimitTableTests.Root(), "docs", "examples");
        string[] files = Directory.GetFiles(folder, "*.toml");
        Assert.NotEmpty(files);
        foreach (string file in files)
        {
            ConfigResult result = Read(File.ReadAllText(file));
            Assert.Empty(result.Errors.Concat(result.Warnings).Select(e => $"{file}: {e}"));
        }
    }

    [Fact]
    public void Users_and_listeners_for_them_are_read()
    {
        RelayConfig config = Good("""
            [tls]
            certificate = "c"
            key = "k"
            [auth]
            users = "people"
            [[listen]]
            address = "0.0.0.0:465"
            tls = "implicit"
            [[listen]]
            address = "0.0.0.0:587"
            submission = true
            bare_newlines = "refuse"
            [[relay_for]]
            users = true
            """);
        Assert.EndsWith("/people", config.UsersFile);
        Assert.True(config.RelayUsers);
        Assert.Empty(config.RelayFor);
        Assert.Equal(ListenTls.Implicit, config.Listen[0].Tls);
        Assert.Equal(new ListenConfig(IPEndPoint.Parse("0.0.0.0:587"), ListenTls.StartTls) { Submission = true, RefuseBareNewlines = true }, config.Listen[1]);
    }

    [Theory]
    [InlineData("hostnam = \"a\"", 1, "hostnam", "did you mean \"hostname\"?")]
    [InlineData("\n\n[limits]\nmesage_bytes = \"1MiB\"", 4, "limits.mesage_bytes", "did you mean \"message_bytes\"?")]
    [InlineData("[limits]\nxyzzy = 1", 2, "limits.xyzzy", "in [limits] may stand: receive_sessions, ")]
    [InlineData("[limts]\nrecipients = 1", 1, "limts", "did you mean \"limits\"?")]
    [InlineData("limits.recipient = 5", 1, "limits.recipient", "did you mean \"recipients\"?")]
    [InlineData("hostname = 5", 1, "hostname", "must be a text, as in hostname = \"relay.example.net\"; it is 5")]
    [InlineData("hostname = \"a b\"", 1, "hostname", "is no host name")]
    [InlineData("sync = \"always\"", 1, "sync", "must be one of \"group\", \"none\"; it is \"always\"")]
    [InlineData("[limits]\nidle_timeout = 300", 2, "limits.idle_timeout", "duration with its unit")]
    [InlineData("[limits]\nidle_timeout = \"5 minutes\"", 2, "limits.idle_timeout", "as in \"5m\"")]
    [InlineData("[limits]\nidle_timeout = \"99999999999999999999m\"", 2, "limits.idle_timeout", "duration with its unit")]
    [InlineData("[limits]\nidle_timeout = \"2d\"", 2, "limits.idle_timeout", "must be 100ms to 1d; it is \"2d\"")]
    [InlineData("[limits]\nmessage_bytes = \"50 megs\"", 2, "limits.message_bytes", "must be a size, as in \"50MiB\"")]
    [InlineData("[limits]\nrecipients = 0", 2, "limits.recipients", "must be 1 to 100000; it is 0")]
    [InlineData("[limits]\nrecipients = \"many\"", 2, "limits.recipients", "must be a whole number from 1 to 100000; it is \"many\"")]
    [InlineData("[limits]\nrecipients = 1.5", 2, "limits.recipients", "must be a whole number from 1 to 100000; it is 1.5")]
    [InlineData("[limits]\ndns_ttl_floor = \"1h\"\ndns_ttl_cap = \"1m\"", 1, "limits.dns_ttl_floor", "must not be above dns_ttl_cap")]
    [InlineData("[[listen]]\naddress = \"0.0.0.0\"", 2, "listen.address", "is no address with a port: write \"0.0.0.0:25\"")]
    [InlineData("[[listen]]\naddress = \"localhost:25\"", 2, "listen.address", "is no address with a port")]
    [InlineData("[[listen]]\naddress = \"127.1:25\"", 2, "listen.address", "is no address with a port")]
    [InlineData("[[listen]]\naddress = \"::1:25\"", 2, "listen.address", "is no address with a port")]
    [InlineData("[[listen]]\naddress = \"[::1]:99999\"", 2, "listen.address", "is no address with a port")]
    [InlineData("[[listen]]\ntls = \"none\"", 1, "listen.address", "is missing, as in address = \"0.0.0.0:25\"")]
    [InlineData("[listen]\naddress = \"0.0.0.0:25\"", 1, "listen", "write [[listen]] with double brackets")]
    [InlineData("[[tls]]\ncertificate = \"c\"", 1, "tls", "as [tls] with single brackets")]
    [InlineData("listen = []", 1, "listen", "is empty")]
    [InlineData("[[listen]]\naddress = \"127.0.0.1:25\"\n[[listen]]\naddress = \"127.0.0.1:25\"", 3, "listen.address", "listened on twice")]
    [InlineData("[[listen]]\naddress = \"127.0.0.1:25\"\ntls = \"starttls\"", 3, "listen.tls", "needs [tls] with certificate and key")]
    [InlineData("[[listen]]\naddress = \"127.0.0.1:25\"\ntls = \"implicit\"", 3, "listen.tls", "needs [tls]")]
    [InlineData("[[listen]]\naddress = \"127.0.0.1:25\"\nbare_newlines = \"keep\"", 3, "listen.bare_newlines", "\"normalise\", \"refuse\"")]
    [InlineData("[auth]\nusers = \"u\"\n[[listen]]\naddress = \"127.0.0.1:25\"\nsubmission = true", 5, "listen.submission", "inside TLS")]
    [InlineData("[[relay_for]]\nusers = true", 2, "relay_for.users", "needs [auth]")]
    [InlineData("[auth]\nusers = \"u\"\n[[relay_for]]\nusers = true", 4, "relay_for.users", "in clear")]
    [InlineData("[[listen]]\naddress = \"127.0.0.1:25\"\ntls = \"ssl\"", 3, "listen.tls", "must be one of \"none\", \"starttls\"")]
    [InlineData("[[listen]]\naddress = \"127.0.0.1:25\"\nproxy_protocol = 1", 3, "listen.proxy_protocol", "must be true or false")]
    [InlineData("[[listen]]\naddress = \"127.0.0.1:25\"\nproxies = [\"10.0.0.0/8\"]", 3, "listen.proxies", "needs proxy_protocol = true")]
    [InlineData("[[listen]]\naddress = \"127.0.0.1:25\"\nproxy_protocol = true\nproxies = []", 4, "listen.proxies", "is empty")]
    [InlineData("[[listen]]\naddress = \"127.0.0.1:25\"\nproxy_protocol = true\nproxies = [\"here\"]", 4, "listen.proxies", "is no network")]
    [InlineData("[tls]\n[[tls.also]]\ncertificate = \"c\"\nkey = \"k\"", 2, "tls.also.certificate", "need certificate and key in [tls]")]
    [InlineData("[tls]\ncertificate = \"c\"\nkey = \"k\"\n[[tls.also]]\ncertificate = \"d\"", 4, "tls.also.key", "belong together")]
    [InlineData("[[relay_for]]\ncertificates = [\"sha256:12\"]", 2, "relay_for.certificates", "64 hexadecimal digits")]
    [InlineData("[[relay_for]]\ncertificates = [\"sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"]", 2, "relay_for.certificates", "needs a listener with TLS")]
    [InlineData("[[relay_for]]\nnetworks = [\"10.0.0.1/8\"]", 2, "relay_for.networks", "write \"10.0.0.0/8\" for the network or \"10.0.0.1\" for the one host")]
    [InlineData("[[relay_for]]\nnetworks = [\n  \"10.0.0.0/8\",\n  \"10.0.0.0/33\",\n]", 4, "relay_for.networks", "prefix length must be 0 to 32")]
    [InlineData("[[relay_for]]\nnetworks = [\"here\"]", 2, "relay_for.networks", "is no network: write")]
    [InlineData("[[relay_for]]\nnetworks = [10]", 2, "relay_for.networks", "every network is a text")]
    [InlineData("[[relay_for]]\nnetworks = \"10.0.0.0/8\"", 2, "relay_for.networks", "must be a list")]
    [InlineData("[[relay_for]]", 1, "relay_for.networks", "is missing")]
    [InlineData("[[relay_for]]\ndomains = [\"*\"]", 2, "relay_for.domains", "is no domain")]
    [InlineData("[[relay_for]]\nnetworks = []\ncertificates = true", 3, "relay_for.certificates", "must be a list")]
    [InlineData("[tls]\ncertificate = \"c\"", 1, "tls.key", "is missing: a certificate and its key belong together")]
    [InlineData("[tls]\nkey = \"k\"", 1, "tls.certificate", "is missing: a certificate and its key belong together")]
    [InlineData("[dns]\nservers = [\"ns.example\"]", 2, "dns.servers", "is no address of a name server")]
    [InlineData("[dns]\nservers = \"127.0.0.1\"", 2, "dns.servers", "must be a list")]
    [InlineData("[dns]\ntimeout = \"5s\"\n[limits]\ndns_timeout = \"5s\"", 2, "dns.timeout", "is the same as limits.dns_timeout")]
    [InlineData("[queue]\nretry = []", 2, "queue.retry", "needs at least one wait")]
    [InlineData("[queue]\nretry = [\"5m\",\n  \"soon\"]", 3, "queue.retry", "duration with its unit")]
    [InlineData("[queue]\nexpire = \"never\"", 2, "queue.expire", "duration with its unit")]
    [InlineData("[deliver]\nport = 0", 2, "deliver.port", "must be 1 to 65535; it is 0")]
    [InlineData("[deliver]\nfamilies = \"both\"", 2, "deliver.families", "must be one of \"ipv4-first\", \"ipv6-first\", \"ipv4\", \"ipv6\"; it is \"both\"")]
    [InlineData("[deliver]\nallow_private = \"yes\"", 2, "deliver.allow_private", "must be true or false; it is \"yes\"")]
    [InlineData("[deliver]\nsource = \"eth0\"", 2, "deliver.source", "is no address")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"smtp://x\"", 3, "route.to", "is neither a host name nor an address")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"smtp:[127.0.0.1]:0\"", 3, "route.to", "port must be 1 to 65535")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"lmtp:/run/lmtp\"", 3, "route.to", "\"lmtp:\" is not available yet")]
    [InlineData("[[route]]\ndomain = \"*\"", 1, "route.to", "is missing, as in to = ")]
    [InlineData("[[route]]\nto = \"discard:\"", 1, "route.domain", "is missing")]
    [InlineData("[[route]]\ndomain = \"*.example.com\"\nto = \"discard:\"", 2, "route.domain", "is no domain")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"discard:\"\ntls = \"always\"", 4, "route.tls", "must be one of \"none\", \"opportunistic\"")]
    [InlineData("[[route]]\ndomain = \"a.test\"\nto = \"smtp:m.test\"\nuser = \"u\"\npassword_file = \"p\"\n[[route]]\ndomain = \"*\"\nto = \"smtp:m.test\"\nuser = \"u\"\npassword_file = \"q\"", 10, "route.password_file", "same host and user")]
    [InlineData("[[site]]\nrate = \"1/1s\"", 1, "site.match", "is missing")]
    [InlineData("[[site]]\nmatch = \"a b\"\nsessions = 1", 2, "site.match", "is no domain")]
    [InlineData("[[site]]\nmatch = \"a.test\"", 1, "site.rate", "or sessions must be given")]
    [InlineData("[[site]]\nmatch = \"a.test\"\nrate = \"10\"", 3, "site.rate", "is no rate")]
    [InlineData("[[site]]\nmatch = \"a.test\"\nrate = \"0/1m\"", 3, "site.rate", "is no rate")]
    [InlineData("[[site]]\nmatch = \"a.test\"\nrate = \"100000001/1m\"", 3, "site.rate", "is no rate")]
    [InlineData("[[site]]\nmatch = \"a.test\"\nrate = \"1/31d\"", 3, "site.rate", "is no rate")]
    [InlineData("[[site]]\nmatch = \"a.test\"\nrate = \"1/999ms\"", 3, "site.rate", "is no rate")]
    [InlineData("[[site]]\nmatch = \"a.test\"\nsessions = 0", 3, "site.sessions", "must be")]
    [InlineData("[[site]]\nmatch = \"a.test\"\nin_flight = 257", 3, "site.in_flight", "must be 1 to 256")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"smtp:a.test\"\nin_flight = 0", 4, "route.in_flight", "must be 1 to 256")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"mx:\"\nin_flight = 8", 4, "route.in_flight", "it stands in [[site]]")]
    [InlineData("[[route]]\ndomain = \"b.test\"\nto = \"smtp:a.test\"\nin_flight = 8\n[[route]]\ndomain = \"*\"\nto = \"smtp:a.test\"", 5, "route.in_flight", "shares its connections")]
    [InlineData("[deliver]\neight_bit = \"maybe\"", 2, "deliver.eight_bit", "as_is")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"mx:\"\neight_bit = \"convert\"", 4, "route.eight_bit", "it stands in [[site]]")]
    [InlineData("[[route]]\ndomain = \"b.test\"\nto = \"smtp:a.test\"\neight_bit = \"bounce\"\n[[route]]\ndomain = \"*\"\nto = \"smtp:a.test\"", 5, "route.eight_bit", "shares its connections")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"smtp:a.test\"\nuser = \"u\"", 4, "route.user", "needs password_file")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"smtp:a.test\"\npassword_file = \"p\"", 4, "route.password_file", "needs user")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"mx:\"\nuser = \"u\"\npassword_file = \"p\"", 4, "route.user", "is for a next hop")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"smtp:a.test\"\nuser = \"u v\"\npassword_file = \"p\"", 4, "route.user", "without spaces")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"smtp:a.test\"\nuser = \"u\"\npassword_file = \"p\"\ntls = \"opportunistic\"", 6, "route.tls", "only inside TLS")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"discard:\"\nsender = \"a\"", 4, "route.sender", "not available yet")]
    [InlineData("[admin]\nhttp = \"2580\"", 2, "admin.http", "is no address with a port")]
    [InlineData("[admin]\nhttp = \"0.0.0.0:2580\"", 2, "admin.http", "name a token_file")]
    [InlineData("[admin]\nhttp = \"[::]:2580\"", 2, "admin.http", "name a token_file")]
    [InlineData("a = 1\nhostname = ", 2, "", "not TOML: ")]
    public void An_error_names_its_line_its_key_and_what_would_be_right(string text, int line, string key, string message)
    {
        ConfigResult result = Read(text);
        Assert.Null(result.Config);
        Assert.Contains(result.Errors, e => e.Line == line && e.Key == key && e.Message.Contains(message, StringComparison.Ordinal));
        Assert.Contains(result.Errors, e => e.ToString().StartsWith(key.Length > 0 ? $"relay.toml:{line}: {key}: " : $"relay.toml:{line}: ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("hostname = \"a\"\nhostname = \"b\"", 2)]
    [InlineData("[dns]\ntimeout = \"1s\"\n[dns]\ntimeout = \"2s\"", 3)]
    [InlineData("[dns]\ntimeout = \"1s\"\ntimeout = \"2s\"", 3)]
    public void A_key_that_stands_twice_is_an_error_at_the_second(string text, int line)
    {
        ConfigResult result = Read(text);
        Assert.Null(result.Config);
        Assert.Contains(result.Errors, e => e.Line == line);
    }

    [Theory]
    [InlineData("", DeliverTls.Verified)]
    [InlineData("tls = \"required\"", DeliverTls.Required)]
    [InlineData("tls = \"implicit\"", DeliverTls.Implicit)]
    public void A_route_with_a_user_verifies_its_host_unless_it_says_otherwise(string tls, DeliverTls expected)
    {
        RelayConfig config = Good("[[route]]\ndomain = \"*\"\nto = \"smtp:a.test:587\"\nuser = \"u\"\npassword_file = \"/run/p\"\n" + tls);
        Assert.Equal(new RouteConfig("*", "smtp:a.test:587", expected, "u", "/run/p") { OwnTls = true }, Assert.Single(config.Routes));
        string written = EffectiveConfig.Write(config);
        Assert.Equal(written, EffectiveConfig.Write(Good(written)));
    }

    [Fact]
    public void Sites_have_sessions_and_rates()
    {
        RelayConfig config = Good("[[site]]\nmatch = \"Google.com\"\nsessions = 10\nrate = \"600/1m\"\n[[site]]\nmatch = \"mx.a.test\"\nrate = \"10000/1d\"");
        Assert.Equal([new SiteConfig("google.com", 10, 600, 60_000), new SiteConfig("mx.a.test", 0, 10_000, 86_400_000)], config.Sites);
        string written = EffectiveConfig.Write(config);
        Assert.Contains("rate = \"600/1m\"", written);
        Assert.Equal(written, EffectiveConfig.Write(Good(written)));
    }

    [Fact]
    public void Routes_and_sites_may_have_many_messages_in_flight()
    {
        RelayConfig config = Good("[[route]]\ndomain = \"a.test\"\nto = \"smtp:m.test\"\nin_flight = 1\n[[route]]\ndomain = \"*\"\nto = \"smtp:n.test\"\nin_flight = 256\n[[site]]\nmatch = \"b.test\"\nin_flight = 32");
        Assert.Equal([1, 256], config.Routes.Select(route => route.InFlight));
        Assert.Equal(32, Assert.Single(config.Sites).InFlight);
        string written = EffectiveConfig.Write(config);
        Assert.Contains("in_flight = 256", written);
        Assert.Contains("in_flight = 32", written);
        Assert.Equal(written, EffectiveConfig.Write(Good(written)));
        // What they may need at worst is in the sum.
        long without = MemoryEstimate.Total(Good(""));
        Assert.Equal(without + (2_000L * 256 * 1024), MemoryEstimate.Total(config));
    }

    [Fact]
    public void What_becomes_of_8_bit_content_is_said_for_all_a_route_or_a_site()
    {
        Assert.Equal(EightBitMode.AsIs, Good("").Deliver.EightBit);
        RelayConfig config = Good("[deliver]\neight_bit = \"convert\"\n[[route]]\ndomain = \"a.test\"\nto = \"smtp:m.test\"\neight_bit = \"as_is\"\n[[site]]\nmatch = \"b.test\"\neight_bit = \"bounce\"");
        Assert.Equal(EightBitMode.Convert, config.Deliver.EightBit);
        Assert.Equal(EightBitMode.AsIs, Assert.Single(config.Routes).EightBit);
        Assert.Equal(EightBitMode.Bounce, Assert.Single(config.Sites).EightBit);
        string written = EffectiveConfig.Write(config);
        Assert.Equal(written, EffectiveConfig.Write(Good(written)));
        // What the conversion may need at worst is in the sum.
        Assert.Equal(MemoryEstimate.Total(Good("")) + (2_000L * 44 * 1024), MemoryEstimate.Total(config));
    }

    [Fact]
    public void A_site_may_have_several_rates_of_messages_connections_and_octets()
    {
        RelayConfig config = Good("[[site]]\nmatch = \"a.test\"\nrate = \"600/1m\"\nrates = [\"100 messages/1h\", \"20 connections/10s\", \"50MiB/1d\"]");
        SiteConfig site = Assert.Single(config.Sites);
        Assert.Equal(
            [
                new SiteRate(SiteRateUnit.Messages, 600, 60_000),
                new SiteRate(SiteRateUnit.Messages, 100, 3_600_000),
                new SiteRate(SiteRateUnit.Connections, 20, 10_000),
                new SiteRate(SiteRateUnit.Octets, 50 << 20, 86_400_000),
            ],
            site.AllRates);
        string written = EffectiveConfig.Write(config);
        Assert.Contains("rates = [\"100 messages/1h\", \"20 connections/10s\", \"50MiB/1d\"]", written);
        Assert.Equal(written, EffectiveConfig.Write(Good(written)));
    }

    [Theory]
    [InlineData("100 messages/1s", true)]
    [InlineData("100000000 messages/30d", true)]
    [InlineData("100000001 messages/30d", false)]
    [InlineData("100000001 connections/30d", false)]
    [InlineData("0 messages/1m", false)]
    [InlineData("1024TiB/1m", true)]
    [InlineData("1025TiB/1m", false)]
    [InlineData("0B/1m", false)]
    [InlineData("100 messages/999ms", false)]
    [InlineData("100 messages/31d", false)]
    [InlineData("100 mails/1m", false)]
    [InlineData("100/1m", false)]
    [InlineData("messages/1m", false)]
    [InlineData("100 messages", false)]
    public void A_rate_is_read_or_refused_with_what_would_be_right(string rate, bool good)
    {
        ConfigResult result = Read($"[[site]]\nmatch = \"a.test\"\nrates = [\"{rate}\"]");
        Assert.Equal(good ? [] : ["site.rates"], result.Errors.Select(static e => e.Key));
        Assert.All(result.Errors, e => Assert.Contains("is no rate: write messages, connections or a size", e.Message));
    }

    [Theory]
    [InlineData(8, 0)]
    [InlineData(9, 1)]
    public void A_site_has_eight_rates_at_most(int count, int errors) =>
        Assert.Equal(errors, Read($"[[site]]\nmatch = \"a.test\"\nrates = [{string.Join(", ", Enumerable.Repeat("\"1 messages/1m\"", count))}]").Errors.Count);

    [Fact]
    public void All_errors_are_told_in_the_order_of_the_lines()
    {
        ConfigResult result = Read("""
            hostnam = "a"
            sync = "maybe"
            [[listen]]
            address = "nowhere"
            [queue]
            expire = 5
            [[route]]
            domain = "*"
            to = "carrier pigeon"
            """);
        Assert.Equal(["hostnam", "sync", "listen.address", "queue.expire", "route.to"], result.Errors.Select(e => e.Key));
        Assert.Equal([1, 2, 4, 6, 9], result.Errors.Select(e => e.Line));
    }

    [Theory]
    [InlineData("sync = \"none\"", 1, "sync", "comparisons")]
    [InlineData("[[listen]]\naddress = \"0.0.0.0:25\"\n[[relay_for]]\nnetworks = [\"0.0.0.0/0\"]", 4, "relay_for.networks", "open relay")]
    [InlineData("[[route]]\ndomain = \"*\"\nto = \"discard:\"\n[[route]]\ndomain = \"a.test\"\nto = \"discard:\"", 4, "route.domain", "never matches")]
    public void What_is_allowed_and_dangerous_is_warned_of(string text, int line, string key, string message)
    {
        ConfigResult result = Read(text);
        Assert.NotNull(result.Config);
        Assert.Contains(result.Warnings, e => e.Line == line && e.Key == key && e.Message.Contains(message, StringComparison.Ordinal));
    }

    private const string Full = """
        hostname = "Relay.Example.NET"
        spool = "/var/lib/fastrelay"
        sync = "none"
        [[listen]]
        address = "0.0.0.0:25"
        [[listen]]
        address = "[::1]:2525"
        tls = "none"
        [[relay_for]]
        networks = ["10.0.0.0/8", "::1"]
        [[relay_for]]
        networks = ["192.0.2.7"]
        domains = ["Example.com", ".example.org"]
        [tls]
        certificate = "relay.crt"
        key = "/keys/relay.key"
        ca = "ca.pem"
        [limits]
        message_bytes = "20MiB"
        idle_timeout = "1m30s"
        recipients = 7
        header_bytes = 65536
        dns_ttl_cap = "2h"
        [dns]
        servers = ["127.0.0.1:5353", "192.0.2.53", "[2001:db8::53]:53"]
        timeout = "3s"
        [queue]
        retry = ["1s", "1h30m"]
        expire = "4d"
        [deliver]
        port = 2500
        connect_timeout = "15s"
        allow_private = true
        families = "ipv6-first"
        tls = "required"
        source = "192.0.2.9"
        [[route]]
        domain = "Sink.Test"
        to = "smtp:[127.0.0.1]:2600"
        tls = "verified"
        [[route]]
        domain = ".example.com"
        to = "discard:"
        [[route]]
        domain = "*"
        to = "error:5.1.2 no"
        tls = "none"
        [admin]
        http = ""
        """;
}
