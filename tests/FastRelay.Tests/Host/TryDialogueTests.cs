using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using FastRelay.Config;
using FastRelay.Host.Admin;
using FastRelay.Host.Commands;
using FastRelay.Tests.Deliver;
using FastRelay.Tests.Deliver.Rig;
using FastRelay.Tests.Outside;

namespace FastRelay.Tests.Host;

/// <summary>A try goes the way of a delivery: the same TLS, the same AUTH, the same fallbacks, up to RCPT.</summary>
public sealed class TryDialogueTests : IDisposable
{
    private const string Hello = "250-host.test\r\n250-PIPELINING\r\n250 SMTPUTF8";
    private const string SecureHello = "250-host.test\r\n250-STARTTLS\r\n250 AUTH SCRAM-SHA-256";
    private readonly List<TcpListener> _listeners = [];
    private readonly List<string> _heard = [];
    private readonly List<string> _subjects = [];
    private KeyPairConfig? _own;
    private readonly string _passwordFile = Path.GetTempFileName();

    public void Dispose()
    {
        _listeners.ForEach(static listener => listener.Stop());
        File.Delete(_passwordFile);
    }

    [Fact]
    public async Task The_dialogue_goes_up_to_RCPT_and_sends_nothing()
    {
        (bool taken, string shown) = await TryAsync("none", "user@far.test", Host(line => Usual(line)));
        Assert.True(taken, shown);
        Assert.Equal(["EHLO relay.test", "MAIL FROM:<>", "RCPT TO:<user@far.test>", "QUIT"], _heard);
        Assert.Contains("< 250-PIPELINING", shown);
        Assert.Contains("> RCPT TO:<user@far.test>", shown);
    }

    [Fact]
    public async Task An_address_that_is_refused_ends_the_try_with_no()
    {
        (bool taken, string shown) = await TryAsync("none", "user@far.test", Host(line => line.StartsWith("RCPT", StringComparison.Ordinal) ? "550 5.1.1 nobody" : Usual(line)));
        Assert.False(taken);
        Assert.Contains("< 550 5.1.1 nobody", shown);
    }

    [Fact]
    public async Task Utf8_is_asked_for_where_it_is_offered()
    {
        (bool taken, _) = await TryAsync("none", "jörg@far.test", Host(line => Usual(line)));
        Assert.True(taken);
        Assert.Contains("MAIL FROM:<> SMTPUTF8", _heard);
        (taken, string shown) = await TryAsync("none", "jörg@far.test", Host(line => line.StartsWith("EHLO", StringComparison.Ordinal) ? "250 host.test" : Usual(line)));
        Assert.False(taken);
        Assert.Contains("does not offer SMTPUTF8", shown);
    }

    [Fact]
    public async Task A_host_without_EHLO_is_greeted_with_HELO()
    {
        (bool taken, _) = await TryAsync("opportunistic", "", Host(line => line.StartsWith("EHLO", StringComparison.Ordinal) ? "502 5.5.1 what" : Usual(line)));
        Assert.True(taken);
        Assert.Equal(["EHLO relay.test", "HELO relay.test", "QUIT"], _heard);
    }

    [Fact]
    public async Task The_next_host_is_tried_after_a_banner_that_refuses()
    {
        (bool taken, string shown) = await TryAsync("none", "", Host(line => Usual(line), "554 5.7.1 not you"), Host(line => Usual(line)));
        Assert.True(taken, shown);
        Assert.Contains("mail is deferred: 5.7.1 not you", shown);
        Assert.Equal(2, shown.Split("= connecting to").Length - 1);
    }

    [Fact]
    public async Task A_handshake_that_fails_goes_on_in_clear_where_a_delivery_does()
    {
        (bool taken, string shown) = await TryAsync("opportunistic", "", Host(BreakTls));
        Assert.True(taken, shown);
        Assert.Contains("goes on in clear", shown);
        (taken, shown) = await TryAsync("required", "", Host(BreakTls));
        Assert.False(taken);
        Assert.Contains("mail is deferred: TLS handshake: ", shown);

        static string BreakTls(string line) => line == "STARTTLS" ? "220 break" : line.StartsWith("EHLO", StringComparison.Ordinal) ? SecureHello : Usual(line);
    }

    [Fact]
    public async Task Tls_that_is_required_and_not_offered_is_said()
    {
        (bool taken, string shown) = await TryAsync("verified", "", Host(line => Usual(line)));
        Assert.False(taken);
        Assert.Contains("mail is deferred: TLS is required and the host does not offer STARTTLS", shown);
    }

    [Fact]
    public async Task A_certificate_is_judged_and_one_of_nobody_does_not_pass_verified()
    {
        (bool taken, string shown) = await TryAsync("required", "", Host(Secure));
        Assert.True(taken, shown);
        Assert.Contains("certificate of CN=relay.test: not valid: RemoteCertificateChainErrors", shown);
        (taken, shown) = await TryAsync("verified", "", Host(Secure));
        Assert.False(taken);
        Assert.Contains("(RemoteCertificateChainErrors)", shown);
    }

    [Theory]
    [InlineData("open sesame", true)]
    [InlineData("shut sesame", false)]
    public async Task A_user_is_authenticated_and_no_password_is_shown(string password, bool right)
    {
        var scram = new ScramHost("open sesame");
        await File.WriteAllTextAsync(_passwordFile, password + "\n");
        IPEndPoint host = Host(line => scram.Answer(line, 0) ?? Secure(line));
        (bool taken, string shown) = await TryAsync("required", "user@far.test", host, host);
        Assert.Equal(right, taken);
        Assert.Contains("> AUTH SCRAM-SHA-256 (not shown)", shown);
        Assert.Contains(right ? "< 235 (not shown)" : "< 535 (not shown)", shown);
        Assert.Equal(right ? 1 : 0, scram.Proved);
        Assert.DoesNotContain("sesame", shown);
        Assert.Equal(!right, shown.Contains("mail is deferred: the host refused our user or its password", StringComparison.Ordinal));
        // The second host is not asked with a password that the first one refused.
        Assert.Single(scram.Nonces);
    }

