using System.Text;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>Clients that people use, each with every AUTH mechanism and way of TLS that it knows. Only users may send.</summary>
public sealed class ClientTests : IClassFixture<ClientTests.Service>
{
    private const string User = "alice";
    private const string Password = "a pass = word, with 100%";
    private const string Message = "From: s@example.test\nTo: r@example.test\nSubject: by a client\n\nline\n.\n..two\n";
    private readonly Service _service;

    public ClientTests(Service service) => _service = service;

    /// <summary>One relay with a listener for STARTTLS and one for TLS from the first octet, both for users only.</summary>
    public sealed class Service : IDisposable
    {
        private readonly string _folder = Place.NewFolder("clients");

        public Service()
        {
            var certificates = new Certificates(_folder);
            certificates.Server("relay.test");
            Authority = certificates.AuthorityFile;
            string users = Path.Combine(_folder, "users");
            Tool.Run(Place.Binary, ["user", "add", "--file", users, User], Password + "\n").Ok();
            Sink = new Sink(Place.NewAddress(), Place.FreePort());
            ImplicitPort = Place.FreePort();
            Relay = new RelayProcess($$"""
                hostname = "relay.test"
                spool = "{folder}/spool"
                [[listen]]
                address = "{smtp}"
                tls = "starttls"
                submission = true
                [[listen]]
                address = "127.0.0.1:{{ImplicitPort}}"
                tls = "implicit"
                submission = true
                [[relay_for]]
                users = true
                [tls]
                certificate = "{{certificates.CertificateFile("relay.test")}}"
                key = "{{certificates.KeyFile("relay.test")}}"
                [auth]
                users = "{{users}}"
                [limits]
                auth_delay = "0s"
                [[route]]
                domain = "*"
                to = "smtp:[{{Sink.EndPoint.Address}}]:{{Sink.EndPoint.Port}}"
                [admin]
                http = "{admin}"
                """).Start();
        }

        public Sink Sink { get; }

        public RelayProcess Relay { get; }

        public int ImplicitPort { get; }

        public string Authority { get; }

        public string Port(bool isImplicit) => (isImplicit ? ImplicitPort : Relay.Port).ToString(System.Globalization.CultureInfo.InvariantCulture);

