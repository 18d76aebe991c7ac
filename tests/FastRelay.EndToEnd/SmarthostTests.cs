using System.Net;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>An edge host hands its mail to a smarthost that asks who it is: two published binaries, real TLS, real users.</summary>
public sealed class SmarthostTests : IDisposable
{
    private readonly string _folder = Place.NewFolder("smarthost");
    private readonly Sink _sink = new(Place.NewAddress());
    private RelayProcess? _smarthost;
    private RelayProcess? _edge;
    private SinkProcess? _host;

    public void Dispose()
    {
        _edge?.Dispose();
        _smarthost?.Dispose();
        _host?.Dispose();
        _sink.Dispose();
    }

    [Theory]
    [InlineData("starttls", "verified")]
    [InlineData("implicit", "implicit")]
    public void Mail_passes_a_smarthost_that_wants_a_user(string listener, string tls)
    {
        Start(listener, tls, "open sesame");
        Send();
        Arrival arrival = _sink.WaitFor(a => a.To is ["someone@far.test"]);
        // RFC 3848: received with ESMTP, inside TLS, authenticated.
        Assert.Contains("with ESMTPSA", arrival.Text);
        _edge!.WaitForEmptyQueue();
        ToolResult tried = _edge.Command("explain", "someone@far.test", "--try").Ok();
        Assert.Contains("> AUTH SCRAM-SHA-256 (not shown)", tried.Output);
        Assert.Contains("< 235 (not shown)", tried.Output);
        Assert.Contains("> RCPT TO:<someone@far.test>", tried.Output);
        Assert.Single(_sink.Arrivals);
    }

    [Fact]
    public void A_password_goes_to_the_host_that_is_named_and_to_no_MX_of_it()
    {
        using var dns = new NsdServer(("smart.test", $"""
            @ A 127.0.0.1
            @ MX 0 mx
            mx A {Place.NewAddress()}
            """));
        Start("starttls", "required", "open sesame", "smart.test", dns);
        Send();
        _sink.WaitFor(a => a.To is ["someone@far.test"]);
        // With the MX asked for, nobody would have answered.
        Assert.DoesNotContain("mx.smart.test", _edge!.Command("explain", "someone@far.test").Ok().Output);
    }

    [Fact]
    public void A_wrong_password_keeps_the_mail_and_explain_says_why()
    {
        Start("starttls", "verified", "not the password");
        Send();
        Tool.Until(() => _edge!.Log.Contains("event=site_backoff", StringComparison.Ordinal), 30, () => _edge!.Log);
        string why = _edge!.Command("explain", "someone@far.test").Ok().Output;
        Assert.Contains("backoff", why);
        Assert.Contains("535", _edge.Log);
        Assert.Equal(1, _edge.QueueCount());
        Assert.Empty(_sink.Arrivals);
        Assert.DoesNotContain("not the password", _edge.Log);
        ToolResult tried = _edge.Command("explain", "someone@far.test", "--try");
        Assert.Equal(1, tried.ExitCode);
        Assert.Contains("< 535 (not shown)", tried.Output);
        Assert.Contains("the host refused our user or its password", tried.Output);
    }

    [Theory]
    [InlineData("535 5.7.8 wrong password")]
    [InlineData("554 5.7.1 no service for you")]
    public void A_refusal_before_MAIL_over_100_000_queued_messages_bounces_none(string reply)
    {
        if (reply.StartsWith("535", StringComparison.Ordinal))
        {
            Start("starttls", "verified", "not the password");
        }
        else
        {
            string scenario = Path.Combine(_folder, "provider.toml");
            File.WriteAllText(scenario, $"[[fault]]\nat = \"banner\"\nreply = \"{reply}\"\n");
            _host = new SinkProcess("--scenario", scenario);
            _edge = new RelayProcess(RelayProcess.SmarthostConfig(_host.EndPoint)).Start();
        }
        Tool.Run(Place.Binary, ["load", $"127.0.0.1:{_edge!.Port}", "-m", "100000", "--size", "500", "--quiet"]).Ok();
        // The site was asked a few times meanwhile, and more often now that the operator wants it.
        Tool.Until(() => _edge.Log.Contains("event=site_backoff", StringComparison.Ordinal), 60, () => _edge.Log[^2000..]);
        _edge.Command("queue", "retry", "--all").Ok();
        Tool.Until(() => _edge.Log.Split("event=site_backoff").Length > 2, 60, () => _edge.Log[^2000..]);

        Assert.Equal(100_000, _edge.QueueCount());
        string log = _edge.Log;
        Assert.DoesNotContain("status=failed dsn=", log, StringComparison.Ordinal);
        Assert.DoesNotContain("event=bounce", log, StringComparison.Ordinal);
        Assert.InRange(log.Split($"code={reply[..3]}").Length - 1, 2, 1_000);
        Assert.Empty(_sink.Arrivals);
    }

    private void Start(string listener, string tls, string password, string? host = null, NsdServer? dns = null)
    {
        var certificates = new Certificates(_folder);
        using var made = certificates.Server("127.0.0.1");
        string users = Path.Combine(_folder, "users");
        Tool.Run(Place.Binary, ["user", "add", "--file", users, "edge"], input: "open sesame\n").Ok();
        int port = Place.FreePort();
        _smarthost = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint, $"""
            [[listen]]
            address = "127.0.0.1:{port}"
            tls = "{listener}"
            [tls]
            certificate = "{certificates.CertificateFile("127.0.0.1")}"
            key = "{certificates.KeyFile("127.0.0.1")}"
            [auth]
            users = "{users}"
            """).Replace("networks = [\"127.0.0.0/8\"]", "users = true", StringComparison.Ordinal)).Start();
        string passwordFile = Path.Combine(_folder, "password");
        File.WriteAllText(passwordFile, password + "\n");
        _edge = new RelayProcess(RelayProcess.SmarthostConfig(new IPEndPoint(IPAddress.Loopback, port), $"""
            [tls]
            ca = "{certificates.AuthorityFile}"
            {(dns is null ? "" : $"[dns]\nservers = [\"127.0.0.1:{dns.Port}\"]")}
            """)
            .Replace($"smtp:[127.0.0.1]:{port}", $"smtp:{host ?? "[127.0.0.1]"}:{port}", StringComparison.Ordinal)
            .Replace("[admin]", $"tls = \"{tls}\"\nuser = \"edge\"\npassword_file = \"{passwordFile}\"\n[admin]", StringComparison.Ordinal)).Start();
    }

    private void Send()
    {
        using SmtpTalk talk = _edge!.Talk().Hello();
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<sender@edge.test>"));
        Assert.StartsWith("250 2.1.5", talk.Say("RCPT TO:<someone@far.test>"));
        Assert.StartsWith("354 ", talk.Say("DATA"));
        Assert.StartsWith("250 2.0.0 ", talk.Say("Subject: x\r\n\r\nhello\r\n."));
    }
}
