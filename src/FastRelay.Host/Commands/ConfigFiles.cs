using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Config;
using FastRelay.Host.Secrets;
using FastRelay.Outside.Linux;

namespace FastRelay.Host.Commands;

/// <summary>The files that a configuration names: whether they can be read and hold what they should.</summary>
public static class ConfigFiles
{
    private const string ClientCertificate = "route.client_certificate";
    private const string ClientKey = "route.client_key";

    /// <summary>What is wrong with them, one text each, behind the place of the key that names the file; nothing when all is well.</summary>
    /// <param name="config">Names them.</param>
    /// <param name="path">The configuration's own file, for what has no place; null for none.</param>
    public static IEnumerable<string> Problems(RelayConfig config, string? path)
    {
        string? At(string key, string value, string? problem) =>
            problem is null ? null : $"{config.Places.GetValueOrDefault((key, value)) ?? path ?? "fastrelay"}: {problem}";
        var found = new List<string?> { At("spool", config.Spool, Spool(config.Spool)) };
        foreach (KeyPairConfig pair in config.Tls.Pairs)
        {
            string table = pair.Certificate == config.Tls.Certificate ? "tls" : "tls.also";
            string certificate = table + ".certificate";
            found.Add(At(certificate, pair.Certificate, Readable(certificate, pair.Certificate))
                ?? At(table + ".key", pair.Key, Readable(table + ".key", pair.Key))
                ?? At(certificate, pair.Certificate, Pair("tls", pair)));
        }
        foreach (KeyPairConfig pair in config.ClientPairs)
        {
            found.Add(At(ClientCertificate, pair.Certificate, Readable(ClientCertificate, pair.Certificate))
                ?? At(ClientKey, pair.Key, Readable(ClientKey, pair.Key))
                ?? At(ClientCertificate, pair.Certificate, Pair(ClientCertificate, pair)));
        }
        if (config.EventsFile is { } events && Directory.Exists(events))
        {
            found.Add(At("events.file", events, $"events.file: {events} is a directory"));
        }
        if (config.UsersFile is { } users && UserFile.Load(users, out string wrong) is null)
        {
            found.Add(At("auth.users", users, wrong));
        }
        if (config.AdminTokenFile is { } token && TokenFile.Load(token, out string noToken) is null)
        {
            found.Add(At("admin." + SecretText.Key("token", token), token, noToken));
        }
        foreach (RouteConfig route in config.Routes.Where(static route => route.User is not null))
        {
            if (PasswordFile.Load(route, out string missing) is null)
            {
                found.Add(At("route." + SecretText.Key("password", route.PasswordFile!), route.PasswordFile!, missing));
            }
        }
        if (config.Tls.Authorities is { } authorities)
        {
            found.Add(At("tls.ca", authorities, BundleProblem("tls.ca", authorities)));
        }
        return found.OfType<string>();
    }

    /// <summary>What keeps nobody from starting and is probably not meant, in words: of certificates, and of everything else.</summary>
    public static IEnumerable<string> Warnings(RelayConfig config) => Certificates(config).Concat(Doubts(config));

    /// <summary>Certificates that ended, end within 14 days or have not begun, and those that no client can ask for or that are not for clients.</summary>
    private static IEnumerable<string> Certificates(RelayConfig config)
    {
        DateTime now = DateTime.UtcNow;
        foreach (KeyPairConfig pair in config.Tls.Pairs)
        {
            string path = pair.Certificate;
            using X509Certificate2? certificate = CertificateTerm.Load(path);
            if (certificate is null)
            {
                continue;
            }
            if (CertificateTerm.Of("tls.certificate", path, certificate).Doubt(now) is { } term)
            {
                yield return term;
            }
            if (path != config.Tls.Certificate && TlsFiles.Names(certificate).Count == 0)
            {
                yield return $"tls.also.certificate: {path} has no subject alternative DNS name: no client can ask for it";
            }
        }
        foreach (KeyPairConfig pair in config.ClientPairs)
        {
            using X509Certificate2? certificate = CertificateTerm.Load(pair.Certificate);
            if (certificate is null)
            {
                continue;
            }
            if (CertificateTerm.Of(ClientCertificate, pair.Certificate, certificate).Doubt(now) is { } term)
            {
                yield return term;
            }
            if (!TlsFiles.IsForClients(certificate))
            {
                yield return $"{ClientCertificate}: {pair.Certificate} is not for clients (its extended key usage has no clientAuth): hosts that verify it refuse it";
            }
        }
    }