    [Fact]
    public async Task A_password_file_that_is_gone_is_named()
    {
        File.Delete(_passwordFile);
        (bool taken, string shown) = await TryAsync("required", "", user: true, Host(Secure));
        Assert.False(taken);
        Assert.Contains("no password for user edge: route \"far.test\": password_file: " + _passwordFile, shown);
        Assert.Empty(_heard);
    }

    [Fact]
    public async Task Clear_text_behind_STARTTLS_is_not_taken_for_encrypted()
    {
        (bool taken, string shown) = await TryAsync("required", "", Host(line => line == "STARTTLS" ? "220 go\r\n250 injected" : Secure(line)));
        Assert.False(taken);
        Assert.Contains("clear text behind its answer to STARTTLS", shown);
    }

    [Fact]
    public async Task A_host_that_asks_is_shown_the_certificate_of_the_route()
    {
        string file = Path.GetTempFileName();
        try
        {
            using X509Certificate2 own = DialTests.SelfSigned("our.test");
            await File.WriteAllTextAsync(file, $"{own.ExportCertificatePem()}\n{own.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem()}\n");
            _own = new KeyPairConfig(file, file);
            (bool taken, string shown) = await TryAsync("required", "", Host(Secure));
            Assert.True(taken, shown);
            Assert.Contains($"ours for a host that asks: CN=our.test, valid until {own.NotAfter.ToUniversalTime():yyyy-MM-dd}", shown);
            Assert.DoesNotContain("PRIVATE", shown);
            Assert.Equal(["CN=our.test"], _subjects);
            await File.WriteAllTextAsync(file, "nothing\n");
            (taken, shown) = await TryAsync("required", "", Host(Secure));
            Assert.False(taken);
            Assert.Contains($"no certificate for hosts that ask: client_certificate: {file}, client_key: {file}: ", shown);
            Assert.Empty(_heard);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static string Secure(string line) => line.StartsWith("EHLO", StringComparison.Ordinal) ? SecureHello
        : line == "STARTTLS" ? "220 go" : Usual(line);

    private static string Usual(string line) => line.StartsWith("EHLO", StringComparison.Ordinal) ? Hello
        : line == "QUIT" ? "221 bye" : "250 ok";

    private Task<(bool Taken, string Shown)> TryAsync(string tls, string recipient, params IPEndPoint[] hosts) =>
        TryAsync(tls, recipient, new FileInfo(_passwordFile).Length > 0, hosts);

    private async Task<(bool Taken, string Shown)> TryAsync(string tls, string recipient, bool user, params IPEndPoint[] hosts)
    {
        RelayConfig config = RelayConfig.Default("relay.test", Path.GetTempPath()) with
        {
            Routes = [new RouteConfig("far.test", "smtp:[127.0.0.1]", DeliverTls.Required, "edge", _passwordFile) { Certificate = _own }],
        };
        ExplainWay way = ExplainCommandTests.Way with
        {
            Tls = tls,
            Certificate = _own is null ? null : new ExplainCertificate(_own.Certificate, "CN=our.test", DateTimeOffset.UtcNow),
            User = user ? "edge" : null,
            Pattern = "far.test",
            Hosts = [.. hosts.Select(static (host, index) => new ExplainHost(index, "relay.test", [host.ToString()]))],
        };
        _heard.Clear();
        using var output = new StringWriter();
        return (await new TryDialogue(config, output).RunAsync(way, recipient), output.ToString());
    }

    // TLS begins behind a lone "220 go"; "220 break" closes the connection in its place.
    private IPEndPoint Host(Func<string, string> answer, string banner = "220 host.test")
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        _listeners.Add(listener);
        _ = ServeAsync(listener, answer, banner);
        return (IPEndPoint)listener.LocalEndpoint;
    }

    private async Task ServeAsync(TcpListener listener, Func<string, string> answer, string banner)
    {
        while (true)
        {
            try
            {
                using TcpClient client = await listener.AcceptTcpClientAsync();
                await TalkAsync(client.GetStream(), answer, banner);
            }
            catch (Exception e) when (e is IOException or AuthenticationException)
            {
                // The other side has seen enough of this connection.
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task TalkAsync(Stream stream, Func<string, string> answer, string banner)
    {
        await stream.WriteAsync(Encoding.UTF8.GetBytes(banner + "\r\n"));
        while (await ReadLineAsync(stream) is { } line)
        {
            _heard.Add(line);
            string reply = answer(line);
            await stream.WriteAsync(Encoding.UTF8.GetBytes(reply + "\r\n"));
            if (reply == "220 break")
            {
                return;
            }
            if (reply == "220 go")
            {
                var secure = new SslStream(stream);
                SslServerAuthenticationOptions options = TestCertificate.Server(SslProtocols.None);
                options.ClientCertificateRequired = true;
#pragma warning disable CA5359
                options.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
                await secure.AuthenticateAsServerAsync(options);
                if (secure.RemoteCertificate is { } shown)
                {
                    _subjects.Add(shown.Subject);
                }
                stream = secure;
            }
        }
    }

    private static async Task<string?> ReadLineAsync(Stream stream)
    {
        var bytes = new List<byte>();
        byte[] one = new byte[1];
        while (await stream.ReadAsync(one) > 0)
        {
            if (one[0] == '\n')
            {
                return Encoding.UTF8.GetString([.. bytes]).TrimEnd('\r');
            }
            bytes.Add(one[0]);
        }
        return null;
    }
}
