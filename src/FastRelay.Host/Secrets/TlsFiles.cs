using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Config;

namespace FastRelay.Host.Secrets;

/// <summary>Loads the certificates that the configuration names; <see cref="Commands.ConfigFiles"/> has checked them.</summary>
public static class TlsFiles
{
    /// <summary>What listeners offer; null without a certificate.</summary>
    public static SslServerAuthenticationOptions? Server(TlsConfig tls)
    {
        if (tls is not { Certificate: { } certificate, Key: { } key })
        {
            return null;
        }
        var leaf = X509Certificate2.CreateFromPemFile(certificate, key);
        var file = new X509Certificate2Collection();
        file.ImportFromPemFile(certificate);
        // The file's first certificate is the leaf; what follows is sent with it. Offline: nothing is ever downloaded.
        var chain = new X509Certificate2Collection(file.Skip(1).ToArray());
        return new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(leaf, chain, offline: true),
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            AllowRenegotiation = false,
        };
    }

    /// <summary>The configured authorities; null for the system's.</summary>
    public static X509Certificate2Collection? Authorities(TlsConfig tls)
    {
        if (tls.Authorities is not { } path)
        {
            return null;
        }
        var all = new X509Certificate2Collection();
        all.ImportFromPemFile(path);
        return all;
    }
}