    /// <summary>Names without a dot, folders that are not there, secrets that everybody may read.</summary>
    private static IEnumerable<string> Doubts(RelayConfig config)
    {
        if (!config.HostName.Contains('.', StringComparison.Ordinal))
        {
            yield return $"hostname: \"{config.HostName}\" has no dot: many hosts refuse mail from who says such a name in EHLO";
        }
        if (config.EventsFile is { } events && events != "-" && !Directory.Exists(Path.GetDirectoryName(events)))
        {
            yield return $"events.file: there is no folder {Path.GetDirectoryName(events)}: events wait in memory until it is there";
        }
        IEnumerable<(string Key, string? File)> secrets =
        [
            .. config.Tls.Pairs.Select(static pair => ("tls.key", (string?)pair.Key)),
            .. config.ClientPairs.Select(static pair => (ClientKey, (string?)pair.Key)),
            ("auth.users", config.UsersFile),
            ("admin.token_file", config.AdminTokenFile),
            .. config.Routes.Select(static route => ("route.password_file", route.PasswordFile)),
        ];
        foreach ((string key, string? file) in secrets.Distinct())
        {
            if (file is not null && SecretPlace.VariableOf(file) is null && File.Exists(file) && (File.GetUnixFileMode(file) & UnixFileMode.OtherRead) != 0)
            {
                yield return $"{key}: {file} can be read by every user of this host: chmod o-r";
            }
        }
    }

    /// <summary>Why the spool cannot be there, for people; null when nothing stands in its way.</summary>
    private static string? Spool(string path)
    {
        string? above = path;
        while (above is not null && !Path.Exists(above))
        {
            above = Path.GetDirectoryName(above);
        }
        if (above is null || !Directory.Exists(above))
        {
            return above is null ? null : $"spool: {path} cannot be made: {above} is no directory";
        }
        string? kind = FileSystemKinds.Of(above);
        return FileSystemKinds.TakesFiles(kind) ? null : $"spool: {path} cannot be made: nobody can make a file in {above}, which is {kind}";
    }

    private static string? Readable(string key, string path)
    {
        try
        {
            PlainFile.Check(path);
            using FileStream file = File.OpenRead(path);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{key}: cannot be read: {Unreadable.Text(path, e)}";
        }
    }

    private static string? Pair(string where, KeyPairConfig pair)
    {
        try
        {
            using var own = X509Certificate2.CreateFromPemFile(pair.Certificate, pair.Key);
            // And what stands behind it.
            new X509Certificate2Collection().ImportFromPemFile(pair.Certificate);
            return null;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return $"{where}: {pair.Certificate} and {pair.Key} are no pair of PEM certificate and unencrypted key: {e.Message}";
        }
    }

    /// <summary>Why a file cannot be the bundle of certificate authorities; null when it can.</summary>
    internal static string? BundleProblem(string key, string path)
    {
        if (Readable(key, path) is { } unreadable)
        {
            return unreadable;
        }
        try
        {
            var all = new X509Certificate2Collection();
            all.ImportFromPemFile(path);
            return all.Count > 0 ? null : $"{key}: {path} holds no PEM certificate";
        }
        catch (CryptographicException e)
        {
            return $"{key}: {path} is no bundle of PEM certificates: {e.Message}";
        }
    }
}
