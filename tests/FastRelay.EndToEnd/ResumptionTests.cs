using System.Net;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>Sessions of TLS are resumed by the published file, whose OpenSSL is its own: as a server for openssl s_client, as a client of a server of the test's.</summary>
public sealed class ResumptionTests : IDisposable
{
    private readonly string _folder = Place.NewFolder("resume");
    private readonly Certificates _certificates;

    public ResumptionTests() => _certificates = new Certificates(_folder);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("-tls1_3", "TLSv1.3")]
    [InlineData("-tls1_2", "TLSv1.2")]
    public void A_client_that_comes_again_resumes_its_session(string version, string name)
    {
        _certificates.Server("relay.test");
        using var sink = new Sink(Place.NewAddress());
        using RelayProcess relay = Relay(sink, "none").Start();
        string session = Path.Combine(_folder, "session.pem");
        ToolResult first = Client(relay, version, "-sess_out", session);
        Assert.Contains($"New, {name}", first.Output, StringComparison.Ordinal);
        Assert.True(File.Exists(session), first.Output + first.Error);
        for (int i = 0; i < 3; i++)
        {
            ToolResult again = Client(relay, version, "-sess_in", session);
            Assert.Contains($"Reused, {name}", again.Output, StringComparison.Ordinal);
            Assert.Contains("221 2.0.0", again.Output, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("required")]
    [InlineData("verified")]
    public void Connections_to_a_host_after_the_first_resume_its_session(string policy)
    {
        _certificates.Server("relay.test");
        var certificate = _certificates.Server("mx.resume.test");
        using var dns = new NsdServer(("resume.test", "@ MX 10 mx\nmx A 127.0.0.1"));
        using var sink = new Sink(IPAddress.Loopback) { Certificate = certificate };
        using RelayProcess relay = new RelayProcess(RelayProcess.MxConfig(dns, sink.EndPoint.Port, $$"""
            [limits]
            messages_per_connection = 1
            send_sessions_per_site = 1
            [tls]
            ca = "{{_certificates.AuthorityFile}}"
            """).Replace("allow_private = true", $"allow_private = true\ntls = \"{policy}\"", StringComparison.Ordinal)).Start();
        for (int i = 0; i < 5; i++)
        {
            using SmtpTalk talk = relay.Talk().Hello();
            talk.Say("MAIL FROM:<s@resume.test>");
            talk.Say($"RCPT TO:<r{i}@resume.test>");
            talk.Say("DATA");
            Assert.StartsWith("250 2.0.0", talk.Say($"Subject: {i}\r\n\r\nx\r\n."));
            Assert.True(sink.WaitFor(a => a.To is [var to] && to == $"r{i}@resume.test").Tls);
        }
        Assert.Equal([false, true, true, true, true], sink.Resumed);
    }

    private static ToolResult Client(RelayProcess relay, string version, params string[] more) =>
        Tool.Run("openssl", ["s_client", "-starttls", "smtp", "-connect", $"{relay.Address}:{relay.Port}", version, "-servername", "relay.test", "-crlf", "-ign_eof", .. more], "QUIT\n", 20);

    private RelayProcess Relay(Sink sink, string tls)
    {
        string config = RelayProcess.SmarthostConfig(sink.EndPoint)
            .Replace("address = \"{smtp}\"", "address = \"{smtp}\"\ntls = \"starttls\"", StringComparison.Ordinal)
            .Replace($":{sink.EndPoint.Port}\"", $":{sink.EndPoint.Port}\"\ntls = \"{tls}\"", StringComparison.Ordinal);
        return new RelayProcess($"""
            {config}
            [tls]
            certificate = "{_certificates.CertificateFile("relay.test")}"
            key = "{_certificates.KeyFile("relay.test")}"
            """);
    }
}
