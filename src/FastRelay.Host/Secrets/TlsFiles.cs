using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Config;
using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Host.Secrets;

/// <summary>Loads the certificates that the configuration names; <see cref="Commands.ConfigFiles"/> has checked them.</summary>
public static class TlsFiles
{
    private const string ServerNames = "2.5.29.17";
    private const string Purposes = "2.5.29.37";
    private const string AnyPurpose = "2.5.29.37.0";
    private const string ClientPurpose = "1.3.6.1.5.5.7.3.2";

    /// <summary>What listeners offer; null without a certificate.</summary>
    /// <param name="tls">Names the files.</param>
    /// <param name="asks">Clients are asked for a certificate, which they need not have.</param>
    public static ServerTls? Server(TlsConfig tls, bool asks)
    {
        var all = tls.Pairs.Select(pair => Load(pair, asks)).ToList();
        return all.Count == 0 ? null : new ServerTls(all[0].Options, all.SelectMany(static one => one.Names.Select(name => KeyValuePair.Create(name, one.Options))));
    }

    /// <summary>Reads who we are to next hops: the certificates that routes name, by their file.</summary>
    /// <param name="config">Names them.</param>
    /// <param name="all">Whole only when nothing is wrong.</param>
    /// <param name="problem">What is wrong with the first that is, for people; empty when all is well.</param>
    /// <returns>False when something is wrong.</returns>
    public static bool TryClients(RelayConfig config, out Dictionary<string, ClientCertificate> all, out string problem)
    {
        all = [];
        foreach (KeyPairConfig pair in config.ClientPairs)
        {
            if (Client(pair, out problem) is not { } own)
            {
                return false;
            }
            all.Add(own.File, own);
        }
        problem = "";
        return true;
    }

    /// <summary>Reads one of them.</summary>
    /// <param name="pair">Its files.</param>
    /// <param name="problem">What is wrong, for people, with the files and never what is in them; empty when all is well.</param>
    /// <returns>Null when something is wrong.</returns>
    public static ClientCertificate? Client(KeyPairConfig pair, out string problem)
    {
        try
        {
            problem = "";
            return new ClientCertificate(pair.Certificate, Context(pair, out _));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            problem = $"client_certificate: {pair.Certificate}, client_key: {pair.Key}: {e.Message}";
            return null;
        }
    }

    /// <summary>True when a certificate may show who a client is (RFC 5280 4.2.1.12): it names that purpose, or none at all.</summary>
    public static bool IsForClients(X509Certificate2 certificate) =>
        certificate.Extensions[Purposes] is not { } extension
        || new X509EnhancedKeyUsageExtension(extension, extension.Critical).EnhancedKeyUsages.Cast<Oid>().Any(static oid => oid.Value is ClientPurpose or AnyPurpose);

    /// <summary>The configured authorities; null for the system's.</summary>
    public static X509Certificate2Collection? Authorities(TlsConfig tls)
    {
        if (tls.Authorities is not { } path)
        {
            return null;
        }
        PlainFile.Check(path);
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
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = Context(pair, out X509Certificate2 leaf),
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

    private static SslStreamCertificateContext Context(KeyPairConfig pair, out X509Certificate2 leaf)
    {
        PlainFile.Check(pair.Key);
        PlainFile.Check(pair.Certificate);
        leaf = X509Certificate2.CreateFromPemFile(pair.Certificate, pair.Key);
        var file = new X509Certificate2Collection();
        file.ImportFromPemFile(pair.Certificate);
        // The file's first certificate is the leaf; what follows is sent with it. Offline: nothing is ever downloaded.
        var chain = new X509Certificate2Collection(file.Skip(1).ToArray());
        return SslStreamCertificateContext.Create(leaf, chain, offline: true);
    }
}
