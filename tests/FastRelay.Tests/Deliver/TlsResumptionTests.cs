using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Deliver;
using FastRelay.Routing;
using FastRelay.Tests.Deliver.Rig;
using Xunit;

namespace FastRelay.Tests.Deliver;

/// <summary>Sessions of TLS that are resumed on the next connection to a host (RFC 8446 2.2), and what resuming must not skip.</summary>
public sealed class TlsResumptionTests : IDisposable
{
    private static readonly Limits s_limits = new() { MessagesPerConnection = 1, SendSessionsPerSite = 1 };
    private readonly ScriptedPeer _peer = new() { Offers = ["PIPELINING", "STARTTLS"] };
    private readonly string _domain = $"d{RandomNumberGenerator.GetHexString(8, lowercase: true)}.test";

    public void Dispose() => _peer.Dispose();

    [Theory]
    [InlineData(TlsPolicy.Opportunistic)]
    [InlineData(TlsPolicy.Verified)]
    public void Every_connection_to_a_host_but_the_first_resumes(TlsPolicy policy)
    {
        using X509Certificate2 certificate = DialTests.SelfSigned("mx0." + _domain);
        _peer.Certificate = certificate;
        using DeliverRig rig = Start(policy, [certificate]);
        Send(rig, 5);
        Assert.Equal([false, true, true, true, true], _peer.Resumed);
        Assert.All(_peer.Messages, message => Assert.True(message.Secure));
    }

    [Fact]
    public void A_chain_with_an_issuer_between_verifies_when_resumed_too()
    {
        using var root = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 authority = Authority("CN=root", root, null, null);
        using var middle = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 issuer = Authority("CN=issuer", middle, authority, root);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 certificate = Leaf("mx0." + _domain, key, issuer, middle);
        _peer.Certificate = certificate;
        _peer.Chain = [issuer];
        using DeliverRig rig = Start(TlsPolicy.Verified, [authority]);
        Send(rig, 3);
        Assert.Equal([false, true, true], _peer.Resumed);
    }

    [Fact]
    public void A_session_that_nobody_verified_is_verified_when_it_is_resumed()
    {
        using X509Certificate2 certificate = DialTests.SelfSigned("mx0." + _domain);
        _peer.Certificate = certificate;
        using (DeliverRig unverified = Start(TlsPolicy.Required, null))
        {
            Send(unverified, 2);
        }
        Assert.Equal([false, true], _peer.Resumed);
        using DeliverRig rig = Start(TlsPolicy.Verified, null);
        rig.Submit("a@client.test", "x\r\n", "b@" + _domain);
        rig.Until(() => rig.Logged("event=site_backoff"));
        Assert.True(rig.Logged("event=connect", "stage=starttls"));
        Assert.Equal(2, _peer.Messages.Count);
        Assert.Equal(1, rig.Queue.Ready);
    }

    [Fact]
    public void An_authority_that_is_trusted_no_more_counts_for_resumed_sessions_too()
    {
        using X509Certificate2 certificate = DialTests.SelfSigned("mx0." + _domain);
        using X509Certificate2 other = DialTests.SelfSigned("other.test");
        _peer.Certificate = certificate;
        using DeliverRig rig = Start(TlsPolicy.Verified, [certificate]);
        Send(rig, 2);
        rig.Deliverer.Change(new DeliverOptions { HelloName = "relay.example", Authorities = [other] }, rig.Limits);
        rig.Submit("a@client.test", "x\r\n", "b@" + _domain);
        rig.Until(() => rig.Logged("event=site_backoff"));
        Assert.Equal(2, _peer.Messages.Count);
    }

    private DeliverRig Start(TlsPolicy policy, X509Certificate2Collection? authorities)
    {
        var rig = new DeliverRig(_peer.Port, s_limits, policy, authorities);
        rig.Domain(_domain, "127.0.0.1");
        return rig;
    }

    private void Send(DeliverRig rig, int messages)
    {
        for (int i = 0; i < messages; i++)
        {
            rig.Submit("a@client.test", "x\r\n", "b@" + _domain);
            rig.UntilEmpty();
        }
    }

    private static X509Certificate2 Authority(string name, ECDsa key, X509Certificate2? by, ECDsa? byKey)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return Sign(request, by, byKey);
    }

    private static X509Certificate2 Leaf(string name, ECDsa key, X509Certificate2 by, ECDsa byKey)
    {
        var request = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 bare = Sign(request, by, byKey);
        using X509Certificate2 own = bare.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(own.Export(X509ContentType.Pfx), null);
    }

    private static X509Certificate2 Sign(CertificateRequest request, X509Certificate2? by, ECDsa? byKey)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        return by is null
            ? request.CreateSelfSigned(now.AddDays(-1), now.AddDays(10))
            : request.Create(by.SubjectName, X509SignatureGenerator.CreateForECDsa(byKey!), now.AddDays(-1), now.AddDays(9), RandomNumberGenerator.GetBytes(12));
    }
}
