using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using FastRelay.Config;
using FastRelay.EndToEnd.Rig;
using FastRelay.Host.Admin;
using FastRelay.Host.Secrets;
using FastRelay.Tests.Receive.Auth;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>Which certificate a client is shown, and what its own is good for. Listeners: 0 STARTTLS, 1 TLS from the first octet, 2 submission.</summary>
public sealed class CertificateSocketTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("certificates").FullName;
    private readonly X509Certificate2 _ours;
    private readonly X509Certificate2 _stranger;
    private readonly TlsConfig _tls;
    private readonly RelayRig _rig;

    public CertificateSocketTests()
    {
        _ours = Make("client", "client.test");
        _stranger = Make("stranger", "client.test");
        Make("usual", "relay.test").Dispose();
        Make("other", "mail.other.test", "*.wild.test", "relay.test").Dispose();
        _tls = new TlsConfig { Certificate = PathOf("usual.crt"), Key = PathOf("usual.key"), More = [new KeyPairConfig(PathOf("other.crt"), PathOf("other.key"))] };
        _rig = new RelayRig(
            $"""
            [[listen]]
            address = "127.0.0.1:0"
            tls = "starttls"
            [[listen]]
            address = "127.0.0.1:0"
            tls = "implicit"
            [[listen]]
            address = "127.0.0.1:0"
            tls = "starttls"
            submission = true
            [[relay_for]]
            certificates = ["sha256:{_ours.GetCertHashString(HashAlgorithmName.SHA256)}"]
            """,
            TlsFiles.Server(_tls, asks: true),
            ScramTests.Users(("alice", "secret")));
    }

    public void Dispose()
    {
        _rig.Dispose();
        _ours.Dispose();
        _stranger.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("relay.test", "CN=usual")]
    [InlineData("mail.other.test", "CN=other")]
    [InlineData("MAIL.Other.TEST", "CN=other")]
    [InlineData("a.wild.test", "CN=other")]
    [InlineData("a.b.wild.test", "CN=usual")]
    [InlineData("wild.test", "CN=usual")]
    [InlineData("unknown.test", "CN=usual")]
    [InlineData("127.0.0.1", "CN=usual")]
    public void A_client_is_shown_the_certificate_for_the_name_that_it_asks_for(string name, string subject)
    {
        using SmtpTalk talk = _rig.Talk(1).Secure(name);
        Assert.Equal(subject, talk.ServerSubject);
        Assert.StartsWith("220 relay.test", talk.Read());
    }

    [Fact]
    public async Task Certificates_by_name_are_renewed_when_their_files_change()
    {
        RelayConfig named = _rig.Relay.Config with { Tls = _tls, UsersFile = null };
        await AdminRequest<long>.AskAsync(
            _rig.Relay.World.Loop,
            () => _rig.Relay.ReloadAsync(named, _rig.Relay.Router.Table, TlsFiles.Server(_tls, asks: true), null, null),
            TimeSpan.FromMinutes(1));
        using SmtpTalk old = _rig.Talk(1).Secure("mail.other.test");
        old.Hello();
        using var watch = new SecretsWatch(named, SecretsWatch.Fingerprint(named), _rig.Relay, TimeSpan.FromHours(1));
        Make("other", "new.other.test", "one.more.test").Dispose();
        watch.Look();
        _rig.WaitForLog("event=renewed");
        using SmtpTalk fresh = _rig.Talk(1).Secure("new.other.test");
        Assert.Equal("CN=other", fresh.ServerSubject);
        using SmtpTalk gone = _rig.Talk(1).Secure("mail.other.test");
        Assert.Equal("CN=usual", gone.ServerSubject);
        Assert.StartsWith("250 2.0.0", old.Say("NOOP"));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_client_whose_certificate_is_named_may_relay_and_no_other(int listener)
    {
        using SmtpTalk ours = Secure(listener, _ours);
        string to = $"u{Guid.NewGuid():N}@pass.test";
        Assert.StartsWith("250 2.1.0", ours.Say("MAIL FROM:<sender@pass.test>"));
        Assert.StartsWith("250 2.1.5", ours.Say($"RCPT TO:<{to}>"));
        Assert.StartsWith("354 ", ours.Say("DATA"));
        ours.Send("Subject: x\r\n\r\nx\r\n.\r\n");
        Assert.StartsWith("250 2.0.0", ours.Read());
        Assert.Contains(" with ESMTPS id ", Encoding.Latin1.GetString(_rig.Sink.WaitFor(a => a.To.Contains(to)).Data), StringComparison.Ordinal);
        Assert.True(_rig.Logged("event=accept", "certificate=" + _ours.GetCertHashString(HashAlgorithmName.SHA256).ToLowerInvariant()));
        foreach (X509Certificate2? other in new[] { _stranger, null })
        {
            using SmtpTalk talk = Secure(listener, other);
            string told = talk.Say("MAIL FROM:<sender@pass.test>");
            Assert.StartsWith(listener == 2 ? "530 5.7.0" : "250 2.1.0", told);
            Assert.StartsWith(listener == 2 ? "503 5.5.1" : "550 5.7.1", talk.Say("RCPT TO:<c@pass.test>"));
        }
    }

    [Fact]
    public void Only_those_who_ask_by_fingerprint_ask_for_a_certificate()
    {
        Assert.True(TlsFiles.Server(_tls, asks: true)!.Usual.ClientCertificateRequired);
        Assert.False(TlsFiles.Server(_tls, asks: false)!.Usual.ClientCertificateRequired);
        Assert.Null(TlsFiles.Server(new TlsConfig(), asks: true));
    }

    private SmtpTalk Secure(int listener, X509Certificate2? own)
    {
        SmtpTalk talk = _rig.Talk(listener);
        if (listener == 1)
        {
            return talk.Secure("relay.test", own).Hello();
        }
        talk.Hello();
        Assert.StartsWith("220 ", talk.Say("STARTTLS"));
        talk.Secure("relay.test", own);
        Assert.StartsWith("250-", talk.Say("EHLO client.test"));
        return talk;
    }

    private string PathOf(string file) => Path.Combine(_folder, file);

    private X509Certificate2 Make(string subject, params string[] names)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=" + subject, key, HashAlgorithmName.SHA256);
        var all = new SubjectAlternativeNameBuilder();
        Array.ForEach(names, all.AddDnsName);
        request.CertificateExtensions.Add(all.Build());
        using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        File.WriteAllText(PathOf(subject + ".crt"), made.ExportCertificatePem());
        File.WriteAllText(PathOf(subject + ".key"), key.ExportPkcs8PrivateKeyPem());
        // SslStream wants a key that it can find again.
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }
}