        public void Dispose()
        {
            Relay.Dispose();
            Sink.Dispose();
            Directory.Delete(_folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("PLAIN", false)]
    [InlineData("PLAIN", true)]
    [InlineData("LOGIN", false)]
    [InlineData("LOGIN", true)]
    public void Swaks(string mechanism, bool isImplicit)
    {
        string to = NewRecipient();
        Tool.Run("swaks", ["--server", "127.0.0.1", "--port", _service.Port(isImplicit), isImplicit ? "--tls-on-connect" : "--tls", "--auth", mechanism, "--auth-user", User, "--auth-password", Password, "--from", "s@example.test", "--to", to, "--data", Message]).Ok();
        Arrived(to);
    }

    [Fact]
    public void Swaks_with_a_wrong_password_is_refused_and_nothing_is_sent()
    {
        string to = NewRecipient();
        ToolResult result = Tool.Run("swaks", ["--server", "127.0.0.1", "--port", _service.Port(false), "--tls", "--auth", "PLAIN", "--auth-user", User, "--auth-password", "wrong", "--from", "s@example.test", "--to", to, "--data", Message]);
        Assert.Equal(28, result.ExitCode);
        Assert.Contains("535 5.7.8", result.Output);
        Assert.DoesNotContain(_service.Sink.Arrivals, a => a.To.Contains(to));
    }

    [Theory]
    [InlineData("--tls")]
    [InlineData(null)]
    public void Swaks_without_AUTH_is_told_to_authenticate(string? tls)
    {
        string[] way = tls is null ? [] : [tls];
        ToolResult result = Tool.Run("swaks", ["--server", "127.0.0.1", "--port", _service.Port(false), .. way, "--from", "s@example.test", "--to", NewRecipient(), "--data", Message]);
        Assert.Equal(23, result.ExitCode);
        Assert.Contains("530 5.7.", result.Output);
    }

    [Theory]
    [InlineData("plain", false)]
    [InlineData("plain", true)]
    [InlineData("login", false)]
    [InlineData("login", true)]
    [InlineData("scram-sha-256", false)]
    [InlineData("scram-sha-256", true)]
    public void Msmtp(string mechanism, bool isImplicit)
    {
        string to = NewRecipient();
        string[] options =
        [
            "--host=127.0.0.1", $"--port={_service.Port(isImplicit)}", "--tls=on", $"--tls-starttls={(isImplicit ? "off" : "on")}", $"--tls-trust-file={_service.Authority}",
            "--tls-host-override=relay.test", $"--auth={mechanism}", $"--user={User}", $"--passwordeval=echo '{Password}'", "--from=s@example.test", to,
        ];
        Tool.Run("msmtp", options, Message).Ok();
        Arrived(to);
    }

    [Theory]
    [InlineData("PLAIN", false)]
    [InlineData("PLAIN", true)]
    [InlineData("LOGIN", false)]
    [InlineData("LOGIN", true)]
    public void Curl(string mechanism, bool isImplicit)
    {
        string to = NewRecipient();
        string port = _service.Port(isImplicit);
        string[] options =
        [
            "--silent", "--show-error", "--url", $"{(isImplicit ? "smtps" : "smtp")}://relay.test:{port}/client.test", "--resolve", $"relay.test:{port}:127.0.0.1", "--ssl-reqd", "--cacert", _service.Authority,
            "--user", $"{User}:{Password}", "--login-options", $"AUTH={mechanism}", "--mail-from", "s@example.test", "--mail-rcpt", to, "--upload-file", "-",
        ];
        Tool.Run("curl", options, Message).Ok();
        Arrived(to);
    }

    [Theory]
    [InlineData("auth_plain", false)]
    [InlineData("auth_plain", true)]
    [InlineData("auth_login", false)]
    [InlineData("auth_login", true)]
    public void Python(string mechanism, bool isImplicit)
    {
        string to = NewRecipient();
        const string Script = """
            import smtplib, ssl, sys
            port, implicit, ca, mechanism, user, password, to = sys.argv[1:]
            context = ssl.create_default_context(cafile=ca)
            context.check_hostname = False
            if implicit == "True":
                client = smtplib.SMTP_SSL("127.0.0.1", int(port), context=context)
            else:
                client = smtplib.SMTP("127.0.0.1", int(port))
                client.starttls(context=context)
            client.ehlo()
            client.user, client.password = user, password
            client.auth(mechanism[5:].upper(), getattr(client, mechanism))
            client.sendmail("s@example.test", [to], sys.stdin.read())
            client.quit()
            """;
        Tool.Run("python3", ["-c", Script, _service.Port(isImplicit), isImplicit.ToString(), _service.Authority, mechanism, User, Password, to], Message).Ok();
        Arrived(to);
    }

    [Theory]
    [InlineData("-tls1_2", false)]
    [InlineData("-tls1_3", false)]
    [InlineData("-tls1_2", true)]
    [InlineData("-tls1_3", true)]
    public void Openssl(string version, bool isImplicit)
    {
        string to = NewRecipient();
        string plain = Convert.ToBase64String(Encoding.ASCII.GetBytes($"\0{User}\0{Password}"));
        string talk = $"EHLO client.test\nAUTH PLAIN {plain}\nMAIL FROM:<s@example.test>\nRCPT TO:<{to}>\nDATA\n{Message.Replace("\n.", "\n..", StringComparison.Ordinal)}.\nQUIT\n";
        string[] way = isImplicit ? [] : ["-starttls", "smtp"];
        ToolResult result = Tool.Run("openssl", ["s_client", "-connect", $"127.0.0.1:{_service.Port(isImplicit)}", .. way, version, "-quiet", "-crlf", "-CAfile", _service.Authority, "-verify_return_error"], talk).Ok();
        Assert.Contains("235 2.7.0", result.Output);
        Arrived(to);
    }

    [Fact]
    public void Openssl_with_TLS_1_1_gets_no_handshake()
    {
        ToolResult result = Tool.Run("openssl", ["s_client", "-connect", $"127.0.0.1:{_service.ImplicitPort}", "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0", "-quiet"], "QUIT\n");
        Assert.NotEqual(0, result.ExitCode);
        Assert.DoesNotContain("220 relay.test", result.Output);
    }

    private static string NewRecipient() => $"u{Guid.NewGuid():N}@client.test";

    private void Arrived(string to)
    {
        Arrival arrival = _service.Sink.WaitFor(a => a.To.Contains(to));
        Assert.Contains("with ESMTPSA id", arrival.Text);
        Assert.Contains("Subject: by a client\r\n", arrival.Text);
        Assert.Contains("Message-ID: <", arrival.Text);
        Assert.EndsWith("\r\n\r\nline\r\n.\r\n..two", arrival.Text.TrimEnd());
    }
}
