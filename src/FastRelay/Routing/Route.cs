using FastRelay.Config;

namespace FastRelay.Routing;

/// <summary>One row of the route table; the first that matches wins.</summary>
/// <param name="Pattern">A domain (<c>sink.test</c>), the domains below one (<c>.example.com</c>, not itself), or all (<c>*</c>). Any case.</param>
/// <param name="NextHop">Where its mail goes.</param>
/// <param name="Tls">What its deliveries ask of TLS.</param>
/// <param name="Credentials">Who we are to the next hop; null where it does not ask.</param>
public sealed record RouteRule(string Pattern, NextHop NextHop, TlsPolicy Tls, Credentials? Credentials = null)
{
    /// <summary>Messages that one connection may have in flight; 0 for one after another.</summary>
    public int InFlight { get; init; }

    /// <summary>What becomes of 8-bit content for a host without 8BITMIME; null where it does not say.</summary>
    public EightBitMode? EightBit { get; init; }

    /// <summary>The source or pool that its mail leaves from; empty where it names none.</summary>
    public string Source { get; init; } = "";

    /// <summary>The row itself says <see cref="Tls"/>, so that no site makes it less (docs/decisions/0031); else it is what holds where no row says.</summary>
    public bool OwnTls { get; init; }

    /// <summary>Who we are to hosts that ask for a certificate; null for nobody.</summary>
    public ClientCertificate? Certificate { get; init; }
}

/// <summary>
/// Where a recipient's mail goes, with the key under which the queue gathers it: for MX delivery the lower-case domain
/// (or the address literal), else the route's text. Equal keys mean the same way with the same TLS policy.
/// </summary>
public sealed class Route
{
    internal Route(string key, string domain, NextHop nextHop, TlsPolicy tls, Credentials? credentials = null)
    {
        Key = key;
        Domain = domain;
        NextHop = nextHop;
        Tls = tls;
        Credentials = credentials;
    }

    /// <summary>Identity of the destination.</summary>
    public string Key { get; }

    /// <summary>For MX delivery the recipient's domain or address literal, lower case; else empty.</summary>
    public string Domain { get; }

    /// <summary>The way out.</summary>
    public NextHop NextHop { get; }

    /// <summary>What deliveries ask of TLS, where no site says.</summary>
    public TlsPolicy Tls { get; }

    /// <summary>A row says <see cref="Tls"/>: one of those that share its connections.</summary>
    public bool OwnTls { get; internal set; }

    /// <summary>Who we are to the next hop; null where it does not ask.</summary>
    public Credentials? Credentials { get; }

    /// <summary>Who we are to hosts that ask for a certificate; null for nobody.</summary>
    public ClientCertificate? Certificate { get; init; }

    /// <summary>For a next hop of its own, the pattern of the first row that names it; else empty.</summary>
    public string Pattern { get; init; } = "";

    /// <summary>Messages that one connection may have in flight; 0 for one after another.</summary>
    public int InFlight { get; init; }

    /// <summary>What becomes of 8-bit content for a host without 8BITMIME; null where it does not say.</summary>
    public EightBitMode? EightBit { get; init; }

    /// <summary>The source or pool that its mail leaves from; empty where the row that decides names none.</summary>
    public string Source { get; init; } = "";

    /// <summary>The key with its certificate where there is one, so that no other route has its connections, and its TLS policy when that is not the usual one.</summary>
    internal static string KeyOf(string text, TlsPolicy tls, ClientCertificate? certificate = null)
    {
        text = certificate is null ? text : $"{text} cert={certificate.Word}";
        return tls switch
        {
            TlsPolicy.None => text + " tls=none",
            TlsPolicy.Required => text + " tls=required",
            TlsPolicy.Verified => text + " tls=verified",
            TlsPolicy.Implicit => text + " tls=implicit",
            _ => text,
        };
    }
}
