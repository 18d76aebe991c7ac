using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Config;
using FastRelay.Outside;

namespace FastRelay.Host.Secrets;

/// <summary>Loads the certificates that the configuration names; <see cref="Commands.ConfigFiles"/> has checked them.</summary>
public static class TlsFiles
{
    private const string ServerNames = "2.5.29.17";

    /// <summary>What listeners offer; null without a certificate.</summary>
    /// <param name="tls">Names the files.</param>
    /// <param name="asks">Clients are asked for a certificate, which they need not have.</param>
    public static ServerTls? Server(TlsConfig tls, bool asks)
    {
        var all = tls.Pairs.Select(pair => Load(pair, asks)).ToList();
        return all.Count == 0 ? null : new ServerTls(all[0].Options, all.SelectMany(static one => one.Names.Select(name => KeyValuePair.Create(name, one.Options))));
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

    /// <summary>The DNS names that a certificate is for, in lower case: its subject alternative names, as written (RFC 9525 2).</summary>
    public static IReadOnlyList<string> Names(X509Certificate2 certificate) => certificate.Extensions[ServerNames] is { } extension
        ? [.. new X509SubjectAlternativeNameExtension(extension.RawData, extension.Critical).EnumerateDnsNames().Select(static name => name.ToLowerInvariant())]
        : [];

    private static (SslServerAuthenticationOptions Options, IReadOnlyList<string> Names) Load(KeyPairConfig pair, bool asks)
    {
        var leaf = X509Certificate2.CreateFromPemFile(pair.Certificate, pair.Key);
        var file = new X509Certificate2Collection();
        file.ImportFromPemFile(pair.Certificate);
        // The file's first certificate is the leaf; what follows is sent with it. Offline: nothing is ever downloaded.
        var chain = new X509Certificate2Collection(file.Skip(1).ToArray());
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(leaf, chain, offline: true),
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            AllowRenegotiation = false,
        };
        if (asks)
        {
            options.ClientCertificateRequired = true;
            // Nobody needs one, and nobody vouches for it: its fingerprint is looked up, and TLS proves that the client has its key.
#pragma warning disable CA5359
            options.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
            options.CertificateChainPolicy = new X509ChainPolicy { DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck };
        }
        return (options, Names(leaf));
    }
}
