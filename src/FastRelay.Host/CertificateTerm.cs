using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Config;
using FastRelay.Host.Secrets;

namespace FastRelay.Host;

/// <summary>From when to when a certificate of ours holds (RFC 5280 4.1.2.5): one of a listener, or one that we show to next hops.</summary>
/// <param name="Key">The key that names its file.</param>
/// <param name="File">The file; its first certificate counts.</param>
/// <param name="BeginsUtc">It holds from then on.</param>
/// <param name="EndsUtc">And until then.</param>
public sealed record CertificateTerm(string Key, string File, DateTime BeginsUtc, DateTime EndsUtc)
{
    /// <summary>Days before its end in which it is warned of.</summary>
    public const int SoonDays = 14;

    /// <summary>Certificates that have a metric: those that end first.</summary>
    public const int ShownMax = 50;

    /// <summary>Those of a configuration, the first to end first. What cannot be read is left out: whoever loads it says why.</summary>
    public static IReadOnlyList<CertificateTerm> All(RelayConfig config) =>
        [.. config.Tls.Pairs.Select(static pair => Read("tls.certificate", pair.Certificate))
            .Concat(config.ClientPairs.Select(static pair => Read("route.client_certificate", pair.Certificate)))
            .OfType<CertificateTerm>().OrderBy(static term => term.EndsUtc)];

    /// <summary>The term of one that is at hand.</summary>
    public static CertificateTerm Of(string key, string file, X509Certificate2 certificate) =>
        new(key, file, certificate.NotBefore.ToUniversalTime(), certificate.NotAfter.ToUniversalTime());

    /// <summary>That it has ended, ends soon or has not begun, in words; null when all is well.</summary>
    public string? Doubt(DateTime nowUtc) =>
        EndsUtc < nowUtc.AddDays(SoonDays) ? string.Create(CultureInfo.InvariantCulture, $"{Key}: {File} {(EndsUtc < nowUtc ? "ended" : "ends")} on {EndsUtc:yyyy-MM-dd}")
        : BeginsUtc > nowUtc ? string.Create(CultureInfo.InvariantCulture, $"{Key}: {File} begins on {BeginsUtc:yyyy-MM-dd}")
        : null;

    /// <summary>The first certificate of a file; null where it cannot be loaded: whoever needs it says why.</summary>
    internal static X509Certificate2? Load(string file)
    {
        try
        {
            PlainFile.Check(file);
            return X509CertificateLoader.LoadCertificateFromFile(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            return null;
        }
    }

    private static CertificateTerm? Read(string key, string file)
    {
        using X509Certificate2? certificate = Load(file);
        return certificate is null ? null : Of(key, file, certificate);
    }
}
