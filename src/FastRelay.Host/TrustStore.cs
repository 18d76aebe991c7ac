using System.Runtime.InteropServices;

namespace FastRelay.Host;

/// <summary>
/// Tells the OpenSSL inside the binary where this host keeps its certificate authorities. The path that was compiled
/// in belongs to the machine that built the binary, and no distribution shares it with another.
/// Called once at the start of the process, before the first certificate is looked at.
/// </summary>
public static partial class TrustStore
{
    // Where distributions put the bundle: Debian, Alpine and Arch; Fedora and Red Hat, old and new; SUSE; BSD style.
    private static readonly string[] s_usual =
    [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];

    /// <summary>
    /// Settles the bundle of certificate authorities: the configured one, else the one that SSL_CERT_FILE names, else
    /// the first of the usual places that exists.
    /// </summary>
    /// <param name="configured">The bundle that the configuration names (PEM), or null.</param>
    /// <returns>The bundle in force, or null when there is none and every verification will fail.</returns>
    public static string? Prepare(string? configured = null)
    {
        KeepOutOfHomes();
        var bundle = configured ?? Environment.GetEnvironmentVariable("SSL_CERT_FILE") ?? FirstOfUsual();
        if (bundle is not null)
        {
            // The process's own environment, which OpenSSL reads; .NET's copy of it is a different one.
            _ = SetEnvironment("SSL_CERT_FILE", bundle, overwrite: 1);
        }

        return bundle;
    }

    private static string? FirstOfUsual()
    {
        foreach (var path in s_usual)
        {
            if (File.Exists(path))
            {
                return path;
            }
        }

        return null;
    }

    // .NET looks for a user's own certificate stores under the home directory and, without HOME, asks /etc/passwd; in
    // a root without that file the first handshake would fail with "No such file or directory". A service trusts the
    // system's bundle and nobody's home, so it is sent where no store can be.
    private static void KeepOutOfHomes() => Environment.SetEnvironmentVariable("HOME", "/dev/null");

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
