using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace FastRelay.Tests.Outside;

/// <summary>A self-signed certificate for 127.0.0.1, and options around it.</summary>
internal static class TestCertificate
{
    private static readonly X509Certificate2 _certificate = Create();

    public static SslServerAuthenticationOptions Server(SslProtocols protocols) => new()
    {
        ServerCertificateContext = SslStreamCertificateContext.Create(_certificate, null, offline: true),
        EnabledSslProtocols = protocols,
    };

    public static SslClientAuthenticationOptions Client(SslProtocols protocols, bool trusting = true) => new()
    {
        TargetHost = "relay.test",
        EnabledSslProtocols = protocols,
        RemoteCertificateValidationCallback = trusting ? static (_, _, _, _) => true : null,
    };

    private static X509Certificate2 Create()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=relay.test", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("relay.test");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
    }
}
