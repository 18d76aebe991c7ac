using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace FastRelay.EndToEnd.Rig;

/// <summary>A certificate authority of the test's own, and server certificates by it.</summary>
public sealed class Certificates
{
    private readonly X509Certificate2 _authority;

    public Certificates(string folder)
    {
        Folder = folder;
        using RSA key = RSA.Create(2048);
        var request = new CertificateRequest("CN=Test Authority", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        _authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        AuthorityFile = Path.Combine(folder, "ca.pem");
        File.WriteAllText(AuthorityFile, _authority.ExportCertificatePem());
    }

    public string Folder { get; }

    /// <summary>The authority's certificate as PEM: a bundle of one.</summary>
    public string AuthorityFile { get; }

    /// <summary>A server certificate; files NAME.crt and NAME.key beside the authority's.</summary>
    public X509Certificate2 Server(string name) => Make(name, "1.3.6.1.5.5.7.3.1", _authority);

    /// <summary>A client's, in files of the same kind.</summary>
    public X509Certificate2 Client(string name) => Make(name, "1.3.6.1.5.5.7.3.2", _authority);

    /// <summary>A server certificate by an issuer in between that is in no file, and that is to be fetched where it says.</summary>
    public X509Certificate2 Unchained(string name, string issuerAt)
    {
        using RSA key = RSA.Create(2048);
        var request = new CertificateRequest("CN=Issuer Between", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using X509Certificate2 bare = request.Create(_authority, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(25), RandomNumberGenerator.GetBytes(12));
        using X509Certificate2 issuer = bare.CopyWithPrivateKey(key);
        return Make(name, "1.3.6.1.5.5.7.3.1", issuer, issuerAt);
    }

    private X509Certificate2 Make(string name, string purpose, X509Certificate2 issuer, string? issuerAt = null)
    {
        using RSA key = RSA.Create(2048);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        if (IPAddress.TryParse(name, out IPAddress? address))
        {
            names.AddIpAddress(address);
        }
        else
        {
            names.AddDnsName(name);
        }
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(purpose)], false));
        if (issuerAt is not null)
        {
            request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension(null, [issuerAt]));
        }
        byte[] serial = RandomNumberGenerator.GetBytes(12);
        using X509Certificate2 bare = request.Create(issuer, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(20), serial);
        using X509Certificate2 own = bare.CopyWithPrivateKey(key);
        File.WriteAllText(CertificateFile(name), own.ExportCertificatePem());
        File.WriteAllText(KeyFile(name), key.ExportPkcs8PrivateKeyPem());
        // SslStream wants a key that it can find again.
        return X509CertificateLoader.LoadPkcs12(own.Export(X509ContentType.Pkcs12), null);
    }

    public string CertificateFile(string name) => Path.Combine(Folder, name + ".crt");

    public string KeyFile(string name) => Path.Combine(Folder, name + ".key");
}
