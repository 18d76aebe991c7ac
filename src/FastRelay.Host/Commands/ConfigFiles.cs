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
        if (config.Tls is { Certificate: { } certificate, Key: { } key })
        {
            if (Readable("tls.certificate", certificate) is { } first)
            {
                yield return first;
            }
            else if (Readable("tls.key", key) is { } second)
            {
                yield return second;
            }
            else if (Pair(certificate, key) is { } third)
            {
                yield return third;
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

    /// <summary>A certificate that ended or ends within 14 days, in words; null when all is well. It keeps nobody from starting.</summary>
    public static string? Ending(RelayConfig config)
    {
        if (config.Tls.Certificate is not { } path)
        {
            return null;
        }
        using X509Certificate2 certificate = X509CertificateLoader.LoadCertificateFromFile(path);
        DateTime end = certificate.NotAfter.ToUniversalTime();
        return end < DateTime.UtcNow.AddDays(14) ? $"tls.certificate: {path} {(end < DateTime.UtcNow ? "ended" : "ends")} on {end:yyyy-MM-dd}" : null;
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
