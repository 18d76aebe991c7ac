using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Config;
using FastRelay.Host.Secrets;

namespace FastRelay.Host.Commands;

/// <summary>The files that a configuration names: whether they can be read and hold what they should.</summary>
public static class ConfigFiles
{
    /// <summary>What is wrong with them, one text each; nothing when all is well.</summary>
    public static IEnumerable<string> Problems(RelayConfig config)
    {
        foreach (KeyPairConfig pair in config.Tls.Pairs)
        {
            string table = pair.Certificate == config.Tls.Certificate ? "tls" : "tls.also";
            if ((Readable($"{table}.certificate", pair.Certificate) ?? Readable($"{table}.key", pair.Key) ?? Pair(pair.Certificate, pair.Key)) is { } problem)
            {
                yield return problem;
            }
        }
        if (config.UsersFile is { } users && UserFile.Load(users, out string wrong) is null)
        {
            yield return wrong;
        }
        if (config.AdminTokenFile is { } tokens && TokenFile.Load(tokens, out string noToken) is null)
        {
            yield return noToken;
        }
        foreach (RouteConfig route in config.Routes.Where(static route => route.User is not null))
        {
            if (PasswordFile.Load(route, out string missing) is null)
            {
                yield return missing;
            }
        }
        if (config.Tls.Authorities is { } authorities)
        {
            if (Readable("tls.ca", authorities) is { } problem)
            {
                yield return problem;
            }
            else if (Bundle(authorities) is { } empty)
            {
                yield return empty;
            }
        }
    }

    /// <summary>Certificates that ended or end within 14 days, and those that no client can ask for, in words. They keep nobody from starting.</summary>
    public static IEnumerable<string> Warnings(RelayConfig config)
    {
        foreach (KeyPairConfig pair in config.Tls.Pairs)
        {
            string path = pair.Certificate;
            using X509Certificate2 certificate = X509CertificateLoader.LoadCertificateFromFile(path);
            DateTime end = certificate.NotAfter.ToUniversalTime();
            if (end < DateTime.UtcNow.AddDays(14))
            {
                yield return $"tls.certificate: {path} {(end < DateTime.UtcNow ? "ended" : "ends")} on {end:yyyy-MM-dd}";
            }
            if (path != config.Tls.Certificate && TlsFiles.Names(certificate).Count == 0)
            {
                yield return $"tls.also.certificate: {path} has no subject alternative DNS name: no client can ask for it";
            }
        }
    }

    private static string? Readable(string key, string path)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{key}: cannot be read: {e.Message}";
        }
    }

    private static string? Pair(string certificate, string key)
    {
        try
        {
            using var pair = X509Certificate2.CreateFromPemFile(certificate, key);
            return null;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return $"tls: {certificate} and {key} are no pair of PEM certificate and unencrypted key: {e.Message}";
        }
    }

    private static string? Bundle(string path)
    {
        try
        {
            var all = new X509Certificate2Collection();
            all.ImportFromPemFile(path);
            return all.Count > 0 ? null : $"tls.ca: {path} holds no PEM certificate";
        }
        catch (CryptographicException e)
        {
            return $"tls.ca: {path} is no bundle of PEM certificates: {e.Message}";
        }
    }
}
