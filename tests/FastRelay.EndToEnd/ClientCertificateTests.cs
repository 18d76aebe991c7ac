using System.Net;
using System.Net.Sockets;
using FastRelay.EndToEnd.Rig;
using FastRelay.EndToEnd.Rig.Servers;

namespace FastRelay.EndToEnd;

/// <summary>TLS towards others, with real servers: certificates of ours that they ask for, policies by site, and chains that are never completed from the network.</summary>
public sealed class ClientCertificateTests : IDisposable
{
    private readonly Sink _sink = new(Place.NewAddress());
    private readonly string _folder = Place.NewFolder("ccert");
    private readonly Certificates _certificates;

    public ClientCertificateTests()
    {
        _certificates = new Certificates(_folder);
        _certificates.Server("127.0.0.1").Dispose();
        _certificates.Client("relay.client.test").Dispose();
    }

    public void Dispose()
    {
        _sink.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("required")]
    [InlineData("verified")]
    [InlineData("implicit")]
    public void Postfix_notes_whose_certificate_it_was_shown_by_the_route_that_has_one_and_by_no_other(string tls)
    {
        using MailServer server = Server("postfix", demands: false);
        int port = tls == "implicit" ? server.TlsPort : server.Port;
        using RelayProcess relay = Relay(Route("ours.test", port, tls, Pair("relay.client.test")) + Route("*", port, tls)).Start();
        for (int i = 0; i < 3; i++)
        {
            Send(relay, $"{i}@ours.test");
            Send(relay, $"{i}@else.test");
        }
        for (int i = 0; i < 3; i++)
        {
            Assert.Contains("(Client CN \"relay.client.test\", Issuer \"Test Authority\" (verified OK))", _sink.WaitFor(a => a.To.Contains($"{i}@ours.test")).Text, StringComparison.Ordinal);
            Assert.Contains("(Client did not present a certificate)", _sink.WaitFor(a => a.To.Contains($"{i}@else.test")).Text, StringComparison.Ordinal);
        }
        string explained = relay.Command("explain", "x@ours.test").Ok().Output;
        Assert.Matches($@"(?m)^tls +{tls}, as the row ""ours\.test"" of \[\[route\]\] says; the certificate of CN=relay\.client\.test, which ends on \d{{4}}-\d\d-\d\d, is shown to a host that asks$", explained);
        ToolResult tried = relay.Command("explain", "x@ours.test", "--try").Ok();
        Assert.Contains("= ours for a host that asks: CN=relay.client.test, valid until ", tried.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("certificate of CN=relay.client.test", relay.Command("explain", "x@else.test").Ok().Output, StringComparison.Ordinal);
        string key = File.ReadAllLines(_certificates.KeyFile("relay.client.test"))[1];
        Assert.All([relay.Log, explained, tried.Output, tried.Error, relay.Command("check").Ok().Output], text => Assert.DoesNotContain(key, text, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("postfix", "No client certificate presented", "because: [45]\\d\\d 4\\.7\\.1 .*No client certificate presented")]
    [InlineData("exim", "TLS error on connection", "because: TLS handshake: .*alert")]
    public void Who_demands_a_certificate_gets_mail_when_the_route_has_one(string name, string complaint, string reason)
    {
        using MailServer server = Server(name, demands: true);
        using RelayProcess relay = Relay(Route("*", server.Port, "required")).Start();
        Send(relay, "first@ours.test");
        Tool.Until(() => relay.Log.Contains("event=site_backoff", StringComparison.Ordinal), 30, () => relay.Log + server.Log);
        Assert.Equal(1, relay.QueueCount());
        Assert.Empty(_sink.Arrivals);
        Tool.Until(() => server.Log.Contains(complaint, StringComparison.Ordinal), 10, () => server.Log);
        string why = relay.Command("explain", "first@ours.test").Ok().Output;
        Assert.Matches(reason, why);

        // The operator gives the route a certificate: what waits goes at once, on connections of its own.
        File.WriteAllText(relay.ConfigFile, File.ReadAllText(relay.ConfigFile).Replace("tls = \"required\"", "tls = \"required\"\n" + Pair("relay.client.test"), StringComparison.Ordinal));
        Assert.Contains("route[1].client_certificate: ", relay.Command("reload").Ok().Output, StringComparison.Ordinal);
        _sink.WaitFor(a => a.To.Contains("first@ours.test"));
        relay.WaitForEmptyQueue();
    }

    [Fact]
    public void A_host_that_refuses_us_after_the_handshake_gets_mail_in_clear_where_that_is_allowed()
    {
        using MailServer server = Server("exim", demands: true);
        using RelayProcess relay = Relay(Route("*", server.Port, "opportunistic")).Start();
        Send(relay, "1@ours.test");
        _sink.WaitFor(a => a.To.Contains("1@ours.test"));
        Assert.Contains("event=tls_fallback", relay.Log, StringComparison.Ordinal);
        Assert.DoesNotMatch("status=delivered .* tls=", relay.Log);
    }

    [Theory]
    [InlineData("-tls1_3")]
    [InlineData("-tls1_2")]
    public void The_alert_of_a_host_that_demands_a_certificate_is_the_reason(string version)
    {
        int port = Place.FreePort();
        using System.Diagnostics.Process server = Tool.Start("openssl", [
            "s_server", "-accept", $"127.0.0.1:{port}", version, "-cert", _certificates.CertificateFile("127.0.0.1"), "-key", _certificates.KeyFile("127.0.0.1"),
            "-CAfile", _certificates.AuthorityFile, "-Verify", "1", "-verify_return_error", "-quiet"]);
        try
        {
            using RelayProcess relay = Relay(Route("*", port, "implicit")).Start();
            Send(relay, "1@ours.test");
            Tool.Until(() => relay.Log.Contains("event=site_backoff", StringComparison.Ordinal), 30, () => relay.Log);
            Assert.Matches(version == "-tls1_3" ? "TLS handshake: tlsv13 alert certificate required: the host wants a certificate of ours" : "TLS handshake: .*alert handshake failure", relay.Log);
            Assert.Matches("TLS handshake|alert", relay.Command("explain", "1@ours.test", "--try").Output);
        }
        finally
        {
            server.Kill();
            server.WaitForExit();
        }
    }

    [Fact]
    public void A_certificate_that_is_renewed_is_shown_without_a_restart_or_a_reload()
    {
        using MailServer server = Server("postfix", demands: false);
        using RelayProcess relay = Relay(Route("*", server.Port, "verified", Pair("relay.client.test")) + "\n[limits]\nmessages_per_connection = 1\n").Start();
        Send(relay, "1@ours.test");
        Assert.Contains("Client CN \"relay.client.test\"", _sink.WaitFor(a => a.To.Contains("1@ours.test")).Text, StringComparison.Ordinal);
        _certificates.Client("renewed.client.test").Dispose();
        File.Copy(_certificates.KeyFile("renewed.client.test"), _certificates.KeyFile("relay.client.test"), overwrite: true);
        File.Copy(_certificates.CertificateFile("renewed.client.test"), _certificates.CertificateFile("relay.client.test"), overwrite: true);
        Tool.Until(() => relay.Log.Contains("event=renewed", StringComparison.Ordinal), 20, () => relay.Log);
        Send(relay, "2@ours.test");
        Assert.Contains("Client CN \"renewed.client.test\"", _sink.WaitFor(a => a.To.Contains("2@ours.test")).Text, StringComparison.Ordinal);
        Assert.Contains("CN=renewed.client.test", relay.Command("explain", "x@ours.test").Ok().Output, StringComparison.Ordinal);
        // A restart reads the same files.
        Assert.Equal(0, relay.Stop());
        relay.Start();
        Send(relay, "3@ours.test");
        Assert.Contains("Client CN \"renewed.client.test\"", _sink.WaitFor(a => a.To.Contains("3@ours.test")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_site_that_asks_more_of_TLS_has_it_from_the_next_connection_on()
    {
        using var dns = new NsdServer(("strict.test", "@ MX 10 mx\nmx A 127.0.0.1"));
        using var sink = new Sink(IPAddress.Loopback) { Certificate = _certificates.Server("mx.strict.test") };
        using RelayProcess relay = new RelayProcess(RelayProcess.MxConfig(dns, sink.EndPoint.Port, $"""
            [limits]
            reuse_idle = "5m"
            [tls]
            ca = "{_certificates.AuthorityFile}"
            """).Replace("allow_private = true", "allow_private = true\ntls = \"none\"", StringComparison.Ordinal)).Start();
        Send(relay, "1@strict.test");
        Assert.False(sink.WaitFor(a => a.To.Contains("1@strict.test")).Tls);
        Assert.Matches(@"(?m)^tls +none, as \[deliver\] says$", relay.Command("explain", "strict.test").Ok().Output);
        File.AppendAllText(relay.ConfigFile, "\n[[site]]\nmatch = \"strict.test\"\ntls = \"verified\"\n");
        Assert.Contains("site[1].tls: ", relay.Command("reload").Ok().Output, StringComparison.Ordinal);
        Send(relay, "2@strict.test");
        Assert.True(sink.WaitFor(a => a.To.Contains("2@strict.test")).Tls);
        Assert.Matches(@"(?m)^tls +verified, as \[\[site\]\] ""strict\.test"" says$", relay.Command("explain", "strict.test").Ok().Output);
        // The one in clear, which would have been kept for five minutes, was closed.
        Assert.Equal(2, sink.Connections);
        Tool.Until(() => sink.Commands.Contains("QUIT"), 10, () => string.Join('\n', sink.Commands));
        Assert.Contains("= Tls1", relay.Command("explain", "x@strict.test", "--try").Ok().Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("verified")]
    [InlineData("implicit")]
    public void An_issuer_that_a_host_does_not_send_is_not_fetched_and_explain_says_that_it_is_missing(string tls)
    {
        int asked = 0;
        var web = new TcpListener(IPAddress.Loopback, 0);
        web.Start();
        var counts = new Thread(() =>
        {
            try
            {
                while (true)
                {
                    using Socket one = web.AcceptSocket();
                    Interlocked.Increment(ref asked);
                }
            }
            catch (SocketException)
            {
                // The test is over.
            }
        });
        counts.Start();
        try
        {
            _certificates.Unchained("127.0.0.1", $"http://{web.LocalEndpoint}/issuer.crt").Dispose();
            using MailServer server = Server("postfix", demands: false);
            using RelayProcess relay = Relay(Route("*", tls == "implicit" ? server.TlsPort : server.Port, tls)).Start();
            Send(relay, "1@ours.test");
            Tool.Until(() => relay.Log.Contains("event=site_backoff", StringComparison.Ordinal), 30, () => relay.Log);
            Assert.Matches("TLS handshake: .*PartialChain.*does not send its whole chain", relay.Command("explain", "1@ours.test").Ok().Output);
            Assert.Contains("does not send its whole chain", relay.Command("explain", "1@ours.test", "--try").Output, StringComparison.Ordinal);
            Assert.Equal(1, relay.QueueCount());
            Assert.Empty(_sink.Arrivals);
            Assert.Equal(0, Volatile.Read(ref asked));
        }
        finally
        {
            web.Stop();
            counts.Join();
        }
    }

    private MailServer Server(string name, bool demands) => MailServer.Start(name, new MailServerOptions
    {
        Sink = _sink.EndPoint,
        CertificateFile = _certificates.CertificateFile("127.0.0.1"),
        KeyFile = _certificates.KeyFile("127.0.0.1"),
        ClientAuthorityFile = _certificates.AuthorityFile,
        DemandsCertificate = demands,
    });

    private string Pair(string name) => $"client_certificate = \"{_certificates.CertificateFile(name)}\"\nclient_key = \"{_certificates.KeyFile(name)}\"\n";

    private static string Route(string domain, int port, string tls, string more = "") =>
        $"[[route]]\ndomain = \"{domain}\"\nto = \"smtp:[127.0.0.1]:{port}\"\ntls = \"{tls}\"\n{more}";

    private RelayProcess Relay(string routes) => new($$"""
        hostname = "relay.test"
        spool = "{folder}/spool"
        [[listen]]
        address = "{smtp}"
        [[relay_for]]
        networks = ["127.0.0.0/8"]
        [tls]
        ca = "{{_certificates.AuthorityFile}}"
        [admin]
        http = "{admin}"
        {{routes}}
        """);

    private static void Send(RelayProcess relay, string to)
    {
        using SmtpTalk talk = relay.Talk().Hello();
        Assert.StartsWith("250", talk.Say("MAIL FROM:<from@sender.test>"));
        Assert.StartsWith("250", talk.Say($"RCPT TO:<{to}>"));
        Assert.StartsWith("354", talk.Say("DATA"));
        Assert.StartsWith("250", talk.Say("Subject: x\r\n\r\nx\r\n."));
    }
}
