using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Routing;
using FastRelay.Tests.Deliver.Rig;
using Xunit;

namespace FastRelay.Tests.Deliver;

/// <summary>
/// A certificate may say where its issuer is to be fetched (RFC 5280 4.2.2.1). Whoever shows one must not make us ask there:
/// what is missing stays missing, and the delivery waits with a reason.
/// </summary>
public sealed class ChainOfflineTests : IDisposable
{
    private readonly ScriptedPeer _peer = new() { Offers = ["PIPELINING", "STARTTLS"], Asks = true };
    private readonly TcpListener _web = new(IPAddress.Loopback, 0);
    private readonly string _domain = $"d{RandomNumberGenerator.GetHexString(8, lowercase: true)}.test";
    private readonly X509Certificate2 _root;
    private readonly X509Certificate2 _issuer;
    private readonly X509Certificate2 _leaf;
    private int _asked;

    public ChainOfflineTests()
    {
        _web.Start();
        new Thread(Count) { IsBackground = true }.Start();
        using var root = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var middle = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        string name = RandomNumberGenerator.GetHexString(8);
        _root = Sign(new CertificateRequest("CN=root " + name, root, HashAlgorithmName.SHA256), isAuthority: true, null, null);
        _issuer = Sign(new CertificateRequest("CN=issuer " + name, middle, HashAlgorithmName.SHA256), isAuthority: true, _root, root);
        var request = new CertificateRequest("CN=mx0." + _domain, key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("mx0." + _domain);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension([$"http://127.0.0.1:{Port}/ocsp"], [$"http://127.0.0.1:{Port}/issuer.crt"]));
        using X509Certificate2 bare = Sign(request, isAuthority: false, _issuer, middle);
        using X509Certificate2 own = bare.CopyWithPrivateKey(key);
        _leaf = X509CertificateLoader.LoadPkcs12(own.Export(X509ContentType.Pfx), null);
        _peer.Certificate = _leaf;
    }

    private int Port => ((IPEndPoint)_web.LocalEndpoint).Port;

    public void Dispose()
    {
        _peer.Dispose();
        _web.Stop();
        _root.Dispose();
        _issuer.Dispose();
        _leaf.Dispose();
    }

    [Theory]
    [InlineData(TlsPolicy.Verified)]
    [InlineData(TlsPolicy.Implicit)]
    public void A_missing_issuer_is_not_fetched_and_the_reason_says_what_is_missing(TlsPolicy policy)
    {
        _peer.Implicit = policy == TlsPolicy.Implicit;
        using DeliverRig rig = Start(policy);
        rig.Submit("a@client.test", "x\r\n", "b@" + _domain);
        rig.Until(() => rig.Logged("event=site_backoff"));
        Assert.True(rig.Logged("event=connect", "stage=starttls", "PartialChain", "does not send its whole chain"), string.Join('\n', rig.Output.Lines));
        Assert.Equal(1, rig.Queue.Ready);
        Assert.Empty(_peer.Messages);
        Assert.Equal(0, Volatile.Read(ref _asked));
    }

    [Fact]
    public void With_the_issuer_it_is_verified_and_nobody_is_asked_either()
    {
        _peer.Chain = [_issuer];
        using DeliverRig rig = Start(TlsPolicy.Verified);
        rig.Submit("a@client.test", "x\r\n", "b@" + _domain);
        rig.UntilEmpty();
        Assert.True(Assert.Single(_peer.Messages).Secure);
        Assert.Equal(0, Volatile.Read(ref _asked));
    }

    [Fact]
    public void Who_does_not_verify_fetches_nothing_and_neither_does_our_own_certificate()
    {
        // Our own says the same of its issuer, which its file does not hold.
        var own = new ClientCertificate("own", SslStreamCertificateContext.Create(_leaf, null, offline: true));
        using var rig = new DeliverRig(_peer.Port, route: new RouteRule("*", NextHop.Mx, TlsPolicy.Required) { OwnTls = true, Certificate = own });
        rig.Domain(_domain, "127.0.0.1");
        rig.Submit("a@client.test", "x\r\n", "b@" + _domain);
        rig.UntilEmpty();
        Assert.Equal(["CN=mx0." + _domain], _peer.Shown);
        Assert.Equal(0, Volatile.Read(ref _asked));
    }

    [Fact]
    public void A_chain_that_may_fetch_does_ask_there()
    {
        // What the other tests would see if anything were fetched.
        using var chain = new X509Chain();
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.UrlRetrievalTimeout = TimeSpan.FromSeconds(5);
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(_root);
        Assert.False(chain.Build(_leaf));
        Assert.True(Volatile.Read(ref _asked) > 0);
    }

    private DeliverRig Start(TlsPolicy policy)
    {
        Assert.True(NextHop.TryParse($"smtp:[mx0.{_domain}]:{_peer.Port}", out NextHop hop, out string error), error);
        var rig = new DeliverRig(_peer.Port, authorities: [_root], route: new RouteRule("*", hop, policy) { OwnTls = true });
        rig.Domain(_domain, "127.0.0.1");
        return rig;
    }

    private void Count()
    {
        try
        {
            while (true)
            {
                using Socket socket = _web.AcceptSocket();
                Interlocked.Increment(ref _asked);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The test is over.
        }
    }

    private static X509Certificate2 Sign(CertificateRequest request, bool isAuthority, X509Certificate2? by, ECDsa? byKey)
    {
        if (isAuthority)
        {
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        }
        DateTimeOffset now = DateTimeOffset.UtcNow;
        return by is null
            ? request.CreateSelfSigned(now.AddDays(-1), now.AddDays(10))
            : request.Create(by.SubjectName, X509SignatureGenerator.CreateForECDsa(byKey!), now.AddDays(-1), now.AddDays(9), RandomNumberGenerator.GetBytes(12));
    }
}
