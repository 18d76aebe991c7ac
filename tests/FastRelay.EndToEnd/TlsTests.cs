using System.Net;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>STARTTLS on both sides, with real clients and sinks.</summary>
public sealed class TlsTests : IDisposable
{
    private readonly IPAddress _address = Place.NewAddress();
    private readonly int _port = Place.FreePort();
    private readonly string _folder = Place.NewFolder("tls");
    private readonly Certificates _certificates;

    public TlsTests() => _certificates = new Certificates(_folder);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Swaks_submits_by_STARTTLS_and_the_trace_header_says_so()
    {
        _certificates.Server("relay.test");
        using var sink = new Sink(_address, _port);
        using RelayProcess relay = Relay(sink, "opportunistic").Start();
        Tool.Run("swaks", ["--server", $"{relay.Address}", "--port", $"{relay.Port}", "--tls", "--from", "s@example.test", "--to", "r@example.test", "--body", "secret"]).Ok();
        Assert.Contains("with ESMTPS id", sink.WaitFor(a => a.To is ["r@example.test"]).Text);
    }

    [Fact]
    public void What_a_client_sends_behind_STARTTLS_in_clear_is_dropped()
    {
        _certificates.Server("relay.test");
        using var sink = new Sink(_address, _port);
        using RelayProcess relay = Relay(sink, "none").Start();
        using SmtpTalk talk = relay.Talk().Hello();
        talk.Send("STARTTLS\r\nMAIL FROM:<evil@example.test>\r\n");
        Assert.StartsWith("220 2.0.0", talk.Read());
        using var stream = new System.Net.Security.SslStream(new System.Net.Sockets.NetworkStream(talk.Socket), false, (_, _, _, _) => true);
        stream.AuthenticateAsClient("relay.test");
        stream.Write("RCPT TO:<x@example.test>\r\n"u8);
        byte[] buffer = new byte[512];
        int read = stream.Read(buffer);
        Assert.StartsWith("503 5.5.1", System.Text.Encoding.ASCII.GetString(buffer, 0, read));
        Tool.Until(() => relay.Log.Contains("event=tls_injection", StringComparison.Ordinal), 5, () => relay.Log);
    }

    [Fact]
    public void Opportunistic_delivery_encrypts_without_asking_who_it_is()
    {
        _certificates.Server("relay.test");
        using var sink = new Sink(_address, _port) { Certificate = _certificates.Server("somebody.else.test") };
        using RelayProcess relay = Relay(sink, "opportunistic").Start();
        Send(relay, "opp@example.test");
        Assert.True(sink.WaitFor(a => a.To is ["opp@example.test"]).Tls);
    }

    [Fact]
    public void A_handshake_that_fails_is_redialled_in_clear_when_TLS_is_opportunistic()
    {
        _certificates.Server("relay.test");
        using var sink = new Sink(_address, _port) { Extensions = ["PIPELINING", "STARTTLS"], Answer = (verb, _) => verb == "STARTTLS" ? "220 go\r\nthis is no TLS record at all" : null };
        using RelayProcess relay = Relay(sink, "opportunistic").Start();
        Send(relay, "clear@example.test");
        Assert.False(sink.WaitFor(a => a.To is ["clear@example.test"]).Tls);
        Tool.Until(() => relay.Log.Contains("event=tls_fallback", StringComparison.Ordinal), 5, () => relay.Log);
    }

    [Fact]
    public void Verified_delivery_takes_the_right_name_and_defers_for_a_wrong_one()
    {
        _certificates.Server("relay.test");
        using var good = new Sink(_address, _port) { Certificate = _certificates.Server(_address.ToString()) };
        using (RelayProcess relay = Relay(good, "verified").Start())
        {
            Send(relay, "v@example.test");
            Assert.True(good.WaitFor(a => a.To is ["v@example.test"]).Tls);
        }
        IPAddress other = Place.NewAddress();
        using var bad = new Sink(other, _port) { Certificate = _certificates.Server("wrong.test") };
        using RelayProcess second = Relay(bad, "verified").Start();
        string id = Send(second, "w@example.test");
        Tool.Until(() => second.Command("queue", "show", id).Output.Contains("certificate", StringComparison.OrdinalIgnoreCase), 20,
            () => second.Command("queue", "show", id).Output + second.Log);
        Assert.Empty(bad.Arrivals);
        Assert.Equal(1, second.QueueCount());
    }

    [Fact]
    public void In_an_empty_chroot_it_receives_by_STARTTLS_and_delivers_to_a_verified_sink()
    {
        string root = Path.Combine(_folder, "root");
        Directory.CreateDirectory(Path.Combine(root, "dev"));
        Directory.CreateDirectory(Path.Combine(root, "etc/ssl/certs"));
        Tool.Run("mknod", ["-m", "666", Path.Combine(root, "dev/urandom"), "c", "1", "9"]).Ok();
        File.Copy(Place.Binary, Path.Combine(root, "fastrelay"));
        File.Copy(_certificates.AuthorityFile, Path.Combine(root, "etc/ssl/certs/ca-certificates.crt"));
        _certificates.Server("relay.test");
        File.Copy(_certificates.CertificateFile("relay.test"), Path.Combine(root, "relay.crt"));
        File.Copy(_certificates.KeyFile("relay.test"), Path.Combine(root, "relay.key"));
        using var dns = new NsdServer(("mail.test", $"@ MX 10 mx\nmx A {_address}"));
        using var sink = new Sink(_address, _port) { Certificate = _certificates.Server("mx.mail.test") };
        int port = Place.FreePort();
        File.WriteAllText(Path.Combine(root, "fastrelay.toml"), $$"""
            hostname = "relay.test"
            spool = "/spool"
            [[listen]]
            address = "127.0.0.1:{{port}}"
            tls = "starttls"
            [[relay_for]]
            networks = ["127.0.0.0/8"]
            [tls]
            certificate = "/relay.crt"
            key = "/relay.key"
            [dns]
            servers = ["127.0.0.1:{{dns.Port}}"]
            [deliver]
            port = {{_port}}
            allow_private = true
            tls = "verified"
            [admin]
            http = ""
            """);
        using System.Diagnostics.Process process = Tool.Start("chroot", [root, "/fastrelay", "serve", "--config", "/fastrelay.toml"]);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        try
        {
            ToolResult sent = new(-1, "", "");
            Tool.Until(() => process.HasExited || (sent = Tool.Run("swaks", ["--server", "127.0.0.1", "--port", $"{port}", "--tls", "--from", "s@mail.test", "--to", "r@mail.test", "--body", "from the chroot"])).ExitCode == 0,
                20, () => sent.Output + sent.Error);
            Assert.False(process.HasExited, process.HasExited ? output.Result + error.Result : "");
            Arrival arrival = sink.WaitFor(a => a.To is ["r@mail.test"]);
            Assert.True(arrival.Tls);
            Assert.Contains("with ESMTPS id", arrival.Text);
        }
        finally
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
        }
    }

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
            ca = "{_certificates.AuthorityFile}"
            """);
    }

    private static string Send(RelayProcess relay, string to)
    {
        using SmtpTalk talk = relay.Talk().Hello();
        talk.Say("MAIL FROM:<s@example.test>");
        talk.Say($"RCPT TO:<{to}>");
        talk.Say("DATA");
        string reply = talk.Say("Subject: tls\r\n\r\nx\r\n.");
        Assert.StartsWith("250 2.0.0", reply);
        return reply.Split(' ')[^1];
    }
}
